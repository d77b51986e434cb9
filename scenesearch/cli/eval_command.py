"""``scenesearch eval``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app


@app.command("eval")
def evaluate(
    truth: Annotated[Path, typer.Argument(help='JSONL: {"image": ..., "items": [ids]} a line.')],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    image_root: Annotated[
        Path | None, typer.Option(help="Where image paths start; the file's folder.")
    ] = None,
    preset: options.Preset = None,
    expansion: options.Expansion = None,
    diversity: options.Diversity = None,
    where: options.Where = None,
    fusion: Annotated[
        str | None, typer.Option(help="best_rank, share, reciprocal_rank or best_score.")
    ] = None,
    rows: Annotated[bool, typer.Option("--rows", help="Figures of each photo too.")] = False,
    as_json: options.Json = False,
) -> int:
    """Measure how well photos find the products in them, against ground truth."""
    from scenesearch.evaluate import DEPTH, Ranked, read_truths
    from scenesearch.evaluate import evaluate as run

    truths = read_truths(truth, image_root=image_root)
    with options.open_shop(store, collection, config) as shop, output.progress() as progress:
        done = 0

        def each() -> None:
            nonlocal done
            done += 1
            progress("eval", done, len(truths))

        wanted = options.given(
            preset=preset, expansion=expansion, diversity=diversity, fusion=fusion
        )

        def search(image: Path) -> Ranked:
            answer = shop.shop_the_look(image, where=where, limit=DEPTH, per_region=0, **wanted)
            return Ranked(tuple(match.item_id for match in answer.matches), answer.timings_ms)

        shop.load()
        result = run(truths, search, each=each)
    if as_json:
        output.data(result.to_dict(rows=rows))
    else:
        for name, value in result.metrics.items():
            low, high = result.intervals[name]
            output.line(f"{name:<10} {value:.3f}  [{low:.3f}, {high:.3f}]")
        stages = ", ".join(f"{stage} {ms:.1f}" for stage, ms in result.latency_ms.items())
        output.line(f"p50 {result.total_ms['p50']:.0f} ms, p95 {result.total_ms['p95']:.0f} ms")
        output.line(f"mean by stage, ms: {stages}")
    for image, why in result.failures:
        output.note(f"{image}: {why}")
    return 3 if result.failures else 0

"""``scenesearch bench``: a collection's engine, and public benchmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

if TYPE_CHECKING:
    from scenesearch.evaluation.public.run import TaskResult
    from scenesearch.evaluation.public.task import Task

bench = typer.Typer(help="Measure what is here.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.command("store")
def store_(
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    space: Annotated[str, typer.Option("--space", help="Of the vectors.")] = "cutout",
    queries: Annotated[int, typer.Option("--queries", min=1, max=10_000)] = 200,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="Nearest of each.")] = 20,
    where: options.Where = None,
    as_json: options.Json = False,
) -> None:
    """Times, recall and memory of a collection, without a filter and with one; changes nothing.

    Recall is against all vectors, which are read once for each: minutes for a million.
    """
    from contextlib import closing

    from scenesearch import wiring
    from scenesearch.config.settings import load_settings
    from scenesearch.core.points import schema_of
    from scenesearch.evaluation.store_bench import bench as measure
    from scenesearch.filters.parse import parse_filter

    settings = load_settings(config)
    with closing(wiring.build_store(settings, store, collection, process=True)) as opened:
        schema = schema_of(opened)
        chosen = None if where is None else (where, parse_filter(where, schema.fields))
        points = opened.count()
        found = measure(opened, space=space, queries=queries, top=top, where=chosen)
        held = wiring.store_memory(settings, store, opened)
    head = {
        "points": points,
        "numbers": schema.vectors[space],
        "quantization": schema.quantization,
        "on_disk": schema.on_disk,
        "memory": schema.memory,
        "top": top,
        "resident_mb": None if held is None else round(held / 1e6),
    }
    if as_json:
        output.data({**head, "queries": [asdict(one) for one in found]})
        return
    for name, value in head.items():
        output.line(f"{name}: {'as usual' if value is None else value}")
    for one in found:
        output.line(
            f"{one.name} ({one.share:.1%} of the points): p50 {one.p50_ms:.1f} ms, p95 "
            f"{one.p95_ms:.1f} ms, recall@{top} {one.recall:.4f}"
        )


Folder = Annotated[Path, typer.Argument(help="The benchmark's folder, as it is published.")]
Limit = Annotated[
    int | None,
    typer.Option("--limit", min=1, help="Only so many queries of each part; the gallery is whole."),
]
TextWeight = Annotated[
    float,
    typer.Option("--text-weight", min=0, max=1, help="Share of the words beside the pictures."),
]


@bench.command()
def lookbench(
    folder: Folder,
    config: options.Config = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> int:
    """LookBench, fashion: fine and coarse recall@1, nDCG@5."""
    from scenesearch.evaluation.public.lookbench import read_lookbench

    return _public("lookbench", read_lookbench, folder, config, limit, as_json=as_json)


@bench.command()
def sop(
    folder: Folder,
    config: options.Config = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> int:
    """Stanford Online Products: recall@1, 10, 100, 1000."""
    from scenesearch.evaluation.public.sop import read_sop

    return _public("sop", read_sop, folder, config, limit, as_json=as_json)


@bench.command()
def inshop(
    folder: Folder,
    config: options.Config = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> int:
    """DeepFashion's In-shop Clothes Retrieval: recall@1 to 50."""
    from scenesearch.evaluation.public.inshop import read_inshop

    return _public("inshop", read_inshop, folder, config, limit, as_json=as_json)


@bench.command()
def roxford(
    folder: Folder,
    config: options.Config = None,
    limit: Limit = None,
    as_json: options.Json = False,
) -> int:
    """Revisited Oxford or Paris: mAP and mP@k, easy, medium and hard."""
    from scenesearch.evaluation.public.roxford import read_roxford

    return _public("roxford", read_roxford, folder, config, limit, as_json=as_json)


@bench.command()
def pinpoint(
    folder: Folder,
    config: options.Config = None,
    limit: Limit = None,
    text_weight: TextWeight = 0.5,
    as_json: options.Json = False,
) -> int:
    """PinPoint, pictures with an instruction: mAP@10, negatives found, paraphrases apart."""
    from scenesearch.evaluation.public.pinpoint import read_pinpoint

    return _public("pinpoint", read_pinpoint, folder, config, limit, text_weight, as_json=as_json)


def _public(
    name: str,
    read: Callable[[Path], list[Task]],
    folder: Path,
    config: str | None,
    limit: int | None,
    text_weight: float = 0.5,
    *,
    as_json: bool,
) -> int:
    """Read a benchmark, answer it and say how well; 3 where pictures could not be read."""
    from contextlib import closing

    from scenesearch import wiring
    from scenesearch.config.settings import load_settings
    from scenesearch.evaluation.public.run import result_object

    settings = load_settings(config)
    tasks = read(folder)
    with closing(wiring.Parts(settings)) as parts, output.progress() as progress:
        runner = wiring.build_benchmark_runner(parts, text_weight=text_weight, progress=progress)
        results = [runner.answer(task, limit=limit) for task in tasks]
        model = parts.encoder.embedder.fingerprint
    if as_json:
        output.data(
            {
                "benchmark": name,
                "folder": str(folder),
                "embedder": model,
                "text_weight": text_weight if any(one.words for one in results) else None,
                "tasks": [result_object(one) for one in results],
            }
        )
    else:
        output.line(f"{name}, {model}")
        for one in results:
            _print_task(one)
    failed = [failure for one in results for failure in one.failures]
    output.notes([f"{picture}: {why}" for picture, why in failed])
    return 3 if failed else 0


def _print_task(result: TaskResult) -> None:
    made = "as embedded" if result.projected is None else f"projected to {result.projected} numbers"
    asked = "pictures and words" if result.words else "pictures"
    head = f"{result.name}: " if result.name else ""
    output.line(
        f"{head}{result.queries:,} queries ({asked}) over {result.gallery:,} pictures, {made}"
    )
    for name, figure in result.figures.items():
        ends = "" if figure.low is None else f"  [{figure.low:.4f}, {figure.high:.4f}]"
        fewer = "" if figure.queries == result.queries else f"  ({figure.queries} queries)"
        output.line(f"  {name:<22} {figure.value:.4f}{ends}{fewer}")

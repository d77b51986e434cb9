"""``scenesearch bench store``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

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

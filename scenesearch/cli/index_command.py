"""``scenesearch index``."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app

if TYPE_CHECKING:
    from scenesearch.api import IndexOutcome


@app.command()
def index(
    catalog: options.CatalogSource,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    image_root: options.ImageRoot = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove items the catalogue no longer has.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Stop when a row is bad.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would happen; change nothing.")
    ] = False,
    on_duplicate: options.OnDuplicateRow = "error",
    column: options.Column = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    feed: options.Feed = None,
    ignore_column: options.IgnoreColumn = None,
    types: options.Type = None,
    price_locale: options.PriceLocale = None,
    vectors: options.Vectors = None,
    fetch: options.Fetch = False,
    runner: options.OnRay = options.Runner.LOCAL,
    ray_address: options.RayAddress = None,
    as_json: options.Json = False,
) -> int:
    """Index a catalogue, or bring an index up to date: only what changed is worked on."""
    on_row = options.on_duplicate_row(on_duplicate)
    read_as = options.feed_options(feed, ignore_column, types, price_locale, vectors, fetch=fetch)
    start = time.perf_counter()
    with options.open_shop(store, collection, config) as shop, output.progress() as progress:
        outcome = shop.index(
            catalog,
            image_root=image_root,
            prune=prune,
            strict=strict,
            dry_run=dry_run,
            on_duplicate=on_row,
            columns={k: str(v) for k, v in options.assignments(column or ()).items()},
            encoding=encoding,
            delimiter=delimiter,
            feed=read_as,
            cluster=options.ray_cluster(runner, ray_address),
            progress=progress,
        )
    summary = summarise(outcome, time.perf_counter() - start)
    if as_json:
        output.data(summary)
    else:
        _print(summary)
    return 3 if summary["failures"] or summary["bad_rows"] else 0


def summarise(outcome: IndexOutcome, seconds: float) -> dict[str, Any]:
    """An index run as JSON values."""
    plan, report = outcome.plan, outcome.report
    added = report.added if report else sum(not item.known for item in plan.items)
    failures = report.failures if report else plan.failures
    return {
        "dry_run": report is None,
        "added": added,
        "changed": report.changed if report else len(plan.items) - added,
        "unchanged": plan.unchanged,
        "removed": len(plan.gone),
        "photos_to_embed": sum(len(item.write) for item in plan.items),
        "photos_embedded": report.embedded if report else 0,
        "photos_from_cache": report.from_cache if report else 0,
        "failures": [asdict(failure) for failure in failures],
        "bad_rows": [asdict(row) for row in outcome.rows],
        "notes": [*outcome.notes, *(report.notes if report else ())],
        "seconds": round(seconds, 2),
        "seconds_by_stage": {k: round(v, 2) for k, v in report.seconds.items()} if report else {},
    }


def _print(summary: dict[str, Any]) -> None:
    for bad in summary["bad_rows"][: output.SHOWN]:
        output.note(f"row {bad['row']}: {bad['message']}")
    for failure in summary["failures"][: output.SHOWN]:
        output.note(f"{failure['photo']}: {failure['reason']}")
    hidden = sum(max(len(summary[name]) - output.SHOWN, 0) for name in ("bad_rows", "failures"))
    if hidden:
        output.note(f"... and {hidden} more; --json lists all")
    output.remarks(summary["notes"])
    verb = "would add" if summary["dry_run"] else "added"
    output.line(
        f"{verb} {summary['added']}, changed {summary['changed']}, removed {summary['removed']}, "
        f"unchanged {summary['unchanged']} items"
    )
    if summary["dry_run"]:
        output.line(f"photos to embed, at most: {summary['photos_to_embed']}")
        return
    stages = ", ".join(f"{k} {v:.1f}" for k, v in summary["seconds_by_stage"].items() if v >= 0.05)
    output.line(
        f"photos embedded: {summary['photos_embedded']}, from the cache: "
        f"{summary['photos_from_cache']}; {summary['seconds']:.1f} s"
        + (f" ({stages})" if stages else "")
    )

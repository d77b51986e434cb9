"""``scenesearch match``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from scenesearch.cli import options, runs
from scenesearch.cli.app import app
from scenesearch.cli.flags import taking
from scenesearch.cli.search_flags import OF_ANSWERS, OF_PHOTOS

_CHOSEN = {
    name: flag
    for name, flag in {**OF_ANSWERS, **OF_PHOTOS}.items()
    # of the fused list, which is not written
    if name not in ("limit", "per_region", "facets", "sort")
}


@app.command("match")
@taking(_CHOSEN)
def match(
    *,
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, photos, globs, manifests, addresses (s3://...), or - for paths on stdin."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help=".parquet, .jsonl or .csv.")],
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    top: Annotated[
        int, typer.Option("--top", "-n", min=1, max=200, help="Matches of each object.")
    ] = 5,
    one_thing: Annotated[
        bool, typer.Option("--one-thing", help="Each photo shows one product; nothing is detected.")
    ] = False,
    where: options.Where = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Photos kept together; what a kill can cost.")
    ] = 8,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes; one a core, at most 8.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for reading and decoding one photo.")
    ] = 60.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Work on photos again that failed before.")
    ] = False,
    chosen: Mapping[str, Any],
    as_json: options.Json = False,
) -> int:
    """Search photos by the folder into a table, going on where an earlier run stopped."""
    from scenesearch.matching.table import MATCHES
    from scenesearch.tagging.decode_pool import default_workers
    from scenesearch.tagging.outputs import check_output, failures_path
    from scenesearch.tagging.run import RunOptions

    check_output(out, MATCHES)
    how = RunOptions(
        batch=batch,
        workers=workers or default_workers(),
        timeout_s=timeout,
        retry_failed=retry_failed,
    )
    with options.open_shop(store, collection, config) as shop:
        done = shop.match_to(
            out,
            *sources,
            top=top,
            one_thing=one_thing,
            where=where,
            run=how,
            progress=runs.said_now_and_then("matching"),
            **chosen,
        )
    return runs.report("matched", done, out, failures_path(out), as_json=as_json)

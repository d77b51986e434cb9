"""``scenesearch tag``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scenesearch.cli import options, output, runs
from scenesearch.cli.app import app
from scenesearch.core.errors import ConfigError

if TYPE_CHECKING:
    from scenesearch.tagging.rows import TagRow
    from scenesearch.tagging.run import TagSummary

STDOUT = "-"


@app.command()
def tag(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, photos, globs, manifests, addresses (s3://...), or - for paths on stdin."
        ),
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", help=".parquet, .jsonl or .csv; - for JSON lines on stdout."),
    ],
    config: options.Config = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Photos tagged and kept together; what a kill can cost.")
    ] = 32,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Decoding processes; one a core, at most 8.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds for reading and decoding one photo.")
    ] = 60.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Work on photos again that failed before.")
    ] = False,
    rehash: Annotated[
        bool, typer.Option("--rehash", help="Compare contents, not size and time of change.")
    ] = False,
    masks: Annotated[bool, typer.Option("--masks", help="Masks of objects, as run lengths.")] = (
        False
    ),
    vocabulary: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Words to tag with; see docs/tagging.md.")
    ] = None,
    kinds: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Kinds of scenes to tell apart.")
    ] = None,
    ocr: Annotated[bool, typer.Option("--ocr", help="Read text in the photos.")] = False,
    image_column: Annotated[
        str | None, typer.Option(help="Of the manifests, where it has another name.")
    ] = None,
    export: Annotated[
        list[str] | None,
        typer.Option(help="coco:FILE, yolo:FOLDER or label-studio:FILE; repeatable."),
    ] = None,
    scenes: Annotated[
        str | None,
        typer.Option("--scenes", metavar="STORE", help="Also fill this store's photos, to search."),
    ] = None,
    runner: options.OnRay = options.Runner.LOCAL,
    ray_address: options.RayAddress = None,
    as_json: options.Json = False,
) -> int:
    """Tag photos into a table, going on where an earlier run stopped."""
    from scenesearch.tagging.decode_pool import default_workers
    from scenesearch.tagging.run import RunOptions
    from scenesearch.tagging.tagger import TagOptions

    _check_outputs(export or [], out)
    if runner is options.Runner.RAY:
        _check_ray(out, scenes)
    how = RunOptions(
        batch=batch,
        workers=workers or default_workers(),
        timeout_s=timeout,
        rehash=rehash,
        retry_failed=retry_failed,
        image_column=image_column,
    )
    wanted = TagOptions(masks=masks, vocabulary=vocabulary, kinds=kinds, ocr=ocr)
    cluster = options.ray_cluster(runner, ray_address, decoders=workers)
    fill = scenes is not None
    with options.open_shop(scenes or "store", "items", config) as shop:
        if out == STDOUT:
            return _to_stdout(shop.tag(*sources, options=wanted, run=how, fill=fill))
        done = shop.tag_to(
            out,
            *sources,
            options=wanted,
            run=how,
            fill=fill,
            cluster=cluster,
            progress=runs.said_now_and_then("tagging"),
        )
    return _report(done, Path(out), export or [], as_json=as_json)


def _check_outputs(specs: list[str], out: str) -> None:
    """Refuse files that could not be written at the end, before any work."""
    from scenesearch.tagging.exports import parse_export
    from scenesearch.tagging.outputs import check_output

    if out != STDOUT:
        check_output(Path(out))
    for spec in specs:
        parse_export(spec)
    if specs and out == STDOUT:
        raise ConfigError(
            "--export needs the rows twice and --out is '-': give --out a file", code="bad_output"
        )


def _check_ray(out: str, scenes: str | None) -> None:
    """Refuse what only one process can do, before any work."""
    from scenesearch.wiring import is_url

    if out == STDOUT:
        raise ConfigError(
            "--runner ray gives rows in any order and --out is '-': give --out a file",
            code="bad_output",
        )
    if scenes is not None and not is_url(scenes):
        raise ConfigError(
            f"--runner ray writes photos from several processes and --scenes is the folder "
            f"{scenes!r}, which one process alone may open; expected the URL of a Qdrant server "
            f"(http://host:6333), or use --runner local",
            code="bad_scenes",
        )


def _to_stdout(rows: Iterator[TagRow]) -> int:
    failed = 0
    for row in rows:
        failed += row.error is not None
        output.line(json.dumps(row.to_dict(), ensure_ascii=False, allow_nan=False))
        sys.stdout.flush()
    return 3 if failed else 0


def _report(done: TagSummary, out: Path, exports: list[str], *, as_json: bool) -> int:
    from scenesearch.tagging.exports import write_export
    from scenesearch.tagging.ledger import recorded_rows
    from scenesearch.tagging.outputs import failures_path

    written = [str(write_export(spec, recorded_rows(out))) for spec in exports]
    return runs.report("tagged", done, out, failures_path(out), written, as_json=as_json)

"""``scenesearch sync``."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app, exit_code
from scenesearch.cli.at_once import INTERRUPTED
from scenesearch.core.errors import ConfigError, SceneSearchError, StoreError

if TYPE_CHECKING:
    from scenesearch.sync.plan import SyncPlan
    from scenesearch.sync.syncer import SyncReport
    from scenesearch.sync.watch import Rounds

IDS = 5
"""Item ids shown in each line of the plan."""


@app.command()
def sync(
    manifest: options.CatalogSource,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
    every: Annotated[
        str | None, typer.Option(help="Sync again and again: every 30s, 15m, 1h.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Sync again whenever the manifest changes.")
    ] = False,
    poll: Annotated[str, typer.Option(help="How often --watch looks.")] = "2s",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan; change nothing, load no model.")
    ] = False,
    max_delete: Annotated[
        float, typer.Option(min=0, max=1, help="Largest share of the items that may be deleted.")
    ] = 0.5,
    allow_mass_delete: Annotated[
        bool, typer.Option("--allow-mass-delete", help="Delete any number; also all.")
    ] = False,
    audit: Annotated[
        bool, typer.Option(help="Look whether new items have another item's photos.")
    ] = True,
    audit_strict: Annotated[
        bool,
        typer.Option("--audit-strict", help="Leave out new items with only another's photos."),
    ] = False,
    on_duplicate: options.OnDuplicateRow = "error",
    image_root: options.ImageRoot = None,
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
    """Make a collection like a manifest: insert, update, delete; the plan is shown first."""
    from scenesearch.sync.plan import SyncRules
    from scenesearch.sync.watch import Rounds, parse_duration

    on_row = options.on_duplicate_row(on_duplicate)
    read_as = options.feed_options(feed, ignore_column, types, price_locale, vectors, fetch=fetch)
    repeated = every is not None or watch
    if repeated and dry_run:
        raise ConfigError("--dry-run shows one plan: leave out --every and --watch")
    if watch and manifest.lower().startswith(("http://", "https://")):
        raise ConfigError("--watch looks at files: sync an address again and again with --every 1h")
    every_s = None if every is None else parse_duration(every)
    poll_s = parse_duration(poll)
    with options.open_shop(store, collection, config) as shop:
        run = partial(
            shop.sync,
            manifest,
            rules=SyncRules(max_delete, allow_mass_delete, audit, audit_strict),
            image_root=image_root,
            columns={k: str(v) for k, v in options.assignments(column or ()).items()},
            on_duplicate=on_row,
            encoding=encoding,
            delimiter=delimiter,
            feed=read_as,
            cluster=options.ray_cluster(runner, ray_address),
        )
        if not repeated:
            return _once(run, dry_run=dry_run, as_json=as_json)
        with shop.syncing(), _stopping() as stop:
            rounds = Rounds(
                Path(manifest),
                every_s=every_s,
                watch=watch,
                poll_s=poll_s,
                stopped=lambda: stop.asked,
            )
            _repeat(run, rounds, stop, as_json=as_json)
            return INTERRUPTED if stop.interrupted else 0


def _once(run: Callable[..., SyncReport], *, dry_run: bool, as_json: bool) -> int:
    """Sync, or only plan to; the plan is printed before anything is changed."""

    def planned(done: SyncReport) -> None:
        if not as_json and not dry_run:
            _print_plan(done.plan)

    start = time.perf_counter()
    with output.progress() as progress:
        done = run(dry_run=dry_run, planned=planned, progress=progress)
    seconds = time.perf_counter() - start
    if as_json:
        output.data(summarise(done, seconds))
    else:
        _print_remarks(done)
        if dry_run:
            _print_plan(done.plan)
        else:
            output.line(_line(done, seconds))
    if dry_run and done.plan.refusal is not None:
        output.note(f"without --dry-run this is refused: {done.plan.refusal}")
        return 2
    return 3 if done.failed else 0


def _repeat(run: Callable[..., SyncReport], rounds: Rounds, stop: _Stop, *, as_json: bool) -> None:
    """Sync whenever a round is due, until asked to stop; a round that fails ends nothing."""
    retry = False
    while rounds.wait(retry=retry):
        start = time.perf_counter()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            done = run(progress=stop.progress)
        except _Stopped:
            return
        except SceneSearchError as error:
            # what stands in the way of a store may pass; anything else needs another manifest
            retry = isinstance(error, StoreError)
            if as_json:
                failed = {"error": str(error), "code": error.code, "exit": exit_code(error)}
                _json_line({"time": now, **failed})
            output.note(f"{now} failed: {error}")
            continue
        retry = False
        seconds = time.perf_counter() - start
        if as_json:
            _json_line({"time": now, **summarise(done, seconds)})
        else:
            _print_remarks(done)
            output.line(f"{now} {_line(done, seconds)}")


class _Stopped(Exception):  # noqa: N818 - not an error
    """The run was asked to stop and a batch has just become durable."""


class _Stop:
    """Whether a signal asked the command to stop."""

    def __init__(self) -> None:
        self.asked = False
        self.interrupted = False

    def handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if number == signal.SIGINT and self.interrupted:
            raise KeyboardInterrupt  # twice: at once
        self.asked = True
        self.interrupted = number == signal.SIGINT

    def progress(self, stage: str, done: int, total: int) -> None:  # noqa: ARG002
        if self.asked:
            raise _Stopped


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop.handle) for number in numbers]
    try:
        yield stop
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def summarise(done: SyncReport, seconds: float) -> dict[str, Any]:
    """A sync as JSON values."""
    plan, report = done.plan, done.report
    failures = report.failures if report else plan.index.failures
    return {
        "dry_run": report is None,
        "insert": list(plan.insert),
        "update": list(plan.update),
        "attributes": list(plan.attributes),
        "moved": list(plan.moved),
        "delete": list(plan.delete),
        "unchanged": plan.unchanged,
        "stored": plan.stored,
        "kept": list(plan.kept),
        "postponed": list(plan.postponed),
        "refused": plan.refusal,
        "duplicates": [asdict(finding) for finding in plan.findings],
        "left_out": list(plan.left_out),
        "photos_to_embed": plan.photos_to_embed,
        "photos_embedded": report.embedded if report else 0,
        "photos_from_cache": report.from_cache if report else 0,
        "failures": [asdict(failure) for failure in failures],
        "bad_rows": [asdict(row) for row in done.rows],
        "notes": [*done.notes, *(report.notes if report else ())],
        "seconds": round(seconds, 2),
    }


def _json_line(value: dict[str, Any]) -> None:
    output.line(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _print_plan(plan: SyncPlan) -> None:
    rows: list[tuple[str, int, Sequence[str]]] = [
        ("to insert", len(plan.insert), plan.insert),
        ("to update, photos changed", len(plan.update), plan.update),
        ("to update, attributes only", len(plan.attributes), plan.attributes),
        ("moved, photos at another path", len(plan.moved), plan.moved),
        ("to delete", len(plan.delete), plan.delete),
        ("unchanged", plan.unchanged, ()),
    ]
    if plan.kept:
        rows.append(("kept, their rows are broken", len(plan.kept), plan.kept))
    if plan.postponed:
        rows.append(("deletions postponed", len(plan.postponed), plan.postponed))
    if plan.left_out:
        rows.append(("left out as duplicates", len(plan.left_out), plan.left_out))
    for title, count, ids in rows:
        shown = ", ".join(ids[:IDS]) + (", ..." if len(ids) > IDS else "")
        output.line(f"{title:<30} {count:>9,}  {shown}".rstrip())
    output.line(f"{'photos to embed, at most':<30} {plan.photos_to_embed:>9,}")


def _print_remarks(done: SyncReport) -> None:
    plan, report = done.plan, done.report
    failures = report.failures if report else plan.index.failures
    output.notes([f"row {e.row}: {e.message}" for e in done.rows])
    output.notes([f"{f.photo}: {f.reason}" for f in failures])
    output.notes([f"warning: {finding}" for finding in plan.findings])
    output.remarks((*done.notes, *(report.notes if report else ())))
    if plan.kept:
        output.note(
            f"note: {len(plan.kept):,} items stay as they were, because their rows are broken"
        )
    if plan.postponed:
        output.note(
            f"note: {len(plan.postponed):,} deletions are postponed: {plan.nameless_rows:,} rows "
            f"have no readable id and could be about any of them; correct those rows"
        )


def _line(done: SyncReport, seconds: float) -> str:
    plan, report = done.plan, done.report
    embedded = report.embedded if report else 0
    cached = report.from_cache if report else 0
    return (
        f"inserted {len(plan.insert)}, updated {len(plan.update)}, attributes "
        f"{len(plan.attributes)}, moved {len(plan.moved)}, deleted {len(plan.delete)}, unchanged "
        f"{plan.unchanged} items; photos embedded {embedded}, from the cache {cached}; "
        f"{seconds:.1f} s"
    )

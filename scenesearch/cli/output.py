"""What goes to the terminal: data to stdout, everything else to stderr."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from scenesearch.system.log_lines import log_to_stderr

if TYPE_CHECKING:
    from scenesearch.index.run import Progress

SHOWN = 20
"""Remarks of one kind that are printed; --json has all."""
TITLES = {
    "fetch": "fetching",
    "scan": "reading",
    "verify": "looking through",
    "embed": "embedding",
    "store": "writing",
    "wait": "waiting for the store",
    "eval": "searching",
    "cut": "cutting",
    "train": "training",
    "demo": "searching",
}


def data(value: Any) -> None:
    """JSON to stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False))


def line(text: str = "") -> None:
    """A line of an answer for people, to stdout."""
    typer.echo(text)


def note(text: str) -> None:
    """A remark, to stderr."""
    typer.echo(text, err=True)


def answer(value: Any, text: str, *, as_json: bool) -> None:
    """An answer that is one line for people, or as JSON."""
    if as_json:
        data(value)
    else:
        line(text)


def notes(texts: Sequence[str]) -> None:
    """The first of some remarks, and how many there are beside them."""
    for text in texts[:SHOWN]:
        note(text)
    if len(texts) > SHOWN:
        note(f"... and {len(texts) - SHOWN:,} more; --json lists all")


def remarks(texts: Iterable[str]) -> None:
    """What was odd but harmless, all of it."""
    for text in texts:
        note(f"note: {text}")


def set_up_logging(*, verbose: bool) -> None:
    """Log lines of this package to stderr."""
    log_to_stderr("text", logging.DEBUG if verbose else logging.INFO)
    # its line about each model it opens is not for our users
    logging.getLogger("ultralytics").setLevel(logging.ERROR)


@contextmanager
def progress() -> Iterator[Progress]:
    """A bar on a terminal; elsewhere a plain line every few seconds."""
    if sys.stderr.isatty():
        with _bars() as report:
            yield report
    else:
        yield _lines()


@contextmanager
def _bars() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description:>10}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, Any] = {}

        def report(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(TITLES.get(stage, stage), total=total)
            bars.update(tasks[stage], completed=done, total=total)

        yield report


def _lines(every_s: float = 5.0) -> Progress:
    last = {"": time.monotonic()}

    def report(stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if now - last.get(stage, last[""]) >= every_s:
            last[stage] = now
            note(f"{TITLES.get(stage, stage)}: {done} of {total}")

    return report


def counter(progress: Progress, stage: str, total: int) -> Callable[[], None]:
    """A callback that reports one more thing done each time it is called."""
    done = 0

    def each() -> None:
        nonlocal done
        done += 1
        progress(stage, done, total)

    return each

"""What runs over folders of photos say: now and then, and in the end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scenesearch.cli import output

if TYPE_CHECKING:
    from scenesearch.tagging.run import TagProgress, TagSummary

EVERY_S = 5.0


def report(
    verb: str,
    done: TagSummary,
    out: Path,
    failures: Path,
    exports: Sequence[str] = (),
    *,
    as_json: bool,
) -> int:
    """Say what a run did; gives its exit code.

    Args:
        verb: what was done with the photos: ``tagged``.
        done: the run.
        out: what was written.
        failures: rows with an error, where there are any.
        exports: what was written beside it.
        as_json: as data.
    """
    if as_json:
        output.data(_summarised(done, out, failures, exports))
    else:
        _print(verb, done, out, failures, exports)
    return 3 if done.failed else 0


def _summarised(
    done: TagSummary, out: Path, failures: Path, exports: Sequence[str]
) -> dict[str, Any]:
    """A run as JSON values."""
    return {
        "photos": done.photos,
        "done": done.done,
        "same_content": done.same_content,
        "skipped": done.skipped,
        "failed": done.failed,
        "seconds": round(done.seconds, 2),
        "photos_per_second": round(done.photos_per_second, 2),
        "seconds_by_stage": {name: round(s, 2) for name, s in done.stages.items()},
        "out": str(out),
        "failures": str(failures) if done.failed else None,
        "exports": list(exports),
    }


def _print(verb: str, done: TagSummary, out: Path, failures: Path, exports: Sequence[str]) -> None:
    if done.failed:
        with failures.open(encoding="utf-8") as lines:
            for text, _ in zip(lines, range(output.SHOWN), strict=False):
                output.note(json.loads(text)["message"])
        hidden = done.failed - output.SHOWN
        output.note(f"... and {hidden} more" if hidden > 0 else f"all failures: {failures}")
    same = f" ({done.same_content} by content)" if done.same_content else ""
    output.line(
        f"{verb} {done.done}{same}, skipped {done.skipped}, failed {done.failed} of "
        f"{done.photos} photos; {done.seconds:.1f} s, {done.photos_per_second:.1f} photos a second"
    )
    for path in (out, *exports):
        output.line(f"wrote {path}")
    if done.failed:
        output.line(f"wrote {failures}; --retry-failed tries these again")


def said_now_and_then(verb: str) -> Callable[[TagProgress], None]:
    """A line every few seconds; how many photos there are is not known before the end."""
    last = time.monotonic()

    def report(now: TagProgress) -> None:
        nonlocal last
        if time.monotonic() - last >= EVERY_S:
            last = time.monotonic()
            failed = f", {now.failed} failed" if now.failed else ""
            rate = now.photos / now.seconds if now.seconds else 0.0
            output.note(f"{verb}: {now.photos} photos{failed}, {rate:.1f} a second")

    return report

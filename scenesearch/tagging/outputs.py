"""The files a tagging run gives: JSON lines, CSV or Parquet, whole or not at all.

Written beside the place they belong to, synced, then renamed. Rows come one after another from
the ledger, so that no number of photos is too large.
"""

from __future__ import annotations

import csv
import errno
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from scenesearch.core.errors import ConfigError, NoSpaceError, StoreError
from scenesearch.system.whole_file import replacing
from scenesearch.tagging.ledger import Ledger
from scenesearch.tagging.parquet_output import write_parquet

Texts = Iterator[str]
"""Rows as JSON texts."""

_PHOTO_COLUMNS = (
    *("source", "sha256", "width", "height", "phash", "kind", "kind_score", "tags", "colours"),
    *("text", "warnings", "models", "error", "message"),
)
_OBJECT_COLUMNS = (
    *("key", "box", "label", "confidence", "area_share", "position", "colours", "tags", "phash"),
    "mask",
)


def check_output(out: Path) -> None:
    """Refuse an output that could not be written at the end, before any work.

    Raises:
        ConfigError: the suffix names no format, or there is a folder of that name.
    """
    if out.suffix.lower() not in _WRITERS:
        raise ConfigError(
            f"the output {str(out)!r} ends in {out.suffix!r}: expected {', '.join(_WRITERS)}, or "
            f"'-' for JSON lines on standard output",
            code="bad_output",
        )
    if out.is_dir():
        raise ConfigError(f"the output {out} is a folder: expected a file", code="bad_output")


def failures_path(out: Path) -> Path:
    """Where the rows with an error are repeated."""
    return out.with_name(f"{out.name}.failures.jsonl")


def write_outputs(ledger: Ledger, out: Path) -> None:
    """Assemble the output, and the list of failures where there are any.

    Raises:
        NoSpaceError: the disk is full; the output of the run before is still there.
        StoreError: the files cannot be written.
    """
    with _replacing(out) as file:
        _WRITERS[out.suffix.lower()](ledger.texts(), file)
    failures = failures_path(out)
    first = next(ledger.texts(failed_only=True), None)
    if first is None:
        failures.unlink(missing_ok=True)
        _temporary(failures).unlink(missing_ok=True)
    else:
        with _replacing(failures) as file:
            write_jsonl(ledger.texts(failed_only=True), file)


def write_jsonl(texts: Texts, file: IO[bytes]) -> None:
    """A row a line."""
    for text in texts:
        file.write(text.encode() + b"\n")


def write_csv(texts: Texts, file: IO[bytes]) -> None:
    """A line for each object, its photo's columns repeated; nested values are JSON texts.

    A photo without objects has one line whose object columns are empty.
    """
    # a csv writer wants text; the lines go out as they come
    writer = csv.writer(_Encoded(file), lineterminator="\n")
    writer.writerow([*_PHOTO_COLUMNS, *(f"object_{name}" for name in _OBJECT_COLUMNS)])
    for text in texts:
        row = json.loads(text)
        photo = [_cell(row[name]) for name in _PHOTO_COLUMNS]
        for one in row["objects"] or [{}]:
            writer.writerow([*photo, *(_cell(one.get(name)) for name in _OBJECT_COLUMNS)])


def _cell(value: Any) -> Any:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value


class _Encoded:
    """What a csv writer needs of a text file, over a binary one."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(text.encode())


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``path`` when the body is done.

    Its name is always the same: the ledger's lock lets one run in, and what a kill leaves is
    overwritten by the next.
    """
    temporary = _temporary(path)
    try:
        with replacing(path, temporary) as file:
            yield file
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise NoSpaceError(
                f"{path}: the disk is full; every row is kept in the ledger, free some space and "
                f"run again to write it"
            ) from error
        raise StoreError(
            f"{path} cannot be written: {error.strerror or error}; check that the folder is there "
            f"and writable, then run again"
        ) from error


def _temporary(path: Path) -> Path:
    return path.with_name(f".{path.name}.tmp")


_WRITERS: dict[str, Callable[[Texts, IO[bytes]], None]] = {
    ".jsonl": write_jsonl,
    ".parquet": write_parquet,
    ".csv": write_csv,
}

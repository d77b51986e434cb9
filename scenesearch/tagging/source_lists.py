"""Photos named in lists: manifests of the catalogue's formats, and lines of paths."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from scenesearch.catalog.columns import IMAGE_COLUMNS
from scenesearch.catalog.opening import open_rows
from scenesearch.catalog.records import RowError, unreadable
from scenesearch.catalog.values import SPACE
from scenesearch.core.errors import CatalogError
from scenesearch.tagging.source_remote import is_remote

MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".txt")
MAX_PATH_BYTES = 8192
"""A longer line is no path."""
_READ_BYTES = 1 << 16


class Listed(NamedTuple):
    """A path or address of a list; or, with ``error``, the place of a row that has none."""

    path: str
    error: tuple[str, str] | None = None


def listed_in(path: Path, image_column: str | None = None) -> Iterator[Listed]:
    """The photos of a manifest; relative paths start at its folder.

    A row that cannot be used is an entry with an error, and the others are not affected.

    Args:
        path: CSV, TSV, JSONL or Parquet by its suffix, or .txt with a path a line.
        image_column: header of the column of photos; the usual names where None.

    Raises:
        CatalogError: the manifest as a whole cannot be read, or has no column of photos.
    """
    try:
        if path.suffix.lower() == ".txt":
            with path.open("rb", buffering=0) as stream:
                yield from lines_of(stream, base=path.parent, name=str(path))
            return
        source = open_rows(path, columns={"image": image_column} if image_column else None)
        columns: tuple[str, ...] = ("image",) if image_column else IMAGE_COLUMNS
        if source.header is not None:
            columns = _first_of(columns, source.header, path)
        for row in source.rows():
            if isinstance(row, RowError):
                yield Listed(f"{path}:{row.row}", (row.code, row.message))
            else:
                yield from _photos(row.cells, columns, path, row.row)
    except OSError as error:
        raise unreadable(path, error) from error


def lines_of(
    stream: BinaryIO | None, *, base: Path | None, name: str = "<stdin>"
) -> Iterator[Listed]:
    """One path or address a line, as they come; empty lines are left out.

    Args:
        stream: bytes, best unbuffered: a thread that waits in a buffered read holds its lock
            when the interpreter ends. None for the standard input of the process.
        base: where relative paths start; the working directory where None.
        name: of the list, in messages.
    """
    if stream is None:
        with open(0, "rb", buffering=0, closefd=False) as own:
            yield from lines_of(own, base=base, name=name)
        return
    number, rest, too_long = 0, b"", False
    while True:
        chunk = stream.read(_READ_BYTES)
        *lines, rest = (rest + (chunk or b"\n")).split(b"\n")
        for line in lines:
            number += 1
            if too_long or len(line) > MAX_PATH_BYTES:
                message = (
                    f"line {number} is longer than {MAX_PATH_BYTES:,} bytes: expected one path"
                )
                yield Listed(f"{name}:{number}", ("bad_path", message))
            elif line.strip():
                yield Listed(_based(os.fsdecode(line.rstrip(b"\r")), base))
            too_long = False
        if len(rest) > MAX_PATH_BYTES:
            # kept out of memory; the line still counts once
            rest, too_long = b"", True
        if not chunk:
            return


def _first_of(columns: tuple[str, ...], header: tuple[str, ...], path: Path) -> tuple[str, ...]:
    found = next((column for column in columns if column in header), None)
    if found is None:
        raise CatalogError(
            f"{path} has no column of photos: found {', '.join(filter(None, header)) or 'none'}, "
            f"expected one of {', '.join(columns)}; rename it, or name it with --image-column",
            code="missing_column",
        )
    return (found,)


def _photos(
    cells: Mapping[str, Any], columns: tuple[str, ...], path: Path, row: int
) -> Iterator[Listed]:
    value = next((cells[column] for column in columns if cells.get(column)), None)
    values = value if isinstance(value, list) else [value]
    texts = [text.strip(SPACE) for text in values if isinstance(text, str) and text.strip(SPACE)]
    if not texts or len(texts) < len(values):
        message = f"the row names no photo: expected a path as text in {columns[0]!r}"
        yield Listed(f"{path}:{row}", ("missing_image", message))
    for text in texts:
        yield Listed(_based(text, path.parent))


def _based(text: str, base: Path | None) -> str:
    if base is None or is_remote(text):
        return text
    return os.path.join(base, text)  # noqa: PTH118 - a million calls

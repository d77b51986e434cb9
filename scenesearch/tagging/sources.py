"""Where photos come from: folders, files, globs, manifests, standard input, object storage.

Everything is a stream: a million photos take no more memory than ten.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from scenesearch.catalog.columns import IMAGE_COLUMNS
from scenesearch.catalog.feed_options import FeedOptions
from scenesearch.catalog.opening import open_rows
from scenesearch.catalog.records import RowError, unreadable
from scenesearch.catalog.values import SPACE
from scenesearch.core.errors import CatalogError, NoSpaceError, StoreError
from scenesearch.fetch.object_storage import is_remote
from scenesearch.system.sqlite_file import trouble
from scenesearch.tagging.source_files import expand_glob, is_glob, photos_below
from scenesearch.tagging.source_remote import remote_photos

STDIN = "-"
MANIFEST_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet", ".pq", ".txt")
PLAIN_LIST = FeedOptions("plain")
MAX_PATH_BYTES = 8192
"""A longer line is no path."""
_READ_BYTES = 1 << 16


class Identity(NamedTuple):
    """What tells that a file is as it was, without reading it.

    Attributes:
        size: bytes.
        stamp: when it was changed (nanoseconds), or a store's tag of the content; empty where
            nothing is known, which equals nothing.
    """

    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Source:
    """One photo to be read.

    Attributes:
        name: the path or address as given, as valid text; names the row.
        path: what is opened; a path, or an address where ``remote``.
        remote: whether fsspec reads it.
        identity: where the listing already said it.
        error: (code, message) where a list named no photo.
    """

    name: str
    path: str
    remote: bool = False
    identity: Identity | None = None
    error: tuple[str, str] | None = None


def list_sources(
    arguments: Sequence[str | Path],
    *,
    image_column: str | None = None,
    stdin: BinaryIO | None = None,
) -> Iterator[Source]:
    """Every photo the arguments name, each once, in the order of the arguments.

    Args:
        arguments: folders (recursive, files with an image suffix), single photos, globs
            (``**`` for any depth), manifests (.csv, .tsv, .jsonl, .ndjson, .parquet with an
            ``image`` column, .txt with a path a line; relative to their folder), ``-`` for paths
            on standard input, and addresses (``s3://bucket/prefix``) that fsspec can read.
        image_column: header of the manifests' column of photos, where it has another name.
        stdin: what ``-`` reads.

    Raises:
        CatalogError: an argument is missing or names no photo; raised before the first source,
            but for standard input and for broken parts of manifests, which come when reached.
    """
    if not arguments:
        raise CatalogError(
            "there is nothing to tag: expected folders, photos, globs, manifests or '-'",
            code="no_photos",
        )
    streams = []
    for argument in map(str, arguments):
        stream = _one(argument, image_column, stdin)
        # standard input is not waited for; everything else is tried before hours of work begin
        streams.append(stream if argument == STDIN else _not_empty(argument, stream))
    return _once(itertools.chain.from_iterable(streams))


def identify(source: Source) -> Identity | None:
    """What the file is like now; None where it is not there or cannot be known."""
    if source.remote or source.identity is not None:
        return source.identity
    try:
        status = os.stat(source.path)  # noqa: PTH116 - a million calls
    except (OSError, ValueError):
        return None
    return Identity(status.st_size, str(status.st_mtime_ns))


def _one(argument: str, image_column: str | None, stdin: BinaryIO | None) -> Iterator[Source]:
    if argument == STDIN:
        return _not_none(argument, lines_of(stdin, base=None))
    if is_remote(argument):
        return (
            Source(_text(address), address, remote=True, identity=stamp and Identity(*stamp))
            for address, stamp in remote_photos(argument)
        )
    path = Path(argument)
    if path.is_dir():
        return map(_local, photos_below(argument))
    if not path.exists() and is_glob(argument):
        return map(_local, expand_glob(argument))
    if not path.exists():
        raise CatalogError(
            f"there is no {_text(argument)!r}: expected a folder, a photo, a glob, a manifest "
            f"({', '.join(MANIFEST_SUFFIXES)}), an address such as s3://bucket/folder, or '-'; "
            f"check the path",
            code="no_photos",
        )
    if path.suffix.lower() in MANIFEST_SUFFIXES:
        return listed_in(path, image_column)
    return iter([_local(argument)])


def _local(path: str) -> Source:
    return Source(_text(path), path)


def _listed(path: str, error: tuple[str, str] | None = None) -> Source:
    """By its path or address; or, with ``error``, by the place of a row that has none."""
    return Source(_text(path), path, remote=is_remote(path), error=error)


def _text(path: str) -> str:
    """A path as text that every output can hold; file names may be any bytes."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _not_empty(argument: str, stream: Iterator[Source]) -> Iterator[Source]:
    """The stream, after a look at its first entry."""
    checked = _not_none(argument, stream)
    return itertools.chain([next(checked)], checked)


def _not_none(argument: str, stream: Iterator[Source]) -> Iterator[Source]:
    first = next(stream, None)
    if first is None:
        where = "standard input" if argument == STDIN else repr(_text(argument))
        raise CatalogError(
            f"{where} names no photo: expected files that end in .jpg, .png, .webp or another "
            f"image suffix; check the path, or name the photos one by one",
            code="no_photos",
        )
    yield first
    yield from stream


def listed_in(path: Path, image_column: str | None = None) -> Iterator[Source]:
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
        # a list of photos, whatever else its columns are
        source = open_rows(
            path, columns={"image": image_column} if image_column else None, feed=PLAIN_LIST
        )
        columns: tuple[str, ...] = ("image",) if image_column else IMAGE_COLUMNS
        if source.header is not None:
            columns = _first_of(columns, source.header, path)
        for row in source.rows():
            if isinstance(row, RowError):
                yield _listed(f"{path}:{row.row}", (row.code, row.message))
            else:
                yield from _photos(row.cells, columns, path, row.row)
    except OSError as error:
        raise unreadable(path, error) from error


def lines_of(
    stream: BinaryIO | None, *, base: Path | None, name: str = "<stdin>"
) -> Iterator[Source]:
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
                yield _listed(f"{name}:{number}", ("bad_path", message))
            elif line.strip():
                yield _listed(_based(os.fsdecode(line.rstrip(b"\r")), base))
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
) -> Iterator[Source]:
    value = next((cells[column] for column in columns if cells.get(column)), None)
    values = value if isinstance(value, list) else [value]
    texts = [text.strip(SPACE) for text in values if isinstance(text, str) and text.strip(SPACE)]
    if not texts or len(texts) < len(values):
        message = f"the row names no photo: expected a path as text in {columns[0]!r}"
        yield _listed(f"{path}:{row}", ("missing_image", message))
    for text in texts:
        yield _listed(_based(text, path.parent))


def _based(text: str, base: Path | None) -> str:
    if base is None or is_remote(text):
        return text
    return os.path.join(base, text)  # noqa: PTH118 - a million calls


def _once(sources: Iterable[Source]) -> Iterator[Source]:
    """Each photo once, by a temporary database without a name: it vanishes with the process."""
    # one thread uses it, but whoever gives up the stream may be another
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as seen:
        seen.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"
            "CREATE TABLE seen (key BLOB PRIMARY KEY) WITHOUT ROWID; BEGIN;"
        )
        for source in sources:
            key = source.path if source.remote else os.path.abspath(source.path)  # noqa: PTH100
            if source.error is not None or _first_time(seen, key):
                yield source


def _first_time(seen: sqlite3.Connection, key: str) -> bool:
    data = key.encode("utf-8", "surrogateescape")
    try:
        return seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (data,)).rowcount == 1
    except sqlite3.Error as error:
        if trouble(error) == "full":
            raise NoSpaceError(
                "the folder for temporary files is full; free some space there, or set "
                "SQLITE_TMPDIR to another folder"
            ) from error
        raise StoreError(f"the list of photos seen so far failed: {error}") from error

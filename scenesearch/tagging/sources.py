"""Where photos come from: folders, files, globs, manifests, standard input, object storage.

Everything is a stream: a million photos take no more memory than ten.
"""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from scenesearch.core.errors import CatalogError, NoSpaceError, StoreError
from scenesearch.system.sqlite_file import is_full
from scenesearch.tagging.source_files import expand_glob, is_glob, photos_below
from scenesearch.tagging.source_lists import MANIFEST_SUFFIXES, Listed, lines_of, listed_in
from scenesearch.tagging.source_remote import is_remote, remote_photos

STDIN = "-"


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
        return _not_none(argument, map(_listed, lines_of(stdin, base=None)))
    if is_remote(argument):
        return (
            Source(_text(address), address, remote=True, identity=identity_of(stamp))
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
        return map(_listed, listed_in(path, image_column))
    return iter([_local(argument)])


def _local(path: str) -> Source:
    return Source(_text(path), path)


def _listed(entry: Listed) -> Source:
    return Source(_text(entry.path), entry.path, remote=is_remote(entry.path), error=entry.error)


def identity_of(values: Sequence[Any] | None) -> Identity | None:
    """An identity from its values, where there are any."""
    return None if values is None else Identity(*values)


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
        if is_full(error):
            raise NoSpaceError(
                "the folder for temporary files is full; free some space there, or set "
                "SQLITE_TMPDIR to another folder"
            ) from error
        raise StoreError(f"the list of photos seen so far failed: {error}") from error

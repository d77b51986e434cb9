"""Writing a file or a folder whole or not at all, and leaving nothing behind.

Everything is written beside the target under a hidden name and renamed. A kill leaves the old
target as it was, and what was half written is removed by the next export to the same place.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from scenesearch.core.errors import ConfigError, NoSpaceError
from scenesearch.system.whole_file import replacing, sync_directory

_FULL = {errno.ENOSPC, errno.EDQUOT}


def disk_is_full(error: OSError) -> bool:
    """Whether an error says that there is no room, or that the quota is used up."""
    return error.errno in _FULL


@contextmanager
def whole_file(path: Path) -> Iterator[IO[str]]:
    """A text file to write to; it takes the place of ``path`` when the block ends well.

    Raises:
        ConfigError: the file cannot be made.
        NoSpaceError: the disk is full.
    """
    target = path.resolve()
    with _space_for(target):
        _forget(target, "tmp")
        with ExitStack() as stack:
            try:
                raw = stack.enter_context(replacing(target, _beside(target, "tmp")))
            except OSError as error:
                raise _cannot(path, error) from error
            file = TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=True)
            try:
                yield file
            finally:
                file.detach()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A new folder to fill; it takes the place of ``path`` when the block ends well.

    There is no portable way to swap two folders: for a moment between two renames there is none
    under the name, and a kill then leaves the old one beside it, hidden, until the next export.

    Raises:
        ConfigError: the folder cannot be made.
        NoSpaceError: the disk is full.
    """
    target = path.resolve()
    temporary = _beside(target, "tmp")
    with _space_for(target):
        _forget(target, "tmp")
        try:
            temporary.mkdir()
        except OSError as error:
            raise _cannot(path, error) from error
        try:
            yield temporary
            # one flush of everything: a flush of each of a million small files takes an hour
            getattr(os, "sync", lambda: None)()
            if target.exists():
                target.rename(_beside(target, "old"))
            temporary.rename(target)
            sync_directory(target.parent)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _forget(target, "old")


def spool(folder: Path) -> IO[str]:
    """A file for values put aside, a line each, and read again in order: none stays in memory.

    Numbers of classes are known only when every label was seen, which is after the last row. The
    file has no name, and lies in the folder of the export; it is gone when closed or killed.
    """
    return tempfile.TemporaryFile("w+", dir=folder, encoding="utf-8", newline="\n")


def spooled(file: IO[str]) -> Iterator[Any]:
    """Everything that was put aside, from the first; adding ends with this."""
    file.seek(0)
    return map(json.loads, file)


def dump(value: Any) -> str:
    """A JSON value as text."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def local_path(source: str) -> Path | None:
    """The absolute path of a photo of this machine; None for any other address.

    Args:
        source: a path, or an address such as ``s3://shop/1.jpg``, as it was tagged.

    >>> local_path("s3://shop/1.jpg") is None
    True
    >>> local_path("file:///photos/a%20b.jpg").as_posix()
    '/photos/a b.jpg'
    """
    scheme, separator, _ = source.partition("://")
    if not separator:
        return Path(source).absolute()
    return Path(unquote(urlsplit(source).path)) if scheme == "file" else None


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(6)}.{kind}")


def _forget(target: Path, kind: str) -> None:
    """Remove what earlier runs left beside a target."""
    start, end = f".{target.name}.", f".{kind}"
    for entry in os.scandir(target.parent):
        middle = entry.name[len(start) : -len(end)]
        if entry.name.startswith(start) and entry.name.endswith(end) and len(middle) == 12:
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with suppress(OSError):  # nobody reads it
                    Path(entry.path).unlink()


def _cannot(path: Path, error: OSError) -> Exception:
    if disk_is_full(error):
        return _full(path)
    return ConfigError(
        f"export: cannot write {str(path)!r}: {error.strerror}; name a place that can be written",
        code="bad_export",
    )


@contextmanager
def _space_for(path: Path) -> Iterator[None]:
    # any other error may be one of the rows, which are read while they are written
    try:
        yield
    except OSError as error:
        if not disk_is_full(error):
            raise
        raise _full(path) from error


def _full(path: Path) -> NoSpaceError:
    return NoSpaceError(
        f"export: the disk is full, {str(path)!r} was not written and what was there before is "
        f"unchanged; free some space, or name a place on another disk"
    )

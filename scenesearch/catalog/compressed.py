"""Files as they are, and those that end in ``.gz`` unpacked as they are read, never to the disk."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import BinaryIO, TextIO

from scenesearch.core.errors import CatalogError

MAX_RATIO = 200
"""A file that grows more is refused: a feed grows some ten times, a bomb a thousand."""
_FREE_BYTES = 10_000_000


def is_packed(path: Path) -> bool:
    """Whether a file is one that is unpacked as it is read, by its name."""
    return path.suffix.lower() == ".gz"


def suffix_inside(path: Path) -> str:
    """The suffix that says what is in a file: ``.csv`` of ``feed.csv.gz``, in lower case."""
    return (Path(path.stem) if is_packed(path) else path).suffix.lower()


def open_bytes(path: Path) -> BinaryIO:
    """The content of a file.

    Raises:
        CatalogError: while it is read, for what is no gzip, breaks off, or grows too much.
        OSError: it cannot be opened.
    """
    stream = path.open("rb")
    return io.BufferedReader(_Unpacked(path, stream)) if is_packed(path) else stream


def open_text(path: Path, encoding: str, newline: str) -> TextIO:
    """The content of a text file; raises as :func:`open_bytes`."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline=newline)


class _Unpacked(io.RawIOBase):
    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self._path, self._stream = path, stream
        self._inside = gzip.GzipFile(fileobj=stream)
        self._room = path.stat().st_size * MAX_RATIO + _FREE_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._inside.read(len(view))
        except (OSError, EOFError, zlib.error) as error:
            raise CatalogError(
                f"{self._path} cannot be unpacked: {error}; expected a whole gzip file; fetch or "
                f"write it again",
                code="bad_catalog",
            ) from error
        self._room -= len(data)
        if self._room < 0:
            raise CatalogError(
                f"{self._path} grows more than {MAX_RATIO} times as it is unpacked: expected a "
                f"feed; unpack it yourself if it is one",
                code="bad_catalog",
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inside.close()
            self._stream.close()
        super().close()

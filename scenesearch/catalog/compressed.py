"""Files as they are; gzip, bzip2 and zip unpacked as they are read, never to the disk."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol, TextIO

from scenesearch.core.errors import CatalogError

MAX_RATIO = 200
"""A file that grows more is refused: a feed grows some ten times, a bomb a thousand."""
MAX_BYTES = 20_000_000_000
"""A file that is larger once it is unpacked is refused."""
MAX_ENTRIES = 10_000
"""An archive with more is refused."""
_FREE_BYTES = 10_000_000
_PACKED = (".gz", ".bz2", ".zip")
_BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)
"""What the unpackers raise for what they cannot read; the last two for methods and passwords."""


def is_packed(path: Path) -> bool:
    """Whether a file is one that is unpacked as it is read, by its name."""
    return path.suffix.lower() in _PACKED


def suffix_inside(path: Path) -> str:
    """The suffix that says what is in a file: ``.csv`` of ``feed.csv.gz``, in lower case.

    Raises:
        CatalogError: it is a zip that holds no file, or several.
    """
    if path.suffix.lower() == ".zip":
        with _zip_of(path) as archive:
            return Path(_only(path, archive).filename).suffix.lower()
    return (Path(path.stem) if is_packed(path) else path).suffix.lower()


def open_bytes(path: Path) -> BinaryIO:
    """The content of a file.

    Raises:
        CatalogError: also while it is read, for what cannot be unpacked, breaks off, or grows too
            much.
        OSError: it cannot be opened.
    """
    match path.suffix.lower():
        case ".gz":
            return io.BufferedReader(_Unpacked(path, gzip.open(path)))
        case ".bz2":
            return io.BufferedReader(_Unpacked(path, bz2.open(path)))
        case ".zip":
            archive = _zip_of(path)
            try:
                entry = _only(path, archive)
                return io.BufferedReader(_Unpacked(path, archive.open(entry), archive))
            except _BROKEN as error:
                archive.close()
                raise _no_archive(path, error) from error
            except CatalogError:
                archive.close()
                raise
    return path.open("rb")


def open_text(path: Path, encoding: str, newline: str) -> TextIO:
    """The content of a text file; raises as :func:`open_bytes`."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline=newline)


def check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    """Refuse an archive that may grow too much, before anything of it is unpacked.

    Python reads no more of an entry than its head says.

    Raises:
        CatalogError: it has too many entries, or they are too large.
    """
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        raise CatalogError(
            f"{path} has {len(entries):,} entries: expected at most {MAX_ENTRIES:,}; is it a feed?",
            code="bad_catalog",
        )
    if sum(entry.file_size for entry in entries) > _room(path):
        raise _grows(path)


def _zip_of(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _BROKEN as error:
        raise _no_archive(path, error) from error


def _only(path: Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    check_entries(path, archive)
    # a Mac writes a second, hidden entry for each
    names = [
        entry
        for entry in archive.infolist()
        if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        raise CatalogError(
            f"{path} holds {len(names)} files: expected one feed; unpack it, and give the one that "
            f"is meant",
            code="bad_catalog",
        )
    return names[0]


def _room(path: Path) -> int:
    return min(path.stat().st_size * MAX_RATIO + _FREE_BYTES, MAX_BYTES)


def _grows(path: Path) -> CatalogError:
    return CatalogError(
        f"{path} grows more than {MAX_RATIO} times, or to more than {MAX_BYTES:,} bytes, as it is "
        f"unpacked: expected a feed; unpack it yourself if it is one",
        code="bad_catalog",
    )


def _no_archive(path: Path, error: Exception) -> CatalogError:
    return CatalogError(
        f"{path} cannot be unpacked: {error}; expected a whole {path.suffix.lower()} file without "
        f"a password; fetch or write it again",
        code="bad_catalog",
    )


class _Readable(Protocol):
    """What an unpacker is to whoever reads."""

    def read(self, size: int, /) -> bytes:
        """At most so many bytes."""

    def close(self) -> None:
        """Give it back."""


class _Unpacked(io.RawIOBase):
    """What is inside of a file, as far as there is room for it."""

    def __init__(
        self, path: Path, inside: _Readable, archive: zipfile.ZipFile | None = None
    ) -> None:
        self._path, self._inside, self._archive = path, inside, archive
        self._room = _room(path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        try:
            data = self._inside.read(len(view))
        except _BROKEN as error:
            raise _no_archive(self._path, error) from error
        self._room -= len(data)
        if self._room < 0:
            raise _grows(self._path)
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._inside.close()
            if self._archive is not None:
                self._archive.close()
        super().close()

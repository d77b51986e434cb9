"""Writing a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

_BLOCK = 1 << 16


@contextmanager
def replacing(path: Path, draft: Path | None = None) -> Iterator[IO[bytes]]:
    """A file that takes the place of ``path`` when the block ends well.

    A reader sees the old file or the new one, never half of one, and after the block the new one
    survives a power cut. A failure leaves the old one. A symbolic link is followed, so that the
    link itself stays.

    Args:
        path: where to; its folder must exist.
        draft: what is written and then renamed, in the same folder; by default under a name of
            its own, which a kill leaves behind. A name that is always the same is for who makes
            sure that there is one writer.

    Raises:
        OSError: the file cannot be written.
    """
    target = path.resolve()
    # Not tempfile: its files are private (0600), and the rename would keep that. The short name
    # also fits where the target's own name is already as long as the file system allows.
    temporary = draft or target.parent / f".draft-{secrets.token_hex(8)}.tmp"
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(target.parent)


def write_whole(path: Path, data: bytes) -> None:
    """Replace a file by ``data``, as :func:`replacing` does."""
    with replacing(path) as file:
        file.write(data)


def copy_sparse(source: str | Path, target: str | Path) -> str:
    """Copy a file and leave its holes and zeros out; for :func:`shutil.copytree`.

    What maps files into memory makes them long before it fills them, and where it looks at a hole
    in a file system in memory there are zeros from then on.
    """
    zeros = bytes(_BLOCK)
    with Path(source).open("rb") as reader, Path(target).open("wb") as writer:
        end = os.fstat(reader.fileno()).st_size
        for start, stop in _filled(reader.fileno(), end):
            at = reader.seek(start)
            writer.seek(start)
            while at < stop and (chunk := reader.read(min(_BLOCK, stop - at))):
                at += len(chunk)
                if chunk == zeros[: len(chunk)]:
                    writer.seek(at)
                else:
                    writer.write(chunk)
        writer.truncate(end)
    return str(target)


def _filled(handle: int, end: int) -> Iterator[tuple[int, int]]:
    """Where a file has something, as far as the system says."""
    if not hasattr(os, "SEEK_DATA"):
        yield 0, end
        return
    stop = 0
    while stop < end:
        try:
            start = os.lseek(handle, stop, os.SEEK_DATA)
        except OSError:  # a hole up to its end
            return
        stop = os.lseek(handle, start, os.SEEK_HOLE)
        yield start, stop


def sync_file(path: Path) -> None:
    """Make what was written to a file durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_directory(path: Path) -> None:
    """Make renames inside a directory durable (a no-op where directories cannot be synced)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

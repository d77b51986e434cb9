"""Disk space: a guard against full disks, and what writes and folders take."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryFile

from scenesearch.core.errors import ConfigError, NoSpaceError
from scenesearch.core.types import CollectionSchema, Point

MIN_FREE_BYTES = 256 * 2**20
"""Free disk that a write leaves alone: the engine's files are sparse and grow as they fill."""


def check_free_space(path: Path, needed: int, minimum: int = MIN_FREE_BYTES) -> None:
    """Nothing, when a write of ``needed`` bytes under ``path`` is safe.

    The engine maps sparse files into memory; when the disk fills up under them the process is
    killed (SIGBUS) instead of getting an error, hence the reserve.

    Args:
        path: need not exist yet.
        needed: an estimate of the write in bytes.
        minimum: what must be free however small the write is.

    Raises:
        NoSpaceError: less than the larger of the two is free.
    """
    free = free_bytes(path)
    wanted = max(needed, minimum)
    if free < wanted:
        raise NoSpaceError(
            f"too little free disk to write safely at {path}: {free / 2**20:,.0f} MB free, "
            f"{wanted / 2**20:,.0f} MB needed; free some space, or move the index"
        )


ROOMY = 4
"""Times the usual guard: with more free than that a disk does not fill up in a run unnoticed."""


def is_cramped(path: Path, minimum: int = MIN_FREE_BYTES) -> bool:
    """Whether a disk may fill up under mapped files, guard or no guard.

    Args:
        path: need not exist yet.
        minimum: the guard, see :func:`check_free_space`.
    """
    return 2 * minimum < MIN_FREE_BYTES or free_bytes(path) < ROOMY * MIN_FREE_BYTES


def free_bytes(path: Path) -> int:
    """Free on the disk of ``path``, which need not exist yet."""
    there = path
    while not there.exists() and there != there.parent:
        there = there.parent
    return shutil.disk_usage(there).free


def is_full(error: BaseException) -> bool:
    """Whether an error says that a disk is full; that of a library in its text alone."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}
    said = str(error)
    return any(text in said for text in ("No space left on device", "os error 28", "WriteZero"))


def check_writable(folder: Path, what: str) -> None:
    """Nothing, when this user may write into a folder; it is made where it is missing.

    Args:
        folder: of a volume that somebody mounted, perhaps.
        what: the setting that names it.

    Raises:
        ConfigError: it cannot be made or written; says whose it is.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            return
    except OSError as error:
        if is_full(error):
            return  # whoever writes says so
        whose = ""
        if hasattr(os, "getuid") and folder.exists():
            whose = (
                f" by user {os.getuid()}: it belongs to user {folder.stat().st_uid}; "
                f"chown -R {os.getuid()} it, or mount it read-write"
            )
        raise ConfigError(
            f"{what} is {folder}, which cannot be written{whose} ({error.strerror or error}); or "
            f"name another folder",
            code="not_writable",
        ) from error


def write_estimate(points: Sequence[Point], schema: CollectionSchema) -> int:
    """A generous number of bytes for writing points: log, segment, index and a later merge."""
    floats = sum(schema.vectors.get(space, 0) for point in points for space in point.vectors)
    return 4 * 4 * floats + 4096 * len(points)


def tree_bytes(path: Path) -> int:
    """Bytes that the files under ``path`` take on disk; sparse files count what they fill."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                status = (Path(folder) / name).stat()
            except FileNotFoundError:
                continue
            # Windows has no st_blocks.
            total += getattr(status, "st_blocks", -(-status.st_size // 512)) * 512
    return total

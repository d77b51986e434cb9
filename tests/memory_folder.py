"""The temporary folder of a run, in memory where there is room: embedded stores wait for no disk.

A store preallocates its log and its pages, 130 MB of memory each. So a folder goes when the run
ends, however it ends: what failed is copied to the disk, and what a killed run left is removed by
the next one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
from sparse import copy_tree

MEMORY = Path("/dev/shm")
PREFIX = "scenesearch-tests-"
FAILED = "scenesearch-tests-failed-"
FREE_THERE = 4 << 30
"""Workers need at most 1 GB each."""
FREE_MEMORY = 8 << 30
"""A folder in memory is memory that nobody else has."""


class MemoryFolder:
    """Ours until the run ends: the lock on it says so to others, and goes with the process."""

    def __init__(self) -> None:
        self._owner = Path(tempfile.mkdtemp(prefix=PREFIX, dir=MEMORY))
        self._lock = _lock(self._owner)
        self.path = self._owner / "run"

    def copy_to_disk(self) -> Path:
        """What is left of it, in place of what the last run left that failed."""
        for old in _ours(Path(tempfile.gettempdir()), FAILED):
            shutil.rmtree(old, ignore_errors=True)
        kept = Path(tempfile.mkdtemp(prefix=FAILED))
        with suppress(OSError):  # shutil.Error is one: what cannot be read is left out
            copy_tree(self.path, kept)
        return kept

    def remove(self) -> None:
        shutil.rmtree(self._owner, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)


def memory_folder() -> MemoryFolder | None:
    """One in memory, or None where a run belongs on the disk."""
    if sys.platform != "linux" or not os.access(MEMORY, os.W_OK):
        return None
    for left in _ours(MEMORY, PREFIX):
        lock = _lock(left)
        if lock is not None:
            shutil.rmtree(left, ignore_errors=True)
            os.close(lock)
    if shutil.disk_usage(MEMORY).free < FREE_THERE:
        return None
    return MemoryFolder() if psutil.virtual_memory().available >= FREE_MEMORY else None


def _ours(folder: Path, prefix: str) -> list[Path]:
    return [path for path in folder.glob(f"{prefix}*") if path.lstat().st_uid == os.getuid()]


def _lock(folder: Path) -> int | None:
    """A lock on a folder, or None while another process holds it."""
    import fcntl

    try:
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        return None
    return held

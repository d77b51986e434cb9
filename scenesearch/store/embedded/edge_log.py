"""Making the engine's log durable without the files that it is applied to.

The engine writes each operation into its log, a mapped file, before it applies it, and replays
the log on opening; its own ``flush`` syncs every mapped file of every segment. On Linux a sync of
a file writes what was stored through a mapping as well, so the log alone can be made durable.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from scenesearch.system.whole_file import sync_directory

CAN_SYNC = sys.platform == "linux"
"""Elsewhere a sync of a file does not promise to write what was stored through a mapping."""
REPLAYED_BYTES = 16 << 20
"""Of operations that only the log holds; more, and the engine flushes and cuts its log."""
OPERATION_BYTES = 16 << 10
"""An operation counts for at least this, so that opening never replays more than 1,024."""

_HEAD, _LENGTH = 8, 8
"""Bytes of a log file's head, and of the length before each operation in it."""


class EdgeLog:
    """The log of one opened shard.

    Args:
        shard: the shard's directory.
    """

    def __init__(self, shard: Path) -> None:
        self._folder = shard / "wal"
        self._names: list[str] = []

    def sync(self) -> None:
        """Make every operation that the engine logged durable.

        Raises:
            OSError: the disk refuses.
        """
        names = sorted(file.name for file in self._folder.iterdir() if file.name[-1].isdigit())
        for name in names:
            handle = os.open(self._folder / name, os.O_RDWR)
            try:
                # the next file is there already, with a head alone: after it comes the length of
                # the first operation
                if os.pread(handle, _LENGTH, _HEAD) != bytes(_LENGTH):
                    os.fdatasync(handle)
            finally:
                os.close(handle)
        if names != self._names:
            sync_directory(self._folder)
            self._names = names

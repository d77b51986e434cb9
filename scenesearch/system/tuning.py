"""Long-lived processes: who goes first, what memory goes back, what is left alone.

The embedded store answers one request at a time, so whatever it waits for, everybody waits for.
Without priorities it is one of three that share the cores, and stands in line a sixth of the time;
with them, two cores answer a tenth to a third more.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys

LARGE_BYTES = 1 << 20
"""Blocks above this are mapped one by one, and unmapped when they are freed."""
_M_MMAP_THRESHOLD = -3


def give_large_blocks_back() -> None:
    """Have every large block unmapped when it is freed; does nothing where that is not known.

    The GNU C library raises its own threshold to the largest block that was ever freed (32 MB at
    most), and keeps what is below it: after one large upload a process stays large.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, LARGE_BYTES)


def leave_what_stays() -> None:
    """For the end of a process's start: what is there is never again looked through as garbage.

    Models and libraries are some 400,000 objects that stay, and every full collection goes through
    all of them: 0.2 s in which no thread runs, every other second under load.
    """
    gc.collect()
    gc.freeze()


RANKING = 8
"""Steps behind the store: threads of the engine."""
HTTP = 12
"""Steps behind the store: whose work is the shortest, and which feeds all others."""


def step_back(steps: int) -> None:
    """Let others go before the calling thread; it keeps what a core has left.

    It cannot be taken back, and what the thread starts from now on inherits it. Does nothing but
    on Linux, where threads have priorities of their own: elsewhere the process would step back,
    the store that it starts included.

    Args:
        steps: of ``nice``, from where the thread is; a step is a fifth less of a contested core.
    """
    if sys.platform == "linux":
        os.nice(steps)

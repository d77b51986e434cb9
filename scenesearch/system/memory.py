"""Memory of processes that live long: large files go back to the system, models are left alone."""

from __future__ import annotations

import ctypes
import gc
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

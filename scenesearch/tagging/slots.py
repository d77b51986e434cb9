"""Memory that the decoding processes share with the main one, for pixels.

A pipe hands pixels over in pieces of 64 kB, and both sides wait for each other at every piece; on
a busy machine that takes longer than decoding. The memory has no name anywhere: it is gone with
the last process, however that ends.
"""

from __future__ import annotations

import mmap
import os
import threading
from typing import Any

import numpy as np

from scenesearch.core.types import Image

SLOT_BYTES = 16_000_000
"""A photo of 5 million pixels; larger ones go through the pipe. Only what is used takes memory."""


class Slots:
    """A number of places for one photo each; can be sent to a process that is being spawned.

    Args:
        number: of slots; 0, or a system without ``memfd_create``, means all goes by pipe.
        nbytes: of a slot.
    """

    def __init__(self, number: int, nbytes: int = SLOT_BYTES) -> None:
        self._nbytes = nbytes
        self._lock = threading.Lock()
        self._memory: mmap.mmap | None = None
        self._free: list[int] = []
        create = getattr(os, "memfd_create", None)
        if create is not None and number:
            self._handle: int = create("scenesearch-photos")
            os.ftruncate(self._handle, number * nbytes)
            self._memory = mmap.mmap(self._handle, number * nbytes)
            self._free = list(range(number))

    def __reduce__(self) -> tuple[Any, ...]:
        if self._memory is None:
            return Slots, (0, self._nbytes)
        from multiprocessing.reduction import DupFd

        return _opened, (DupFd(self._handle), len(self._memory), self._nbytes)

    def take(self) -> int | None:
        """A slot for one photo; None where all are taken."""
        with self._lock:
            return self._free.pop() if self._free else None

    def give_back(self, slot: int | None) -> None:
        """Let the next photo have it."""
        if slot is not None:
            with self._lock:
                self._free.append(slot)

    def write(self, slot: int | None, image: Image) -> bool:
        """Put a photo into a slot; False where it has no room there."""
        if slot is None or self._memory is None or image.nbytes > self._nbytes:
            return False
        start = slot * self._nbytes
        self._memory[start : start + image.nbytes] = np.ascontiguousarray(image).data.cast("B")
        return True

    def read(self, slot: int, shape: tuple[int, ...]) -> Image:
        """A copy of the photo in a slot, shape (height, width, 3)."""
        if self._memory is None:
            raise ValueError("these slots hold no memory")
        count = int(np.prod(shape))
        pixels = np.frombuffer(self._memory, np.uint8, count, slot * self._nbytes)
        return pixels.reshape(shape).copy()

    def close(self) -> None:
        """Give the memory back."""
        if self._memory is not None:
            self._memory.close()
            self._memory = None
            os.close(self._handle)
        self._free = []


def _opened(handle: Any, size: int, nbytes: int) -> Slots:
    """The slots of the parent, in a worker: it writes where it is told, and takes none."""
    slots = Slots(0, nbytes)
    slots._handle = handle.detach()
    slots._memory = mmap.mmap(slots._handle, size)
    return slots

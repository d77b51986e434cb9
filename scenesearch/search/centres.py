"""Where the middle of a catalogue lies, in each of its vector spaces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np

from scenesearch.core.protocols import Store
from scenesearch.core.types import Vector

SAMPLE = 256
"""Points that are read; ids are hashes, so the first are any."""
FEW = 16
"""A mean of few points says little: it counts as if so many more lay at 0."""
AGAIN_S = 60.0
"""After which a collection that had fewer points is read again: it may have grown."""


class Centres:
    """The mean vectors of a collection, read when they are first asked for.

    Args:
        store: the collection.
        spaces: of its vectors.
        key: a payload field that each point of ours has; what others wrote has no say.
        clock: seconds.
    """

    def __init__(
        self,
        store: Store,
        spaces: tuple[str, ...],
        key: str = "item_id",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._spaces, self._key, self._clock = store, spaces, key, clock
        self._found: Mapping[str, Vector] = {}
        self._until = clock()

    def now(self) -> Mapping[str, Vector]:
        """By space; a space in which nothing lies is left out."""
        if self._clock() >= self._until:
            read, self._found = self._read()
            self._until = self._clock() + AGAIN_S if read < SAMPLE else float("inf")
        return self._found

    def _read(self) -> tuple[int, Mapping[str, Vector]]:
        page = self._store.scroll(limit=SAMPLE, fields=(self._key,), spaces=self._spaces)
        ours = [record for record in page.records if self._key in record.payload]
        found: dict[str, Vector] = {}
        for space in self._spaces:
            rows = [record.vectors[space] for record in ours if space in record.vectors]
            if rows:
                found[space] = np.stack(rows).sum(axis=0) / np.float32(len(rows) + FEW)
        return len(page.records), found

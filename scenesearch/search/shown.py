"""Whole payloads of points that were shown before, so that they are not read again.

A store may tell that the point of a hit is as it was: the embedded ones give the very same object
for its payload, whatever fields were asked for, as long as it is not written to; a server's tell
the revision of its last write. What was read of that point is then what it still holds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from threading import Lock

from cachetools import LRUCache

from scenesearch.core.protocols import Store
from scenesearch.core.types import Hit, Record

MAX_SHOWN = 5_000
"""Points kept, a few kB each."""
TRUSTED_S = 60.0
"""What others write to a server, without scenesearch, tells no revision: it is seen after this."""


class ShownPoints:
    """Reads the points behind hits; safe to use from threads.

    Args:
        store: the collection.
        limit: how many points are kept.
        clock: seconds that never go back.
    """

    def __init__(
        self,
        store: Store,
        limit: int = MAX_SHOWN,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._clock = clock
        self._kept: LRUCache[str, tuple[Hit, Record, float]] = LRUCache(limit)
        self._gate = Lock()

    def read(self, hits: Iterable[Hit]) -> dict[str, Record]:
        """The points by id, in one call for all that are not known; deleted ones are left out."""
        wanted = {hit.id: hit for hit in hits}
        now = self._clock()
        with self._gate:
            kept = {i: self._kept.get(i) for i in wanted}
        found = {
            i: one[1]
            for i, one in kept.items()
            if one is not None and _unchanged(one[0], wanted[i], now - one[2])
        }
        missing = [i for i in wanted if i not in found]
        if missing:
            # a write since the hits makes a newer payload under an older hit, which no later
            # hit is like
            new = {record.id: record for record in self._store.retrieve(missing)}
            with self._gate:
                self._kept.update({i: (wanted[i], record, now) for i, record in new.items()})
            found |= new
        return found


def _unchanged(then: Hit, now: Hit, age_s: float) -> bool:
    """Whether two hits are of a point that was not written to between them."""
    if now.revision:
        return then.revision == now.revision and age_s < TRUSTED_S
    return then.payload is now.payload

"""Whole payloads of points that were shown before, so that they are not read again.

A store may give the very same object for the payload of a hit as long as its point is not written
to, whatever fields were asked for: the embedded ones do. What was read of that point is then what
it still holds. A server gives a new object each time, and is asked each time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from cachetools import LRUCache

from scenesearch.core.protocols import Store
from scenesearch.core.types import Hit, Record

MAX_SHOWN = 5_000
"""Points kept, a few kB each."""


class ShownPoints:
    """Reads the points behind hits; safe to use from threads.

    Args:
        store: the collection.
        limit: how many points are kept.
    """

    def __init__(self, store: Store, limit: int = MAX_SHOWN) -> None:
        self._store = store
        self._kept: LRUCache[str, tuple[Mapping[str, Any], Record]] = LRUCache(limit)
        self._gate = Lock()

    def read(self, hits: Iterable[Hit]) -> dict[str, Record]:
        """The points by id, in one call for all that are not known; deleted ones are left out."""
        wanted = {hit.id: hit.payload for hit in hits}
        with self._gate:
            kept = {i: self._kept.get(i) for i in wanted}
        found = {i: one[1] for i, one in kept.items() if one is not None and one[0] is wanted[i]}
        missing = [i for i in wanted if i not in found]
        if missing:
            # a write since the hits makes a newer payload under an older object, which no later
            # hit brings again
            new = {record.id: record for record in self._store.retrieve(missing)}
            with self._gate:
                self._kept.update({i: (wanted[i], record) for i, record in new.items()})
            found |= new
        return found

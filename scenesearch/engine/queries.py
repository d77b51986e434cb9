"""Photos that were searched, kept for a while to be asked again under an id nobody can guess."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from scenesearch.core.errors import QueryError
from scenesearch.engine.slim import KeptPhoto, SlimSeen

ID_BYTES = 24
"""Of randomness in an id: 192 bits."""


class QueryExpiredError(QueryError):
    """A query id that is not known any more, or never was."""

    code = "query_expired"


@dataclass(slots=True)
class _Kept:
    photo: KeptPhoto
    seen: SlimSeen
    nbytes: int
    until: float


class Queries:
    """The photos, least recently used out first; safe to use from threads.

    Args:
        max_megabytes: of all photos and what was computed on them; 0 keeps none.
        ttl_s: how long one is kept after its last use.
        clock: seconds that never go back.
    """

    def __init__(
        self, *, max_megabytes: float, ttl_s: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes = int(max_megabytes * 1_000_000)
        self._ttl_s = ttl_s
        self._clock = clock
        self._lock = Lock()
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._nbytes = 0

    def __len__(self) -> int:
        with self._lock:
            self._expire()
            return len(self._kept)

    @property
    def nbytes(self) -> int:
        """What is kept, in bytes."""
        return self._nbytes

    def add(self, photo: KeptPhoto, seen: SlimSeen) -> str | None:
        """Keep a photo; its id, or None where it has no room at all."""
        query_id = secrets.token_urlsafe(ID_BYTES)
        return query_id if self._put(query_id, photo, seen) else None

    def get(self, query_id: str) -> tuple[KeptPhoto, SlimSeen]:
        """A photo and what is known of it; it stays for another while.

        Raises:
            QueryExpiredError: there is none under this id.
        """
        with self._lock:
            self._expire()
            kept = self._kept.get(query_id)
            if kept is None:
                raise QueryExpiredError(
                    f"There is no query {query_id!r:.80} any more; queries are kept for "
                    f"{self._ttl_s:g} s after their last use, and fewer when there are many: send "
                    f"the photo again"
                )
            kept.until = self._clock() + self._ttl_s
            self._kept.move_to_end(query_id)
            return kept.photo, kept.seen

    def weigh(self, query_id: str) -> None:
        """Count what was computed on a photo since it was added."""
        with self._lock:
            kept = self._kept.get(query_id)
        if kept is not None:
            self._put(query_id, kept.photo, kept.seen)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()
            self._nbytes = 0

    def _put(self, query_id: str, photo: KeptPhoto, seen: SlimSeen) -> bool:
        size = len(photo.photo.data) + seen.nbytes
        with self._lock:
            self._drop(query_id)
            self._expire()
            if size > self._max_bytes or not self._ttl_s:
                return False
            while self._nbytes + size > self._max_bytes:
                self._drop(next(iter(self._kept)))
            self._kept[query_id] = _Kept(photo, seen, size, self._clock() + self._ttl_s)
            self._nbytes += size
            return True

    def _expire(self) -> None:
        now = self._clock()
        # every use moves to the end and lasts equally long, so the first one ends first
        while self._kept and next(iter(self._kept.values())).until <= now:
            self._drop(next(iter(self._kept)))

    def _drop(self, query_id: str) -> None:
        gone = self._kept.pop(query_id, None)
        if gone is not None:
            self._nbytes -= gone.nbytes

"""Photos that were searched, kept for a while to be asked again under an id nobody can guess."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from threading import Lock

from cachetools import TTLCache

from scenesearch.core.errors import QueryError
from scenesearch.engine.slim import KeptPhoto, SlimSeen

ID_BYTES = 24
"""Of randomness in an id: 192 bits."""


def new_query_id() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(ID_BYTES)


class QueryExpiredError(QueryError):
    """A query id that is not known any more, or never was."""

    code = "query_expired"


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
        self._ttl_s = ttl_s
        self._lock = Lock()
        self._kept: TTLCache[str, tuple[KeptPhoto, SlimSeen, str | None]] = TTLCache(
            int(max_megabytes * 1_000_000),
            ttl_s,
            timer=clock,
            getsizeof=lambda kept: len(kept[0].photo.data) + kept[1].nbytes,
        )

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    @property
    def nbytes(self) -> int:
        """What is kept, in bytes."""
        with self._lock:
            return int(self._kept.currsize)

    def add(
        self,
        photo: KeptPhoto,
        seen: SlimSeen,
        tenant: str | None = None,
        query_id: str | None = None,
    ) -> str | None:
        """Keep a photo, of a tenant or nobody's; its id, or None where it has no room at all.

        Args:
            photo: the photo.
            seen: what is known of it.
            tenant: whose it is.
            query_id: that it is to have.
        """
        query_id = query_id or new_query_id()
        with self._lock:
            self._put(query_id, (photo, seen, tenant))
            return query_id if query_id in self._kept else None

    def get(self, query_id: str, tenant: str | None = None) -> tuple[KeptPhoto, SlimSeen]:
        """A photo of the tenant and what is known of it; it stays for another while.

        Raises:
            QueryExpiredError: there is none under this id.
        """
        with self._lock:
            self._kept.expire()
            kept = self._kept.get(query_id)
            # who guessed another's id is told what anybody is
            if kept is None or kept[2] != tenant:
                raise QueryExpiredError(
                    f"There is no query {query_id!r:.80} any more; queries are kept for "
                    f"{self._ttl_s:g} s after their last use, and fewer when there are many: send "
                    f"the photo again"
                )
            self._put(query_id, kept)
            return kept[:2]

    def anew(self, query_id: str, photo: KeptPhoto, seen: SlimSeen, tenant: str | None) -> None:
        """Forget what the models said of a photo."""
        with self._lock:
            self._put(query_id, (photo, seen, tenant))

    def weigh(self, query_id: str) -> None:
        """Count what was computed on a photo since it was added."""
        with self._lock:
            kept = self._kept.get(query_id)
            if kept is not None:
                self._put(query_id, kept)

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._kept.clear()

    def _put(self, query_id: str, kept: tuple[KeptPhoto, SlimSeen, str | None]) -> None:
        # out first: others would have to make room for what it weighed before, too
        self._kept.pop(query_id, None)
        with suppress(ValueError):  # it alone is too much
            self._kept[query_id] = kept

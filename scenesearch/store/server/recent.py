"""The points of conditions that were read a moment ago: who changes an item has just read it."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

from cachetools import TTLCache

from scenesearch.core.conditions import Condition

CONDITIONS = 64
POINTS = 1000
"""Of one condition, at most."""


class RecentPoints:
    """Ids by condition, until something is written; safe to use from threads.

    Args:
        seconds: how long they are known.
    """

    def __init__(self, seconds: float) -> None:
        self._gate = Lock()
        self._kept: TTLCache[Condition, tuple[str, ...]] = TTLCache(CONDITIONS, seconds)

    def keep(self, where: Condition, ids: Sequence[str]) -> None:
        """Remember all the points of a condition."""
        if len(ids) <= POINTS:
            with self._gate:
                self._kept[where] = tuple(ids)

    def get(self, where: Condition | None) -> tuple[str, ...] | None:
        """The points of a condition, if they are known."""
        if where is None:
            return None
        with self._gate:
            return self._kept.get(where)

    def forget(self) -> None:
        """Something was written."""
        with self._gate:
            self._kept.clear()

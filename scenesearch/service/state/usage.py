"""What each key cost today, in the state: photos, searches and items."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from scenesearch.service.state.database import USAGE
from scenesearch.service.state.tables import Tables

DAY_S = 86_400
KEPT_DAYS = 40
"""How long is kept what a key cost."""
_ROW_BYTES = 512


class QuotaUsedError(Exception):
    """A day's quota of a key has not that much left.

    Attributes:
        what: of it.
        limit: for a day.
        left: of it.
        wait_s: until the next day.
    """

    def __init__(self, what: str, limit: int, left: int, wait_s: float) -> None:
        super().__init__(what)
        self.what, self.limit, self.left, self.wait_s = what, limit, left, wait_s


class Usage:
    """What keys used, by day (UTC); safe to call from any thread.

    Args:
        database: where it is.
        clock: seconds since the epoch.
    """

    def __init__(self, database: Tables, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    @property
    def wait_s(self) -> float:
        """Seconds until the next day."""
        return DAY_S - self._clock() % DAY_S

    def take(
        self, caller: str, costs: Mapping[str, int], limits: Mapping[str, int]
    ) -> dict[str, int]:
        """Count what a request costs, all of it or, where a quota has not that much left, nothing.

        Args:
            caller: which key, as a short digest.
            costs: by what is counted.
            limits: for a day, of what is limited.

        Returns:
            What is left of each limit.

        Raises:
            QuotaUsedError: a quota has not that much left.
            NoSpaceError: the disk is full.
        """
        self._database.check_space(_ROW_BYTES)
        day = self._day()
        with self._database.writing() as db:
            used = self.used(caller)
            for what, limit in limits.items():
                left = limit - used.get(what, 0)
                if costs.get(what, 0) > left:
                    raise QuotaUsedError(what, limit, max(0, left), self.wait_s)
            rows = [(caller, day, what, n) for what, n in costs.items() if n and what in limits]
            for row in rows:
                db.execute(
                    "INSERT INTO usage (caller, day, what, used) VALUES (?, ?, ?, ?) ON CONFLICT "
                    "(caller, day, what) DO UPDATE SET used = usage.used + excluded.used",
                    row,
                )
            if rows and not used:
                # with a key's first request of a day
                db.execute("DELETE FROM usage WHERE day < ?", (self._day(KEPT_DAYS),))
        return {one: n - used.get(one, 0) - costs.get(one, 0) for one, n in limits.items()}

    def used(self, caller: str) -> dict[str, int]:
        """What a key cost today."""
        rows = self._database.sound_rows(
            self._database.select(USAGE, "what, used", "WHERE caller = ? AND day = ?"),
            (caller, self._day()),
        )
        return {str(what): int(used) for what, used in rows}

    def _day(self, ago: int = 0) -> str:
        then = datetime.fromtimestamp(self._clock(), UTC) - timedelta(days=ago)
        return then.strftime("%Y-%m-%d")

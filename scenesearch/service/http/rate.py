"""How often a key may ask: a bucket of requests for each, filled again as time goes by."""

from __future__ import annotations

import time
from collections.abc import Callable


class Buckets:
    """Buckets by caller; only callers with a limit have one, so there are as many as keys.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, caller: str, per_minute: int) -> float:
        """Take one request out.

        Args:
            caller: whose.
            per_minute: how many flow in, and how many there are room for.

        Returns:
            0, or seconds until there is one again.
        """
        now = self._clock()
        left, at = self._left.get(caller, (float(per_minute), now))
        left = min(per_minute, left + (now - at) * per_minute / 60)
        if left < 1:
            self._left[caller] = (left, now)
            return (1 - left) * 60 / per_minute
        self._left[caller] = (left - 1, now)
        return 0.0

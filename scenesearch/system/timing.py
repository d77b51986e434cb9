"""Where the time goes, by stage."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


class StageTimes:
    """Adds up wall-clock seconds by stage name; not shared between threads.

    Args:
        seconds: to start from; copied.

    Attributes:
        patience_s: of whoever waits, for what is worked out once and then known.
    """

    patience_s = math.inf

    def __init__(self, seconds: Mapping[str, float] | None = None) -> None:
        self.seconds: dict[str, float] = dict(seconds or {})

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time the body of a ``with`` statement."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add to a stage."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds

    def milliseconds(self) -> dict[str, float]:
        """Stage to milliseconds, in the order the stages were first seen."""
        return {name: seconds * 1e3 for name, seconds in self.seconds.items()}

"""Revisions of points: what keeps a write that is tried again from undoing a newer one.

Whether a request whose answer was lost was carried out, nobody knows. So each write leaves its
revision in the points, and where it is asked again it leaves those alone that have a greater one.
A revision is the time in microseconds, and greater than all that its process has seen: whoever
read what another wrote, and changes it, has the greater one, however wrong the clocks are.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import Any

from scenesearch.core.points import REVISION


class Revisions:
    """Makes revisions; safe to use from threads."""

    def __init__(self) -> None:
        self._gate = Lock()
        self._last = 0

    def next(self) -> int:
        """One greater than all before, and than all that were seen."""
        with self._gate:
            self._last = max(time.time_ns() // 1000, self._last + 1)
            return self._last

    def take(self, payload: dict[str, Any]) -> int:
        """The revision of a payload that was read, which has none any more; 0 for none."""
        revision = payload.pop(REVISION, 0)
        if not isinstance(revision, int):
            return 0
        if revision > self._last:
            with self._gate:
                self._last = max(self._last, revision)
        return revision

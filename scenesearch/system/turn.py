"""Whose turn it is at a store that answers one request at a time: whose task began first.

A search asks several times. In the order of the requests alone, each of its questions waits
behind all that came since the last one, those of younger searches included, so how long it takes
is left to chance. In the order of the tasks it waits only for those that were there before.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_since: ContextVar[int | None] = ContextVar("since", default=None)


def now() -> int:
    """The clock of this file: nanoseconds that never go back."""
    return time.monotonic_ns()


@contextmanager
def task_since(began: int) -> Iterator[None]:
    """What this thread asks in here belongs to a task that began then, by :func:`now`."""
    token = _since.set(began)
    try:
        yield
    finally:
        _since.reset(token)


def since() -> int:
    """When the task that asks began; outside of any, it begins with this request."""
    began = _since.get()
    return now() if began is None else began

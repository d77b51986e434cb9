"""Who may go on to the engine, who waits, and who is told to come back later.

A lane has so many places at the engine and a bounded queue before them, first come first served.
What cannot be answered in time is refused when it comes rather than when its deadline passes:
how fast the engine is, is measured. It all happens in one event loop, whose clock is the clock.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from scenesearch.engine.remote.backend import BusyError, DeadlineError

Refusal = Literal["busy", "deadline_exceeded", "rate_limited", "stopping"]

SMOOTHING = 0.1
"""Weight of the newest duration in the moving average."""
SHARE = 0.5
"""Of the lane that one client may hold while others want it too."""
PRESENT_S = 10.0
"""A client that asked within so long wants the lane too."""
RETRY_MAX_S = 120


@dataclass(frozen=True, slots=True)
class LaneNumbers:
    """How a lane is.

    Attributes:
        waiting: tasks in the queue.
        running: tasks that hold a place at the engine.
        refused: tasks so far, by the reason.
        expected_wait_s: before a task that comes now would begin.
        mean_s: moving average of how long a place is held.
    """

    waiting: int
    running: int
    refused: Mapping[str, int]
    expected_wait_s: float
    mean_s: float


class Place:
    """A place at the engine; leaving it twice does nothing."""

    __slots__ = ("_lane", "_since", "client")

    def __init__(self, lane: Lane, client: str | None, since: float) -> None:
        self._lane: Lane | None = lane
        self._since = since
        self.client = client

    def leave(self) -> None:
        """Let the next one in."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.left(self.client, self._since)


class _Waiting(NamedTuple):
    """Somebody in the queue."""

    client: str | None
    place: asyncio.Future[Place]


class Lane:
    """A queue before the places at an engine.

    Args:
        name: in messages.
        places: tasks at the engine at once.
        limit: tasks that wait or hold a place.
    """

    def __init__(self, name: str, *, places: int, limit: int) -> None:
        self.name = name
        self._places = places
        self.limit = limit
        self._queue: deque[_Waiting] = deque()
        self._running = 0
        self._held: Counter[str] = Counter()
        self._seen: dict[str, float] = {}
        self._refused: Counter[str] = Counter()
        self._mean_s = 0.0
        self._measured = 0
        self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()

    def numbers(self) -> LaneNumbers:
        """How it is now."""
        return LaneNumbers(
            len(self._queue),
            self._running,
            dict(self._refused),
            self.expected_wait_s(),
            self._mean_s,
        )

    def expected_wait_s(self) -> float:
        """How long a task that comes now would wait; 0 where a place is free."""
        ahead = len(self._queue) + self._running - self._places + 1
        return max(0, ahead) * self._mean_s / self._places

    async def enter(self, *, deadline: float, client: str | None = None) -> Place:
        """A place at the engine, after those who came before.

        Args:
            deadline: by the clock of the event loop.
            client: who asks, so that nobody takes everything; None for nobody in particular.

        Raises:
            BusyError: the queue is full (``busy``), the deadline would pass first (``busy``), the
                client holds its share (``rate_limited``), or the lane was closed (``stopping``).
            DeadlineError: the deadline has passed while waiting.
        """
        loop = asyncio.get_running_loop()
        self._check(loop.time(), deadline, client)
        if client is not None:
            self._held[client] += 1
        if self._running < self._places:
            return self._occupy(client)
        waiting = _Waiting(client, loop.create_future())
        self._queue.append(waiting)
        try:
            async with asyncio.timeout_at(deadline):
                return await waiting.place
        except BaseException as error:
            self._give_up(waiting)
            if isinstance(error, TimeoutError):
                self._refused["deadline_exceeded"] += 1
                raise DeadlineError(
                    f"{self.name}: the deadline passed after waiting for a free place; ask again "
                    f"later, or allow more time",
                    retry_after_s=_whole(self.expected_wait_s()),
                ) from error
            raise

    def close(self) -> None:
        """Refuse whoever comes from now on; those who wait still get their places."""
        self._closed = True

    async def drained(self) -> None:
        """Return when nobody waits and no place is held."""
        await self._empty.wait()

    def left(self, client: str | None, since: float) -> None:
        """A place was given back: measure how long it was held, and let the next one in."""
        now = asyncio.get_running_loop().time()
        self._measured += 1
        weight = max(SMOOTHING, 1 / self._measured)
        self._mean_s += weight * (now - since - self._mean_s)
        self._running -= 1
        self._forget(client)
        while self._queue and self._running < self._places:
            waiting = self._queue.popleft()
            if not waiting.place.done():
                waiting.place.set_result(self._occupy(waiting.client))
        if not (self._queue or self._running):
            self._empty.set()

    def _occupy(self, client: str | None) -> Place:
        self._running += 1
        self._empty.clear()
        return Place(self, client, asyncio.get_running_loop().time())

    def _give_up(self, waiting: _Waiting) -> None:
        """Whoever waited has left; a place that it was just given goes to the next one."""
        if waiting.place.done() and not waiting.place.cancelled():
            waiting.place.result().leave()
            return
        if waiting in self._queue:
            self._queue.remove(waiting)
        self._forget(waiting.client)

    def _forget(self, client: str | None) -> None:
        if client is not None:
            self._held[client] -= 1
            if not self._held[client]:
                del self._held[client]

    # --- refusing --------------------------------------------------------------------------

    def _check(self, now: float, deadline: float, client: str | None) -> None:
        """Nothing, when there is room for one more of this client.

        Raises:
            BusyError: there is not.
        """
        others = self._others(now, client)
        if self._closed:
            raise self._refuse("stopping", "the service is stopping; ask again in a while", 1)
        if client is not None and others and self._held[client] >= SHARE * self.limit:
            raise self._refuse(
                "rate_limited",
                f"{self._held[client]} requests of this key wait or run, its share of "
                f"{self.limit} while others ask too; wait for some of them",
                # how long it takes until so many places are free, while all are taken
                self._held[client] * self._mean_s / self._places,
            )
        if len(self._queue) + self._running >= self.limit:
            raise self._refuse(
                "busy",
                f"{self.limit} requests wait or run, as many as may; ask again later",
                self.expected_wait_s(),
            )
        wait_s, left_s = self.expected_wait_s(), deadline - now
        if wait_s > 0 and wait_s + self._mean_s > left_s:
            raise self._refuse(
                "busy",
                f"an answer would take about {wait_s + self._mean_s:.1f} s, more than the "
                f"{max(0.0, left_s):.1f} s that the request has; ask again later",
                wait_s + self._mean_s - left_s,
            )

    def _others(self, now: float, client: str | None) -> bool:
        """Whether another client has asked lately; notes that this one did."""
        for known in [known for known, at in self._seen.items() if now - at > PRESENT_S]:
            del self._seen[known]
        if client is not None:
            self._seen[client] = now
        return any(known != client for known in self._seen)

    def _refuse(self, reason: Refusal, why: str, retry_s: float) -> BusyError:
        self._refused[reason] += 1
        return BusyError(f"{self.name}: {why}", retry_after_s=_whole(retry_s), code=reason)


def _whole(seconds: float) -> int:
    """Whole seconds for ``Retry-After``: at least 1, at most :data:`RETRY_MAX_S`."""
    return min(RETRY_MAX_S, max(1, math.ceil(seconds)))

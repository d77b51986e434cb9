"""The backend of the service: a gate before an engine in a process of its own.

The queue is on this side, where what waits can be refused, given up and counted; the engine is
given one task more of a kind than it has threads for, so that the next one is there already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from scenesearch.config.service import ServiceSettings
from scenesearch.config.settings import Settings
from scenesearch.engine import tasks
from scenesearch.engine.remote.backend import DeadlineError
from scenesearch.engine.remote.backpressure import Lane
from scenesearch.engine.remote.process import (
    INSERTERS,
    OpenEngine,
    SceneSearchEngine,
    heavy_threads,
)
from scenesearch.engine.remote.remote import EngineState, RemoteEngine
from scenesearch.engine.tasks import Answer, Task, lane_of

AHEAD = 1
"""Tasks of a kind that are at the engine beside those it works on."""
GRACE_S = 20.0
"""For the engine to give everything back, once nothing is asked of it any more: the store makes
what it holds durable, which takes seconds on a slow disk."""


class Figure(NamedTuple):
    """What a figure is of.

    Attributes:
        name: what is counted; one that ends in ``_total`` only grows.
        lane: of the queue; empty for the engine.
        reason: why what is counted was refused; empty for others.
    """

    name: str
    lane: str = ""
    reason: str = ""


class EngineBackend:
    """A :class:`~scenesearch.engine.remote.backend.Backend` over an engine process.

    Args:
        settings: of the service and of the engine.
        store: a folder, or the URL of a Qdrant server.
        collection: of items.
        open_engine: makes the engine in its process, where it is not the usual one.
    """

    def __init__(
        self,
        settings: Settings,
        store: str | Path = "store",
        *,
        collection: str = "items",
        open_engine: OpenEngine | None = None,
    ) -> None:
        service = settings.service
        self._deadline_s = service.deadline_s
        heavy, light = heavy_threads(settings), service.light_threads
        self._engine = RemoteEngine(
            open_engine
            or SceneSearchEngine(
                settings.model_copy(update={"service": service.without_keys()}), store, collection
            ),
            threads=heavy,
            light_threads=light,
        )
        self._lanes: dict[tasks.Lane, Lane] = {
            "heavy": Lane("photo queries", places=heavy + AHEAD, limit=service.queue),
            "light": Lane("queries", places=light + AHEAD, limit=service.light_queue),
            "inserts": Lane("inserts", places=INSERTERS + AHEAD, limit=service.queue),
        }

    async def start(self) -> None:
        """Start the engine, and wait until its models have loaded.

        Raises:
            SceneSearchError: as the engine raised it: weights that are missing, a store that
                another process holds.
        """
        await asyncio.to_thread(self._engine.start)

    def allow(self, service: ServiceSettings) -> None:
        """Take other limits of what waits from here on."""
        self._deadline_s = service.deadline_s
        for name, lane in self._lanes.items():
            lane.limit = service.light_queue if name == "light" else service.queue

    def state(self) -> EngineState:
        """How the engine process is."""
        return self._engine.state()

    def gauges(self) -> Mapping[Figure, float]:
        """Figures of the gate, for metrics."""
        figures: dict[Figure, float] = {}
        for name, lane in self._lanes.items():
            numbers = lane.numbers()
            figures[Figure("queue_waiting", name)] = numbers.waiting
            figures[Figure("queue_running", name)] = numbers.running
            figures[Figure("queue_expected_wait_seconds", name)] = numbers.expected_wait_s
            figures[Figure("queue_mean_seconds", name)] = numbers.mean_s
            for reason in ("busy", "rate_limited", "deadline_exceeded", "stopping"):
                refused = numbers.refused.get(reason, 0)
                figures[Figure("queue_refused_total", name, reason)] = refused
        state = self._engine.state()
        figures[Figure("engine_ready")] = state.ready
        figures[Figure("engine_restarts_total")] = state.restarts
        return figures

    async def run(
        self, task: Task, *, deadline_s: float | None = None, client: str | None = None
    ) -> Answer:
        """See :meth:`scenesearch.engine.remote.backend.Backend.run`."""
        loop = asyncio.get_running_loop()
        allowed_s = self._deadline_s if deadline_s is None else deadline_s
        deadline = loop.time() + allowed_s
        lane = self._lanes[lane_of(task)]
        place = await lane.enter(deadline=deadline, client=client)
        try:
            sent = self._engine.submit(task, seconds=deadline - loop.time())
        except BaseException:
            place.leave()
            raise

        answer: asyncio.Future[Answer] = loop.create_future()

        def done(came: Future[Answer]) -> None:
            # the place is free when the engine is done, not when nobody waits any more
            place.leave()
            if answer.done():
                return
            if error := came.exception():
                answer.set_exception(error)
            else:
                answer.set_result(came.result())

        def arrived(came: Future[Answer]) -> None:
            with suppress(RuntimeError):  # the loop is closed, and everybody who asked is gone
                loop.call_soon_threadsafe(done, came)

        sent.future.add_done_callback(arrived)
        try:
            async with asyncio.timeout_at(deadline) as limit:
                return await answer
        except TimeoutError as error:
            if not limit.expired():
                raise  # the engine's own
            self._engine.cancel(sent.number)
            raise DeadlineError(
                f"no answer within {allowed_s:g} s; ask again later, for less, or allow more time",
                retry_after_s=max(1, round(lane.numbers().mean_s)),
            ) from error
        except asyncio.CancelledError:
            self._engine.cancel(sent.number)
            raise

    async def close(self) -> None:
        """Refuse what comes, finish what was accepted, then end the engine process."""
        for lane in self._lanes.values():
            lane.close()
        with suppress(TimeoutError):
            # nothing that was accepted may take longer
            async with asyncio.timeout(self._deadline_s):
                await asyncio.gather(*(lane.drained() for lane in self._lanes.values()))
        await asyncio.to_thread(self._engine.stop, GRACE_S)

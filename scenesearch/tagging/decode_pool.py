"""Killable worker processes that decode: a hung or crashing photo costs that photo.

Workers are spawned, not forked, so they carry nothing of the models; they end when told, when
they take too long, and when the main process is gone.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Any, NamedTuple

from scenesearch.core.errors import SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.system.child import interrupts_held_back
from scenesearch.tagging.decode import (
    Decoded,
    InSlot,
    Job,
    Outcome,
    Undecoded,
    decode_into,
    ready,
    start_worker,
)
from scenesearch.tagging.slots import Slots

START_TIMEOUT_S = 60.0
"""A worker that does not answer for so long after its start will not."""
ATTEMPTS = 3
"""A photo that was waiting when all workers died is tried so often."""


def default_workers() -> int:
    """One process a core, at most 8: more decode faster than any model looks."""
    return min(8, os.cpu_count() or 1)


class DecodePool:
    """Decodes photos in other processes; they start with the first photo.

    Args:
        workers: processes.
        timeout_s: for one photo, from when a worker takes it; the worker is killed then.
        limits: of photos.
    """

    def __init__(self, workers: int, *, timeout_s: float, limits: ImageLimits) -> None:
        self.workers = workers
        self._timeout_s = timeout_s
        self._limits = limits
        self._lock = threading.RLock()
        self._pool: _Pool | None = None
        self._broken: list[_Pool] = []
        self._closed = False

    def submit(self, job: Job) -> Future[Outcome]:
        """The outcome, later; it never holds an exception.

        Raises:
            SceneSearchError: workers cannot be started.
        """
        outcome: Future[Outcome] = Future()
        self._schedule(job, outcome, 1)
        return outcome

    def close(self) -> None:
        """Kill what runs; what was not decoded yet never will be."""
        with self._lock:
            self._closed = True
            pools, self._pool, self._broken = [*self._broken, self._pool], None, []
        for pool in pools:
            if pool is not None:
                pool.close()

    def _schedule(self, job: Job, outcome: Future[Outcome], attempt: int) -> None:
        with self._lock:
            if self._closed:
                outcome.cancel()
                return
            if self._pool is None:
                self._pool = self._start(probe=attempt == 1)
            pool = self._pool
            slot = pool.slots.take()
            try:
                task = pool.processes.schedule(
                    decode_into, args=(job, slot, self._limits), timeout=self._timeout_s
                )
            except RuntimeError:
                # it broke since the last photo, and whoever noticed comes here only later
                self._give_up(pool)
                self._schedule(job, outcome, attempt)
                return
        task.add_done_callback(partial(self._done, job, outcome, attempt, pool, slot))

    def _start(self, *, probe: bool) -> _Pool:
        from multiprocessing import get_context

        from pebble import ProcessPool

        # as many photos run at a time as Ahead lets; one without a slot goes by pipe
        slots = Slots(2 * self.workers)
        with interrupts_held_back():
            processes = ProcessPool(
                max_workers=self.workers,
                initializer=start_worker,
                initargs=(slots,),
                context=get_context("spawn"),
            )
            pool = _Pool(processes, slots)
            task = processes.schedule(ready)
        if not probe:
            return pool
        try:
            task.result(START_TIMEOUT_S)
        except (TimeoutError, OSError, RuntimeError) as error:
            pool.close()
            why = str(error) or f"not within {START_TIMEOUT_S:.0f} s"
            raise SceneSearchError(
                f"the decoding processes do not start ({why}); a script "
                f"that tags must do so under `if __name__ == '__main__':`, because Python imports "
                f"it again in each of them",
                code="workers_failed",
            ) from error
        return pool

    def _give_up(self, pool: _Pool) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
                self._broken.append(pool)

    def _done(
        self,
        job: Job,
        outcome: Future[Outcome],
        attempt: int,
        pool: _Pool,
        slot: int | None,
        task: Future[Outcome | InSlot],
    ) -> None:
        from pebble import ProcessExpired

        if task.cancelled():
            outcome.cancel()
            return
        error = task.exception()
        if error is None:
            outcome.set_result(pool.fetch(task.result(), slot))
            return
        if isinstance(error, BrokenProcessPool):
            # the photo may not even have been looked at: a worker died between two photos
            self._give_up(pool)
            if attempt < ATTEMPTS:
                self._schedule(job, outcome, attempt + 1)
            else:
                outcome.set_result(_died(job, "all decoding processes died"))
            return
        # the worker is dead by now, so nobody writes into the slot
        pool.slots.give_back(slot)
        if isinstance(error, TimeoutError):
            message = (
                f"{job.name}: not decoded within {self._timeout_s:g} s; raise the timeout, or "
                f"export the photo again"
            )
            outcome.set_result(Undecoded("timed_out", message, self._timeout_s))
        elif isinstance(error, ProcessExpired):
            outcome.set_result(_died(job, f"exit code {error.exitcode}"))
        else:
            outcome.set_result(_died(job, f"{type(error).__name__}: {error}"))


class _Pool(NamedTuple):
    """Processes, and the memory that they and nobody else write into."""

    processes: Any  # pebble's pool, whose methods are not all annotated
    slots: Slots

    def fetch(self, found: Outcome | InSlot, slot: int | None) -> Outcome:
        """What was found, with its pixels in memory of its own."""
        if isinstance(found, InSlot):
            assert slot is not None
            image = self.slots.read(slot, found.shape)
            found = Decoded(image, found.sha256, found.warnings, found.seconds, found.own)
        self.slots.give_back(slot)
        return found

    def close(self) -> None:
        """Kill the processes."""
        self.processes.stop()
        self.processes.join()
        self.slots.close()


def _died(job: Job, how: str) -> Undecoded:
    line = " ".join(how.split())[:200]
    message = (
        f"{job.name}: the process that decoded it died ({line}); export the photo again, or give "
        f"it more memory"
    )
    return Undecoded("worker_died", message)

"""The engine process: takes tasks from a pipe, does them in two pools of threads, answers.

Tasks that run models and light ones have a pool each, so that an item is read or a facet counted
while photos are looked at. A task whose deadline has passed, or that nobody wants any more, is
not begun; one that is under way is told so through ``given_up``.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from pickle import PickleError
from typing import Protocol

from scenesearch.config.settings import Settings
from scenesearch.engine.remote.backend import DeadlineError
from scenesearch.engine.remote.messages import (
    Cancel,
    Done,
    Failed,
    FromEngine,
    NotStarted,
    Ready,
    Run,
)
from scenesearch.engine.tasks import Answer, Task, is_heavy
from scenesearch.store.process.turn import now, task_since
from scenesearch.system.child import Pipe, keep_locks_inside, leave_when_done, settle_in
from scenesearch.system.failure import Failure
from scenesearch.system.memory import leave_what_stays
from scenesearch.system.priority import RANKING, step_back


class TaskEngine(Protocol):
    """What does the tasks, in any thread."""

    def load(self) -> None:
        """Load what is needed, so that the first task is as fast as the others."""
        ...

    def run(self, task: Task, given_up: Callable[[], bool]) -> Answer:
        """Do a task; whoever asks ``given_up`` and hears True may stop in any way."""
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


OpenEngine = Callable[[], TaskEngine]
"""Makes the engine, in its process; must be picklable."""


@dataclass(frozen=True, slots=True)
class SceneSearchEngine:
    """Makes the engine over a store. Travels to the engine process through a pipe.

    Attributes:
        settings: without the keys of the service, which the engine has no use for.
        store: a folder, whose embedded store gets a process of its own, or a URL.
        collection: of items.
    """

    settings: Settings = field(repr=False)
    store: str | Path
    collection: str = "items"

    def __call__(self) -> TaskEngine:
        """Name what is to be opened and put the engine over it."""
        from scenesearch.api.opened import Opened
        from scenesearch.engine.engine import Engine

        return Engine(Opened(self.store, self.settings, collection=self.collection, process=True))


TURN_S = 0.001
"""Of a thread while others wait for the interpreter: what the store could begin with waits less."""


def heavy_threads(settings: Settings) -> int:
    """How many photos are worked on at once: one more than cores, because some wait."""
    return settings.service.threads or (os.cpu_count() or 1) + 1


def serve_engine(pipe: Pipe, open_engine: OpenEngine, threads: int, light_threads: int) -> None:
    """Main function of the process: says whether it started, then works until told to stop."""
    settle_in()
    keep_locks_inside()
    try:
        engine = open_engine()
        engine.load()
    except Exception as error:  # noqa: BLE001 - raised again by who started the process
        pipe.send(NotStarted(Failure.of(error)))
        return
    leave_what_stays()
    sys.setswitchinterval(TURN_S)
    pipe.send(Ready())
    desk = _Desk(pipe, engine, threads, light_threads)
    try:
        desk.work()
    except (EOFError, OSError):
        # the parent is gone, and threads that still compute would keep this process
        os._exit(1)
    engine.close()
    leave_when_done()


class _Job:
    """A task, and whether anybody still wants its answer."""

    __slots__ = ("began", "cancelled", "deadline", "number", "task")

    def __init__(self, run: Run) -> None:
        self.began = now()
        self.number = run.number
        self.task = run.task
        self.deadline = None if run.seconds is None else time.monotonic() + run.seconds
        self.cancelled = False

    def given_up(self) -> bool:
        return self.cancelled or (self.deadline is not None and time.monotonic() > self.deadline)


class _Desk:
    """Hands tasks to threads and their answers to the pipe."""

    def __init__(self, pipe: Pipe, engine: TaskEngine, threads: int, light_threads: int) -> None:
        self._pipe = pipe
        self._engine = engine
        # the store was started by now, and does not inherit it
        self._heavy = ThreadPoolExecutor(threads, "heavy", step_back, (RANKING,))
        self._light = ThreadPoolExecutor(light_threads, "light", step_back, (RANKING,))
        self._jobs: dict[int, _Job] = {}
        self._sending = threading.Lock()

    def work(self) -> None:
        """Until told to stop; everything that was asked before is answered then.

        Raises:
            EOFError: the other end is gone.
        """
        while True:
            message = self._pipe.recv()
            if isinstance(message, Run):
                job = self._jobs[message.number] = _Job(message)
                pool = self._heavy if is_heavy(job.task) else self._light
                pool.submit(self._do, job)
            elif isinstance(message, Cancel):
                if (known := self._jobs.get(message.number)) is not None:
                    known.cancelled = True
            else:
                break
        self._heavy.shutdown(wait=True)
        self._light.shutdown(wait=True)

    def _do(self, job: _Job) -> None:
        reply: Done | Failed
        try:
            if job.given_up():
                reply = Failed(job.number, _too_late())
            else:
                with task_since(job.began):
                    reply = Done(job.number, self._engine.run(job.task, job.given_up))
        except BaseException as error:  # noqa: BLE001 - raised again by who asked
            reply = Failed(job.number, Failure.of(error))
        del self._jobs[job.number]
        try:
            self._send(reply)
        except (TypeError, AttributeError, PickleError) as error:
            self._send(Failed(job.number, Failure.of(error)))

    def _send(self, message: FromEngine) -> None:
        with self._sending:
            self._pipe.send(message)


def _too_late() -> Failure:
    message = "the deadline passed before the work began; try again, or allow more time"
    return Failure(DeadlineError, message, {"retry_after_s": 1})

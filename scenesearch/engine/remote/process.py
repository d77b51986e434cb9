"""The engine process: takes tasks from a pipe, does them in three pools of threads, answers.

Tasks that run models, light ones and inserts have a pool each, so that an item is read or a facet
counted while photos are looked at, and inserts wait for each other alone. A task whose deadline
has passed, or that nobody wants any more, is not begun; one that is under way is told so through
``cancelled``.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

from scenesearch.config.settings import Settings
from scenesearch.engine.remote.backend import DeadlineError
from scenesearch.engine.tasks import Answer, Lane, Task, lane_of
from scenesearch.system.answering import Desk
from scenesearch.system.child import Pipe, keep_locks_inside, leave_when_done, settle_in
from scenesearch.system.messages import CLOSE
from scenesearch.system.tuning import RANKING, leave_what_stays, step_back
from scenesearch.system.turn import task_since


class TaskEngine(Protocol):
    """What does the tasks, in any thread."""

    def load(self) -> None:
        """Load what is needed, so that the first task is as fast as the others."""

    def run(self, task: Task, cancelled: Callable[[], bool]) -> Answer:
        """Do a task; whoever asks ``cancelled`` and hears True may stop in any way."""

    def close(self) -> None:
        """Give everything back."""


class Run(NamedTuple):
    """What an engine process is asked.

    Attributes:
        task: what to do.
        deadline: by the clock that processes share (``time.monotonic``), after which nobody
            wants the answer; None for any time.
    """

    task: Task
    deadline: float | None


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
        from scenesearch.system.log_lines import log_to_stderr

        # its process was spawned, and has the log that Python begins with
        log_to_stderr(self.settings.service.log, logging.WARNING)

        return Engine(Opened(self.store, self.settings, collection=self.collection, process=True))


TURN_S = 0.001
"""Of a thread while others wait for the interpreter: what the store could begin with waits less."""


def heavy_threads(settings: Settings) -> int:
    """How many photos are worked on at once: one more than cores, because some wait."""
    return settings.service.threads or (os.cpu_count() or 1) + 1


INSERTERS = 16
"""Items that are put at once: they wait for the disk and for each other, and what waits is written
together."""


def serve_engine(pipe: Pipe, open_engine: OpenEngine, threads: int, light_threads: int) -> None:
    """Main function of the process: says whether it started, then works until told to stop."""
    settle_in()
    keep_locks_inside()
    desk = Desk(pipe, BaseException)
    engine = desk.open(partial(_loaded, open_engine))
    # the store was started by now, and does not inherit it
    sizes: dict[Lane, int] = {"heavy": threads, "light": light_threads, "inserts": INSERTERS}
    pools = {
        name: ThreadPoolExecutor(count, name, step_back, (RANKING,))
        for name, count in sizes.items()
    }
    jobs: dict[int, _Job] = {}

    def do(number: int, job: _Job) -> None:
        desk.answer(number, job.do, engine)
        del jobs[number]

    try:
        while (asked := pipe.recv()).request != CLOSE:
            since, number, run = asked
            if run is not None:
                job = jobs[number] = _Job(run, since)
                pools[lane_of(run.task)].submit(do, number, job)
            elif number in jobs:
                jobs[number].cancelled = True
    except (EOFError, OSError):
        # the parent is gone, and threads that still compute would keep this process
        os._exit(1)
    for pool in pools.values():
        pool.shutdown()
    engine.close()
    leave_when_done()


def _loaded(open_engine: OpenEngine) -> TaskEngine:
    engine = open_engine()
    engine.load()
    leave_what_stays()
    sys.setswitchinterval(TURN_S)
    return engine


class _Job:
    """A task, and whether anybody still wants its answer."""

    __slots__ = ("_run", "_since", "cancelled")

    def __init__(self, run: Run, since: int) -> None:
        self._run = run
        self._since = since
        self.cancelled = False

    def do(self, engine: TaskEngine) -> Answer:
        if self._cancelled():
            raise DeadlineError(
                "the deadline passed before the work began; try again, or allow more time",
                retry_after_s=1,
            )
        with task_since(self._since):
            return engine.run(self._run.task, self._cancelled)

    def _cancelled(self) -> bool:
        deadline = self._run.deadline
        return self.cancelled or (deadline is not None and time.monotonic() > deadline)

"""Engines and stores for tests of processes; imported by name in the processes themselves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path

from fakes.store import MemoryStore
from tqdm import tqdm

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import ModelNotFoundError, QueryError
from scenesearch.engine.remote.process import TaskEngine
from scenesearch.engine.tasks import Answer, GetItem, PutItems, TagTask, Task
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.system.turn import now, since


@dataclass(frozen=True)
class Plan:
    """Makes a :class:`PlainEngine`.

    Attributes:
        start: what goes wrong at its start: ``missing`` weights, ``die``, or ``hang``.
        store: a folder, for an engine with a store in a process of its own.
        log: a file that gets a line for each thing that happens.
    """

    start: str = ""
    store: str = ""
    log: str = ""

    def __call__(self) -> TaskEngine:
        return PlainEngine(self)


class PlainEngine:
    """Does what the words of a task say, such as ``sleep 0.2``; photos are such words too."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._store: ProcessStore | None = None
        if plan.store:
            self._store = ProcessStore(partial(EdgeStore, plan.store, "items"))

    def load(self) -> None:
        if self._plan.start == "missing":
            raise ModelNotFoundError("no weights 'fake.onnx' here; put them into models/")
        if self._plan.start == "die":
            os._exit(3)
        if self._plan.start == "hang":
            time.sleep(60)
        if self._store is not None:
            self._store.count()

    def run(self, task: Task, cancelled: Callable[[], bool]) -> Answer:
        name, _, argument = words_of(task).partition(" ")
        self._note(f"began {name} {argument}")
        answer: object = argument
        if name == "sleep":
            until = time.monotonic() + float(argument)
            while time.monotonic() < until and not cancelled():
                time.sleep(0.005)
        elif name == "large":
            answer = "x" * int(argument)
        elif name == "refuse":
            raise QueryError(f"cannot answer {argument}", code="unknown_option")
        elif name == "crash":
            raise KeyError(argument)
        elif name == "unsendable":
            answer = lambda: None  # noqa: E731
        elif name == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif name == "store" and self._store is not None:
            answer = self._store.pid
        elif name == "bar":
            list(tqdm([], disable=True))
        elif name == "began":
            answer = (since(), now())
        elif name == "priority":
            answer = os.getpriority(os.PRIO_PROCESS, 0)
        self._note(f"{'gave up' if cancelled() else 'ended'} {name} {argument}")
        return Answer(answer, {"engine": 0.001})

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
        self._note("closed")

    def _note(self, line: str) -> None:
        if self._plan.log:
            with Path(self._plan.log).open("a") as file:
                file.write(line + "\n")


class NumberingStore(MemoryStore):
    """Counts how often it was asked to count."""

    def __init__(self) -> None:
        super().__init__()
        self._asked = 0

    def count(self, where: Condition | None = None) -> int:
        self._asked += 1
        return self._asked


class StuckStore(EdgeStore):
    """An embedded store whose ``optimize`` holds the GIL for minutes, as a large one's does."""

    def optimize(self) -> None:
        sum(repeat(1, 10**11))


def words_of(task: Task) -> str:
    """What a task of a test says."""
    if isinstance(task, TagTask):
        return task.photo.data.decode()
    if isinstance(task, PutItems):
        return task.records[0].item_id
    assert isinstance(task, GetItem), task
    return task.item_id


class DyingStore(EdgeStore):
    """Kills its process whenever points are counted while there is a file ``die`` beside it."""

    def count(self, where: Condition | None = None) -> int:
        if (self._home.parent / "die").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return super().count(where)

"""The parent's side of an engine process: tasks go in from any thread, futures come out.

One thread sends and another reads, so that neither a long photo nor a long answer holds up the
caller. When the process dies, what it was doing fails, and it is started again, after a while
that doubles each time it does not last.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from scenesearch.engine.remote.backend import BusyError
from scenesearch.engine.remote.process import OpenEngine, Run, serve_engine
from scenesearch.engine.tasks import Answer, Task
from scenesearch.system.messages import CLOSE, Failure, Ok, Reply
from scenesearch.system.worker import LostError, NotSentError, NotStartedError, Then, Worker

START_TIMEOUT_S = 180.0
"""For models to load and a log to be replayed."""
BACKOFF_S = (0.5, 30.0)
"""Before the first restart, and at most."""
MIN_END_S = 3.0
"""For an engine with nothing left to do to give everything back."""
LASTED_S = 60.0
"""A process that lived so long starts again as soon as the first time."""

_log = logging.getLogger(__name__)


class EngineDiedError(BusyError):
    """The engine process is not there: it died, or is being started again."""

    code = "engine_died"


@dataclass(frozen=True, slots=True)
class EngineState:
    """How the process is.

    Attributes:
        ready: it takes tasks.
        reason: why it does not; empty when it does.
        restarts: how often it was started again.
        pid: None while there is no process.
    """

    ready: bool
    reason: str
    restarts: int
    pid: int | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """A task that was sent; the future always gets a result or an error."""

    number: int
    future: Future[Answer]


class RemoteEngine:
    """An engine in a process of its own.

    Args:
        open_engine: makes the engine there; must be picklable.
        threads: heavy tasks worked on at once.
        light_threads: light tasks worked on at once.
        start_timeout_s: for the engine to load.
        backoff_s: before the first restart, and at most.
    """

    def __init__(
        self,
        open_engine: OpenEngine,
        *,
        threads: int,
        light_threads: int,
        start_timeout_s: float = START_TIMEOUT_S,
        backoff_s: tuple[float, float] = BACKOFF_S,
    ) -> None:
        self._open_engine = open_engine
        self._threads = (threads, light_threads)
        self._start_timeout_s = start_timeout_s
        self._backoff_s = backoff_s
        self._pause_s = backoff_s[0]
        self._lock = threading.Condition()
        self._outbox: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._under_way = 0
        self._stopping = threading.Event()
        self._worker: Worker | None = None
        self._ready = False
        self._why = "it was not started"
        self._restarts = 0
        self._keeper: threading.Thread | None = None
        self._writer: threading.Thread | None = None

    def start(self) -> None:
        """Start the process and wait until its engine has loaded.

        Raises:
            SceneSearchError: as the engine raised it there: missing weights, a store that another
                process holds.
            EngineDiedError: the process died, or has not come up in time.
        """
        worker = self._launch()
        if self._stopping.is_set():
            self._bury(worker, "it is stopping")
            raise EngineDiedError("the engine was stopped while it started", retry_after_s=1)
        self._keeper = threading.Thread(
            target=self._keep, args=(worker,), name="engine keeper", daemon=True
        )
        self._writer = threading.Thread(target=self._write, name="engine writer", daemon=True)
        self._keeper.start()
        self._writer.start()

    def state(self) -> EngineState:
        """How the process is now."""
        with self._lock:
            pid = None if self._worker is None else self._worker.pid
            return EngineState(self._ready, self._why, self._restarts, pid)

    def submit(self, task: Task, *, seconds: float | None = None) -> Submitted:
        """Send a task.

        Args:
            task: what to do.
            seconds: from now, after which nobody wants the answer.

        Raises:
            EngineDiedError: there is no process to send it to.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        future: Future[Answer] = Future()
        # it cannot be cancelled as a future: only the process knows when it is done with it
        future.set_running_or_notify_cancel()
        with self._lock:
            if not self._ready or self._worker is None or self._stopping.is_set():
                raise self._died(f"no engine to answer: {self._why}; try again in a while")
            number = self._worker.number()
            self._under_way += 1
            then = partial(self._settle, future)
            self._outbox.put(_Letter(self._worker, number, Run(task, deadline), then))
        return Submitted(number, future)

    def cancel(self, number: int) -> None:
        """Say that nobody wants an answer any more. Its future ends when the process is done."""
        with self._lock:
            if self._worker is not None:
                self._outbox.put(_Letter(self._worker, number, None))

    def stop(self, grace_s: float) -> None:
        """Take no more tasks, finish those that were taken, and end the process.

        Args:
            grace_s: after which it is killed, and what it was doing fails.
        """
        deadline = time.monotonic() + grace_s
        self._stopping.set()
        with self._lock:
            self._ready, self._why = False, "it is stopping"
            self._lock.wait_for(lambda: not self._under_way, grace_s)
            worker = self._worker
        if self._keeper is None or self._writer is None:
            if worker is not None:
                worker.kill()  # whoever waits for it to load waits no longer
            return
        if worker is not None:
            self._outbox.put(_Letter(worker, worker.number(), CLOSE))
            self._keeper.join(max(MIN_END_S, deadline - time.monotonic()))
            if self._keeper.is_alive():
                _log.warning("the engine process did not stop in time: it is killed")
                worker.kill()
        self._keeper.join()
        self._outbox.put(None)
        self._writer.join()

    # --- the process -----------------------------------------------------------------------

    def _launch(self) -> Worker:
        """A process whose engine has loaded."""
        worker = Worker(serve_engine, self._open_engine, *self._threads, name="engine process")
        with self._lock:
            self._worker, self._why = worker, "it is starting"
            if self._stopping.is_set():
                worker.kill()
        try:
            worker.started(self._start_timeout_s)
        except BaseException as error:
            self._bury(worker, f"it did not start: {error}")
            if isinstance(error, NotStartedError):
                raise EngineDiedError(
                    f"the engine process does not start ({error}); its last words are in the log",
                    retry_after_s=1,
                ) from error
            raise
        with self._lock:
            self._ready, self._why = not self._stopping.is_set(), ""
        return worker

    def _bury(self, worker: Worker, why: str) -> None:
        with self._lock:
            self._ready, self._worker, self._why = False, None, why
        worker.end()

    def _keep(self, worker: Worker) -> None:
        """Thread: bury a process that dies, and start the next."""
        how = self._outlive(worker)
        while not self._stopping.is_set():
            _log.error("the engine process %s; it is started again in %g s", how, self._pause_s)
            if self._stopping.wait(self._pause_s):
                return
            self._pause_s = min(2 * self._pause_s, self._backoff_s[1])
            with self._lock:
                self._restarts += 1
            try:
                how = self._outlive(self._launch())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                how = f"does not start: {error}"

    def _outlive(self, worker: Worker) -> str:
        """Wait until a process ends, and bury it; how it ended."""
        born = time.monotonic()
        how = worker.wait()
        if time.monotonic() - born > LASTED_S:
            self._pause_s = self._backoff_s[0]
        self._bury(worker, f"it {how}")
        return how

    # --- tasks -----------------------------------------------------------------------------

    def _write(self) -> None:
        """Thread: send what is to be sent, in order."""
        while (letter := self._outbox.get()) is not None:
            worker, number, request, then = letter
            try:
                worker.send(number, request, then)
            except (LostError, NotSentError) as error:
                if then is not None:
                    then(Failure(type(error), str(error)))

    def _settle(self, future: Future[Answer], reply: Reply) -> None:
        """What came of a task."""
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self._lock.notify_all()
        if isinstance(reply, Ok):
            future.set_result(reply.value)
        elif reply.kind is LostError:
            future.set_exception(
                self._died(
                    f"the engine process was lost before it answered (it {reply.message}); it is "
                    f"started again: try again in a while"
                )
            )
        else:
            future.set_exception(reply.error())

    def _died(self, message: str) -> EngineDiedError:
        return EngineDiedError(message, retry_after_s=max(1, round(self._backoff_s[0])))


class _Letter(NamedTuple):
    """A message to one process; it is worth nothing to its successor."""

    worker: Worker
    number: int
    request: Run | str | None
    then: Then | None = None

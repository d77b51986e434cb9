"""The parent's side of an engine process: tasks go in from any thread, futures come out.

Two threads serve the pipe, so that neither a long photo nor a long answer holds up the caller.
When the process dies, what it was doing fails, and it is started again, after a while that
doubles each time it does not last.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pickle import PickleError

from scenesearch.engine.remote.backend import BusyError
from scenesearch.engine.remote.messages import Cancel, Done, Failed, NotStarted, Run, Stop, ToEngine
from scenesearch.engine.remote.process import OpenEngine, serve_engine
from scenesearch.engine.tasks import Answer, Task
from scenesearch.system.child import Child
from scenesearch.system.failure import Failure

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
        self._lock = threading.Condition()
        self._numbers = itertools.count()
        self._tasks: dict[int, Future[Answer]] = {}
        self._outbox: queue.SimpleQueue[_Letter | None] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._stopping = threading.Event()
        self._child: Child | None = None
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
        child = self._launch()
        if self._stopping.is_set():
            self._bury(child, "it is stopping")
            raise EngineDiedError("the engine was stopped while it started", retry_after_s=1)
        self._keeper = threading.Thread(
            target=self._keep, args=(child,), name="engine keeper", daemon=True
        )
        self._writer = threading.Thread(target=self._write, name="engine writer", daemon=True)
        self._keeper.start()
        self._writer.start()

    def state(self) -> EngineState:
        """How the process is now."""
        with self._lock:
            pid = None if self._child is None else self._child.pid
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
            if not self._ready or self._child is None or self._stopping.is_set():
                raise EngineDiedError(
                    f"no engine to answer: {self._why}; try again in a while",
                    retry_after_s=max(1, round(self._backoff_s[0])),
                )
            number = next(self._numbers)
            self._tasks[number] = future
            self._outbox.put(_Letter(self._child, number, task, deadline))
        return Submitted(number, future)

    def cancel(self, number: int) -> None:
        """Say that nobody wants an answer any more. Its future ends when the process is done."""
        with self._lock:
            if number in self._tasks and self._child is not None:
                self._outbox.put(_Letter(self._child, number, None, None))

    def stop(self, grace_s: float) -> None:
        """Take no more tasks, finish those that were taken, and end the process.

        Args:
            grace_s: after which it is killed, and what it was doing fails.
        """
        deadline = time.monotonic() + grace_s
        self._stopping.set()
        with self._lock:
            self._ready, self._why = False, "it is stopping"
            self._lock.wait_for(lambda: not self._tasks, grace_s)
            child = self._child
        if self._keeper is None or self._writer is None:
            if child is not None:
                child.kill()  # whoever waits for it to load waits no longer
            return
        if child is not None:
            self._outbox.put(_Letter(child, -1, None, None))
            self._keeper.join(max(MIN_END_S, deadline - time.monotonic()))
            if self._keeper.is_alive():
                _log.warning("the engine process did not stop in time: it is killed")
                child.kill()
        self._keeper.join()
        self._outbox.put(None)
        self._writer.join()

    # --- the process -----------------------------------------------------------------------

    def _launch(self) -> Child:
        """A process whose engine has loaded."""
        child = Child(serve_engine, self._open_engine, *self._threads, name="engine process")
        with self._lock:
            self._child, self._why = child, "it is starting"
            if self._stopping.is_set():
                child.kill()
        try:
            first = child.first_message(self._start_timeout_s)
        except (EOFError, OSError) as error:
            how = str(error) if isinstance(error, TimeoutError) else child.how_it_ended()
            self._bury(child, f"it did not start: {how}")
            raise EngineDiedError(
                f"the engine process does not start ({how}); its last words are in the log",
                retry_after_s=1,
            ) from error
        except BaseException:
            self._bury(child, "its start was interrupted")
            raise
        if isinstance(first, NotStarted):
            self._bury(child, f"it did not start: {first.failure.message}")
            raise first.failure.error()
        with self._lock:
            self._ready, self._why = not self._stopping.is_set(), ""
        return child

    def _bury(self, child: Child, why: str) -> None:
        """End a process, and fail what it was doing."""
        with self._lock:
            self._ready, self._child, self._why = False, None, why
            lost, self._tasks = self._tasks, {}
            self._lock.notify_all()
        child.kill()
        with self._sending:
            child.end()
        for future in lost.values():
            future.set_exception(
                EngineDiedError(
                    f"the engine process was lost before it answered ({why}); it is started "
                    f"again: try again in a while",
                    retry_after_s=max(1, round(self._backoff_s[0])),
                )
            )

    def _keep(self, child: Child) -> None:
        """Thread: pass answers on; bury a process that dies, and start the next."""
        pause, born = self._backoff_s[0], time.monotonic()
        while True:
            try:
                while True:
                    self._settle(child.pipe.recv())
            except (EOFError, OSError):
                how = child.how_it_ended()
            except Exception as error:  # noqa: BLE001 - without this thread nobody is answered
                how = f"sent what cannot be read ({error})"
            if time.monotonic() - born > LASTED_S:
                pause = self._backoff_s[0]
            self._bury(child, f"it {how}")
            while True:
                if self._stopping.is_set():
                    return
                _log.error("the engine process %s; it is started again in %g s", how, pause)
                if self._stopping.wait(pause):
                    return
                pause = min(2 * pause, self._backoff_s[1])
                with self._lock:
                    self._restarts += 1
                try:
                    child, born = self._launch(), time.monotonic()
                    break
                except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
                    how = f"does not start: {error}"

    def _settle(self, message: Done | Failed) -> None:
        with self._lock:
            future = self._tasks.pop(message.number, None)
            if not self._tasks:
                self._lock.notify_all()
        if future is None:
            return
        if isinstance(message, Done):
            future.set_result(message.answer)
        else:
            future.set_exception(message.failure.error())

    def _write(self) -> None:
        """Thread: send what is to be sent, in order."""
        while (letter := self._outbox.get()) is not None:
            try:
                with self._sending:
                    letter.child.pipe.send(letter.message())
            except (TypeError, AttributeError, PickleError) as error:
                self._settle(Failed(letter.number, Failure.of(error)))
            except OSError:
                pass  # it died: whoever reads from it finds that out, and fails its tasks


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message to one process; it is worth nothing to its successor."""

    child: Child
    number: int
    task: Task | None
    deadline: float | None

    def message(self) -> ToEngine:
        """As it is sent; time passed in the queue is no longer left."""
        if self.number < 0:
            return Stop()
        if self.task is None:
            return Cancel(self.number)
        seconds = None if self.deadline is None else self.deadline - time.monotonic()
        return Run(self.number, self.task, seconds)

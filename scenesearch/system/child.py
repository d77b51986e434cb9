"""Processes of ours: spawned, deaf to the signals of a terminal, and gone when their parent is.

What goes through the pipe is pickled by :mod:`multiprocessing`. That is safe here and nowhere
else: it is an anonymous pair of sockets that only the two processes hold, both run this package,
and nothing that a user sent is ever unpickled, only carried inside as bytes and text.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from multiprocessing import connection, get_context, parent_process, util
from multiprocessing.process import BaseProcess
from typing import Any

Pipe = connection.Connection
Main = Callable[..., None]
"""The main function of a process; its first argument is its end of the pipe."""

END_S = 10.0
"""A process that was told to end and has not after so long is killed."""
_LAST = -1000
"""Priority of what is done after all that others want done at the end of a process."""
_DEAF_TO = (signal.SIGINT, signal.SIGTERM)


class Child:
    """A process that was just spawned, with a pipe to it.

    Args:
        main: called in the process with its end of the pipe and ``args``; a function of a module
            that can be imported there.
        args: sent to it; never on a command line.
        name: of the process, for messages.
    """

    def __init__(self, main: Main, *args: Any, name: str) -> None:
        context = get_context("spawn")
        self.name = name
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=main, args=(theirs, *args), name=name)
        try:
            with _signals_held_back():
                self._process.start()
        except BaseException:
            self.pipe.close()
            raise
        finally:
            theirs.close()
        # at exit, before multiprocessing waits for its processes: an end that is not closed
        # would keep ours waiting for it
        self._finalizer = util.Finalize(
            self, _end, args=(self.pipe, self._process), exitpriority=100
        )

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid or 0

    def how_it_ended(self) -> str:
        """For messages: ``was killed (SIGKILL)``, ``ended with exit code 1``."""
        self._process.join(1.0)  # the pipe closes a moment before the process is gone
        code = self._process.exitcode
        if code is None:
            return "closed its pipe"
        if code < 0:
            return f"was killed ({signal.Signals(-code).name})"
        return f"ended with exit code {code}"

    def kill(self) -> None:
        """End it now, whatever it does. Its pipe stays open until :meth:`end`."""
        self._process.kill()

    def end(self) -> None:
        """Close the pipe, which ends it, and wait; it is killed where that does not help."""
        self._finalizer()


def _end(pipe: Pipe, process: BaseProcess) -> None:
    if sys.platform != "win32":
        # closing alone does nothing while another thread still reads from it
        with socket.socket(fileno=os.dup(pipe.fileno())) as both, suppress(OSError):
            both.shutdown(socket.SHUT_RDWR)
    pipe.close()
    process.join(END_S)
    if process.is_alive():
        process.kill()
        process.join()


def settle_in() -> None:
    """For the first line of a process's main function.

    Signals of a terminal or a service manager are for the parent, which decides what to do. When
    the parent is gone, however it went, the system ends this process at once, even inside a call
    of a library that holds the GIL for seconds.
    """
    for number in _DEAF_TO:
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "win32":
        return
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _DEAF_TO)
    parent = parent_process()
    if parent is not None:
        _die_when_closed(parent.sentinel)


def keep_locks_inside() -> None:
    """Give the progress bars that libraries show a lock which ends with this process.

    tqdm makes one with a name in the system, if only to show nothing: torch's exporter does so. In
    a process that is killed it stays behind, and multiprocessing warns of it when the parent ends.
    """
    with suppress(ImportError):
        from tqdm import tqdm

        tqdm.set_lock(threading.RLock())


def leave_when_done() -> None:
    """For the last line of a process's main function.

    The process then ends once multiprocessing has tidied up. Taking models apart one by one would
    take the interpreter a second or two.
    """
    util.Finalize(None, _leave, exitpriority=_LAST)


def _leave() -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if sys.platform == "win32":  # pragma: no cover

    def _signals_held_back() -> AbstractContextManager[None]:
        return nullcontext()

    def interrupts_held_back() -> AbstractContextManager[None]:
        """Nothing, where there is no mask of signals."""
        return nullcontext()

    def _die_when_closed(_: int) -> None:
        """Reading from the pipe ends it there, once the call of a library returns."""

else:
    import fcntl
    from multiprocessing import resource_tracker

    @contextmanager
    def _held_back(*numbers: signal.Signals) -> Iterator[None]:
        with _handled_later(*numbers):
            # first, because starting it lets signals through again
            resource_tracker.ensure_running()
            before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
            try:
                yield
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    @contextmanager
    def _handled_later(*numbers: signal.Signals) -> Iterator[None]:
        """A mask is of one thread: where another one takes the signal, the main one handles it."""
        handlers = {}
        if threading.current_thread() is threading.main_thread():
            found = {number: signal.getsignal(number) for number in numbers}
            handlers = {number: handler for number, handler in found.items() if callable(handler)}
        came: list[int] = []
        for number in handlers:
            signal.signal(number, lambda one, _: came.append(one))
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            for one in came:
                signal.raise_signal(one)

    def _signals_held_back() -> AbstractContextManager[None]:
        """A process started in here gets no signal before it can say what to do with them.

        And it is started to its end: one that is told only half of what it is to do prints a
        traceback.
        """
        return _held_back(*_DEAF_TO)

    def interrupts_held_back() -> AbstractContextManager[None]:
        """Threads started in here, and processes that those start, never hear Ctrl-C.

        For pools of libraries: the terminal interrupts their processes, too, and one that is still
        importing prints a traceback of it.
        """
        return _held_back(signal.SIGINT)

    def _die_when_closed(sentinel: int) -> None:
        # Nothing is ever written to that pipe, so its only event is that the parent's end closed;
        # the system then sends SIGIO, and what that does unless told otherwise is to end us.
        signal.signal(signal.SIGIO, signal.SIG_DFL)
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(sentinel, fcntl.F_GETFL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, flags | os.O_ASYNC)
        if connection.wait([sentinel], 0):  # it closed before that
            os._exit(1)

"""What a process of ours says through its pipe, said by a thread: the protocol without a start.

A process takes a second to come up. Here its main function runs in a thread, over the same kind of
pipe, with arguments that were pickled on the way.
"""

from __future__ import annotations

import os
import pickle
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any

import pytest

Main = Callable[..., None]


class ThreadProcess:
    """Stands where :class:`multiprocessing.Process` does."""

    def __init__(self, target: Main, args: tuple[Connection, Any], name: str) -> None:
        self._pipe, *self._args = args
        self._target = target
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    pid = os.getpid()

    def start(self) -> None:
        # who starts a process closes its own copy of the other end
        self._theirs = Connection(os.dup(self._pipe.fileno()))
        self._args = pickle.loads(ForkingPickler.dumps(self._args))
        self._thread.start()

    def _run(self) -> None:
        with self._theirs as pipe:
            self._target(pipe, *self._args)

    @property
    def exitcode(self) -> int | None:
        return None if self.is_alive() else 0

    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        self._thread.join(timeout)

    def kill(self) -> None:
        """A thread cannot be killed, but nobody asks it any more."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._theirs.fileno())) as both:
            both.shutdown(socket.SHUT_RDWR)


class ThreadContext:
    """Stands where a context of :mod:`multiprocessing` does."""

    Pipe = staticmethod(Pipe)
    Process = ThreadProcess


def use_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes of stores are threads until the test ends."""
    monkeypatch.setattr("scenesearch.system.child.get_context", lambda _: ThreadContext)
    # a thread has neither signals nor a parent
    monkeypatch.setattr("scenesearch.store.process.serve.settle_in", lambda: None)

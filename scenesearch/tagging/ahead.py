"""Decoding runs ahead of tagging, in order, by no more than memory allows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, NamedTuple, TypeVar

from scenesearch.tagging.decode import Decoded, Outcome

T = TypeVar("T")

Start = Callable[[T], Future[Outcome] | None]
"""Starts the decoding of an entry; None where there is nothing to decode."""


class Room(NamedTuple):
    """How far ahead decoding may be.

    Attributes:
        line: entries begun and not taken, decoded or not.
        waiting_bytes: of decoded pixels not taken; what runs comes on top.
    """

    line: int
    waiting_bytes: int


class Ahead(Generic[T]):
    """Iterates over (entry, outcome) in the order of the entries; outcome None: not decoded.

    A thread draws the entries and starts their decoding while whoever iterates is busy. What it
    raises is raised here, after everything that came before it.

    Args:
        entries: drawn in the thread.
        start: called in the thread.
        running: how many may be in the making when this entry is begun.
        room: further bounds.
    """

    def __init__(
        self,
        entries: Iterator[T],
        start: Start[T],
        running: Callable[[T], int],
        room: Room,
    ) -> None:
        self._entries = entries
        self._start = start
        self._allowed = running
        self._room = room
        self._line: deque[tuple[T, Future[Outcome] | None]] = deque()
        self._changed = threading.Condition()
        self._running = self._waiting_bytes = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._draw, name="decode-ahead", daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread; it may be held up by whoever it reads from."""
        self._thread.join(timeout_s)

    def __iter__(self) -> Iterator[tuple[T, Outcome | None]]:
        while True:
            with self._changed:
                # the timeouts let Ctrl-C through where waiting for a lock does not
                while not self._line and not self._ended:
                    self._changed.wait(0.5)
                if not self._line:
                    if self._error is not None:
                        raise self._error
                    return
                entry, future = self._line.popleft()
                self._changed.notify_all()
            if future is None:
                yield entry, None
                continue
            while not future.done():
                with self._changed:
                    if not future.done():
                        self._changed.wait(0.5)
            outcome = future.result()
            with self._changed:
                self._waiting_bytes -= _bytes(outcome)
                self._changed.notify_all()
            yield entry, outcome

    def _draw(self) -> None:
        try:
            for entry in self._entries:
                if not self._wait_for_room(self._allowed(entry)):
                    return
                future = self._start(entry)
                with self._changed:
                    self._line.append((entry, future))
                    self._running += future is not None
                    self._changed.notify_all()
                if future is not None:
                    future.add_done_callback(self._done)
        except BaseException as error:  # noqa: BLE001 - raised again by who iterates
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _wait_for_room(self, running: int) -> bool:
        with self._changed:
            while not self._stopped and not self._has_room(running):
                self._changed.wait()
            return not self._stopped

    def _has_room(self, running: int) -> bool:
        return (
            self._running < running
            and len(self._line) < self._room.line
            and self._waiting_bytes < self._room.waiting_bytes
        )

    def _done(self, future: Future[Outcome]) -> None:
        with self._changed:
            self._running -= 1
            if not future.cancelled():
                self._waiting_bytes += _bytes(future.result())
            self._changed.notify_all()


def _bytes(outcome: Outcome) -> int:
    return outcome.image.nbytes if isinstance(outcome, Decoded) else 0

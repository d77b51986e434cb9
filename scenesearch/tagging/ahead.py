"""Decoding runs ahead of tagging, in order, by no more than memory allows."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Generic, TypeVar

from scenesearch.tagging.decode import Decoded, Outcome

_STOP_S = 2.0
"""How long the thread is waited for in the end; it may hang on standard input."""

T = TypeVar("T")

Start = Callable[[T], Future[Outcome] | None]
"""Starts the decoding of an entry; None where there is nothing to decode."""


class Ahead(Generic[T]):
    """Iterates over (entry, outcome) in the order of the entries; outcome None: not decoded.

    A thread draws the entries and starts their decoding while whoever iterates is busy. What it
    raises is raised here, after everything that came before it.

    Args:
        entries: drawn in the thread.
        start: called in the thread.
        running: how many may be in the making when this entry is begun.
        line: how many may be begun and not taken, decoded or not.
        waiting_bytes: of decoded pixels that may be not taken; what runs comes on top.
    """

    def __init__(
        self,
        entries: Iterator[T],
        start: Start[T],
        running: Callable[[T], int],
        *,
        line: int,
        waiting_bytes: int,
    ) -> None:
        self._entries = entries
        self._start = start
        self._allowed = running
        self._most_in_line = line
        self._most_bytes = waiting_bytes
        self._line: deque[tuple[T, Future[Outcome] | None]] = deque()
        self._changed = threading.Condition()
        self._running = self._waiting_bytes = 0
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._draw, name="decode-ahead", daemon=True)

    def __enter__(self) -> Ahead[T]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def join(self, timeout_s: float = _STOP_S) -> None:
        """Wait for the thread, but not for long: whoever it reads from may hold it up."""
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
            with self._changed:
                while not future.done():
                    self._changed.wait(0.5)
                outcome = future.result()
                self._waiting_bytes -= _bytes(outcome)
                self._changed.notify_all()
            yield entry, outcome

    def _draw(self) -> None:
        try:
            for entry in self._entries:
                running = self._allowed(entry)
                with self._changed:
                    self._changed.wait_for(partial(self._may_go_on, running))
                    if self._stopped:
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

    def _may_go_on(self, running: int) -> bool:
        return self._stopped or (
            self._running < running
            and len(self._line) < self._most_in_line
            and self._waiting_bytes < self._most_bytes
        )

    def _done(self, future: Future[Outcome]) -> None:
        with self._changed:
            self._running -= 1
            if not future.cancelled():
                self._waiting_bytes += _bytes(future.result())
            self._changed.notify_all()


def _bytes(outcome: Outcome) -> int:
    return outcome.image.nbytes if isinstance(outcome, Decoded) else 0

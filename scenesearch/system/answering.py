"""The child's side of a :class:`~scenesearch.system.worker.Worker`: replies, failures as values."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pickle import PickleError
from typing import Any, TypeVar

from scenesearch.system.child import Pipe
from scenesearch.system.messages import OPENED, Failure, Ok, Reply

Made = TypeVar("Made")


class Desk:
    """Sends what came of requests; safe to use from threads.

    Args:
        pipe: to who asks.
        caught: what of a call is sent as its failure; anything else goes on.
    """

    def __init__(self, pipe: Pipe, caught: type[BaseException] = Exception) -> None:
        self._pipe = pipe
        self._caught = caught
        self._sending = threading.Lock()

    def open(self, make: Callable[[], Made]) -> Made:
        """Make what answers, and say that it is up; the process ends where that fails."""
        try:
            made = make()
        except Exception as error:  # noqa: BLE001 - raised again by who started the process
            self._send(OPENED, Failure.of(error))
            sys.exit()
        self._send(OPENED, Ok(None))
        return made

    def answer(self, number: int, call: Callable[..., Any], *args: Any, **options: Any) -> bool:
        """Send what a call gives, or what it raises; False where it cannot be sent.

        Raises:
            OSError: whoever asked is gone.
        """
        try:
            reply: Reply = Ok(call(*args, **options))
        except self._caught as error:
            reply = Failure.of(error)
        try:
            self._send(number, reply)
        except (TypeError, AttributeError, PickleError) as error:
            self._send(number, Failure.of(error))
            return False
        return True

    def _send(self, number: int, reply: Reply) -> None:
        with self._sending:
            self._pipe.send((number, reply))

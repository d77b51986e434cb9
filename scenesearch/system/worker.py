"""A process of ours that is asked: requests go out as they come, one thread hands out the replies.

The process finds its next request in the pipe while the reply to the last one still waits for
this interpreter: with turns at the pipe instead, it stood idle a third of the time. A worker is one
life of a process; who needs another after it died makes another worker.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count
from multiprocessing import util
from multiprocessing.reduction import ForkingPickler
from pickle import PickleError
from queue import Empty, SimpleQueue
from typing import Any

from scenesearch.system.child import Child, Main
from scenesearch.system.messages import OPENED, Asked, Failure, Ok, Reply
from scenesearch.system.turn import since

Then = Callable[[Reply], None]
"""Gets the reply to a request, in the thread that reads: it must be quick."""


class NotStartedError(Exception):
    """The process is not up; the text says how it ended, or that it took too long."""


class LostError(Exception):
    """The process is gone, and what it was asked has no answer; the text says how it ended."""


class NotSentError(TypeError):
    """A request cannot be pickled; the text says why. Nothing was sent."""


class Worker:
    """A process that was just spawned; safe to use from threads.

    It ends with :meth:`end`, or as soon as nobody holds this object.

    Args:
        main: of the process, see :class:`~scenesearch.system.child.Child`; answers by a
            :class:`~scenesearch.system.answering.Desk`.
        args: of that.
        name: of the process, for messages.
        arrive: makes of each value what is handed out, in the thread that reads and in the order
            of the replies.
    """

    _numbers = count(OPENED + 1)

    def __init__(
        self, main: Main, *args: Any, name: str, arrive: Callable[[Any], Any] | None = None
    ) -> None:
        self._child = Child(main, *args, name=name)
        self._mail = _Mail(self._child, arrive)
        self._opened: SimpleQueue[Reply] = SimpleQueue()
        self._mail.pending[OPENED] = self._opened.put
        self._sending = threading.Lock()
        # the thread holds the child, which would not end otherwise
        util.Finalize(self, self._child.end)
        self._reader = threading.Thread(
            target=self._mail.read, name=f"replies of the {name}", daemon=True
        )
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    @property
    def lost(self) -> str | None:
        """How the process ended; None while it runs."""
        return self._mail.lost

    def started(self, timeout_s: float) -> Any:
        """What the process says once it is up; one that does not come up is ended.

        Raises:
            NotStartedError: it died first, or said nothing in time.
            Exception: what its start raised there.
        """
        try:
            return value_of(self._opened.get(timeout=timeout_s))
        except BaseException as error:
            self.end()
            if isinstance(error, Empty):
                late = f"{self._child.name} has not started within {timeout_s:g} s"
                raise NotStartedError(late) from error
            if isinstance(error, LostError):
                raise NotStartedError(str(error)) from error
            raise

    # --- asking ----------------------------------------------------------------------------

    def ask(self, request: Any) -> Any:
        """Send a request and wait for what comes of it.

        Who is interrupted meanwhile leaves a request that is answered all the same, to nobody.

        Raises:
            LostError: the process is gone, or went before it answered.
            NotSentError: it cannot be sent.
            Exception: what the call raised there.
        """
        answered: SimpleQueue[Reply] = SimpleQueue()
        self.send(self.number(), request, answered.put)
        return value_of(answered.get())

    def number(self) -> int:
        """For a request; no other has it, to whichever worker."""
        return next(self._numbers)

    def send(self, number: int, request: Any, then: Then | None = None) -> None:
        """Send a request.

        Args:
            number: of it; where it was sent before, this is about that one.
            request: what is asked; None where nobody wants the reply any more, which comes all
                the same, of some kind.
            then: gets the reply, or how the process ended, in the thread that reads.

        Raises:
            LostError: the process is gone.
            NotSentError: it cannot be pickled.
        """
        try:
            message = ForkingPickler.dumps(Asked(since(), number, request))
        except (TypeError, AttributeError, PickleError) as error:
            raise NotSentError(str(error)) from error
        mail = self._mail
        with self._sending:
            if then is not None:
                mail.pending[number] = then
                # who fails what is pending may have been and gone
                if mail.lost is not None and mail.pending.pop(number, None) is not None:
                    raise LostError(mail.lost)
            try:
                self._child.pipe.send_bytes(message)
            except OSError:
                pass  # it died: who reads finds that out
            except BaseException:
                self._child.kill()  # half a message is nothing that it could go on from
                raise

    # --- the end ---------------------------------------------------------------------------

    def wait(self) -> str:
        """How the process ended, once it has."""
        self._reader.join()
        return self.lost or ""

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._child.kill()

    def end(self, *, wait_s: float = 0.0) -> None:
        """End the process.

        Args:
            wait_s: for it to end by itself.
        """
        self._reader.join(wait_s)
        self._child.kill()
        # it reads until nobody can write any more; the pipe must stay open so long
        self._reader.join()
        with self._sending:
            self._child.end()


class _Mail:
    """What the asking threads and the reading one share: it must not keep the worker."""

    def __init__(self, child: Child, arrive: Callable[[Any], Any] | None) -> None:
        self._child = child
        self._arrive = arrive
        self.pending: dict[int, Then] = {}
        self.lost: str | None = None

    def read(self) -> None:
        """Hand out replies until the process is gone; then what has none fails."""
        try:
            while True:
                number, reply = self._child.pipe.recv()
                if self._arrive is not None and isinstance(reply, Ok):
                    reply = Ok(self._arrive(reply.value))
                self.hand_out(number, reply)
        except (EOFError, OSError):
            how = self._child.how_it_ended()
        except Exception as error:  # noqa: BLE001 - without this thread nobody is answered
            how = f"sent what cannot be read ({error})"
        self._child.kill()
        self.lost = how
        for number in list(self.pending):
            self.hand_out(number, Failure(LostError, how))

    def hand_out(self, number: int, reply: Reply) -> None:
        """To whoever expects it."""
        then = self.pending.pop(number, None)
        if then is not None:
            then(reply)


def value_of(reply: Reply) -> Any:
    """What a request gave.

    Raises:
        Exception: what it raised.
    """
    if isinstance(reply, Ok):
        return reply.value
    raise reply.error()

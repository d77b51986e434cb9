"""Many threads and one pipe: requests go out as they come, and one thread hands out the replies.

The process at the other end finds its next request in the pipe while the reply to the last one
still waits for this interpreter: with turns at the pipe instead, it stood idle a third of the time.
"""

from __future__ import annotations

import threading
from itertools import count
from multiprocessing.reduction import ForkingPickler
from pickle import PickleError
from typing import Any

from scenesearch.store.process.turn import since
from scenesearch.store.process.wire import (
    Asked,
    KnownPoints,
    Ok,
    PackedHits,
    Reply,
    Request,
    learn,
    unpack_hits,
)
from scenesearch.system.child import Child, Pipe
from scenesearch.system.failure import Failure


class LinkLostError(Exception):
    """The process is gone, and what it was asked has no answer."""


class NotSentError(Exception):
    """An argument cannot be pickled; its cause says which. Nothing was sent."""


class Link:
    """Asks a process of ours; safe to use from threads.

    Args:
        child: that is up. It need not be kept elsewhere: it ends with its link.
    """

    def __init__(self, child: Child) -> None:
        self._child = child
        self._desk = _Desk(child.pipe)
        # the thread must not hold the child, which ends when nobody does
        self._thread = threading.Thread(
            target=self._desk.work, name=f"replies of the {child.name}", daemon=True
        )
        self._thread.start()
        self._ending = threading.Lock()
        self._how: str | None = None

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._child.is_alive()

    def ask(self, request: Request) -> Any:
        """Send a request and wait for what comes of it.

        Who is interrupted meanwhile leaves a request that is answered all the same, to nobody.

        Raises:
            LinkLostError: the process is gone, or went before it answered.
            NotSentError: it cannot be sent.
            Exception: what the call raised there.
        """
        desk, caller = self._desk, _Caller()
        number = next(desk.numbers)
        try:
            message = ForkingPickler.dumps(Asked(since(), number, request))
        except (TypeError, AttributeError, PickleError) as error:
            raise NotSentError(str(error)) from error
        with desk.sending:
            if desk.closed:
                raise LinkLostError
            desk.waiting[number] = caller
            try:
                self._child.pipe.send_bytes(message)
            except OSError as error:
                raise LinkLostError from error
            except BaseException:
                self._child.kill()  # half a message is nothing that it could go on from
                raise
        caller.answered.acquire()
        if caller.reply is None:
            raise LinkLostError
        if isinstance(caller.reply, Failure):
            raise caller.reply.error()
        value = caller.reply.value
        return unpack_hits(caller.known, value) if isinstance(value, PackedHits) else value

    def end(self, *, wait_s: float = 0.0) -> str:
        """End the process, and say how it ended: ``was killed (SIGKILL)``.

        Args:
            wait_s: for it to end by itself.
        """
        with self._ending:
            if self._how is None:
                self._child.wait(wait_s)
                self._how = self._child.how_it_ended()
                self._child.kill()
                # it reads until nobody can write any more; the pipe must stay open so long
                self._thread.join()
                self._child.end()
            return self._how


class _Desk:
    """What the asking threads and the reading one share."""

    def __init__(self, pipe: Pipe) -> None:
        self._pipe = pipe
        self._known = KnownPoints([], [])
        self.sending = threading.Lock()
        self.numbers = count()
        self.waiting: dict[int, _Caller] = {}
        self.closed = False

    def work(self) -> None:
        """Hand out replies until the other end is closed."""
        try:
            while True:
                number, reply = self._pipe.recv()
                self._hand_out(self.waiting.pop(number), reply)
        except (EOFError, OSError):
            pass
        finally:
            # who is sending at this moment fails, because nobody is there to read it
            with self.sending:
                self.closed = True
            for caller in self.waiting.values():
                caller.answered.release()

    def _hand_out(self, caller: _Caller, reply: Reply) -> None:
        if isinstance(reply, Ok) and isinstance(reply.value, PackedHits):
            # packs build on each other, and only here are they in order
            caller.known = self._known = learn(self._known, reply.value)
        caller.reply = reply
        caller.answered.release()


class _Caller:
    """Who waits for a reply."""

    __slots__ = ("answered", "known", "reply")

    def __init__(self) -> None:
        self.answered = threading.Lock()
        self.answered.acquire()
        self.reply: Reply | None = None
        self.known = KnownPoints([], [])

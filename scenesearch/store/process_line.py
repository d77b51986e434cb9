"""The line to a process of ours: the next requests are under way while it works on one.

Whoever waits for the reply at the front reads it himself and then lets the next one read, so a
reply takes one change of threads and no thread of its own. Since somebody always reads, a large
request and a large reply never wait for each other.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from multiprocessing.reduction import ForkingPickler
from typing import Any

from scenesearch.errors import StoreUnavailableError
from scenesearch.store.process_failure import Failure
from scenesearch.store.process_life import Child
from scenesearch.store.process_wire import (
    KnownPoints,
    Ok,
    Outcome,
    PackedHits,
    Request,
    learn,
)
from scenesearch.types import CollectionSchema

IN_FLIGHT = 2
"""Requests sent at once: one is worked on, and the next one is there when it is done."""


class _At(Enum):
    """How far a call has come."""

    START = auto()
    PENDING = auto()
    """Waits until fewer are in flight, perhaps as one of a batch that another call sends."""
    ALLOWED = auto()
    SENDING = auto()
    SENT = auto()
    READING = auto()
    OVER = auto()


class Call:
    """A request, and what came of it.

    Args:
        data: the pickled request; for queries the pickled queries alone.
        is_query: it may be sent with others, as one request.

    Attributes:
        outcome: None: it was not sent, and another process may be asked.
        known: for packed hits, what was known then.
    """

    __slots__ = ("at", "data", "group", "is_query", "known", "outcome", "unsent", "woken")

    def __init__(self, data: bytes | memoryview, *, is_query: bool = False) -> None:
        self.data = data
        self.is_query = is_query
        self.group: list[Call] = [self]
        self.outcome: Outcome | None = None
        self.known = KnownPoints([], [])
        self.unsent = False
        self.at = _At.START
        self.woken = threading.Lock()
        self.woken.acquire()

    def again(self) -> Call:
        """The same, for another process."""
        return Call(self.data, is_query=self.is_query)


class KeptSchema:
    """The schema that a process told, as long as nothing can have changed it.

    Attributes:
        value: None where it must be asked.
        settled: the process holds the collection, so no other one changes it.
        version: grows with each change that is asked for.
    """

    def __init__(self) -> None:
        self.value: CollectionSchema | None = None
        self.settled = False
        self.version = 0
        self._lock = threading.Lock()

    def keep(self, found: CollectionSchema | None, version: int) -> None:
        """Remember what was told, unless a change was asked for since ``version``."""
        with self._lock:
            if self.settled and version == self.version:
                self.value = found

    def forget(self) -> None:
        """Before and after a change."""
        with self._lock:
            self.version += 1
            self.value = None


class Line:
    """A process, the requests it has got, and those that wait.

    Args:
        child: that is up.
        name: what messages call what it does.
        in_flight: requests sent at once.

    Attributes:
        broken: it takes no more calls.
        gone: set when the process has ended, after it broke.
        schema: what it told of the collection.
    """

    def __init__(self, child: Child, name: str, in_flight: int = IN_FLIGHT) -> None:
        self.broken = False
        self.gone = threading.Event()
        self.schema = KeptSchema()
        self._child = child
        self._name = name
        self._free = in_flight
        self._state = threading.Lock()
        self._sending = threading.Lock()  # taken before the other
        self._pending: deque[Call] = deque()
        self._flight: deque[Call] = deque()
        self._known = KnownPoints([], [])

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    def ask(self, call: Call) -> Outcome | None:
        """Send a call and wait for what comes of it.

        Returns:
            None where it was not sent because the line is broken.
        """
        try:
            if self._may_send(call):
                self._send(call)
            if call.at is _At.SENT:
                self._receive(call)
        except BaseException:
            self._see_through(call)
            raise
        return call.outcome

    def end(self) -> None:
        """Take no more calls and end the process; what is in flight has not been asked."""
        self._break(None)

    def kill(self) -> None:
        """End the process at once; what is in flight fails."""
        self._child.kill()

    # --- sending ---------------------------------------------------------------------------

    def _may_send(self, call: Call) -> bool:
        """Wait until few enough are in flight; False where another call has sent it along."""
        with self._state:
            if self.broken:
                return False
            if self._free:
                self._free -= 1
                call.at = _At.ALLOWED
                return True
            self._pending.append(call)
            call.at = _At.PENDING
        call.woken.acquire()
        return call.at is _At.ALLOWED

    def _send(self, call: Call) -> None:
        if call.is_query:
            self._gather(call)
            parts = [bytes(one.data) for one in call.group]
            data: bytes | memoryview = pickled(Request("query", (parts,)))
        else:
            data = call.data
        with self._sending:
            with self._state:
                if self.broken:
                    self._tell(call.group)
                    return
                self._flight.append(call)
                call.at = _At.SENDING
                if len(self._flight) == 1:
                    _wake(call)
            try:
                self._child.pipe.send_bytes(data)
            except OSError:
                call.unsent = True  # it is gone, as whoever reads next will notice
            call.at = _At.SENT

    def _gather(self, call: Call) -> None:
        with self._state:
            if self._pending:
                call.group += [one for one in self._pending if one.is_query]
                self._pending = deque(one for one in self._pending if not one.is_query)

    # --- receiving -------------------------------------------------------------------------

    def _receive(self, call: Call) -> None:
        call.woken.acquire()  # it is at the front, or over
        if call.at is _At.OVER:
            return
        pipe = self._child.pipe
        try:
            if threading.current_thread() is threading.main_thread():
                pipe.poll(None)  # a signal may end this, and nothing is half read then
            call.at = _At.READING
            self._settle(call, ForkingPickler.loads(pipe.recv_bytes()))
            with self._state:
                self._flight.popleft()
                if self._flight:
                    _wake(self._flight[0])
                self._tell(call.group)
                self._pass_on()
        except (EOFError, OSError):
            self._break(self._child.how_it_ended())
        finally:
            if call.at is _At.READING:
                self._break("was interrupted")

    def _settle(self, call: Call, outcome: Outcome) -> None:
        """Give the calls of a group what is theirs, in the order of the replies."""
        outcomes: Sequence[Outcome] = [outcome] * len(call.group)
        if call.is_query and isinstance(outcome, Ok):
            outcomes = outcome.value
        for one, its in zip(call.group, outcomes, strict=True):
            if isinstance(its, Ok) and isinstance(its.value, PackedHits):
                one.known = self._known = learn(self._known, its.value)
            one.outcome = its

    def _pass_on(self) -> None:
        if self._pending:
            following = self._pending.popleft()
            following.at = _At.ALLOWED
            _wake(following)
        else:
            self._free += 1

    @staticmethod
    def _tell(calls: Sequence[Call]) -> None:
        for call in calls:
            call.at = _At.OVER
            _wake(call)

    # --- when it goes wrong ----------------------------------------------------------------

    def _break(self, how: str | None) -> None:
        """Fail what was sent, or with None have it asked of another process."""
        with self._state:
            if self.broken:
                return
            self.broken = True
        if how is not None:
            self._child.kill()
        with self._sending:  # nobody writes into a pipe that is closed
            self._child.end()
        with self._state:
            for call in self._flight:
                if how is not None and not call.unsent:
                    failure = Failure(StoreUnavailableError, died(self._name, how))
                    for one in call.group:
                        one.outcome = failure
                self._tell(call.group)
            self._flight.clear()
            self._tell(self._pending)
            self._pending.clear()
        self.gone.set()

    def _see_through(self, call: Call) -> None:
        """Whoever asked was interrupted: nobody else may wait for him, or get his reply."""
        with self._state:
            at = call.at
            if at is _At.PENDING and call in self._pending:
                self._pending.remove(call)
            elif at is _At.ALLOWED:
                failure = Failure(StoreUnavailableError, died(self._name, "was not asked"))
                for one in call.group:
                    one.outcome = failure
                self._tell(call.group)
                self._pass_on()
            elif at in (_At.SENDING, _At.SENT) and self._flight and self._flight[0] is call:
                _wake(call)  # it may have used that up
        if at is _At.SENDING:
            self._child.kill()  # it would take the next request for the rest of this one
        if at in (_At.SENDING, _At.SENT):
            threading.Thread(target=self._receive, args=(call,), daemon=True).start()


def _wake(call: Call) -> None:
    """Let its owner go on; to be called with the state of the line held."""
    if call.woken.locked():
        call.woken.release()


def pickled(what: Any) -> memoryview:
    """As it goes through the pipe.

    Raises:
        TypeError, AttributeError, PickleError: it holds something that cannot be sent.
    """
    return ForkingPickler.dumps(what)


def value_of(call: Call) -> Any:
    """What a call gave that was answered; what the other process raised is raised here."""
    if isinstance(call.outcome, Ok):
        return call.outcome.value
    assert call.outcome is not None, "it was not answered"
    raise call.outcome.error()


def died(name: str, how: str) -> str:
    """For messages: what became of the process, and what to do."""
    return (
        f"the process of {name} {how} before it answered; what it acknowledged is "
        f"kept, and the next call starts it again: try again"
    )

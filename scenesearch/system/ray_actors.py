"""Workers on a Ray cluster that keep what they opened, and calls of them in any number.

An error that would end a local run comes back as a value, because Ray would wrap it in the traces
of two processes.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import islice
from typing import Any, Final, Generic, TypeVar

from scenesearch.core.errors import SceneSearchError
from scenesearch.system.ray_cluster import RETRIES

Call = TypeVar("Call")

LOST: Final = object()
"""What a call gave whose worker died each time."""
AHEAD = 2
"""Calls that a worker has at a time, so that it never waits for the next."""
_PEEK = 8
"""Calls that are looked at beforehand, to start workers for them."""
START_S = 300.0
"""Within which the first worker has to be up; a cluster may have to start a node for it."""


class Actors(Generic[Call]):
    """Workers on nodes with room for them, as many as have work; one that dies is started again.

    Args:
        make: what a worker has open as long as it lives; called there with its first call. Ray
            sends it, so it must be a function that the nodes can import, or a
            ``functools.partial`` of one with plain values.
        most: workers.
        cpus: cores that each takes.
        gpus: whether each takes a GPU.
    """

    def __init__(
        self,
        make: Callable[[], AbstractContextManager[Any]],
        most: int,
        *,
        cpus: int = 1,
        gpus: bool = False,
    ) -> None:
        import ray

        kind = ray.remote(
            num_cpus=cpus, num_gpus=int(gpus), max_restarts=-1, max_task_retries=RETRIES
        )(Worker)
        self._start = partial(kind.remote, make)
        self._most = most
        self._starting: dict[Any, Any] = {}
        self._up: list[Any] = []
        self._busy: Counter[int] = Counter()

    def each(
        self,
        method: str,
        calls: Iterable[Call],
        arguments: Callable[[Call], tuple[Any, ...]],
        *,
        ahead: int = AHEAD,
    ) -> Generator[tuple[Call, Any], None, None]:
        """What each call gives, in any order; no more are taken than the workers have room for.

        Args:
            method: of what a worker has open.
            calls: one after the other.
            arguments: of a call.
            ahead: calls that a worker has at a time; with 1, none is lost with another.

        Returns:
            Pairs of a call and what it gave, or ``LOST``.

        Raises:
            SceneSearchError: what a call raised, or the cluster is lost (``ray_failed``).
        """
        coming = iter(calls)
        following: deque[Call] = deque()
        waiting: dict[Any, tuple[int, Call]] = {}
        try:
            while True:
                following.extend(islice(coming, _PEEK - len(following)))
                self._grow(len(following))
                # who asks inside of another's calls waits for none of them
                while following and (number := self._free(ahead if waiting else None)) is not None:
                    call = following.popleft()
                    asked = self._up[number].call.remote(method, *arguments(call))
                    self._busy[number] += 1
                    waiting[asked] = number, call
                    following.extend(islice(coming, 1))
                if not following and not waiting:
                    return
                done = self._first(waiting)
                if done is not None:
                    number, call = waiting.pop(done)
                    self._busy[number] -= 1
                    yield call, _given(done)
        finally:
            for number, _ in waiting.values():
                self._busy[number] -= 1

    def _grow(self, calls: int) -> None:
        """Start a worker for each call that none has time for, as far as there may be more."""
        idle = sum(not self._busy[number] for number in range(len(self._up)))
        wanted = calls - idle - len(self._starting)
        for _ in range(min(wanted, self._most - len(self._up) - len(self._starting))):
            actor = self._start()
            self._starting[actor.ready.remote()] = actor

    def _free(self, ahead: int | None) -> int | None:
        """The worker with the least to do, if it has fewer calls than so many."""
        few = min(range(len(self._up)), key=lambda one: self._busy[one], default=None)
        return few if few is None or ahead is None or self._busy[few] < ahead else None

    def _first(self, waiting: Iterable[Any]) -> Any:
        """The first of these calls that is done; None where a worker came up instead.

        Raises:
            SceneSearchError: not one worker comes up.
        """
        import ray

        every = [*self._starting, *waiting]
        done, _ = ray.wait(every, num_returns=1, timeout=None if self._up else START_S)
        if not done:
            raise SceneSearchError(
                f"no worker of the Ray cluster came up within {START_S:g} s; `ray status` says "
                f"what it has room for, Ray's logs what became of them: a node that is short of "
                f"memory starts none",
                code="ray_failed",
            )
        if done[0] not in self._starting:
            return done[0]
        self._up.append(self._starting.pop(done[0]))
        return None

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        import ray

        for actor in (*self._up, *self._starting.values()):
            ray.kill(actor)


def _given(done: Any) -> Any:
    import ray

    try:
        given = ray.get(done)
    except ray.exceptions.RayActorError:
        return LOST
    except ray.exceptions.RayError as error:
        said = " ".join(str(error).split())[:300]
        raise SceneSearchError(
            f"the Ray cluster failed ({type(error).__name__}: {said}); what came back before "
            f"is kept, run again to go on",
            code="ray_failed",
        ) from error
    if isinstance(given, SceneSearchError):
        raise given
    return given


class Worker:
    """A worker, on its node.

    Args:
        make: see :class:`Actors`.
    """

    def __init__(self, make: Callable[[], AbstractContextManager[Any]]) -> None:
        self._make = make
        self._open = ExitStack()
        self._made: Any = None

    def ready(self) -> None:
        """Answered by a worker that is up."""

    def call(self, method: str, *arguments: Any) -> Any:
        """What a method of what is open gives, or the error that it raised."""
        try:
            if self._made is None:
                self._made = self._open.enter_context(self._make())
            return getattr(self._made, method)(*arguments)
        except SceneSearchError as error:
            return error
        except Exception as error:  # noqa: BLE001 - raised again by who asked
            return SceneSearchError(
                f"a stage failed on a node of the cluster ({type(error).__name__}: {error}); "
                f"check that all nodes have the same version of scenesearch",
                code="ray_failed",
            )

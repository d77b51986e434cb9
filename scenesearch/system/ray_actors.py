"""Workers on a Ray cluster that keep what they opened, and calls of them in any number.

An error that would end a local run comes back as a value, because Ray would wrap it in the traces
of two processes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from typing import Any, Final, Generic, TypeVar

from scenesearch.core.errors import SceneSearchError
from scenesearch.system.ray_cluster import RETRIES

Call = TypeVar("Call")

LOST: Final = object()
"""What a call gave whose worker died each time."""
AHEAD = 2
"""Calls that a worker has at a time, so that it never waits for the next."""


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
        self._actors: list[Any] = []
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
        import ray

        coming = iter(calls)
        waiting: dict[Any, tuple[int, Call]] = {}
        try:
            while True:
                while len(waiting) < ahead * self._most:
                    call = next(coming, None)
                    if call is None:
                        break
                    number = self._free()
                    asked = self._actors[number].call.remote(method, *arguments(call))
                    self._busy[number] += 1
                    waiting[asked] = number, call
                if not waiting:
                    return
                (done, *_), _ = ray.wait(list(waiting), num_returns=1)
                number, call = waiting.pop(done)
                self._busy[number] -= 1
                yield call, _given(ray, done)
        finally:
            for number, _ in waiting.values():
                self._busy[number] -= 1

    def _free(self) -> int:
        """The worker with the least to do; a new one where each has something, if there may be."""
        few = min(range(len(self._actors)), key=lambda one: self._busy[one], default=0)
        if few < len(self._actors) and not (self._busy[few] and len(self._actors) < self._most):
            return few
        self._actors.append(self._start())
        return len(self._actors) - 1

    def close(self) -> None:
        """End the workers, whatever they are doing."""
        import ray

        for actor in self._actors:
            ray.kill(actor)


def _given(ray: Any, done: Any) -> Any:
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

"""An index run on a Ray cluster: photos are embedded there, and points written from there.

Who drives the run plans, keeps what comes back in its embedding cache, fits the projection and
makes the collection, as in a local run. Into a server the workers write what they are sent; an
embedded store is written by the process that has it open. A kill costs what was on its way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from scenesearch.core.batches import batches
from scenesearch.core.errors import ConfigError, SceneSearchError
from scenesearch.index.photo_embedding import Embedded, PhotoEmbedder, Wanted
from scenesearch.index.plan import Failure
from scenesearch.index.point_writing import PointWriter, Writable
from scenesearch.models.embed.projection import Projection
from scenesearch.system.once import once
from scenesearch.system.ray_actors import AHEAD, LOST, Actors
from scenesearch.system.ray_cluster import RayOptions, Room, joined
from scenesearch.system.timing import StageTimes

Call = TypeVar("Call")
Seconds = Mapping[str, float]


class Sent:
    """Photos that came with a call; any other is read where it lies.

    Args:
        read: a photo, by its path or its bytes, and what it is called.
    """

    def __init__(self, read: Callable[[str | bytes, str], Any]) -> None:
        self._read = read
        self._sent: Mapping[str, bytes] = {}

    def use(self, sent: Mapping[str, bytes]) -> None:
        """From here on, these, by their paths."""
        self._sent = sent

    def load(self, path: str) -> Any:
        """Path to scene; raises ImageError."""
        return self._read(self._sent.get(path, path), path)


class IndexNode:
    """What a worker does, on its node and with models of its own.

    Args:
        embedder: of this node; reads through ``sent``.
        sent: photos that come with a call.
        looks: what photos look like; reads likewise.
        writer: opens the store.
        contents: photos in object storage, read to know them.
    """

    def __init__(
        self,
        embedder: PhotoEmbedder,
        sent: Sent,
        looks: Callable[[Sequence[str]], Iterator[Any]],
        writer: Callable[[], PointWriter],
        contents: Callable[[Sequence[str]], Sequence[Any]],
    ) -> None:
        self._embedder = embedder
        self._sent = sent
        self._looks = looks
        self._open_writer = writer
        self._contents = contents

    @once
    def _writer(self) -> PointWriter:
        return self._open_writer()

    def embed(
        self, photos: Sequence[Wanted], sent: Mapping[str, bytes]
    ) -> tuple[list[Embedded], Seconds]:
        """What comes of some photos."""
        self._sent.use(sent)
        times = StageTimes()
        return list(self._embedder.embed(photos, times)), times.seconds

    def write(self, some: Writable, projection: Projection | None) -> Seconds:
        """Write items into the server."""
        times = StageTimes()
        list(self._writer.write([some], projection, times))
        return times.seconds

    def look(self, paths: Sequence[str], sent: Mapping[str, bytes]) -> list[Any]:
        """What photos look like, in order."""
        self._sent.use(sent)
        return list(self._looks(paths))

    def contents(self, addresses: Sequence[str]) -> Sequence[Any]:
        """Photos in object storage, by their content, in order."""
        return self._contents(addresses)


MakeNode = Callable[[], AbstractContextManager[IndexNode]]
"""Makes what one worker does, see :class:`~scenesearch.system.ray_actors.Actors`."""


class _Batch(NamedTuple):
    place: int
    photos: Sequence[Wanted]


class RayIndexing:
    """A run's way to the cluster, which is started or joined by the first call that has work.

    Args:
        make_node: of each worker.
        cluster: where to work.
        batch: photos of one call.
        sends: bytes of a photo that lies on this machine alone; None for one that the nodes read.
    """

    def __init__(
        self,
        make_node: MakeNode,
        cluster: RayOptions,
        batch: int,
        sends: Callable[[str], bytes | None] = lambda _: None,
    ) -> None:
        self._make_node = make_node
        self._cluster = cluster
        self._batch = batch
        self._sends = sends
        self._open = ExitStack()

    @once
    def _actors(self) -> Actors[Any]:
        how = self._cluster
        room = self._open.enter_context(joined(how, "Indexing"))
        most = count_workers(room, how)
        actors: Actors[Any] = Actors(self._make_node, most, cpus=how.cpus_per_worker, gpus=how.gpus)
        self._open.callback(actors.close)
        return actors

    def close(self) -> None:
        """Leave the cluster; one of our own ends."""
        self._open.close()

    def embed(self, photos: Sequence[Wanted], times: StageTimes) -> Generator[Embedded, None, None]:
        """As :meth:`~scenesearch.index.photo_embedding.Embeds.embed`.

        A photo whose worker dies again and again is a failure.

        Raises:
            ConfigError: the cluster is too small.
            MissingDependencyError: Ray is not installed.
            ModelError: the models failed.
            SceneSearchError: the cluster cannot be reached, or is lost (``ray_failed``).
        """

        def arguments(batch: _Batch) -> tuple[Any, ...]:
            return batch.photos, self._sent([one.ref.path for one in batch.photos])

        whole = [_Batch(i, photos[i : i + self._batch]) for i in range(0, len(photos), self._batch)]
        lost: list[_Batch] = []
        for batch, found in self._each("embed", whole, arguments, times):
            if found is LOST:
                lost.append(batch)
                continue
            yield from _placed(batch.place, found, times)
        if len(lost) == len(whole) > 1:
            raise SceneSearchError(
                "no photo came back from the Ray cluster: its workers died, maybe for want of "
                "memory; look into Ray's logs of the nodes, or try --runner local",
                code="ray_failed",
            )
        # one photo of a batch may have killed its worker, and the others went with it
        single = [
            _Batch(batch.place + i, [one]) for batch in lost for i, one in enumerate(batch.photos)
        ]
        for batch, found in self._each("embed", single, arguments, times, ahead=1):
            if found is not LOST:
                yield from _placed(batch.place, found, times)
                continue
            (ref, item_id), *_ = batch.photos
            why = (
                "the workers that embedded it died; export the photo again, or give the nodes more "
                "memory, then run again"
            )
            failure = Failure(item_id, ref.path, why)
            bad = frozenset({ref.sha256})
            yield Embedded(batch.place, 1, {}, failures=(failure,), bad=bad)

    def write(
        self, items: Iterable[Writable], projection: Projection | None, times: StageTimes
    ) -> Generator[int, None, None]:
        """As :meth:`~scenesearch.index.point_writing.Writes.write`, into a server.

        Raises:
            StoreError: the server cannot be written.
            SceneSearchError: as for :meth:`embed`.
        """
        for some, seconds in self._each("write", items, lambda one: (one, projection), times):
            if seconds is LOST:
                raise SceneSearchError(
                    "the workers that wrote into the server died each time; look into Ray's logs "
                    "of the nodes; what was written stays, run again to go on",
                    code="ray_failed",
                )
            _add(times, seconds)
            yield len(some.plans)

    def looks(self, paths: Sequence[str]) -> Iterator[Any]:
        """What photos look like, in order; None for one that cannot be read."""
        times = StageTimes()
        parts = [(i, part) for i, part in enumerate(batches(paths, self._batch))]
        came: dict[int, list[Any]] = {}
        following = 0
        calls = self._each("look", parts, lambda one: (one[1], self._sent(one[1])), times)
        for (number, part), found in calls:
            # indexing says what is wrong with those whose worker died
            came[number] = [None] * len(part) if found is LOST else found
            while following in came:
                yield from came.pop(following)
                following += 1

    def contents(self, addresses: Sequence[str]) -> Iterator[tuple[Sequence[str], Sequence[Any]]]:
        """Photos in object storage by their content, some of them at a time and in any order.

        Raises:
            SceneSearchError: as for :meth:`embed`.
        """
        parts = batches(addresses, self._batch)
        for some, found in self._each("contents", parts, lambda one: (one,), StageTimes()):
            if found is LOST:
                raise SceneSearchError(
                    f"the workers that read photos such as {some[0]} died each time; look into "
                    f"Ray's logs of the nodes, and run again to go on",
                    code="ray_failed",
                )
            yield some, found

    def _sent(self, paths: Iterable[str]) -> dict[str, bytes]:
        sent = ((path, self._sends(path)) for path in paths)
        return {path: data for path, data in sent if data is not None}

    def _each(
        self,
        method: str,
        calls: Iterable[Call],
        arguments: Callable[[Call], tuple[Any, ...]],
        times: StageTimes,
        *,
        ahead: int = AHEAD,
    ) -> Iterator[tuple[Call, Any]]:
        calls = iter(calls)
        first = next(calls, None)
        if first is None:
            return
        with times.stage("start"):
            actors = self._actors

        def every() -> Iterator[Call]:
            yield first
            yield from calls

        with closing(actors.each(method, every(), arguments, ahead=ahead)) as coming:
            while True:
                with times.stage("wait"):
                    came = next(coming, None)
                if came is None:
                    return
                yield came


def count_workers(room: Room, how: RayOptions) -> int:
    """How many workers fit on a cluster.

    Raises:
        ConfigError: not even one.
    """
    each = how.cpus_per_worker
    count = int(room.cpus) // each
    if how.gpus:
        count = min(count, int(room.gpus))
    if count < 1:
        asked = f"{each} CPUs" + (" and 1 GPU" if how.gpus else "")
        raise ConfigError(
            f"The Ray cluster has {room.cpus:g} CPUs and {room.gpus:g} GPUs, and a worker needs "
            f"{asked}; add nodes, take fewer threads, or use --runner local",
            code="ray_too_small",
        )
    return count


def _placed(
    place: int, found: tuple[Sequence[Embedded], Seconds], times: StageTimes
) -> Iterator[Embedded]:
    parts, seconds = found
    _add(times, seconds)
    for part in parts:
        yield replace(part, place=place + part.place)


def _add(times: StageTimes, seconds: Seconds) -> None:
    for stage, spent in seconds.items():
        times.add(stage, spent)

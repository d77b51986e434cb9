"""What the two ends of a store in a process of its own say to each other.

A request is a name and arguments. Most of an answer are points that answered something before, so
each is sent once and then named by a number.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from scenesearch.core.types import CollectionSchema, Hit, Point, make_hits

MAX_KNOWN = 200_000
"""Points and payloads that both ends remember; about 0.3 KB each."""


class Request(NamedTuple):
    """A call: one of the names that :mod:`scenesearch.store.process.serve` knows."""

    name: str
    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = {}


class PackedHits(NamedTuple):
    """Hits of several queries. A point and its payload are sent once, and then by number.

    Attributes:
        fresh: everything that was sent before is forgotten.
        ids: of points that were not sent yet; their numbers go on from those before.
        payloads: of those.
        counts: hits of each query.
        numbers: of the points, unsigned integers, one query after the other.
        scores: likewise, doubles.
    """

    fresh: bool
    ids: list[str]
    payloads: list[dict[str, Any]]
    counts: list[int]
    numbers: bytes
    scores: bytes


class HitPacker:
    """Packs hits for a reader that gets every pack, in order.

    A store that gives the same object for the payload of a point as long as it does not change
    has it sent once.

    Args:
        limit: points that are remembered before all are forgotten.
    """

    def __init__(self, limit: int = MAX_KNOWN) -> None:
        self._limit = limit
        self._sent: dict[int, tuple[str, int, Mapping[str, Any]]] = {}
        self._count = 0

    def forget(self) -> None:
        """Send everything again."""
        self._sent, self._count = {}, 0

    def pack(self, answers: Sequence[Sequence[Hit]]) -> PackedHits:
        """Hits, with what the reader does not know yet."""
        if self._count > self._limit:
            self.forget()
        fresh, sent = self._count == 0, self._sent
        ids: list[str] = []
        payloads: list[dict[str, Any]] = []
        numbers = array("I")
        for hits in answers:
            for hit in hits:
                # the payload is kept with its number, so no other object gets its id
                entry = sent.get(id(hit.payload))
                if entry is None or entry[0] != hit.id:
                    entry = sent[id(hit.payload)] = (hit.id, self._count, hit.payload)
                    self._count += 1
                    ids.append(hit.id)
                    payloads.append(dict(hit.payload))
                numbers.append(entry[1])
        scores = array("d", [hit.score for hits in answers for hit in hits])
        counts = [len(hits) for hits in answers]
        return PackedHits(fresh, ids, payloads, counts, numbers.tobytes(), scores.tobytes())


class HitUnpacker:
    """Makes hits of packs, which build on each other.

    Attributes:
        ids: of all points that were sent, by number.
    """

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._payloads: list[Mapping[str, Any]] = []

    def learn(self, packed: PackedHits) -> Callable[[], list[list[Hit]]]:
        """Take packs in the order of their coming; what is given makes the hits, at any time."""
        if packed.fresh:
            self.ids, self._payloads = [], []
        self.ids.extend(packed.ids)
        # read-only, because hits share them
        self._payloads.extend(map(MappingProxyType, packed.payloads))
        return partial(_hits, self.ids, self._payloads, packed)


def _hits(
    ids: Sequence[str], payloads: Sequence[Mapping[str, Any]], packed: PackedHits
) -> list[list[Hit]]:
    numbers, scores = array("I", packed.numbers), array("d", packed.scores)
    hits = iter(make_hits([ids[i] for i in numbers], scores, [payloads[i] for i in numbers]))
    return [list(islice(hits, count)) for count in packed.counts]


def plain_points(points: Sequence[Point]) -> list[Point]:
    """The same points with dictionaries for mappings of any kind."""
    return [Point(point.id, dict(point.vectors), dict(point.payload)) for point in points]


def plain_schema(schema: CollectionSchema) -> CollectionSchema:
    """The same schema with dictionaries for mappings of any kind."""
    return replace(
        schema,
        vectors=dict(schema.vectors),
        fields=dict(schema.fields),
        metadata=dict(schema.metadata),
        blobs=dict(schema.blobs),
    )

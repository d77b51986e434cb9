"""Payload fields of points that answered before, so that queries need not read them again.

To give one field of a hit, the embedded engine reads and parses the point's whole payload, which
costs several times what the search itself does. It also numbers its writes, and each hit carries
the number of the last write that touched its point: what is kept here is right exactly as long as
that number is the same, whatever was written in between.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

from scenesearch.core.types import Hit, make_hits
from scenesearch.store.ties import plain_scores

MAX_KEPT = 50_000
"""Points kept, about 0.6 kB each; then everything is forgotten, and kept again as it answers."""

Reader = Callable[[list[UUID]], Mapping[int, Mapping[str, Any]]]
"""Brings the fields of points, by the numbers that their ids are, because a UUID's own hash is
dear; those that are gone meanwhile are left out. They are kept: nothing may change them."""


ReadScores = Callable[[Sequence[Any]], list[float]]
"""Reads the scores of scored points."""


def cosines(points: Sequence[Any]) -> list[float]:
    """The scores of scored points; rounding makes 1.0000001 of equal vectors."""
    scores = plain_scores(points)
    if scores and (max(scores) > 1.0 or min(scores) < -1.0):
        return [min(max(score, -1.0), 1.0) for score in scores]
    return scores


class _Kept(NamedTuple):
    version: int
    id: str
    payload: Mapping[str, Any]


_version: Callable[[Any], int] = attrgetter("version")


def _hits(row: Sequence[_Kept | None], scores: Sequence[float]) -> list[Hit]:
    found = [entry for entry in row if entry is not None]
    if len(found) < len(row):
        scores = [s for entry, s in zip(row, scores, strict=True) if entry is not None]
    return make_hits([one.id for one in found], scores, [one.payload for one in found])


class PayloadMemo:
    """Turns the engine's hits into ours; safe to use from threads.

    Args:
        limit: how many points are kept before all are forgotten.
    """

    def __init__(self, limit: int = MAX_KEPT) -> None:
        self._limit = limit
        self._kept: dict[Hashable, dict[int, _Kept]] = {}

    def __len__(self) -> int:
        return sum(len(kept) for kept in list(self._kept.values()))

    def hits(
        self,
        answers: Sequence[Sequence[Any]],
        selection: Hashable,
        read: Reader,
        scores: Sequence[ReadScores],
    ) -> list[list[Hit]]:
        """The hits of several queries that ask for the same fields.

        Args:
            answers: the engine's scored points, without payload.
            selection: which fields, and anything else that ``read`` depends on.
            read: brings the fields of points that are not kept, or have changed.
            scores: what reads the scores of the scored points, for each answer.

        Returns:
            A list for each answer in the engine's order; points that were removed since the
            engine answered are left out.
        """
        kept = self._kept.get(selection, {})
        # thousands of hits a batch: ids become Python objects once, and text once in their life
        ids = [[point.id for point in points] for points in answers]
        keys = [[point_id.int for point_id in row] for row in ids]
        entries = [list(map(kept.get, row)) for row in keys]
        versions = [list(map(_version, points)) for points in answers]
        unknown = {
            key: (point_id, version)
            for rows in zip(keys, ids, entries, versions, strict=True)
            if [entry and entry.version for entry in rows[2]] != rows[3]
            for key, point_id, entry, version in zip(*rows, strict=True)
            if entry is None or entry.version != version
        }
        if unknown:
            new = self._read(unknown, selection, read)
            entries = [
                [new.get(key) if key in unknown else entry for key, entry in zip(*row, strict=True)]
                for row in zip(keys, entries, strict=True)
            ]
        return [
            _hits(row, read_scores(points))
            for points, row, read_scores in zip(answers, entries, scores, strict=True)
        ]

    def _read(
        self, unknown: Mapping[int, tuple[UUID, int]], selection: Hashable, read: Reader
    ) -> dict[int, _Kept]:
        # a write between answer and reading leaves a newer payload under an older number, which
        # no later hit can carry: it is read again
        found = read([point_id for point_id, _ in unknown.values()])
        new = {
            key: _Kept(version, str(point_id), MappingProxyType(found[key]))
            for key, (point_id, version) in unknown.items()
            if key in found
        }
        if len(self) + len(new) > self._limit:
            self._kept = {}
        if len(new) <= self._limit:
            self._kept.setdefault(selection, {}).update(new)
        return new

"""Ties at the cut: engines stop at the limit among hits of equal score in no promised order.

Asking for one more hit than wanted shows whether the cut goes through a tie; if so, ask for
more until the whole tie is there, and let the id decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from scenesearch.core.types import Scalar

_GROWTH = 4
EVERY = 1_000
"""Values asked for at first where all are needed."""
MAX_EXTRA = 10_000
"""A tie longer than this beyond the limit (thousands of equal vectors) is cut as it comes."""


class Scored(Protocol):
    """A hit, the engine's or ours. Ids are of one kind, and have an order."""

    @property
    def id(self) -> Any:
        """Of the point."""


P = TypeVar("P", bound=Scored)


def settle(
    limits: Sequence[int],
    fetch: Callable[[list[tuple[int, int]]], Sequence[Sequence[P]]],
    score_of: Callable[[int], Callable[[P], float]] = lambda _: attrgetter("score"),
    *,
    beyond: int = 1,
) -> list[list[P]]:
    """The best hits of each query, ties broken by id, whatever order the engine left them in.

    Args:
        limits: how many hits each query wants, at least 1.
        fetch: answers a batch of (index of a query, how many hits), best first.
        score_of: gives, by the index of a query, what reads the score of its hits.
        beyond: hits asked for beyond each limit at first; where asking again is dear, a few more
            than one find the end of most ties at once.
    """
    results: list[list[P]] = [[] for _ in limits]
    pending = [(i, limit + beyond) for i, limit in enumerate(limits)]
    while pending:
        again = []
        for (i, asked), hits in zip(pending, fetch(pending), strict=True):
            limit, score = limits[i], score_of(i)
            scores = [score(hit) for hit in hits]
            cut = len(hits) == asked and scores[limit - 1] == scores[-1]
            if cut and asked < limit + MAX_EXTRA:
                again.append((i, min(asked * _GROWTH, limit + MAX_EXTRA)))
            else:
                results[i] = _ranked(hits, scores, limit)
        pending = again
    return results


def settle_facet(
    limit: int, fetch: Callable[[int], list[tuple[Any, int]]], *, every: bool = False
) -> list[tuple[Scalar, int]]:
    """The most frequent values, ties broken by value.

    Args:
        limit: at least 1.
        fetch: gives that many values with their counts, most frequent first.
        every: whether counts are right only where all values are given.
    """
    asked = max(limit + 1, EVERY if every else 0)
    while True:
        values = fetch(asked)
        cut = not every and values[limit - 1 :] and values[limit - 1][1] != values[-1][1]
        if len(values) < asked or cut:
            ranked = sorted(values, key=lambda pair: (-pair[1], pair[0]))
            return [(value, count) for value, count in ranked[:limit] if count > 0]
        asked *= _GROWTH


def _ranked(hits: Sequence[P], scores: Sequence[float], limit: int) -> list[P]:
    # Engines sort by score; only ties are left to settle, and most answers have none.
    end = min(limit, len(hits))
    while 0 < end < len(hits) and scores[end] == scores[end - 1]:
        end += 1
    if len(set(scores[:end])) == end:
        return list(hits[:end])
    order = sorted(range(end), key=scores.__getitem__, reverse=True)
    ranked: list[P] = []
    # an id of the engine costs more to read than all else here: only those of a tie are read
    for _, tie in groupby(order, scores.__getitem__):
        tied = [hits[i] for i in tie]
        ranked += tied if len(tied) == 1 else sorted(tied, key=attrgetter("id"))
    return ranked[:limit]

"""Ties at the cut: engines stop at the limit among hits of equal score in no promised order.

Asking for one more hit than wanted shows whether the cut goes through a tie; if so, ask for
more until the whole tie is there, and let the id decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import Any, Protocol, TypeVar

from scenesearch.core.runs import sort_runs
from scenesearch.core.types import Scalar

_GROWTH = 4
EVERY = 1_000
"""Values asked for at first where all are needed."""
BEYOND = 8
"""Hits asked for beyond a limit: most ties at the cut end within them, without asking again."""
MAX_EXTRA = 10_000
"""A tie longer than this beyond the limit (thousands of equal vectors) is cut as it comes."""


class Scored(Protocol):
    """A hit, the engine's or ours. Ids are of one kind, and have an order."""

    @property
    def id(self) -> Any:
        """Of the point."""


P = TypeVar("P", bound=Scored)
_score: Callable[[Any], float] = attrgetter("score")


def settle(
    limits: Sequence[int],
    fetch: Callable[[list[tuple[int, int]]], Sequence[Sequence[P]]],
    scores_of: Callable[[int], Callable[[Sequence[P]], list[float]]] = lambda _: plain_scores,
    *,
    beyond: int = 1,
) -> list[list[P]]:
    """The best hits of each query, ties broken by id, whatever order the engine left them in.

    Args:
        limits: how many hits each query wants, at least 1.
        fetch: answers a batch of (index of a query, how many hits), best first.
        scores_of: gives, by the index of a query, what reads the scores of its hits.
        beyond: hits asked for beyond each limit at first; where asking again is dear, a few more
            than one find the end of most ties at once.
    """
    results: list[list[P]] = [[] for _ in limits]
    pending = [(i, limit + beyond) for i, limit in enumerate(limits)]
    while pending:
        again = []
        for (i, asked), hits in zip(pending, fetch(pending), strict=True):
            limit, scores = limits[i], scores_of(i)(hits)
            cut = len(hits) == asked and scores[limit - 1] == scores[-1]
            if cut and asked < limit + MAX_EXTRA:
                again.append((i, min(asked * _GROWTH, limit + MAX_EXTRA)))
            else:
                results[i] = _ranked(hits, scores, limit)
        pending = again
    return results


def plain_scores(hits: Sequence[P]) -> list[float]:
    """The scores of hits as they are."""
    return list(map(_score, hits))


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
    # Engines sort by score; only ties are left to settle, and many answers have none.
    end = min(limit, len(hits))
    while 0 < end < len(hits) and scores[end] == scores[end - 1]:
        end += 1
    order: Sequence[int] = range(end)
    falling = scores[:end]
    if sorted(falling, reverse=True) != falling:
        order = sorted(order, key=scores.__getitem__, reverse=True)
        falling = [scores[i] for i in order]
    ranked = [hits[i] for i in order]
    equal = [i for i, (one, other) in enumerate(pairwise(falling)) if one == other]
    # an id of the engine costs more to read than all else here: only those of a tie are read
    sort_runs(ranked, equal, attrgetter("id"))
    return ranked[:limit]

"""Ties at the cut: engines stop at the limit among hits of equal score in no promised order.

Asking for one more hit than wanted shows whether the cut goes through a tie; if so, ask for
more until the whole tie is there, and let the id decide.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from scenesearch.types import Hit, Scalar

_GROWTH = 4
MAX_EXTRA = 10_000
"""A tie longer than this beyond the limit (thousands of equal vectors) is cut as it comes."""


def settle(
    limits: Sequence[int], fetch: Callable[[list[tuple[int, int]]], list[list[Hit]]]
) -> list[list[Hit]]:
    """The best hits of each query, ties broken by id, whatever order the engine left them in.

    Args:
        limits: how many hits each query wants, at least 1.
        fetch: answers a batch of (index of a query, how many hits), best first.
    """
    results: list[list[Hit]] = [[] for _ in limits]
    pending = [(i, limit + 1) for i, limit in enumerate(limits)]
    while pending:
        again = []
        for (i, asked), hits in zip(pending, fetch(pending), strict=True):
            limit = limits[i]
            cut = len(hits) == asked and hits[limit - 1].score == hits[-1].score
            if cut and asked < limit + MAX_EXTRA:
                again.append((i, min(asked * _GROWTH, limit + MAX_EXTRA)))
            else:
                results[i] = _ranked(hits)[:limit]
        pending = again
    return results


def settle_facet(
    limit: int, fetch: Callable[[int], list[tuple[Any, int]]]
) -> list[tuple[Scalar, int]]:
    """The most frequent values, ties broken by value.

    Args:
        limit: at least 1.
        fetch: gives that many values with their counts, most frequent first.
    """
    asked = limit + 1
    while True:
        values = fetch(asked)
        if len(values) < asked or values[limit - 1][1] != values[-1][1]:
            ranked = sorted(values, key=lambda pair: (-pair[1], pair[0]))
            return [(value, count) for value, count in ranked[:limit] if count > 0]
        asked *= _GROWTH


def _ranked(hits: list[Hit]) -> list[Hit]:
    # Engines sort by score; only ties are left to settle, and most answers have none.
    if len({hit.score for hit in hits}) == len(hits):
        return hits
    return sorted(hits, key=lambda hit: (-hit.score, hit.id))

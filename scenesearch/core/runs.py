"""Runs of equals in a list that is ordered by something else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Ranked = TypeVar("Ranked")


def sort_runs(
    ranked: list[Ranked], equal: Sequence[int], key: Callable[[Ranked], Any] | None = None
) -> None:
    """Order each run of equals by a key, in place; the key is asked of those in runs alone.

    Args:
        ranked: in order, but for those that are equal.
        equal: rising places, each of one whose next is equal to it.
        key: orders the equal; themselves by default.

    >>> found = ["b", "a", "z", "y", "x", "c"]
    >>> sort_runs(found, [0, 2, 3])
    >>> found
    ['a', 'b', 'x', 'y', 'z', 'c']
    """
    first = last = -1
    for place in (*equal, len(ranked)):
        if place == last + 1 and last >= 0:
            last = place
            continue
        if last >= 0:
            run = slice(first, last + 2)
            ranked[run] = sorted(ranked[run], key=key)  # type: ignore[type-var, arg-type]
        first = last = place

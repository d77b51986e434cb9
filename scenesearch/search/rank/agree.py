"""Category agreement, learned from the catalogue: a region's best items vote on what it shows.

A soft boost, never a table of labels: whatever the detector calls the region, its nearest
products say which categories of *this* catalogue it looks like, and products of those categories
rise. Off by default: docs/ranking.md has what it gives.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from scenesearch.search.rank.candidates import Scores
from scenesearch.search.rank.fuse import best_of

VOTERS = 20


def agree(
    scores: Scores,
    items: Sequence[str],
    categories: Sequence[Hashable | None],
    *,
    weight: float,
    voters: int = VOTERS,
) -> Scores:
    """Scores with the boost added.

    Args:
        scores: shape (regions, items), NaN where an item is not in a region's list.
        items: their ids, which break ties for the last votes.
        categories: of each item; None takes no part.
        weight: of the boost, in units of cosine; the boost of an item is ``weight`` times the
            root of its category's share of the votes.
        voters: best items of a region that vote.

    Returns:
        A new array of the same shape.
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array(
        [-1 if c is None else numbers.setdefault(c, len(numbers)) for c in categories], np.intp
    )
    if not numbers:
        return scores
    boosted = scores.copy()
    for row in range(len(boosted)):
        best = np.array(best_of(scores[row], tuple(items))[:voters], np.intp)
        votes = np.bincount(codes[best][codes[best] >= 0], minlength=len(numbers))
        shares = np.sqrt(votes / max(len(best), 1))
        boosted[row] += np.float32(weight) * np.where(codes >= 0, shares[codes], 0)
    return boosted

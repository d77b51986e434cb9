"""Boosts: what an item's own fields add to its similarity. Pure values and numpy.

A boost is added to the similarity of every region's candidates before the regions are fused, so
its weight says what it does: 0.05 lets an item pass those that look up to 0.05 of cosine more
alike. It never brings in an item that the engine did not find, nor one below ``score_min``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.conditions import AllOf, AnyOf, Condition, Not
from scenesearch.search.rank.candidates import Scores


@dataclass(frozen=True, slots=True)
class LogOf:
    """A numeric field as a boost: its weight counts ``log(1 + value)`` times.

    The logarithm because what is counted (sales, views, ratings) spreads over magnitudes: with a
    weight of 0.02, 10 sales are worth 0.05 of cosine and 1,000 are worth 0.14.
    """

    field: str

    def of(self, payload: Mapping[str, Any]) -> float:
        """``log(1 + value)``; 0 for a missing or negative value.

        >>> round(LogOf("sales").of({"sales": 1000}), 2)
        6.91
        """
        value = payload.get(self.field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return float(np.log1p(max(float(value), 0.0)))


Boosted = Condition | LogOf
"""What a boost's weight counts for: the items that satisfy a condition, or a number's size."""


def fields_of(boosted: Boosted) -> tuple[str, ...]:
    """The payload fields a boost looks at, each once.

    >>> from scenesearch.core.conditions import Equals
    >>> fields_of(AllOf((Equals("brand", "X"), Not(Equals("in_stock", False)))))
    ('brand', 'in_stock')
    """
    match boosted:
        case AllOf(terms) | AnyOf(terms):
            return tuple(dict.fromkeys(name for term in terms for name in fields_of(term)))
        case Not(term):
            return fields_of(term)
        case _:
            return (boosted.field,)


def boost(scores: Scores, gains: NDArray[np.float32]) -> Scores:
    """Scores with the gain of each item added; what is in no list stays out of it.

    Args:
        scores: shape (regions, items), NaN where an item is not in a region's list.
        gains: shape (items,), in units of similarity.

    Returns:
        A new array of the same shape; no longer bounded by -1 and 1.
    """
    return (scores + gains[None]).astype(np.float32)

"""One offer a group under a budget, with the best sum of scores; nothing here knows of products.

The multiple-choice knapsack problem, by the dynamic programme over scores (Lawler, "Fast
approximation algorithms for knapsack problems", 1979): scores are counted in steps, and for each
sum of steps the cheapest choice is kept. Prices stay exact, so a choice never passes the budget.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Offer = tuple[int, float]
"""A price in whole units of any kind, at least 0, and a score."""


class _Kept(NamedTuple):
    """An offer that is worth considering, and its place in its group."""

    place: int
    price: int
    score: float


ACCURACY = 0.005
"""Share of the best sum that may be missed; it decides how fine the steps are."""
_ROUGH = 0.5


def choose(groups: Sequence[Sequence[Offer]], budget: int) -> list[int | None]:
    """The offer of each group, by its place in it; None where it is better to take none.

    Only offers with a score above 0 are taken. The sum of scores is at least
    ``1 - ACCURACY`` times the best that the budget allows; where the best offers of all groups fit
    together it is exactly those. Of offers with one score the cheapest is taken, then the first.

    Args:
        groups: offers to choose from.
        budget: the most that the chosen offers cost together.

    >>> choose([[(900, 0.9), (300, 0.8)], [(200, 0.7), (50, 0.1)]], 600)
    [1, 0]
    """
    useful = [_useful(offers, budget) for offers in groups]
    best = [kept[-1] for kept in useful if kept]
    if sum(one.price for one in best) <= budget:
        return [kept[-1].place if kept else None for kept in useful]
    # the first round misses at most half of the largest score, which tells how far the second,
    # with fine steps, has to count
    miss, upper = _ROUGH * max(one.score for one in best), sum(one.score for one in best)
    chosen: list[_Kept | None] = []
    for _ in range(2):
        chosen = _by_steps(useful, budget, miss / len(groups), upper)
        found = sum(one.score for one in chosen if one is not None)
        upper, miss = found + miss, ACCURACY * found
    return [None if one is None else one.place for one in chosen]


def _useful(offers: Sequence[Offer], budget: int) -> list[_Kept]:
    """Offers that can be paid and are worth it, by rising price, so by rising score too."""
    kept: list[_Kept] = []
    for i in sorted(range(len(offers)), key=lambda i: (offers[i][0], -offers[i][1], i)):
        price, score = offers[i]
        if price <= budget and score > (kept[-1].score if kept else 0.0):
            kept.append(_Kept(i, price, score))
    return kept


def _by_steps(
    groups: Sequence[Sequence[_Kept]], budget: int, step: float, upper: float
) -> list[_Kept | None]:
    """The best choice where a score counts as whole steps.

    Args:
        groups: of offers.
        budget: as for :func:`choose`.
        step: what the sum may miss by each group, above 0.
        upper: no choice that can be paid has a larger sum of scores.
    """
    size = int(upper / step) + 1
    # (size,): the least that a sum of steps costs, or more than the budget
    cost = np.full(size, budget + 1, np.int64)
    cost[0] = 0
    taken: list[NDArray[np.int16]] = []
    for offers in groups:
        new, pick = cost.copy(), np.full(size, -1, np.int16)
        for i, one in enumerate(offers):
            gain = int(one.score / step)
            shifted = cost[: size - gain] + one.price
            better = shifted < new[gain:]
            new[gain:][better] = shifted[better]
            pick[gain:][better] = i
        cost = new
        taken.append(pick)
    total = int(np.flatnonzero(cost <= budget)[-1])
    chosen: list[_Kept | None] = []
    for offers, pick in zip(reversed(groups), reversed(taken), strict=True):
        last = None if pick[total] < 0 else offers[pick[total]]
        chosen.append(last)
        total -= 0 if last is None else int(last.score / step)
    return chosen[::-1]

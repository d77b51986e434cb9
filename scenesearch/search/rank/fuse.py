"""Several ranked lists to one. Pure numpy on (regions, items) matrices.

The lists of a room answer different questions: a product is right when it is right for *one*
object of the photo, and most products are in the far tail of every other object's list. So the
fusions that take a product's best list (``best_rank``, ``share``) do far better here than those
that add lists up (``reciprocal_rank``); docs/decisions/ranking.md has the figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenesearch.config.search import Fusion
from scenesearch.core.runs import sort_runs
from scenesearch.search.rank.candidates import Scores
from scenesearch.search.rank.exact import sum_of


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """One list.

    Attributes:
        scores: shape (items,), above 0 for what is ranked, 0 for what is not.
        contributions: shape (regions, items): what each region gave to the score.
    """

    scores: NDArray[np.float32]
    contributions: NDArray[np.float32]


def ranks(scores: Scores) -> NDArray[np.float32]:
    """Rank of each item in each row, starting at 1; inf for NaN.

    Equal scores share the better rank.

    >>> ranks(np.array([[0.5, 0.9, np.nan, 0.5]], np.float32)).tolist()
    [[2.0, 1.0, inf, 2.0]]
    """
    filled = np.where(np.isnan(scores), -np.inf, scores)
    ordered = -np.sort(-filled, axis=1)
    result = np.empty(scores.shape, np.float32)
    for row in range(len(scores)):
        # how many of the row are strictly better
        result[row] = np.searchsorted(-ordered[row], -filled[row], side="left") + 1
    result[np.isnan(scores)] = np.inf
    return result


def fuse(
    scores: Scores,
    weights: NDArray[np.float32],
    *,
    between: Scores | None = None,
    method: Fusion = "best_rank",
    k: float = 60.0,
    sharpness: float = 40.0,
) -> Fused:
    """Fuse the regions' scores into one list.

    Args:
        scores: shape (regions, items), NaN where an item is not in a region's list.
        weights: shape (regions,), above 0; the regions' importance.
        between: what is compared between regions, as ``scores``; by default the scores. A label's
            say belongs inside its region: it tells which of its items fits, not which region is
            right.
        method: ``best_rank``: an item stands where its best list has it, so the lists
            interleave, and equal ranks are ordered by weight and ``between``. ``share``: softmax of
            each list over its items, best list counts, so a list whose first product stands out
            goes first. ``reciprocal_rank``: weighted sum of 1 / (k + rank) (Cormack, Clarke and
            Buettcher, SIGIR 2009). ``best_score``: the highest similarity.
        k: of reciprocal rank, ranks starting at 1.
        sharpness: inverse temperature of ``share``.

    Returns:
        Scores of 0 to 1, comparable inside this list only.
    """
    if not scores.size:
        return Fused(np.zeros(scores.shape[1], np.float32), np.zeros_like(scores))
    present = ~np.isnan(scores)
    weight = (weights / weights.max())[:, None].astype(np.float32)
    unit = _unit(scores)
    if method == "reciprocal_rank":
        terms = weight * (1 + k) / (k + ranks(scores))
        terms /= sum_of(weight, axis=0)
        return Fused(sum_of(terms, axis=0), terms.astype(np.float32))
    if method == "share":
        filled = np.where(present, scores, -np.inf)
        top = filled.max(axis=1, keepdims=True)
        below = sharpness * (filled - np.where(np.isfinite(top), top, 0))
        # what is far below stays above 0: it is last, not out
        powers = np.where(present, np.exp(np.maximum(below, -80)), 0)
        terms = weight * powers / np.maximum(sum_of(powers, axis=1)[:, None], 1e-9)
    elif method == "best_rank":
        # the fraction of a rank that weight and similarity decide stays below one rank
        inside = weight * (unit if between is None else _unit(between))
        terms = np.where(present, 1 / (ranks(scores) + 1 - 0.98 * inside), 0)
    else:
        terms = np.where(present, weight * unit, 0)
    best = terms.argmax(axis=0)
    contributions = np.zeros(scores.shape, np.float32)
    columns = np.arange(scores.shape[1])
    contributions[best, columns] = terms[best, columns]
    return Fused(contributions[best, columns], contributions)


def _unit(scores: Scores) -> NDArray[np.float32]:
    """Scores over 0 to 1: -1 and 1 become its ends, or the extremes where boosts go beyond."""
    low = float(np.nanmin(scores, initial=-1.0))
    high = float(np.nanmax(scores, initial=1.0))
    unit = (np.nan_to_num(scores, nan=low) - low) / (high - low)
    # what is in a list stays in it, however little it is worth
    return np.asarray(np.clip(unit, 1e-6, 1), np.float32)


def best_of(row: NDArray[np.float32], items: tuple[str, ...]) -> list[int]:
    """Indices of one region's items by falling score, ties by item id; NaN is left out.

    >>> best_of(np.array([-1.0, 0.9, np.nan], np.float32), ("b", "c", "a"))
    [1, 0]
    """
    # in float64, so that moving them above 0, which `order` keeps, makes no two equal that are not
    wide = row.astype(np.float64)
    lowest = np.nanmin(wide, initial=-1.0)
    return order(np.where(np.isnan(wide), 0, wide - lowest + 1), items)


def order(scores: NDArray[np.float32], items: tuple[str, ...]) -> list[int]:
    """Indices by falling score, ties by item id; items of score 0 or NaN are left out.

    >>> order(np.array([0.5, 0.9, 0.5, 0.0], np.float32), ("b", "c", "a", "d"))
    [1, 2, 0]
    """
    ranked = np.flatnonzero(np.nan_to_num(scores) > 0)
    # sort by score in numpy, then put equal scores in order of id
    ranked = ranked[np.argsort(-scores[ranked], kind="stable")]
    falling = scores[ranked]
    found: list[int] = ranked.tolist()
    sort_runs(found, np.flatnonzero(falling[1:] == falling[:-1]).tolist(), items.__getitem__)
    return found

"""Retrieval metrics with binary relevance. Pure numpy, defined as in the literature.

Every function takes ``relevant``: shape (n,), True where the ranked item at that place is right,
best first; and ``total``: how many right items there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Relevance = NDArray[np.bool_]


def hit(relevant: Relevance, k: int) -> float:
    """1 when any of the first k is right."""
    return float(relevant[:k].any())


def recall(relevant: Relevance, total: int, k: int) -> float:
    """Share of the right items among the first k."""
    return float(relevant[:k].sum() / total) if total else 0.0


def precision(relevant: Relevance, k: int) -> float:
    """Share of right ones among the first k."""
    return float(relevant[:k].sum() / k)


def ndcg(relevant: Relevance, total: int, k: int) -> float:
    """Normalised discounted cumulative gain (Jarvelin and Kekalainen, TOIS 2002).

    The ideal list has ``min(k, total)`` right items first.

    >>> ndcg(np.array([True, False]), 1, 10)
    1.0
    """
    gains = relevant[:k] / np.log2(np.arange(2, len(relevant[:k]) + 2))
    ideal = (1 / np.log2(np.arange(2, min(k, total) + 2))).sum()
    return float(gains.sum() / ideal) if total else 0.0


def graded_ndcg(
    gains: NDArray[np.floating[Any]], available: NDArray[np.floating[Any]], k: int
) -> float:
    """Normalised discounted cumulative gain where items are right by degrees.

    >>> graded_ndcg(np.array([0.0, 1.0]), np.array([1.0, 0.0]), 2)
    0.6309297535714575

    Args:
        gains: of the ranked items, shape (n,), best first, 0 or more.
        available: gains of all items there are, in any order: the ideal list has the largest.
        k: how many places count.
    """
    places = np.log2(np.arange(2, k + 2))
    best = np.sort(available)[::-1][:k]
    ideal = float((best / places[: len(best)]).sum())
    got = float((gains[:k] / places[: len(gains[:k])]).sum())
    return got / ideal if ideal else 0.0


def average_precision(relevant: Relevance, total: int, k: int) -> float:
    """Mean precision at each right item of the first k, over all right items there are.

    >>> average_precision(np.array([True, False, True]), 2, 200)
    0.8333333333333333
    """
    cut = relevant[:k]
    precisions = np.cumsum(cut) / np.arange(1, len(cut) + 1)
    return float(precisions[cut].sum() / total) if total else 0.0


def bootstrap_interval(
    values: NDArray[np.float64], *, samples: int = 2000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean (Efron and Tibshirani, 1993).

    For a paired comparison give the differences: an interval that holds 0 shows no gain.

    Args:
        values: shape (queries,).
        samples: resamples.
        level: of the interval, 0 to 1.
        seed: of the resampling.
    """
    if not len(values):
        return 0.0, 0.0
    rng = np.random.default_rng(seed)
    means = values[rng.integers(0, len(values), (samples, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)

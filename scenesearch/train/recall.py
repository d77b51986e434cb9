"""How well vectors find the other photos of their product. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.evaluation.metrics import average_precision, hit

DEPTHS = (1, 5)


def leave_one_out(vectors: NDArray[np.float32], labels: Sequence[int]) -> dict[str, float]:
    """Each photo searches all others for another of its group.

    Recall@k as in the literature on metric learning (Oh Song et al., CVPR 2016): the share of
    queries with a right photo among the first k. Photos that are alone in their group are in the
    way of others but ask nothing. Ties break by place.

    Args:
        vectors: shape (n, dim), rows L2-normalised.
        labels: the group of each.

    Returns:
        ``recall@1``, ``recall@5``, ``map`` (mean average precision) and ``queries``, how many
        asked; without any query the figures are 0.

    >>> leave_one_out(np.eye(2, dtype=np.float32)[[0, 0, 1]], [7, 7, 8])["recall@1"]
    1.0
    """
    groups = np.asarray(labels)
    rows: list[list[float]] = []
    for number, query in enumerate(vectors):
        relevant = groups == groups[number]
        total = int(relevant.sum()) - 1
        if not total:
            continue
        row = vectors @ query
        row[number] = -np.inf
        ranked = relevant[np.argsort(-row, kind="stable")[:-1]]
        found = [hit(ranked, depth) for depth in DEPTHS]
        rows.append([*found, average_precision(ranked, total, len(ranked))])
    names = (*(f"recall@{depth}" for depth in DEPTHS), "map")
    means = np.mean(rows, axis=0) if rows else np.zeros(len(names))
    return {**dict(zip(names, map(float, means), strict=True)), "queries": float(len(rows))}


def view_recall(views: NDArray[np.float32], photos: NDArray[np.float32]) -> dict[str, float]:
    """Each view searches all photos for the one it was made of: the measure without groups.

    Args:
        views: shape (n, dim), rows L2-normalised; row i is a view of photo i.
        photos: shape (n, dim), rows L2-normalised.

    Returns:
        As :func:`leave_one_out`; there is one right photo, so ``map`` is the mean reciprocal rank.
    """
    scores = views @ photos.T
    right = scores[np.arange(len(scores)), np.arange(len(scores))]
    # ties count against the view, or a tower that gives one vector for all would be perfect
    ranks = (scores >= right[:, None]).sum(axis=1)
    figures = {f"recall@{depth}": float(np.mean(ranks <= depth)) for depth in DEPTHS}
    return {**figures, "map": float(np.mean(1 / ranks)), "queries": float(len(ranks))}

"""Query expansion: a query moves towards its best answers. Pure numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def expand(
    query: NDArray[np.float32],
    neighbours: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    alpha: float = 3.0,
    floor: float = 0.5,
) -> NDArray[np.float32]:
    """Alpha-weighted query expansion (Radenovic, Tolias and Chum, TPAMI 2019).

    The guard against drift is the floor: neighbours below it do not count, and with none above
    it the query stays as it is.

    Args:
        query: shape (dim,), L2-normalised.
        neighbours: shape (k, dim), the vectors of the best hits.
        scores: shape (k,), their cosines to the query.
        alpha: weight of a neighbour is its cosine to this power.
        floor: cosine below which a neighbour is not trusted.

    Returns:
        Shape (dim,), L2-normalised.
    """
    trusted = scores >= floor
    if not trusted.any():
        return query
    weights = np.clip(scores[trusted], 0, None) ** alpha
    moved = query + weights @ neighbours[trusted]
    return (moved / np.linalg.norm(moved)).astype(np.float32)

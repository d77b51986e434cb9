"""Database-side augmentation: stored vectors move towards their nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 1_024
"""Rows compared at a time: memory is this many times the number of vectors."""


def augment(
    vectors: NDArray[np.float32], neighbours: int, *, alpha: float = 3.0
) -> NDArray[np.float32]:
    """Each vector's weighted mean with its nearest ones, weight cosine ** alpha, its own 1.

    Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval"
    (CVPR 2012); weights of Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no
    human annotation" (TPAMI 2018).

    Args:
        vectors: shape (n, dim), rows L2-normalised.
        neighbours: how many of the nearest count, besides the vector itself; at least 1.
        alpha: 0 is a plain mean; the larger, the less distant neighbours count.

    Returns:
        Shape (n, dim), rows L2-normalised. Ties go to the earlier row.
    """
    n = len(vectors)
    k = min(neighbours, n - 1)
    if k < 1:
        return vectors.copy()
    moved = np.empty_like(vectors)
    for start in range(0, n, BLOCK):
        block = vectors[start : start + BLOCK]
        cosines = block @ vectors.T
        cosines[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        weights = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0, 1) ** alpha
        moved[start : start + len(block)] = block + np.einsum(
            "nk,nkd->nd", weights, vectors[nearest]
        )
    result: NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return result.astype(np.float32)

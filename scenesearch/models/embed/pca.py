"""Fitting a :class:`~scenesearch.models.embed.projection.Projection`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenesearch.models.embed.projection import Projection

TRAINED_SHARE = 2 / 3
"""How much a trained space counts beside whitened features; docs/decisions/models.md."""


def fit_projection(
    vectors: NDArray[np.float32], dim: int, *, power: float = 0.5, kept: int = 0
) -> Projection:
    """Fit PCA with partial whitening, by the singular values of the centred vectors.

    Args:
        vectors: shape (n, input dim), L2-normalised.
        dim: wanted output length; fewer where the vectors span fewer.
        power: 0 rotates only, 1 whitens fully.
        kept: leading numbers that stay as they are, a trained space; ``dim`` is of the rest.

    Raises:
        ValueError: fewer than two different vectors, or a power outside 0 to 1.
    """
    if len(vectors) < 2 or not 0 <= power <= 1 or not np.ptp(vectors, axis=0).any():
        raise ValueError(
            f"fit_projection needs at least 2 different vectors and a power of 0 to 1, "
            f"got {len(vectors)} vectors and {power}"
        )
    if kept:
        features = fit_projection(vectors[:, kept:], dim, power=power)
        matrix = np.zeros((vectors.shape[1], kept + features.dim), np.float32)
        matrix[:kept, :kept], matrix[kept:, kept:] = np.eye(kept), features.matrix
        mean = np.concatenate([np.zeros(kept, np.float32), features.mean])
        return Projection(mean, matrix, kept, TRAINED_SHARE)
    dim = min(dim, *vectors.shape)
    # the whole decomposition has no random state and gives the same bits for the same input
    rows = vectors.astype(np.float64)
    mean = rows.mean(axis=0)
    _, singular, components = np.linalg.svd(rows - mean, full_matrices=False)
    spread = singular[:dim] / np.sqrt(len(rows) - 1)  # falling
    # directions the vectors do not span are rounding noise, which whitening would blow up
    spanned = int((spread > spread[0] * 1e-4).sum())
    components = components[:spanned]
    # which way a direction points is no one's choice; its largest component is made positive
    largest = np.take_along_axis(components, np.abs(components).argmax(axis=1)[:, None], axis=1)
    matrix = (components * np.sign(largest)).T / spread[:spanned] ** power
    return Projection(mean.astype(np.float32), matrix.astype(np.float32))

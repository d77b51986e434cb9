"""Fitting a :class:`~scenesearch.models.embed.projection.Projection`, by scikit-learn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenesearch.models.embed.projection import Projection


def fit_projection(vectors: NDArray[np.float32], dim: int, *, power: float = 0.5) -> Projection:
    """Fit PCA with partial whitening, by scikit-learn.

    Args:
        vectors: shape (n, input dim), L2-normalised.
        dim: wanted output length; fewer where the vectors span fewer.
        power: 0 rotates only, 1 whitens fully.

    Raises:
        ValueError: fewer than two different vectors, or a power outside 0 to 1.
    """
    from sklearn.decomposition import PCA

    if len(vectors) < 2 or not 0 <= power <= 1 or not np.ptp(vectors, axis=0).any():
        raise ValueError(
            f"fit_projection needs at least 2 different vectors and a power of 0 to 1, "
            f"got {len(vectors)} vectors and {power}"
        )
    dim = min(dim, *vectors.shape)
    # the full solver has no random state and gives the same bits for the same input
    pca = PCA(dim, svd_solver="full").fit(vectors.astype(np.float64))
    spread = np.sqrt(pca.explained_variance_)  # falling
    # directions the vectors do not span are rounding noise, which whitening would blow up
    spanned = int((spread > spread[0] * 1e-4).sum())
    matrix = pca.components_[:spanned].T / spread[:spanned] ** power
    return Projection(pca.mean_.astype(np.float32), matrix.astype(np.float32))

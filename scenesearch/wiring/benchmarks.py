"""What answers public benchmarks, from settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenesearch.evaluation.public.run import Progress, Runner
from scenesearch.images import load_scene
from scenesearch.index.indexer import MIN_PHOTOS_PER_DIMENSION
from scenesearch.models.embed.projection import Projection
from scenesearch.wiring.catalogue import fit_of
from scenesearch.wiring.parts import Parts

FITTED_ON = 20_000
"""Pictures of a gallery that a projection is fitted on, at most; more change nothing."""


def build_benchmark_runner(parts: Parts, *, text_weight: float, progress: Progress) -> Runner:
    """What embeds as the settings say, projection included, and keeps it in the cache folder.

    Args:
        parts: the models; they stay open.
        text_weight: share of a query's words beside its pictures, 0 to 1.
        progress: of embedding and of searching.
    """
    settings = parts.settings
    embedder = parts.encoder.embedder
    dim = settings.embedder.whiten

    def fit(vectors: NDArray[np.float32]) -> Projection | None:
        enough = MIN_PHOTOS_PER_DIMENSION * min(dim, embedder.dim)
        if not dim or len(vectors) < enough:
            return None
        return fit_of(settings, vectors[:: -(-len(vectors) // FITTED_ON)], dim)

    return Runner(
        embedder,
        parts.embeddings,
        lambda data: load_scene(data, limits=settings.images),
        fit=fit,
        text_weight=text_weight,
        progress=progress,
    )

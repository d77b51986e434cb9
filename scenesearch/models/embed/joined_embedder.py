"""Several models as one: their vectors side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.protocols import Embedder, Profiler
from scenesearch.core.types import Image
from scenesearch.models.embed.forwarding import Forwarding
from scenesearch.models.embed.tower import normalise_rows


class JoinedEmbedder(Forwarding):
    """Satisfies ``Embedder`` and ``Profiler`` with several models; each sees every picture.

    A cosine of joined vectors is the mean of the cosines. Words and classes are the first model's;
    words say nothing in the numbers of the others.

    Args:
        first: the main model.
        others: whose numbers follow.
    """

    def __init__(self, first: Embedder, others: Sequence[Embedder]) -> None:
        super().__init__(first)
        self._others = tuple(others)

    @property
    def fingerprint(self) -> str:
        """Those of all, in order."""
        return "+".join(one.fingerprint for one in (self._behind, *self._others))

    @property
    def dim(self) -> int:
        """Numbers of all."""
        return self._behind.dim + sum(one.dim for one in self._others)

    @property
    def profile_dim(self) -> int:
        """Classes of the first."""
        return self._behind.profile_dim if isinstance(self._behind, Profiler) else 0

    def load(self) -> None:
        """Read all weights."""
        for one in (self._behind, *self._others):
            one.load()

    def close(self) -> None:
        """Forget all weights."""
        for one in (self._behind, *self._others):
            one.close()

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self._joined(self._behind.embed_images(images), images)

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim)."""
        if not isinstance(self._behind, Profiler):
            return self.embed_images(images), np.zeros((len(images), 0), np.float32)
        vectors, profiles = self._behind.embed_and_profile(images)
        return self._joined(vectors, images), profiles

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised, zeros but for the first model's numbers.

        Raises:
            QueryError: the first model has no text tower.
        """
        first = self._behind.embed_texts(texts)
        return np.hstack([first, np.zeros((len(texts), self.dim - first.shape[1]), np.float32)])

    def _joined(self, first: NDArray[np.float32], images: Sequence[Image]) -> NDArray[np.float32]:
        parts = [first, *(one.embed_images(images) for one in self._others)]
        return normalise_rows(np.hstack(parts))

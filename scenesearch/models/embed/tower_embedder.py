"""What embedders of every runtime share: a source, its batches, and weights that come once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches
from scenesearch.core.errors import QueryError
from scenesearch.core.types import Image
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.tower import Tower, TowerSource, normalise_rows
from scenesearch.models.lazy import LazyModel

Run = Callable[[NDArray[np.uint8]], Sequence[NDArray[np.float32]]]
"""uint8 (n, side, side, 3) to [vectors] or [vectors, profiles]."""


class TowerEmbedder(LazyModel):
    """Satisfies ``Embedder`` and ``Profiler`` with a tower, whatever runs it.

    Args:
        source: which model.
        batch: pictures at a time.
    """

    def __init__(self, source: TowerSource, batch: int) -> None:
        super().__init__()
        self._source = source
        self._batch = batch

    @property
    def fingerprint(self) -> str:
        """That of the source."""
        return self._source.fingerprint

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._source.dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._source.has_text

    @property
    def profile_dim(self) -> int:
        """Number of classes of the model's head; 0 without one."""
        return self._source.classes

    @abstractmethod
    def _run(self) -> Run:
        """The loaded model, as it is called with a batch."""

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self.embed_and_profile(images)[0]

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim), in one pass.

        Args:
            images: any sizes.
        """
        run, source = self._run(), self._source
        vectors = np.zeros((len(images), source.dim), np.float32)
        profiles = np.zeros((len(images), source.classes), np.float32)
        done = 0
        for part in batches(images, self._batch):
            found = run(np.stack([letterbox(image, source.side) for image in part]))
            rows = slice(done, done + len(part))
            vectors[rows] = found[0]
            if source.classes:
                profiles[rows] = found[1]
            done += len(part)
        return normalise_rows(vectors), profiles

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised.

        Raises:
            QueryError: the model has no text tower.
        """
        tower = self._text_tower() if self.has_text else None
        if tower is None or tower.encode_text is None:
            raise QueryError(
                f"The model {self.fingerprint} has no text tower, so it cannot search by text; "
                f"use an open_clip model, or search by photo, item or filter",
                code="no_text_tower",
            )
        return normalise_rows(tower.encode_text(texts))

    @abstractmethod
    def _text_tower(self) -> Tower:
        """The tower that has the text encoder."""

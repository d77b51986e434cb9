"""Models that many threads use at once: calls wait for their turn, gathered into batches."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.protocols import Detector, Embedder, Profiler, Reader, Remover
from scenesearch.core.types import Detections, Image, Scene
from scenesearch.engine.batching import DynamicBatcher
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.forwarding import Forwarding, Standing
from scenesearch.models.encode import Encoder
from scenesearch.search.reranker import CellReranker
from scenesearch.system.once import once
from scenesearch.wiring import Parts

Row = NDArray[np.float32]


class BatchedDetector(Standing[Detector]):
    """Satisfies :class:`~scenesearch.core.protocols.Detector` with another one, a call at a time.

    Args:
        detector: what finds the objects.
        limit: photos of a batch of several calls.
    """

    def __init__(self, detector: Detector, *, limit: int) -> None:
        super().__init__(detector)
        self._loaded = False
        self.batches: DynamicBatcher[Scene, Detections] = DynamicBatcher(
            detector.detect, limit=limit, name="detect"
        )

    def load(self) -> None:
        """Read the weights; once they are there this does not wait for calls that run."""
        if not self._loaded:
            super().load()
            self._loaded = True

    def close(self) -> None:
        """Forget the weights."""
        self.batches.close()
        super().close()
        self._loaded = False

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """One value for each scene, in order, sorted by falling confidence."""
        return list(self.batches.call(scenes))


class BatchedEmbedder(Forwarding):
    """Satisfies ``Embedder`` and ``Profiler`` with another embedder.

    Args:
        embedder: what turns pictures into vectors.
        limit: pictures of a batch of several calls.
        lanes: batches of pictures that run at a time.
    """

    def __init__(self, embedder: Embedder, *, limit: int, lanes: int = 1) -> None:
        super().__init__(embedder)
        self._profiler = embedder if isinstance(embedder, Profiler) else None
        self.batches: DynamicBatcher[Image, tuple[Row, Row]] = DynamicBatcher(
            self._pictures, limit=limit, lanes=lanes, name="embed"
        )
        self.text_batches: DynamicBatcher[str, Row] = DynamicBatcher(
            lambda texts: list(embedder.embed_texts(texts)), limit=limit, name="embed-text"
        )

    @property
    def profile_dim(self) -> int:
        """Number of classes; 0 where the embedder has no class head."""
        return 0 if self._profiler is None else self._profiler.profile_dim

    def close(self) -> None:
        """Forget the weights."""
        self.batches.close()
        self.text_batches.close()
        super().close()

    def _pictures(self, images: Sequence[Image]) -> list[tuple[Row, Row]]:
        if self._profiler is not None and self._profiler.profile_dim:
            vectors, profiles = self._profiler.embed_and_profile(images)
        else:
            vectors = self._behind.embed_images(images)
            profiles = np.zeros((len(images), 0), np.float32)
        return list(zip(vectors, profiles, strict=True))

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors (n, dim) and class probabilities (n, profile_dim), in one pass."""
        rows = self.batches.call(images)
        if not rows:
            empty = np.zeros((0, self.dim), np.float32)
            return empty, np.zeros((0, self.profile_dim), np.float32)
        return np.stack([vector for vector, _ in rows]), np.stack([profile for _, profile in rows])

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        return self.embed_and_profile(images)[0]

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised.

        Raises:
            QueryError: the model has no text tower.
        """
        rows = self.text_batches.call(texts)
        return np.stack(rows) if rows else np.zeros((0, self.dim), np.float32)


class LockedRemover(Standing[Remover]):
    """Satisfies :class:`~scenesearch.core.protocols.Remover` with another one, a picture at a time.

    Args:
        remover: uses all cores for one picture, so two at a time gain nothing.
    """

    def __init__(self, remover: Remover) -> None:
        super().__init__(remover)
        self._lock = Lock()

    def matte(self, image: Image) -> NDArray[np.uint8]:
        """Foreground alpha of shape (height, width), 0 to 255."""
        with self._lock:
            return self._behind.matte(image)


BATCHES = 4
"""A batch of several calls has at most so many of the embedder's own batches: whoever waits next
should not wait for a whole queue."""
LANES = 2
"""Batches that a CPU embeds at a time: while one is shrunk to the network's size by one core, the
other keeps the rest busy. Measured on two busy cores: 3 to 10 % more photos a second than one at a
time."""
PHOTOS = 8
"""Photos that one call of the detector looks at for several tasks."""


class SharedParts(Parts):
    """Stands where :class:`~scenesearch.wiring.Parts` does, over the same models.

    Args:
        parts: the models; closed with this.
    """

    def __init__(self, parts: Parts) -> None:
        self.settings = parts.settings
        self._own = parts

    @once
    def detector(self) -> Detector | None:
        """All detectors of the settings as one, a call at a time."""
        found = self._own.detector
        return None if found is None else BatchedDetector(found, limit=PHOTOS)

    @property
    def bulk_detector(self) -> Detector | None:
        """The same: a service has looks to answer beside its runs."""
        return self.detector

    @once
    def encoder(self) -> Encoder:
        """Cutting, describing and embedding."""
        found = self._own.encoder
        remover, wanted = found.remover, self.settings.embedder
        return Encoder(
            BatchedEmbedder(
                found.embedder,
                limit=BATCHES * wanted.batch,
                lanes=LANES if wanted.device == "cpu" else 1,
            ),
            found.describer,
            found.rules,
            None if remover is None else LockedRemover(remover),
        )

    @once
    def embeddings(self) -> EmbeddingCache:
        """Where embeddings are kept that belong to no store."""
        return self._own.embeddings

    @once
    def reader(self) -> Reader:
        """What reads text in photos; it lets one call in at a time by itself."""
        return self._own.reader

    @once
    def reranker(self) -> CellReranker:
        """The second look at the best products; one call at a time by itself."""
        return self._own.reranker

    def close(self) -> None:
        """Give back what was loaded."""
        detector, encoder = self.__dict__.get("detector"), self.__dict__.get("encoder")
        if isinstance(detector, BatchedDetector):
            detector.close()
        if isinstance(encoder, Encoder):
            encoder.embedder.close()
        self._own.close()

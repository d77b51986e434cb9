"""The models of one process, made safe and full of work for many threads."""

from __future__ import annotations

from scenesearch.core.protocols import Detector, Reader
from scenesearch.engine.shared_models import BatchedDetector, BatchedEmbedder, LockedRemover
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.encode import Encoder
from scenesearch.search.reranker import CellReranker
from scenesearch.system.once import once
from scenesearch.wiring import Parts

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

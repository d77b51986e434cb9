"""One set of models for everything that a process does."""

from __future__ import annotations

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.config.settings import Settings
from scenesearch.core.protocols import Detector, Reader
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.encode import Encoder
from scenesearch.models.weights import WeightFinder
from scenesearch.search.reranker import CellReranker
from scenesearch.system.once import once
from scenesearch.wiring.models import (
    build_detector,
    build_reader,
    build_remover,
    build_reranker,
    build_whole_embedder,
)
from scenesearch.wiring.stores import EMBEDDINGS


class Parts:
    """Everything one process needs, sharing one set of models.

    Each is looked for when it is first used: indexing whole photos needs no detector.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._finder = WeightFinder(settings.weights_dir, settings.trusted_sha256)

    @once
    def detector(self) -> Detector | None:
        """All detectors of the settings as one, or None when the settings name none."""
        return build_detector(self.settings, self._finder)

    @once
    def bulk_detector(self) -> Detector | None:
        """The detectors for runs over many photos; weights of their own, read when it is used."""
        return build_detector(self.settings, self._finder, side_by_side=True)

    @once
    def encoder(self) -> Encoder:
        """Cutting, describing and embedding."""
        settings = self.settings
        rules = CutRules(
            settings.cutout.background,
            settings.cutout.min_share,
            settings.cutout.max_share,
            settings.cutout.context_padding,
        )
        return Encoder(
            build_whole_embedder(settings, self._finder),
            PixelDescriber(colours=settings.index.colours),
            rules,
            build_remover(settings, self._finder),
        )

    @once
    def embeddings(self) -> EmbeddingCache:
        """Where embeddings are kept that belong to no store."""
        path = self.settings.cache_dir / EMBEDDINGS
        return EmbeddingCache(path, max_megabytes=self.settings.cache_max_megabytes)

    @once
    def reader(self) -> Reader:
        """What reads text in photos."""
        return build_reader(self.settings)

    @once
    def reranker(self) -> CellReranker:
        """The second look at the best products."""
        return build_reranker(self.settings, self._finder)

    def close(self) -> None:
        """Give back what was loaded."""
        names = ("reranker", "detector", "bulk_detector", "reader", "embeddings")
        made = [self.__dict__.get(name) for name in names]
        if "encoder" in self.__dict__:
            made += [self.encoder.embedder, self.encoder.remover]
        for part in made:
            if part is not None:
                part.close()

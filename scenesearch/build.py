"""Settings to pipelines: the only file that names adapters."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.catalog import item_hash
from scenesearch.config import DetectorSettings, EmbedderSettings, Runtime, Settings
from scenesearch.cutout.cutter import CutRules
from scenesearch.cutout.rembg_remover import RembgRemover
from scenesearch.detect.merged import MergedDetector
from scenesearch.detect.ultralytics_detector import UltralyticsDetector
from scenesearch.embed.cache import EmbeddingCache
from scenesearch.embed.onnx_embedder import OnnxEmbedder
from scenesearch.embed.open_clip_tower import OpenClipTower
from scenesearch.embed.pca import fit_projection
from scenesearch.embed.timm_tower import TimmTower
from scenesearch.embed.torch_embedder import TorchEmbedder
from scenesearch.embed.tower import TowerSource
from scenesearch.encode import Encoder, RegionRules
from scenesearch.errors import ConfigError, ModelNotFoundError
from scenesearch.images import load_scene
from scenesearch.index_run import IndexOptions
from scenesearch.indexer import Indexer
from scenesearch.protocols import Detector, Embedder, Remover, Store
from scenesearch.query import SearchOptions
from scenesearch.searcher import Searcher
from scenesearch.types import Scene
from scenesearch.weights import WeightFinder, sha256_of

log = logging.getLogger(__name__)


class Parts:
    """Everything one process needs, sharing one set of models.

    Each is looked for when it is first used: indexing whole photos needs no detector.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._finder = WeightFinder(settings.models_dir, settings.trusted_sha256)

    @cached_property
    def detector(self) -> Detector | None:
        """All detectors of the settings as one, or None when the settings name none."""
        return build_detector(self.settings, self._finder)

    @cached_property
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
            build_embedder(settings, self._finder),
            PixelDescriber(colours=settings.index.colours),
            rules,
            build_remover(settings, self._finder),
        )

    def close(self) -> None:
        """Give back what was loaded."""
        if "encoder" in self.__dict__:
            self.encoder.embedder.close()
            if self.encoder.remover is not None:
                self.encoder.remover.close()
        if self.__dict__.get("detector") is not None:
            self.__dict__["detector"].close()


def is_url(store: str | Path) -> bool:
    """Whether a store is a server's address rather than a folder."""
    return str(store).startswith(("http://", "https://"))


def build_store(settings: Settings, store: str | Path, collection: str) -> Store:
    """The embedded store of a folder, or a Qdrant server's.

    Raises:
        StoreError: it cannot be opened.
    """
    if is_url(store):
        from scenesearch.store.client import ClientStore

        return ClientStore(str(store), collection, api_key=settings.qdrant_api_key)
    from scenesearch.store.edge import EdgeStore

    free = settings.min_free_megabytes * 1_000_000
    return EdgeStore(Path(store), collection, min_free_bytes=free)


def build_detector(settings: Settings, finder: WeightFinder) -> Detector | None:
    """All detectors of the settings as one, or None when the settings name none."""
    detectors = [_detector(settings, finder, one) for one in settings.detectors]
    if not detectors:
        return None
    if len(detectors) == 1:
        return detectors[0]
    return MergedDetector(detectors, overlap=settings.regions.overlap)


def _detector(settings: Settings, finder: WeightFinder, one: DetectorSettings) -> Detector:
    return UltralyticsDetector(
        finder.find(one.model),
        cache_dir=settings.cache_dir,
        runtime=_runtime(one.runtime, settings.embedder.device),
        confidence=one.confidence,
        image_size=one.image_size,
        suppression_iou=one.suppression_iou,
        include=one.include,
        exclude=one.exclude,
        device=settings.embedder.device,
    )


def _runtime(runtime: Runtime, device: str) -> Literal["onnx", "torch"]:
    if runtime == "auto":
        return "onnx" if device == "cpu" else "torch"
    return runtime


def build_remover(settings: Settings, finder: WeightFinder) -> Remover | None:
    """The remover, or None where matting is off or its weights are not on this machine."""
    if settings.cutout.matting == "never":
        return None
    try:
        weights = finder.find(settings.cutout.remover)
    except ModelNotFoundError as error:
        log.info("no matting: %s", error)
        return None
    return RembgRemover(settings.cutout.remover, weights, threads=settings.threads)


def build_embedder(settings: Settings, finder: WeightFinder) -> Embedder:
    """The embedder in the runtime that suits the device."""
    wanted = settings.embedder
    source = _tower(settings, wanted, finder)
    if _runtime(wanted.runtime, wanted.device) == "onnx":
        if wanted.precision != "float32" or wanted.device != "cpu":
            raise ConfigError(
                f"embedder: the onnx runtime is for float32 on the CPU, got {wanted.precision} on "
                f"{wanted.device}; set runtime: torch"
            )
        return OnnxEmbedder(
            source, cache_dir=settings.cache_dir, threads=settings.threads, batch=wanted.batch
        )
    return TorchEmbedder(
        source, device=wanted.device, precision=wanted.precision, batch=wanted.batch
    )


def _tower(settings: Settings, wanted: EmbedderSettings, finder: WeightFinder) -> TowerSource:
    if wanted.kind == "timm":
        return TimmTower(
            wanted.model,
            finder.find(wanted.weights),
            layer=wanted.layer,
            pooling=wanted.pooling,
            side=wanted.image_size,
        )
    if wanted.weights.startswith("hub"):
        if settings.offline:
            raise ModelNotFoundError(
                f"embedder {wanted.model!r} comes from a model hub and offline is true; set "
                f"offline: false (SCENESEARCH_OFFLINE=false), or give weights: a file"
            )
        return OpenClipTower(wanted.model, None, tag=wanted.weights.partition(":")[2] or None)
    return OpenClipTower(wanted.model, finder.find(wanted.weights))


def scene_loader(settings: Settings) -> Callable[[str], Scene]:
    """Reads photos within the limits of the settings."""
    return lambda path: load_scene(path, limits=settings.images)


def cache_path(settings: Settings, store: str | Path) -> Path:
    """Embeddings lie beside an embedded store, so that it can be rebuilt without the models."""
    if is_url(store):
        return settings.cache_dir / "embeddings.sqlite"
    return Path(store) / "embeddings.sqlite"


def region_rules(settings: Settings) -> RegionRules:
    """Which detections become regions."""
    r = settings.regions
    return RegionRules(r.limit, r.min_area, r.overlap, r.whole, r.tiles)


def build_indexer(parts: Parts, store: Store, collection: str, cache: EmbeddingCache) -> Indexer:
    """The index pipeline."""
    settings = parts.settings
    return Indexer(
        store,
        collection,
        parts.encoder,
        cache,
        load=scene_loader(settings),
        photo_hash=lambda path: sha256_of(Path(path)),
        item_hash=item_hash,
        fit=fit_projection,
        detector=parts.detector if settings.index.objects else None,
        options=IndexOptions(
            batch=settings.index.batch,
            whiten=settings.embedder.whiten,
            workers=min(settings.index.workers, os.cpu_count() or 1),
            objects=region_rules(settings),
        ),
    )


def build_searcher(parts: Parts, store: Store) -> Searcher:
    """The search pipeline."""
    return Searcher(
        store, parts.encoder, detector=parts.detector, rules=region_rules(parts.settings)
    )


def search_options(settings: Settings) -> SearchOptions:
    """The settings' defaults of a search."""
    return SearchOptions(**settings.search.model_dump())

"""Settings to pipelines: the only file that names adapters."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.catalog import item_hash
from scenesearch.config import (
    DetectorSettings,
    EmbedderSettings,
    Runtime,
    Settings,
    load_settings,
)
from scenesearch.cutout.cutter import CutRules
from scenesearch.cutout.rembg_remover import RembgRemover
from scenesearch.detect.merged import MergedDetector
from scenesearch.detect.ultralytics_detector import UltralyticsDetector
from scenesearch.embed.cache import EmbeddingCache
from scenesearch.embed.cached_embedder import CachedEmbedder
from scenesearch.embed.onnx_embedder import OnnxEmbedder
from scenesearch.embed.open_clip_tower import OpenClipTower
from scenesearch.embed.pca import fit_projection
from scenesearch.embed.projection import Projection
from scenesearch.embed.timm_cells import CellMaps, TimmCells
from scenesearch.embed.timm_tower import TimmTower
from scenesearch.embed.torch_embedder import TorchEmbedder
from scenesearch.embed.tower import TowerSource
from scenesearch.encode import Encoder, RegionRules
from scenesearch.errors import ConfigError, ModelNotFoundError
from scenesearch.images import load_scene
from scenesearch.index_run import IndexOptions
from scenesearch.indexer import Indexer
from scenesearch.protocols import Detector, Embedder, Reader, Remover, Store
from scenesearch.query import SearchOptions
from scenesearch.read.rapidocr_reader import RapidOcrReader
from scenesearch.reranker import CellReranker
from scenesearch.scenes.filling import FillingTagger
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex, SceneModels, projection_of
from scenesearch.scenes.points import SCENES
from scenesearch.searcher import Searcher
from scenesearch.sync import PhotoLooks, Syncer
from scenesearch.sync_plan import SyncRules
from scenesearch.tagger import Tagger, TagOptions
from scenesearch.tagging.run import SceneTagger
from scenesearch.tagging.vocabulary import read_vocabulary
from scenesearch.types import Scene
from scenesearch.weights import WeightFinder, Weights, sha256_of

log = logging.getLogger(__name__)

ITEMS = "items"
"""The collection of products, where no other is named."""
EMBEDDINGS = "embeddings.sqlite"
"""The embedding cache, in a store's folder or in the cache folder."""


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

    @cached_property
    def embeddings(self) -> EmbeddingCache:
        """Where embeddings are kept that belong to no store."""
        path = self.settings.cache_dir / EMBEDDINGS
        return EmbeddingCache(path, max_megabytes=self.settings.cache_max_megabytes)

    @cached_property
    def reader(self) -> Reader:
        """What reads text in photos."""
        return build_reader(self.settings)

    @cached_property
    def reranker(self) -> CellReranker:
        """The second look at the best products."""
        return build_reranker(self.settings, self._finder)

    def close(self) -> None:
        """Give back what was loaded."""
        if "reranker" in self.__dict__:
            self.reranker.close()
        if "encoder" in self.__dict__:
            self.encoder.embedder.close()
            if self.encoder.remover is not None:
                self.encoder.remover.close()
        if self.__dict__.get("detector") is not None:
            self.__dict__["detector"].close()
        if "reader" in self.__dict__:
            self.reader.close()
        if "embeddings" in self.__dict__:
            self.embeddings.close()


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
    return _run(settings, _tower(settings, settings.embedder, finder))


def _run(settings: Settings, source: TowerSource) -> Embedder:
    wanted = settings.embedder
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


def build_reranker(settings: Settings, finder: WeightFinder) -> CellReranker:
    """The embedder's own weights, looked into at an earlier layer.

    Raises:
        ConfigError: the embedder is not a timm model.
    """
    wanted = settings.embedder
    tower = _tower(settings, wanted, finder)
    if not isinstance(tower, TimmTower):
        raise ConfigError(
            f"search.rerank needs an embedder of kind timm, got {wanted.kind}; set search.rerank: 0"
        )
    source = TimmCells(wanted.model, tower)
    return CellReranker(
        CellMaps(source, _run(settings, source)),
        lambda: EmbeddingCache(
            settings.cache_dir / "rerank.sqlite", max_megabytes=settings.cache_max_megabytes
        ),
        scene_loader(settings),
    )


def build_tower(settings: Settings, finder: WeightFinder) -> TowerSource:
    """The embedder's model before a runtime is chosen for it: what training starts from."""
    return _tower(settings, settings.embedder, finder)


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


def export_detector(weights: Path, cache_dir: Path, image_size: int) -> Path:
    """The ONNX export of a detector that was trained here, which is why it is trusted.

    Raises:
        ModelLoadError: it cannot be exported, or the export cannot be run.
    """
    detector = UltralyticsDetector(
        Weights(weights, sha256_of(weights)), cache_dir=cache_dir, image_size=image_size
    )
    detector.load()
    detector.close()
    return detector.export_path


def build_reader(settings: Settings) -> Reader:
    """What reads text in photos.

    Raises:
        MissingDependencyError: RapidOCR is not installed.
    """
    reader = RapidOcrReader(threads=settings.threads)
    _ = reader.fingerprint  # says now what would be said at the first photo
    return reader


def build_tagger(
    parts: Parts, options: TagOptions | None = None, *, cache: EmbeddingCache | None = None
) -> Tagger:
    """The tag pipeline over the models of ``parts``.

    Args:
        parts: the models.
        options: what a row has.
        cache: where embeddings are kept; that of ``parts`` where none is given.

    Raises:
        ConfigError: a vocabulary cannot be read.
        ModelError: a model that the options need is not on this machine.
    """
    options = options or TagOptions()
    encoder, t = parts.encoder, parts.settings.tagging
    embedder: Embedder = encoder.embedder
    if cache is not None or (embedder.has_text and options.zero_shot):
        embedder = CachedEmbedder(embedder, cache or parts.embeddings)
    return Tagger(
        Encoder(embedder, PixelDescriber(colours=options.colours), encoder.rules),
        parts.detector,
        options,
        reader=parts.reader if options.ocr else None,
        rules=RegionRules(t.limit, t.min_area, t.overlap),
    )


def scene_loader(settings: Settings) -> Callable[[str], Scene]:
    """Reads photos within the limits of the settings."""
    return lambda path: load_scene(path, limits=settings.images)


def cache_path(settings: Settings, store: str | Path) -> Path:
    """Embeddings lie beside an embedded store, so that it can be rebuilt without the models."""
    if is_url(store):
        return settings.cache_dir / EMBEDDINGS
    return Path(store) / EMBEDDINGS


def build_cache(settings: Settings, store: str | Path) -> EmbeddingCache:
    """The embedding cache that belongs to a store.

    Raises:
        StoreError: the file cannot be opened.
    """
    return EmbeddingCache(cache_path(settings, store), max_megabytes=settings.cache_max_megabytes)


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
        reader=parts.reader if settings.index.ocr else None,
        options=IndexOptions(
            batch=settings.index.batch,
            whiten=settings.embedder.whiten,
            workers=min(settings.index.workers, os.cpu_count() or 1),
            augment=settings.index.augment,
            objects=region_rules(settings),
        ),
    )


def build_syncer(
    parts: Parts, store: Store, collection: str, cache: EmbeddingCache, rules: SyncRules
) -> Syncer:
    """The sync pipeline."""
    settings = parts.settings
    workers = min(settings.index.workers, os.cpu_count() or 1)
    encoder = parts.encoder
    looks = PhotoLooks(scene_loader(settings), encoder.rules, encoder.describer, workers)
    return Syncer(build_indexer(parts, store, collection, cache), store, looks, rules)


def sync_lock_file(settings: Settings, store: str | Path, collection: str) -> Path:
    """What two syncs of one collection lock: beside an embedded store; else of this machine."""
    if not is_url(store):
        return Path(store) / f"{collection}.sync.lock"
    name = hashlib.sha256(f"{store}\0{collection}".encode()).hexdigest()[:16]
    return settings.cache_dir / f"sync-{name}.lock"


def build_searcher(parts: Parts, store: Store) -> Searcher:
    """The search pipeline."""
    return Searcher(
        store,
        parts.encoder,
        detector=parts.detector,
        rules=region_rules(parts.settings),
        reranker=(lambda: parts.reranker) if parts.settings.embedder.kind == "timm" else None,
    )


def build_scene_index(
    tagger: Tagger, store: Store, collection: str, projection: Projection | None
) -> SceneIndex:
    """The collection of photos, made where there is none; comparable with items so projected."""
    models = SceneModels.of(tagger.encoder, tagger.detector)
    return SceneIndex.create(store, models, collection, projection=projection)


def build_scene_finder(
    store: Store, collection: str = SCENES, vocabulary: Path | None = None
) -> SceneFinder:
    """Finds photos by words of a vocabulary; the package's where none is given.

    Raises:
        StoreError: there is no such collection.
    """
    groups = read_vocabulary(vocabulary).groups
    synonyms = {other: name for name, others in groups.items() for other in others}
    return SceneFinder(store, collection, synonyms=synonyms, known=tuple(groups))


@contextmanager
def filling_tagger(
    parts: Parts,
    options: TagOptions,
    store: str | Path,
    *,
    collection: str = SCENES,
    items: Store | None = None,
) -> Iterator[FillingTagger]:
    """A tagger that fills the photos of a store while the ``with`` lasts.

    They can be compared with the items of the same store, where it has any.

    Args:
        parts: the models.
        options: what a row has.
        store: a folder or the URL of a server.
        collection: of the photos.
        items: the collection of products, where it is open already.

    Raises:
        StoreError: the store cannot be opened.
        CollectionMismatchError: its photos were made with other models.
    """
    with (
        closing(build_store(parts.settings, store, collection)) as photos,
        closing(build_cache(parts.settings, store)) as cache,
    ):
        tagger = build_tagger(parts, options, cache=cache)
        if items is not None:
            projection = projection_of(items)
        else:
            with closing(build_store(parts.settings, store, ITEMS)) as products:
                projection = projection_of(products)
        index = build_scene_index(tagger, photos, collection, projection)
        yield FillingTagger(tagger, index, f"{store}/{collection}")
        photos.optimize()


@contextmanager
def tagger_on_node(
    values: Mapping[str, Any], options: TagOptions, scenes: str | None
) -> Iterator[SceneTagger]:
    """The tagger of one worker of a cluster, with models of its own.

    Args:
        values: settings as JSON values; the environment of the node goes over them.
        options: what a row has.
        scenes: URL of the store whose photos are filled; None for none.

    Raises:
        ConfigError: the environment of the node says what makes no sense.
        ModelError: a model is not on this node.
        StoreError: the store cannot be opened.
    """
    with closing(Parts(load_settings(**values))) as parts:
        if scenes is None:
            yield build_tagger(parts, options)
            return
        with filling_tagger(parts, options, scenes) as tagger:
            yield tagger


def search_options(settings: Settings) -> SearchOptions:
    """The settings' defaults of a search."""
    return SearchOptions(**settings.search.model_dump())

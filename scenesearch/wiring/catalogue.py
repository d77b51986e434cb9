"""Settings to the pipelines over a catalogue: index, sync and search."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenesearch.catalog import item_hash
from scenesearch.config.settings import Settings
from scenesearch.core.errors import ImageError
from scenesearch.core.protocols import Store
from scenesearch.core.types import Scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.indexer import Indexer
from scenesearch.index.run import IndexOptions
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.embed.projection import Projection
from scenesearch.models.encode import RegionRules
from scenesearch.models.weights import read_manifest, sha256_of
from scenesearch.search.searcher import Searcher
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import PhotoLooks, Syncer
from scenesearch.wiring.fetching import is_address
from scenesearch.wiring.models import scene_loader
from scenesearch.wiring.parts import Parts

log = logging.getLogger(__name__)


def region_rules(settings: Settings) -> RegionRules:
    """Which detections become regions."""
    r = settings.regions
    return RegionRules(r.limit, r.min_area, r.overlap, r.whole, r.tiles)


def fit_of(settings: Settings, vectors: NDArray[np.float32], dim: int) -> Projection:
    """A projection that leaves what the embedder was trained for as it is."""
    record = read_manifest().get(settings.embedder.weights)
    return fit_projection(vectors, dim, kept=record.dims.get("trained", 0) if record else 0)


def build_indexer(
    parts: Parts,
    store: Store,
    collection: str,
    cache: EmbeddingCache,
    *,
    load: Callable[[str], Scene] | None = None,
    photo_hash: Callable[[str], str] | None = None,
    missing: Mapping[str, str] | None = None,
    folder: MediaFolder | None = None,
) -> Indexer:
    """The index pipeline.

    Args:
        parts: the models.
        store: where the points go.
        collection: its name.
        cache: where embeddings are kept.
        load: reads photos in another way than in this process.
        photo_hash: knows the sha256 of photos without reading them.
        missing: why photos were not fetched, by address; another address will be.
        folder: where photos are kept by content: their names tell it.
    """
    settings = parts.settings
    if settings.cutout.matting != "never" and parts.encoder.remover is None:
        log.info(
            "no matting: the weights of %r are not on this machine (scenesearch models list); "
            "photos whose background is not plain are indexed as they are",
            settings.cutout.remover,
        )
    return Indexer(
        store,
        collection,
        parts.encoder,
        cache,
        load=load or scene_loader(settings),
        photo_hash=photo_hash or _photo_hash({} if missing is None else missing, folder),
        item_hash=item_hash,
        fit=partial(fit_of, settings),
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


def _photo_hash(missing: Mapping[str, str], folder: MediaFolder | None) -> Callable[[str], str]:
    def photo_hash(path: str) -> str:
        known = folder.sha256_of(path) if folder is not None else None
        if known is not None:
            return known
        why = missing.get(path, "" if is_address(path) else None)
        if why is None:
            return sha256_of(Path(path))
        if why:
            raise ImageError(why, code="not_fetched")
        return hashlib.sha256(path.encode()).hexdigest()  # of a dry run: it is a new photo

    return photo_hash


def build_syncer(
    parts: Parts,
    store: Store,
    collection: str,
    cache: EmbeddingCache,
    rules: SyncRules,
    *,
    missing: Mapping[str, str] | None = None,
    folder: MediaFolder | None = None,
) -> Syncer:
    """The sync pipeline."""
    settings = parts.settings
    workers = min(settings.index.workers, os.cpu_count() or 1)
    encoder = parts.encoder
    looks = PhotoLooks(scene_loader(settings), encoder.rules, encoder.describer, workers)
    indexer = build_indexer(parts, store, collection, cache, missing=missing, folder=folder)
    return Syncer(indexer, store, looks, rules)


def build_searcher(parts: Parts, store: Store) -> Searcher:
    """The search pipeline."""
    record = read_manifest().get(parts.settings.embedder.weights)
    return Searcher(
        store,
        parts.encoder,
        detector=lambda: parts.detector,
        rules=region_rules(parts.settings),
        reranker=(lambda: parts.reranker) if parts.settings.embedder.kind == "timm" else None,
        # the floor is on the scale of that model alone, which further ones change
        narrow_text=record is not None and record.narrow and not parts.settings.embedder.also,
    )

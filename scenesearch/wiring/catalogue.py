"""Settings to the pipelines over a catalogue: index, sync and search."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.catalog import item_hash
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.addresses import in_object_storage
from scenesearch.core.errors import ImageError
from scenesearch.core.protocols import Remote, Store
from scenesearch.core.types import Scene
from scenesearch.fetch.object_storage import contents
from scenesearch.images import load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.indexer import Indexer
from scenesearch.index.photo_embedding import Embeds, PhotoEmbedder
from scenesearch.index.point_writing import PointWriter, Writes
from scenesearch.index.ray_run import IndexNode, Sent
from scenesearch.index.run import IndexOptions
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.pca import fit_projection
from scenesearch.models.embed.projection import Projection
from scenesearch.models.encode import RegionRules
from scenesearch.models.weights import read_manifest, sha256_of
from scenesearch.search.searcher import Searcher
from scenesearch.store.priced import unwrapped
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import Looks, PhotoLooks, Syncer
from scenesearch.wiring.fetching import is_address
from scenesearch.wiring.models import scene_loader
from scenesearch.wiring.parts import Parts
from scenesearch.wiring.stores import build_store

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
    away: Callable[[str], str] | None = None,
    embeds: Embeds | None = None,
    writes: Writes | None = None,
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
        away: knows the sha256 of photos in object storage; raises ImageError.
        embeds: embeds photos elsewhere.
        writes: writes into the same collection from elsewhere.
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
        photo_hash=photo_hash or _photo_hash({} if missing is None else missing, folder, away),
        item_hash=item_hash,
        fit=partial(fit_of, settings),
        detector=parts.detector if settings.index.objects else None,
        reader=parts.reader if settings.index.ocr else None,
        options=_options(settings),
        embeds=embeds,
        writes=writes,
    )


def _options(settings: Settings) -> IndexOptions:
    return IndexOptions(
        batch=settings.index.batch,
        whiten=settings.embedder.whiten,
        workers=_threads(settings),
        augment=settings.index.augment,
        objects=region_rules(settings),
    )


def _threads(settings: Settings) -> int:
    return min(settings.index.workers, os.cpu_count() or 1)


@contextmanager
def index_node(
    values: Mapping[str, Any], store: str | Path, stored_as: str, collection: str
) -> Iterator[IndexNode]:
    """What one worker of a cluster does of an index run, with models of its own.

    Args:
        values: settings as JSON values; the environment of the node goes over them.
        store: the URL of a server, where points are written.
        stored_as: what the collection is called there.
        collection: its name; part of the ids.

    Raises:
        ConfigError: the environment of the node says what makes no sense.
        ModelError: a model is not on this node.
    """
    settings = load_settings(**values)
    lying = scene_loader(settings)

    def read(photo: str | bytes, name: str) -> Scene:
        if isinstance(photo, str):
            return lying(photo)
        return load_scene(photo, limits=settings.images, name=name)

    known = partial(
        contents, max_bytes=settings.images.max_bytes, timeout_s=settings.fetch.timeout_s
    )
    sent = Sent(read)
    with ExitStack() as stack:
        parts = stack.enter_context(closing(Parts(settings)))
        embedder = PhotoEmbedder(
            parts.encoder,
            sent.load,
            parts.detector if settings.index.objects else None,
            _options(settings),
            parts.reader if settings.index.ocr else None,
        )

        def writer() -> PointWriter:
            opened = stack.enter_context(closing(build_store(settings, store, stored_as)))
            inner = unwrapped(opened)
            if isinstance(inner, Remote):
                waiting = inner.in_bulk(settings.store.retry_s, lambda _: None)
                stack.enter_context(waiting)
            return PointWriter(opened, collection)

        yield IndexNode(embedder, sent, _looks(parts, sent.load), writer, known)


def _looks(parts: Parts, load: Callable[[str], Scene]) -> PhotoLooks:
    encoder = parts.encoder
    return PhotoLooks(load, encoder.rules, encoder.describer, _threads(parts.settings))


def _photo_hash(
    missing: Mapping[str, str], folder: MediaFolder | None, away: Callable[[str], str] | None
) -> Callable[[str], str]:
    def photo_hash(path: str) -> str:
        known = folder.sha256_of(path) if folder is not None else None
        if known is not None:
            return known
        if away is not None and in_object_storage(path):
            return away(path)
        why = missing.get(path, "" if is_address(path) else None)
        if why is None:
            return sha256_of(Path(path))
        if why:
            raise ImageError(why, code="not_fetched")
        return hashlib.sha256(path.encode()).hexdigest()  # of a dry run: it is a new photo

    return photo_hash


def build_syncer(
    parts: Parts, indexer: Indexer, store: Store, rules: SyncRules, looks: Looks | None = None
) -> Syncer:
    """The sync pipeline.

    Args:
        parts: the models.
        indexer: of the collection.
        store: likewise.
        rules: what it may do.
        looks: what photos look like, found out elsewhere.
    """
    return Syncer(indexer, store, looks or _looks(parts, scene_loader(parts.settings)), rules)


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

"""Settings to the pipelines over photos of scenes: tag, fill and find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.config.settings import (
    load_settings,
)
from scenesearch.core.protocols import Embedder, Store
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.cached_embedder import CachedEmbedder
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.models.encode import Encoder, RegionRules
from scenesearch.scenes.fill import FillingTagger
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex, SceneModels
from scenesearch.scenes.points import SCENES
from scenesearch.tagging.run import SceneTagger
from scenesearch.tagging.tagger import Tagger, TagOptions
from scenesearch.tagging.vocabulary import read_vocabulary
from scenesearch.wiring.parts import Parts
from scenesearch.wiring.stores import ITEMS, build_cache, build_store


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
    options: TagOptions | None,
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

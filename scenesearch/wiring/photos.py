"""Settings to the pipelines over photos of scenes: tag, index and find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.core.protocols import Embedder, Store
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.cached_embedder import CachedEmbedder
from scenesearch.models.embed.projection import Projection
from scenesearch.models.encode import Encoder, RegionRules
from scenesearch.models.weights import read_manifest
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex, SceneModels
from scenesearch.scenes.points import SCENES
from scenesearch.tagging.tagger import Tagger, TagOptions
from scenesearch.tagging.vocabulary import read_vocabulary
from scenesearch.wiring.parts import Parts


def build_tagger(
    parts: Parts,
    options: TagOptions | None = None,
    *,
    cache: EmbeddingCache | None = None,
    bulk: bool = False,
) -> Tagger:
    """The tag pipeline over the models of ``parts``.

    Args:
        parts: the models.
        options: what a row has.
        cache: where embeddings are kept, for photos that go into a collection; without it that of
            ``parts``, and no vectors of colours.
        bulk: for a run over many photos, which are looked at side by side.

    Raises:
        ConfigError: a vocabulary cannot be read.
        ModelError: a model that the options need is not on this machine.
    """
    options = options or TagOptions()
    record = read_manifest().get(parts.settings.embedder.weights)
    if record is not None and record.narrow:
        options = replace(options, zero_shot=False)
    encoder, t = parts.encoder, parts.settings.tagging
    embedder: Embedder = encoder.embedder
    if cache is not None or (embedder.has_text and options.zero_shot):
        embedder = CachedEmbedder(embedder, cache or parts.embeddings)
    describer = PixelDescriber(colours=options.colours, vectors=cache is not None)
    return Tagger(
        Encoder(embedder, describer, encoder.rules),
        parts.bulk_detector if bulk else parts.detector,
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

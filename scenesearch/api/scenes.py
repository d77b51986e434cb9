"""Photos of scenes: rows of what is in them, and a collection of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from scenesearch import wiring
from scenesearch.api.on_ray import settings_there
from scenesearch.api.opened import Opened
from scenesearch.config.settings import load_settings
from scenesearch.core.points import MUST_MATCH, check_models
from scenesearch.core.types import Scene
from scenesearch.images import ImageSource
from scenesearch.models.embed.projection import projection_of
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes.fill import FillingTagger, index_scenes
from scenesearch.scenes.index import SceneModels, SceneReport, encode_photo
from scenesearch.scenes.known_items import KnownItems
from scenesearch.system.ray_cluster import RayOptions
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.run import (
    RunOptions,
    SceneTagger,
    TagProgress,
    TagSummary,
    run_tagging,
    tag_stream,
)
from scenesearch.tagging.tagger import TagOptions

Sources = Sequence[str | Path]


def tag(
    opened: Opened,
    sources: Sources,
    options: TagOptions | None,
    run: RunOptions | None,
    *,
    fill: bool = False,
) -> Iterator[TagRow]:
    """As :meth:`SceneSearch.tag`."""
    if fill:
        return _filling(opened, sources, options, run)
    tagger = wiring.build_tagger(opened.parts, options, bulk=True)
    return tag_stream(sources, tagger, options=_limited(opened, run))


def _filling(
    opened: Opened, sources: Sources, options: TagOptions | None, run: RunOptions | None
) -> Iterator[TagRow]:
    with _tagger(opened, options, fill=True) as tagger:
        yield from tag_stream(sources, tagger, options=_limited(opened, run))


def tag_to(
    opened: Opened,
    out: str | Path,
    sources: Sources,
    options: TagOptions | None,
    run: RunOptions | None,
    *,
    fill: bool,
    cluster: RayOptions | None,
    progress: Callable[[TagProgress], None] | None,
) -> TagSummary:
    """As :meth:`SceneSearch.tag_to`."""
    work = run_tagging if cluster is None else _on_ray(opened, options, cluster, fill=fill)
    with _tagger(opened, options, fill=fill) as tagger:
        return work(sources, tagger, out=out, options=_limited(opened, run), progress=progress)


def add(
    opened: Opened,
    photos: Iterable[str],
    *,
    load: Callable[[str], Scene] | None = None,
    known: KnownItems | None = None,
    options: TagOptions | None = None,
    again: bool = False,
    progress: Callable[[int], None] | None = None,
) -> SceneReport:
    """As :meth:`SceneSearch.add_scenes`."""
    tagger = (
        opened.scene_tagger
        if options is None
        else wiring.build_tagger(opened.parts, options, cache=opened.embeddings)
    )
    projection = projection_of(opened.store)
    index = wiring.build_scene_index(tagger, opened.photos, opened.scenes, projection)
    return index_scenes(
        index, tagger, photos, load or opened.scene, known=known, again=again, progress=progress
    )


def encode(opened: Opened, photo: ImageSource | Scene) -> EncodedRegion:
    """As :meth:`SceneSearch.encode_scene`."""
    schema = opened.photos.schema
    wanted = SceneModels.of(opened.parts.encoder, None).metadata
    check_models(schema.metadata if schema is not None else {}, wanted, MUST_MATCH)
    return encode_photo(opened.parts.encoder, opened.scene(photo))


def _limited(opened: Opened, run: RunOptions | None) -> RunOptions:
    return replace(run or RunOptions(), limits=opened.settings.images)


@contextmanager
def _tagger(opened: Opened, options: TagOptions | None, *, fill: bool) -> Iterator[SceneTagger]:
    """The tagger of a run; with ``fill``, its photos are in the collection when it is done."""
    if not fill:
        yield wiring.build_tagger(opened.parts, options, bulk=True)
        return
    tagger = wiring.build_tagger(opened.parts, options, cache=opened.embeddings, bulk=True)
    projection = opened.projection()
    index = wiring.build_scene_index(tagger, opened.photos, opened.scenes, projection)
    yield FillingTagger(tagger, index, f"{opened.address}/{opened.scenes}")
    opened.photos.optimize()


@contextmanager
def tagger_on_node(
    values: Mapping[str, Any],
    options: TagOptions,
    *,
    store: str | Path,
    collection: str,
    scenes: str,
    fill: bool,
) -> Iterator[SceneTagger]:
    """The tagger of one worker of a cluster, with models of its own.

    Args:
        values: settings as JSON values; the environment of the node goes over them.
        options: what a row has.
        store: the URL of a server, where photos are filled.
        collection: of its items.
        scenes: of its photos.
        fill: as for :meth:`SceneSearch.tag_to`.

    Raises:
        ConfigError: the environment of the node says what makes no sense.
        ModelError: a model is not on this node.
        StoreError: the store cannot be opened.
    """
    settings = load_settings(**values)
    with (
        closing(Opened(store, settings, collection=collection, scenes=scenes)) as opened,
        _tagger(opened, options, fill=fill) as tagger,
    ):
        yield tagger


def _on_ray(
    opened: Opened, options: TagOptions | None, cluster: RayOptions, *, fill: bool
) -> Callable[..., TagSummary]:
    from scenesearch.tagging.ray_runner import run_tagging_on_ray

    there = options or TagOptions()
    there = replace(
        there,
        vocabulary=there.vocabulary and there.vocabulary.absolute(),
        kinds=there.kinds and there.kinds.absolute(),
    )
    values, cluster = settings_there(opened, cluster)
    make = partial(
        tagger_on_node,
        values,
        there,
        store=opened.address,
        collection=opened.collection,
        scenes=opened.scenes,
        fill=fill,
    )
    return partial(run_tagging_on_ray, make_tagger=make, cluster=cluster)

"""The front door for photos of scenes: rows of what is in them, and a collection of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.api.base import Shop
from scenesearch.core.points import MUST_MATCH, check_models
from scenesearch.core.protocols import Store
from scenesearch.models.embed.projection import projection_of
from scenesearch.scenes.fill import index_scenes
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import (
    SceneIndex,
    SceneModels,
    SceneReport,
    encode_photo,
)
from scenesearch.scenes.points import SCENES
from scenesearch.system.once import once
from scenesearch.tagging.run import RunOptions, run_tagging, tag_stream
from scenesearch.tagging.tagger import Tagger, TagOptions
from scenesearch.wiring import (
    build_scene_finder,
    build_scene_index,
    build_tagger,
    filling_tagger,
)

if TYPE_CHECKING:
    from scenesearch.core.types import Scene
    from scenesearch.images import ImageSource
    from scenesearch.models.encode import EncodedRegion
    from scenesearch.tagging.rows import TagRow
    from scenesearch.tagging.run import SceneTagger, TagProgress, TagSummary


class Scenes(Shop):
    """Tags photos, and finds them by what is in them."""

    def tag(
        self,
        *sources: str | Path,
        options: TagOptions | None = None,
        run: RunOptions | None = None,
    ) -> Iterator[TagRow]:
        """What is in photos, a row each, as they come; nothing is kept.

        Photos are decoded in processes of their own, so a script needs the usual
        ``if __name__ == "__main__":``.

        Args:
            *sources: folders, photos, globs, manifests, or addresses such as ``s3://...``.
            options: what a row has; see docs/tagging.md.
            run: batches, workers and limits of time.

        Raises:
            CatalogError: there are no photos, or a manifest cannot be read.
            ModelError: the models failed.
        """
        how = replace(run or RunOptions(), limits=self.settings.images)
        return tag_stream(sources, build_tagger(self._parts, options), options=how)

    def tag_to(
        self,
        out: str | Path,
        *sources: str | Path,
        options: TagOptions | None = None,
        run: RunOptions | None = None,
        fill: bool = False,
        progress: Callable[[TagProgress], None] | None = None,
    ) -> TagSummary:
        """Tag photos into a table, going on where an earlier run stopped.

        Args:
            out: ends in ``.parquet``, ``.jsonl`` or ``.csv``.
            *sources: as for :meth:`tag`.
            options: what a row has.
            run: batches, workers and limits of time.
            fill: also put the photos into the collection that :meth:`scenes` searches.
            progress: called now and then.

        Raises:
            CatalogError: there are no photos, or a manifest cannot be read.
            ModelError: the models failed.
            NoSpaceError: the disk is full; what was finished stays.
            StoreError: the ledger or the collection cannot be used.
        """
        how = replace(run or RunOptions(), limits=self.settings.images)
        with ExitStack() as opened:
            tagger: SceneTagger
            if fill:
                self._give_back_photos()
                filling = filling_tagger(self._parts, options, self._address, items=self.store)
                tagger = opened.enter_context(filling)
            else:
                tagger = build_tagger(self._parts, options)
            return run_tagging(sources, tagger, out, options=how, progress=progress)

    def scenes(self) -> SceneFinder:
        """Finds photos: by what is in them, by a photo like them, by a product in them.

        Raises:
            StoreError: no photos were indexed in this store.
        """
        return self._finder

    @property
    def scene_store(self) -> Store:
        """The collection of photos, for what this class has no word for."""
        return self._photos

    def add_scenes(
        self, photos: Sequence[str], *, load: Callable[[str], Scene] | None = None
    ) -> SceneReport:
        """Put photos into the collection that :meth:`scenes` searches; durable when it returns.

        They can be compared with the items of the same store, where it has any.

        Args:
            photos: paths; each names its photo.
            load: path to scene; raises ImageError. By default photos are decoded in this process.

        Raises:
            CollectionMismatchError: the photos that are there were made with other models, or
                the items were projected in another way since.
            ModelError: the models failed.
            StoreError: the collection cannot be written.
        """
        items = projection_of(self.store)
        index = build_scene_index(self._scene_tagger, self._photos, SCENES, items)
        return index_scenes(index, self._scene_tagger, photos, load or self._scene)

    def forget_scenes(self, sha256: Sequence[str]) -> int:
        """Remove photos by the sha256 of their files; returns how many there were.

        Raises:
            StoreError: no photos were indexed in this store, or it cannot be written.
        """
        return SceneIndex.open(self._photos).forget_content(sha256)

    def encode_scene(self, photo: ImageSource | Scene) -> EncodedRegion:
        """A photo for :meth:`SceneFinder.like <scenesearch.scenes.SceneFinder.like>`.

        Raises:
            CollectionMismatchError: the collection was made with other models.
            ImageError: the photo cannot be read.
        """
        schema = self._photos.schema
        wanted = SceneModels.of(self._parts.encoder, None).metadata
        check_models(schema.metadata if schema is not None else {}, wanted, MUST_MATCH)
        return encode_photo(self._parts.encoder, self._scene(photo))

    @once
    def _scene_tagger(self) -> Tagger:
        return build_tagger(self._parts, cache=self._embeddings)

    @once
    def _finder(self) -> SceneFinder:
        return build_scene_finder(self._photos)

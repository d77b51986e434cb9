"""The front door for photos of scenes: rows of what is in them, and a collection of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.api.base import Shop
from scenesearch.build import build_scene_finder, build_tagger, filling_tagger
from scenesearch.scenes.find import SceneFinder
from scenesearch.tagger import TagOptions
from scenesearch.tagging.run import RunOptions, run_tagging, tag_stream

if TYPE_CHECKING:
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

    @cached_property
    def _finder(self) -> SceneFinder:
        return build_scene_finder(self._photos)

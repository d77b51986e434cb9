"""The front door to what goes together: complete the look, and the scenes of an item."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from scenesearch.api.scenes import Scenes
from scenesearch.api.searching import Searching
from scenesearch.complete import (
    CompleteOptions,
    Completer,
    Completion,
    ItemScene,
    KnownScene,
    ScenesAdded,
)
from scenesearch.complete.by_sight import ScenesBySight
from scenesearch.core.conditions import Condition
from scenesearch.core.errors import QueryError
from scenesearch.evaluation.evaluate import read_truths
from scenesearch.system.once import once

if TYPE_CHECKING:
    from scenesearch.core.types import Scene
    from scenesearch.images import ImageSource
    from scenesearch.look.look import Look


class Completing(Searching, Scenes):
    """Suggests what goes with items, and tells where they were seen."""

    def complete(
        self,
        items: str | Iterable[str] | Mapping[str, float] | Look | None = None,
        *,
        photo: ImageSource | Scene | None = None,
        limit: int = 12,
        per_category: int = 3,
        where: str | Condition | None = None,
        options: CompleteOptions | None = None,
    ) -> Completion:
        """What goes with items, a look or the scene of a photo, from other categories.

        Args:
            items: an id, ids, weights by id, or a look.
            photo: a scene instead: what is found in it is there already.
            limit: the most suggestions.
            per_category: the most suggestions of one category.
            where: a filter; see docs/filters.md.
            options: see docs/complete.md.

        Raises:
            QueryError: an unknown item, none, or an option that makes no sense.
            StoreError: there is no collection.
        """
        if photo is not None:
            if items is not None:
                raise QueryError("Give items or a photo, not both", code="bad_option")
            items = self.shop_the_look(photo)
        elif items is None:
            raise QueryError("Give items or a photo to complete", code="empty_query")
        return self._completer.complete(
            items, limit=limit, per_category=per_category, where=self.parse(where), options=options
        )

    def learn_scenes(
        self,
        scenes: str | Path | Iterable[KnownScene],
        *,
        image_root: str | Path | None = None,
    ) -> ScenesAdded:
        """Keep scenes whose items are known: a JSONL of image and items, or the scenes.

        Raises:
            CatalogError: the file cannot be read, or a line is not of that form.
            QueryError: a scene has no items or too many, or there are too many scenes.
            StoreError: there is no collection, or it cannot be written.
        """
        if isinstance(scenes, str | Path):
            root = Path(image_root) if image_root is not None else None
            truths = read_truths(Path(scenes), image_root=root)
            # a photo in which nothing matches says nothing here
            scenes = [KnownScene(t.items, str(t.image), t.group) for t in truths if t.items]
        return self._completer.known.add(scenes)

    def scenes_of(self, item_id: str, limit: int = 20) -> tuple[ItemScene, ...]:
        """The scenes an item appears in: known ones, then photos with something like it.

        Raises:
            QueryError: neither the collection nor a scene has such an item.
            StoreError: there is no collection.
        """
        photos = () if self._photos.schema is None else (ScenesBySight(self.scenes(), self.store),)
        return Completer(self.store, scene_sources=photos).scenes_of(item_id, limit)

    @once
    def _completer(self) -> Completer:
        return Completer(self.store)

"""What goes together: known scenes, and those that show an item."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from scenesearch.api.opened import Opened
from scenesearch.complete import Completer, ItemScene, KnownScene, ScenesAdded
from scenesearch.complete.by_sight import ScenesBySight
from scenesearch.evaluation.evaluate import read_truths


def learn_scenes(
    opened: Opened,
    scenes: str | Path | Iterable[KnownScene],
    image_root: str | Path | None,
) -> ScenesAdded:
    """As :meth:`SceneSearch.learn_scenes`."""
    if isinstance(scenes, str | Path):
        root = Path(image_root) if image_root is not None else None
        truths = read_truths(Path(scenes), image_root=root)
        # a photo in which nothing matches says nothing here
        scenes = [KnownScene(t.items, str(t.image), t.group) for t in truths if t.items]
    return opened.completer.known.add(scenes)


def scenes_of(opened: Opened, item_id: str, limit: int) -> tuple[ItemScene, ...]:
    """As :meth:`SceneSearch.scenes_of`."""
    there = opened.photos.schema is not None
    photos = (ScenesBySight(opened.finder, opened.store),) if there else ()
    return Completer(opened.store, scene_sources=photos).scenes_of(item_id, limit)

"""Everything that answers for one generation of a collection."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, assert_never

from scenesearch.api.opened import Opened
from scenesearch.backup import back_up
from scenesearch.core.protocols import Copyable
from scenesearch.engine import tasks
from scenesearch.engine.cancellation import CheckedTimes
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.completions import complete
from scenesearch.engine.decoding import Decoder
from scenesearch.engine.facets import FacetTasks
from scenesearch.engine.health import Health, models
from scenesearch.engine.looks import LookTasks
from scenesearch.engine.queries import Queries
from scenesearch.engine.scenes import SceneTasks
from scenesearch.engine.tagging import TagTasks
from scenesearch.engine.tasks import Answer, Task
from scenesearch.engine.thumbnails import Decode, Thumbnails
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.priced import unwrapped
from scenesearch.system.once import once
from scenesearch.wiring import copyable, is_url


class Shared(NamedTuple):
    """What all generations of a collection have in common.

    Attributes:
        items: where photos of items are kept.
        scenes: likewise, of scenes.
        lock: held by who writes items.
        written: called when items were.
    """

    decoder: Decoder
    decode: Decode
    queries: Queries
    health: Health
    thumbnails: Thumbnails
    items: MediaFolder
    scenes: MediaFolder
    lock: RLock
    written: Callable[[], None]


class Serving:
    """Does tasks over one generation, from any thread.

    Args:
        opened: the generation and its models.
        shared: with the others.
    """

    def __init__(self, opened: Opened, shared: Shared) -> None:
        self.opened = opened
        self.users = 0
        """Tasks under way."""
        self._shared = shared
        self._looks = LookTasks(opened, shared.decoder, shared.queries)
        self._tags = TagTasks(opened, shared.decoder)
        self.facets = FacetTasks(opened)

    def run(self, task: Task, times: CheckedTimes) -> Answer:
        """As :meth:`scenesearch.engine.engine.Engine.run`."""
        match task:
            case tasks.LookTask():
                return self._looks.look(task, times)
            case tasks.BasketTask():
                return self._looks.basket(task, times)
            case tasks.SearchTask():
                return self._looks.search(task, times)
            case tasks.CompleteTask():
                return _timed(times, "complete", lambda: complete(self.opened, task))
            case tasks.TagTask():
                return self._tags.tag(task, times)
            case tasks.FacetTask():
                return _timed(times, "engine", lambda: self.facets.facets(task))
            case tasks.Status():
                return Answer(self._shared.health.status(self.opened, deep=task.deep))
            case tasks.BackUp():
                return _timed(times, "backup", lambda: self._backed_up(Path(task.folder)))
            case tasks.TenantsTask():
                return _timed(times, "engine", lambda: self._catalogue.tenants(task))
            case tasks.RemoveTenant():
                return self._written(times, lambda: self._catalogue.remove_tenant(task))
            case tasks.ModelsTask():
                return Answer(models(self.opened))
            case tasks.GetItem():
                return _timed(times, "engine", lambda: self._catalogue.get_item(task))
            case tasks.ListItems():
                return _timed(times, "engine", lambda: self._catalogue.list_items(task))
            case tasks.PutItems():
                return self._written(times, lambda: self._catalogue.put_items(task))
            case tasks.PatchItem():
                return self._written(times, lambda: self._catalogue.patch_item(task))
            case tasks.DeleteItems():
                return self._written(times, lambda: self._catalogue.delete_items(task))
            case tasks.StoredPhoto():
                return _timed(times, "photo", lambda: self._catalogue.stored_photo(task))
            case tasks.QueryPhoto():
                return _timed(times, "photo", lambda: self._looks.query_photo(task, times))
            case tasks.AddScenes():
                return _timed(times, "index", lambda: self._scenes.add_scenes(task))
            case tasks.FindScenes():
                return _timed(times, "engine", lambda: self._scenes.find_scenes(task))
            case tasks.SceneFacets():
                return _timed(times, "engine", lambda: self._scenes.scene_facets(task))
            case tasks.DeleteScenes():
                return _timed(times, "index", lambda: self._scenes.delete_scenes(task))
            case tasks.ScenePhoto():
                return _timed(times, "photo", lambda: self._scenes.scene_photo(task))
            case _:
                assert_never(task)

    def _written(self, times: CheckedTimes, work: Callable[[], Any]) -> Answer:
        try:
            return _timed(times, "index", work)
        finally:
            self._shared.written()

    @once
    def _catalogue(self) -> CatalogueTasks:
        shared = self._shared
        return CatalogueTasks(
            self.opened,
            shared.items,
            shared.decode,
            thumbnails=shared.thumbnails,
            lock=shared.lock,
        )

    @once
    def _scenes(self) -> SceneTasks:
        shared = self._shared
        return SceneTasks(self.opened, shared.scenes, shared.decode, thumbnails=shared.thumbnails)

    def _backed_up(self, folder: Path) -> dict[str, Any]:
        opened = self.opened
        embedded = not is_url(opened.address)
        found: dict[str, Copyable] = {}
        for name, physical, store, lock in (
            (opened.collection, opened.stored_as, opened.store, self._shared.lock),
            (opened.scenes, opened.scenes, opened.photos, self._scenes.lock),
        ):
            one = (
                unwrapped(store)
                if embedded
                else copyable(opened.settings, opened.address, physical)
            )
            if store.schema is not None and isinstance(one, Copyable):
                found[name] = _BetweenItems(one, lock)
        return asdict(back_up(folder, found, opened.state_dir, embedded=embedded))


def _timed(times: CheckedTimes, stage: str, work: Callable[[], Any]) -> Answer:
    with times.stage(stage):
        value = work()
    return Answer(value, dict(times.seconds))


class _BetweenItems:
    """Copies a collection while nothing of it is half changed.

    Args:
        store: the collection.
        lock: held by who changes items, which takes several writes.
    """

    def __init__(self, store: Copyable, lock: AbstractContextManager[Any]) -> None:
        self._store = store
        self._lock = lock

    def copy_to(self, folder: Path) -> int | None:
        """See :meth:`scenesearch.core.protocols.Copyable.copy_to`."""
        with self._lock:
            return self._store.copy_to(folder)

"""The engine: does tasks, in whatever thread it is asked from."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any, assert_never

from scenesearch.api.opened import Opened
from scenesearch.backup import back_up
from scenesearch.core.errors import SceneSearchError, StoreUnavailableError
from scenesearch.core.protocols import Copyable, Startable
from scenesearch.core.types import Scene
from scenesearch.engine import tasks
from scenesearch.engine.cancellation import Cancelled, CheckedTimes, never
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.completions import complete
from scenesearch.engine.decoding import Decoder
from scenesearch.engine.facets import FacetTasks
from scenesearch.engine.health import Health, models
from scenesearch.engine.looks import LookTasks
from scenesearch.engine.media import sweep_media
from scenesearch.engine.queries import Queries
from scenesearch.engine.scenes import SceneTasks
from scenesearch.engine.shared_models import SharedParts
from scenesearch.engine.tagging import TagTasks
from scenesearch.engine.tasks import Answer, Photo, Task
from scenesearch.engine.thumbnails import Thumbnails
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.priced import unwrapped
from scenesearch.system.once import once
from scenesearch.wiring import copyable, is_url

log = logging.getLogger(__name__)


class Engine:
    """One set of models and one store for many threads.

    Photos are decoded in processes of their own. Models run one call at a time, each for
    whoever waits then.

    Args:
        opened: the collection and its models; closed with the engine.
        queries: photos that can be asked again; by default as the settings say.
    """

    def __init__(self, opened: Opened, *, queries: Queries | None = None) -> None:
        self.settings = opened.settings
        service = self.settings.service
        self.opened = opened
        opened.use_parts(SharedParts(opened.parts))
        self.queries = queries or Queries(
            max_megabytes=service.query_megabytes, ttl_s=service.query_ttl_s
        )
        self.decoder = Decoder(
            service.decoders, timeout_s=service.decode_timeout_s, limits=self.settings.images
        )
        self.health = Health(opened, self.queries)
        self._loading = Lock()
        self._looks = LookTasks(opened, self.decoder, self.queries)
        self._tags = TagTasks(opened, self.decoder)
        self._facets = FacetTasks(opened)

    def load(self) -> None:
        """Load the models and start all processes, so that the first task is fast.

        Raises:
            ModelError: weights are missing or cannot be used.
            SceneSearchError: the decoding processes or that of the store do not start.
        """
        with self._loading:
            try:
                self.opened.load()
                self.decoder.start()
                store = unwrapped(self.opened.store)
                if isinstance(store, Startable):
                    store.start()
                self._sweep()
            except SceneSearchError as error:
                self.health.problem = str(error)
                raise
            self.health.problem, self.health.loaded = None, True

    def _sweep(self) -> None:
        """Remove photos that came with items and scenes which are gone."""
        for what in ("items", "scenes"):
            media = self._media(what)
            if not media.root.is_dir():
                continue
            try:
                sweep_media(self.opened, media)
            except StoreUnavailableError as error:
                if not is_url(self.opened.address):
                    raise
                # its server may come later, and the next start sweeps; requests say what is amiss
                log.warning("starting without the store: %s", error)
                return

    def close(self) -> None:
        """Stop the decoding processes; give models and store back."""
        self.decoder.close()
        self.queries.clear()
        self.opened.close()

    def run(self, task: Task, cancelled: Cancelled = never) -> Answer:
        """Do a task.

        Args:
            task: what to do.
            cancelled: asked between stages; True ends the task there.

        Raises:
            TaskCancelledError: ``cancelled`` said so.
            ImageError: a photo cannot be read, or is refused.
            QueryError: the task makes no sense.
            StoreError: there is no collection, or it cannot be used.
            ModelError: a model cannot be used.
        """
        times = CheckedTimes(cancelled)
        times.check("start")
        match task:
            case tasks.LookTask():
                return self._looks.look(task, times)
            case tasks.BasketTask():
                return self._looks.basket(task, times)
            case tasks.SearchTask():
                return self._looks.search(task, times)
            case tasks.CompleteTask():
                return self._timed(times, "complete", lambda: complete(self.opened, task))
            case tasks.TagTask():
                return self._tags.tag(task, times)
            case tasks.FacetTask():
                return self._timed(times, "engine", lambda: self._facets.facets(task))
            case tasks.Status():
                return Answer(self.health.status(deep=task.deep))
            case tasks.BackUp():
                return self._timed(times, "backup", lambda: self._backed_up(Path(task.folder)))
            case tasks.TenantsTask():
                return self._timed(times, "engine", lambda: self._catalogue.tenants(task))
            case tasks.RemoveTenant():
                return self._written(times, lambda: self._catalogue.remove_tenant(task))
            case tasks.ModelsTask():
                return Answer(models(self.opened))
            case tasks.GetItem():
                return self._timed(times, "engine", lambda: self._catalogue.get_item(task))
            case tasks.ListItems():
                return self._timed(times, "engine", lambda: self._catalogue.list_items(task))
            case tasks.PutItems():
                return self._written(times, lambda: self._catalogue.put_items(task))
            case tasks.PatchItem():
                return self._written(times, lambda: self._catalogue.patch_item(task))
            case tasks.DeleteItems():
                return self._written(times, lambda: self._catalogue.delete_items(task))
            case tasks.StoredPhoto():
                return self._timed(times, "photo", lambda: self._catalogue.stored_photo(task))
            case tasks.QueryPhoto():
                return self._timed(times, "photo", lambda: self._looks.query_photo(task, times))
            case tasks.AddScenes():
                return self._timed(times, "index", lambda: self._scenes.add_scenes(task))
            case tasks.FindScenes():
                return self._timed(times, "engine", lambda: self._scenes.find_scenes(task))
            case tasks.SceneFacets():
                return self._timed(times, "engine", lambda: self._scenes.scene_facets(task))
            case tasks.DeleteScenes():
                return self._timed(times, "index", lambda: self._scenes.delete_scenes(task))
            case tasks.ScenePhoto():
                return self._timed(times, "photo", lambda: self._scenes.scene_photo(task))
            case _:
                assert_never(task)

    def _written(self, times: CheckedTimes, work: Callable[[], Any]) -> Answer:
        try:
            return self._timed(times, "index", work)
        finally:
            self._facets.forget()

    def _timed(self, times: CheckedTimes, stage: str, work: Callable[[], Any]) -> Answer:
        with times.stage(stage):
            value = work()
        return Answer(value, dict(times.seconds))

    @once
    def _catalogue(self) -> CatalogueTasks:
        media, thumbnails = self._media("items"), self._thumbnails
        return CatalogueTasks(self.opened, media, self._decoded, thumbnails=thumbnails)

    @once
    def _scenes(self) -> SceneTasks:
        media, thumbnails = self._media("scenes"), self._thumbnails
        return SceneTasks(self.opened, media, self._decoded, thumbnails=thumbnails)

    @once
    def _thumbnails(self) -> Thumbnails:
        return Thumbnails(self._decoded)

    def _backed_up(self, folder: Path) -> dict[str, Any]:
        opened = self.opened
        embedded = not is_url(opened.address)
        found: dict[str, Copyable] = {}
        for name, store, lock in (
            (opened.collection, opened.store, self._catalogue.lock),
            (opened.scenes, opened.photos, self._scenes.lock),
        ):
            one = unwrapped(store) if embedded else copyable(opened.settings, opened.address, name)
            if store.schema is not None and isinstance(one, Copyable):
                found[name] = _BetweenItems(one, lock)
        return asdict(back_up(folder, found, opened.state_dir, embedded=embedded))

    def _decoded(self, photo: Photo) -> Scene:
        return self.decoder.scene(photo, CheckedTimes(never))

    def _media(self, what: str) -> MediaFolder:
        """Where photos are kept that came with tasks; each collection has a folder of its own."""
        root = self.opened.state_dir / "photos" / what
        free = self.settings.min_free_megabytes * 1_000_000
        return MediaFolder(root, min_free_bytes=free)


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

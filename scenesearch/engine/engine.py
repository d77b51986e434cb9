"""The engine: does tasks, in whatever thread it is asked from."""

from __future__ import annotations

import logging
from threading import Lock, RLock

from scenesearch.api.opened import Opened
from scenesearch.core.errors import SceneSearchError, StoreUnavailableError
from scenesearch.core.protocols import Startable
from scenesearch.core.types import Scene
from scenesearch.engine.cancellation import Cancelled, CheckedTimes, never
from scenesearch.engine.decoding import Decoder
from scenesearch.engine.generations import LiveGenerations
from scenesearch.engine.health import Health
from scenesearch.engine.media import photo_reader, sweep_media
from scenesearch.engine.queries import Queries
from scenesearch.engine.serving import Serving, Shared
from scenesearch.engine.tasks import Answer, Photo, Task
from scenesearch.engine.thumbnails import Thumbnails
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.priced import unwrapped
from scenesearch.wiring import is_url

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
        self.queries = queries or Queries(
            max_megabytes=service.query_megabytes, ttl_s=service.query_ttl_s
        )
        self.decoder = Decoder(
            service.decoders, timeout_s=service.decode_timeout_s, limits=self.settings.images
        )
        self.health = Health(self.queries)
        self._loading = Lock()
        self._media = {what: self._folder(opened, what) for what in ("items", "scenes")}
        shared = Shared(
            self.decoder,
            self._decoded,
            self.queries,
            self.health,
            Thumbnails(self._decoded, photo_reader(self.settings)),
            self._media["items"],
            self._media["scenes"],
            RLock(),
            self._written,
        )
        self._generations = LiveGenerations(opened, lambda one: Serving(one, shared))

    @property
    def opened(self) -> Opened:
        """The generation of the collection that answers."""
        return self._generations.active

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
                self._generations.start()
            except SceneSearchError as error:
                self.health.problem = str(error)
                raise
            self.health.problem, self.health.loaded = None, True

    def _sweep(self) -> None:
        """Remove photos that came with items and scenes which are gone."""
        for media in self._media.values():
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
        self._generations.close()

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
        with self._generations.answering() as serving:
            return serving.run(task, times)

    def _written(self) -> None:
        self._generations.written()
        # it was written to all of them
        for one in self._generations.every:
            one.facets.forget()

    def _decoded(self, photo: Photo) -> Scene:
        return self.decoder.scene(photo, CheckedTimes(never))

    def _folder(self, opened: Opened, what: str) -> MediaFolder:
        """Where photos are kept that came with tasks; each collection has a folder of its own."""
        root = opened.state_dir / "photos" / what
        free = self.settings.min_free_megabytes * 1_000_000
        return MediaFolder(root, min_free_bytes=free)

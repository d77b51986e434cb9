"""What the front door and the engine stand on: settings, one set of models, and what is open."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from scenesearch import wiring
from scenesearch.catalog import FeedOptions
from scenesearch.catalog.records import Packed
from scenesearch.complete import Completer
from scenesearch.config.search import SearchOptions
from scenesearch.config.settings import Settings
from scenesearch.core.conditions import Condition
from scenesearch.core.points import FIELDS, schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.types import FieldType, Scene
from scenesearch.filters.parse import parse_filter
from scenesearch.images import ImageSource, load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.run import Progress
from scenesearch.index.stored import Deleted, delete_items
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex
from scenesearch.scenes.points import SCENES
from scenesearch.search.searcher import Searcher
from scenesearch.system.once import once
from scenesearch.tagging.tagger import Tagger
from scenesearch.tenants import not_a_keyword


class Opened:
    """The collections of one store and the models they were made with.

    Each part is opened when it is first needed, whichever thread needs it, and closed by
    :meth:`close`.

    Args:
        address: a folder for the embedded store, or the URL of a Qdrant server.
        settings: of everything.
        collection: of items.
        scenes: collection of photos of scenes.
        process: keep an embedded store in a process of its own.
    """

    def __init__(
        self,
        address: str | Path,
        settings: Settings,
        *,
        collection: str = wiring.ITEMS,
        scenes: str = SCENES,
        process: bool = False,
    ) -> None:
        self.address = address
        self.settings = settings
        self.collection = collection
        self.scenes = scenes
        self.syncing = False
        """Whether other syncs of this collection are kept out."""
        self._process = process

    @once
    def store(self) -> Store:
        """The collection of items."""
        return self._store(self.collection)

    @once
    def photos(self) -> Store:
        """The collection of photos of scenes."""
        return self._store(self.scenes)

    def _store(self, collection: str) -> Store:
        return wiring.build_store(self.settings, self.address, collection, process=self._process)

    @once
    def embeddings(self) -> EmbeddingCache:
        """The embedding cache of the store."""
        return wiring.build_cache(self.settings, self.address)

    @once
    def parts(self) -> wiring.Parts:
        """The models."""
        return wiring.Parts(self.settings)

    @once
    def searcher(self) -> Searcher:
        """Answers over the items."""
        return wiring.build_searcher(self.parts, self.store)

    @once
    def completer(self) -> Completer:
        """Says what goes with items."""
        return Completer(self.store)

    @once
    def finder(self) -> SceneFinder:
        """Finds photos of scenes."""
        return wiring.build_scene_finder(self.photos, self.scenes)

    @once
    def scene_tagger(self) -> Tagger:
        """Tags photos for their collection, with the usual options."""
        return wiring.build_tagger(self.parts, cache=self.embeddings)

    def scene_index(self) -> SceneIndex:
        """Writes the photos that are there.

        Raises:
            StoreError: there are none.
        """
        return SceneIndex.open(self.photos, self.scenes)

    @property
    def state_dir(self) -> Path:
        """Where a service keeps what belongs to this store but not into it."""
        return wiring.state_dir(self.settings, self.address)

    @once
    def photo_folder(self) -> MediaFolder:
        """Where photos of the catalogue are kept that are no files: fetched, or out of a file."""
        root = self.state_dir / "photos" / f"feed-{self.collection}"
        free = self.settings.min_free_megabytes * 1_000_000
        return MediaFolder(root, min_free_bytes=free)

    @contextmanager
    def catalog_file(
        self, source: str | Path, *, dry_run: bool, progress: Progress | None
    ) -> Iterator[wiring.CatalogFile]:
        """A catalogue as a file, fetched where it is an address; a dry run keeps nothing."""
        folder = None if dry_run else self.state_dir / "feeds"
        with wiring.catalog_file(self.settings, source, folder, progress) as file:
            yield file

    @contextmanager
    def keeping(self, *, dry_run: bool) -> Iterator[Callable[[Packed], str]]:
        """What takes photos out of a catalogue, and says where they are then.

        It raises ImageError for what is no photo. A dry run has them in a folder that is gone in
        the end.
        """
        if not dry_run:
            yield lambda photo: str(self.photo_folder.keep(photo.data))
            return
        with TemporaryDirectory(prefix="scenesearch-") as folder:
            aside = MediaFolder(folder, min_free_bytes=0)
            yield lambda photo: str(self._here(photo) or aside.keep(photo.data))

    def _here(self, photo: Packed) -> Path | None:
        return self.photo_folder.find(hashlib.sha256(photo.data).hexdigest())

    def stored_types(self) -> Mapping[str, FieldType]:
        """Types of the attributes that items have already; empty where there are none."""
        schema = self.store.schema
        fields = schema.fields if schema is not None else {}
        return {name: kind for name, kind in fields.items() if name not in FIELDS}

    def feed(self, options: FeedOptions | None) -> FeedOptions:
        """How a catalogue is read: as asked for, else as the settings say."""
        asked = options or FeedOptions()
        return replace(
            asked,
            types={**self.settings.declared_fields, **asked.types},
            fetch=asked.fetch or self.settings.fetch.enabled,
        )

    def projection(self) -> Projection | None:
        """What the items' vectors were projected with; a collection that was closed stays so."""
        if "store" in self.__dict__:
            return projection_of(self.store)
        with closing(self._store(self.collection)) as items:
            return projection_of(items)

    def load(self) -> None:
        """Load what a search needs now, so that the first one is as fast as the others."""
        self.parts.encoder.embedder.load()
        if self.parts.detector is not None:
            self.parts.detector.load()

    def use_parts(self, parts: wiring.Parts) -> None:
        """Work with these models from here on; :meth:`close` closes them."""
        self.parts = parts
        self.changed()

    def changed(self) -> None:
        """Forget what was read of the items: their fields and what was learned on them."""
        self._forget("searcher", "completer")

    def rest(self) -> None:
        """Give the store and its cache back, until they are needed again; models stay loaded."""
        self._close("embeddings", "photos", "store")
        self._forget("embeddings", "photos", "store", "scene_tagger", "finder")
        self.changed()

    def close(self) -> None:
        """Give the store, the cache and the models back for good."""
        self._close("embeddings", "photos", "store", "parts")

    def _close(self, *names: str) -> None:
        for name in names:
            if name in self.__dict__:
                self.__dict__[name].close()

    def _forget(self, *names: str) -> None:
        for name in names:
            self.__dict__.pop(name, None)

    def scene(self, photo: ImageSource | Scene) -> Scene:
        """A photo from wherever it comes.

        Raises:
            ImageError: it cannot be read.
        """
        if isinstance(photo, Scene):
            return photo
        return load_scene(photo, limits=self.settings.images)

    def fields(self) -> Mapping[str, FieldType]:
        """Fields of the items that can be filtered, counted or sorted by, with their types.

        Raises:
            StoreError: there is no collection.
        """
        return schema_of(self.store).fields

    def parse(self, where: str | Condition | None) -> Condition | None:
        """A filter text as conditions on the items' fields.

        Raises:
            FilterError: it cannot be parsed, or names an unknown field.
        """
        if not isinstance(where, str):
            return where
        return parse_filter(where, self.fields())

    def only(self, where: str | None) -> Condition | None:
        """The filter of a key; what says whose an item is, is a field of the collection from here.

        Raises:
            StoreError: there is no collection.
            ConfigError: the field that says whose an item is, is no keyword in this collection.
            FilterError: it cannot be parsed, or names an unknown field.
        """
        tenant = self.settings.store.tenant_field
        if where is not None and tenant is not None:
            kind = self.fields().get(tenant)
            if kind is None:
                self.store.add_fields({tenant: "keyword"})
                self.changed()
            elif kind != "keyword":
                raise not_a_keyword(tenant, kind)
        return self.parse(where)

    def delete(self, ids: Sequence[str], where: str | Condition | None) -> Deleted:
        """As :meth:`SceneSearch.delete`; says how many items are gone, too."""
        gone = delete_items(self.store, ids=ids, where=self.parse(where))
        if gone.items:
            self.changed()
        return gone

    def options(
        self, where: str | Condition | None = None, options: Mapping[str, Any] | None = None
    ) -> SearchOptions:
        """The settings' defaults of a search with some of its options changed.

        Raises:
            QueryError: there is no such option, or a value is not of its type or range.
            FilterError: the filter cannot be parsed, or names an unknown field.
        """
        return self.settings.search.changed(options or {}, self.parse(where))

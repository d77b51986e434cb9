"""What the front door and the engine stand on: settings, one set of models, and what is open."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
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
from scenesearch.core.errors import SceneSearchError, StoreError, StoreUnavailableError
from scenesearch.core.points import FIELDS, catalogue_spaces, schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.types import FieldType, Scene
from scenesearch.filters.parse import parse_filter
from scenesearch.images import ImageSource, load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.follow import Followed, follow
from scenesearch.index.run import Progress
from scenesearch.index.stored import Deleted, delete_items, items_meant
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.scenes.find import SceneFinder
from scenesearch.scenes.index import SceneIndex
from scenesearch.scenes.points import SCENES
from scenesearch.search.by_words import vocabulary_of
from scenesearch.search.searcher import Searcher
from scenesearch.store.generations import FIRST, Generation, name_of
from scenesearch.store.priced import unwrapped
from scenesearch.system.once import once
from scenesearch.tagging.tagger import Tagger
from scenesearch.tenants import not_a_keyword

log = logging.getLogger(__name__)


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
        beside: another generation of the same items, whose photos and embedding cache are these,
            too; its models are, where they are the same.
        generation: which one; the one that answers by default.
    """

    def __init__(
        self,
        address: str | Path,
        settings: Settings,
        *,
        collection: str = wiring.ITEMS,
        scenes: str = SCENES,
        process: bool = False,
        beside: Opened | None = None,
        generation: Generation | None = None,
    ) -> None:
        self.address = address
        self.collection = collection
        self.scenes = scenes
        self.syncing = False
        """Whether other syncs of this collection are kept out."""
        self.given = settings
        """The settings of whoever opens it."""
        self.retired = False
        """Whether another generation took the place of this one, for good."""
        self._process = process
        self._beside = beside
        self._which = generation
        self.siblings: Callable[[bool], Sequence[Opened]] | None = None
        """Gives the other generations, where somebody else has them open; told whether the record
        is to be read again for it."""
        self._others: dict[int, Opened] = {}

    @once
    def record(self) -> wiring.GenerationsRecord:
        """Which generations of the items there are."""
        return wiring.GenerationsRecord(self.given, self.address, self.collection)

    @once
    def generation(self) -> Generation:
        """The one that this is; found out once.

        Raises:
            StoreError: the record cannot be read.
        """
        if self._which is not None:
            return self._which
        found = self.record.read()
        return Generation(FIRST, {}, whole=True) if found is None else found.of(found.active)

    @property
    def settings(self) -> Settings:
        """What this generation is made with and answers by, and all else as it was given.

        As it was given while a server does not say which generation answers.
        """
        try:
            return self._settings
        except StoreUnavailableError:
            return self.given

    @once
    def _settings(self) -> Settings:
        return wiring.settings_of(self.given, self.generation)

    def of(self, generation: Generation) -> Opened:
        """Another generation beside this one."""
        return Opened(
            self.address,
            self.given,
            collection=self.collection,
            scenes=self.scenes,
            process=self._process,
            beside=self._beside or self,
            generation=generation,
        )

    def others(self, *, fresh: bool = False) -> Sequence[Opened]:
        """The other generations that there are now, which what is written has to go to as well.

        Args:
            fresh: not as they were a second ago.

        Raises:
            StoreError: the record cannot be read.
        """
        if self.siblings is not None:
            return self.siblings(fresh)
        found = self.record.read()
        mine = self.generation.number
        every = {one.number: one for one in (found.every if found else ()) if one.number != mine}
        for number in self._others.keys() - every.keys():
            self._others.pop(number).close()
        for number in every.keys() - self._others.keys():
            self._others[number] = self.of(every[number])
        return tuple(self._others.values())

    def refuse_dropped(self) -> None:
        """For who would make the collection that is not there: it may have been dropped.

        Raises:
            StoreError: another generation took its place for good.
        """
        found = self.record.read()
        if found is not None and self.generation.number not in found.numbers:
            raise StoreError(
                f"generation {self.generation.number} of {self.collection!r}, which this has open, "
                f"was dropped, and generation {found.active} answers; open the collection anew",
                code="generation_dropped",
            )

    def write_to_others(self, ids: Sequence[str] | None = None) -> None:
        """Bring what was written here into the other generations that there are by now.

        One that cannot be written is told of in the log: it is made good before it answers.

        Args:
            ids: of the items; all by default.
        """
        for other in self.others():
            try:
                if other.store.schema is not None:  # whoever makes it reads what is here
                    other.follow(self, ids)
            except SceneSearchError as error:
                if other.retired:
                    continue  # dropped meanwhile
                log.warning(
                    "generation %d lacks what was written just now: %s",
                    other.generation.number,
                    error,
                )

    def follow(
        self, source: Opened, ids: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Followed:
        """Hold the items that another generation does; see :func:`scenesearch.index.follow`."""
        indexer = wiring.build_indexer(self.parts, self.store, self.collection, self.embeddings)
        try:
            return follow(unwrapped(source.store), self.store, indexer, ids=ids, progress=progress)
        finally:
            self.changed()

    @once
    def store(self) -> Store:
        """The collection of items."""
        return self._store(self.stored_as)

    @property
    def stored_as(self) -> str:
        """What the collection of this generation is called."""
        return name_of(self.collection, self.generation.number)

    @once
    def photos(self) -> Store:
        """The collection of photos of scenes."""
        return self._beside.photos if self._beside else self._store(self.scenes)

    def _store(self, collection: str) -> Store:
        return wiring.build_store(self.settings, self.address, collection, process=self._process)

    @once
    def embeddings(self) -> EmbeddingCache:
        """The embedding cache of the store."""
        if self._beside:
            return self._beside.embeddings
        return wiring.build_cache(self.settings, self.address)

    @once
    def parts(self) -> wiring.Parts:
        """The models."""
        beside, settings = self._beside, self.settings
        if beside is not None and wiring.config_of(beside.settings) == wiring.config_of(settings):
            return beside.parts
        return wiring.Parts(settings)

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

    def stored_spaces(self) -> Mapping[str, int] | None:
        """Dimensions of vectors that came with the catalogue; None without a collection."""
        schema = self.store.schema
        return None if schema is None else catalogue_spaces(schema)

    def feed(self, options: FeedOptions | None) -> FeedOptions:
        """How a catalogue is read: as asked for, else as the settings say."""
        asked = options or FeedOptions()
        return replace(
            asked,
            types={**self.settings.declared_fields, **asked.types},
            fetch=asked.fetch or self.settings.fetch.enabled,
            vectors=(*self.settings.index.vectors, *asked.vectors),
            buckets=(*asked.buckets, *self.settings.fetch.buckets),
        )

    def projection(self) -> Projection | None:
        """What the items' vectors were projected with; a collection that was closed stays so."""
        if "store" in self.__dict__:
            return projection_of(self.store)
        with closing(self._store(self.stored_as)) as items:
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
        self._rest_others()
        self._close("embeddings", "photos", "store")
        self._forget("embeddings", "photos", "store", "scene_tagger", "finder")
        self.changed()
        if self._which is None and "generation" in self.__dict__:
            with suppress(StoreUnavailableError):
                found = self.record.read()
                if found is not None and found.active != self.generation.number:
                    self._close("parts")
                    self._forget("parts", "generation", "_settings")

    def close(self) -> None:
        """Give the store, the cache and the models back for good; what others share stays."""
        self._rest_others()
        self._close("record", "store")
        if self._beside is None:
            self._close("embeddings", "photos", "parts")
        elif self.__dict__.get("parts") is not self._beside.__dict__.get("parts"):
            self._close("parts")

    def retire(self, *, models: bool) -> None:
        """Give back what only this generation has; what others share stays.

        Args:
            models: whether nobody else has its models.
        """
        # closed and not forgotten: who still has this object is not to open it again
        self.retired = True
        self._close("store")
        if models:
            self._close("parts")
            self._forget("parts")

    def _rest_others(self) -> None:
        for other in self._others.values():
            other.close()
        self._others.clear()

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
        fields = self.fields()
        return parse_filter(where, fields, partial(_meant, self.store, fields))

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
        condition = self.parse(where)
        doomed = items_meant(self.store, ids, condition) if self.others() else ()
        gone = delete_items(self.store, ids=ids, where=condition)
        if gone.items:
            self.changed()
        if doomed:
            self.write_to_others(doomed)
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


def _meant(
    store: Store, fields: Mapping[str, FieldType], field: str, value: str
) -> tuple[str, ...]:
    """The values of a field that words mean, as searches by words read them."""
    return vocabulary_of(store, fields, field).same(value)

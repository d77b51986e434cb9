"""What every part of the front door stands on: settings, one store, one set of models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from scenesearch.config.search import SearchOptions
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.conditions import Condition
from scenesearch.core.points import schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.types import FieldType, Scene
from scenesearch.filters.parse import parse_filter
from scenesearch.images import load_scene
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.scenes.points import SCENES
from scenesearch.search.searcher import Searcher
from scenesearch.system.once import once
from scenesearch.wiring import (
    Parts,
    build_cache,
    build_searcher,
    build_store,
    is_url,
)


class Shop:
    """A collection and the models it was made with, opened when they are first needed.

    Args:
        store: a folder for the embedded store, or the URL of a Qdrant server.
        collection: name of the collection: ``a-z 0-9 _ -``, at most 64.
        config: a YAML file, the name of a profile that came with the package, or settings.
        store_process: keep an embedded store in a process of its own, for programs of many
            threads; a script must then be guarded by ``if __name__ == '__main__':``.
    """

    def __init__(
        self,
        store: str | Path = "store",
        *,
        collection: str = "items",
        config: str | Path | Settings | None = None,
        store_process: bool = False,
    ) -> None:
        self.settings = config if isinstance(config, Settings) else load_settings(config)
        self._address = store
        self._collection = collection
        self._store_process = store_process

    @once
    def store(self) -> Store:
        """The store, for what this class has no word for."""
        return build_store(
            self.settings, self._address, self._collection, process=self._store_process
        )

    @once
    def _parts(self) -> Parts:
        return Parts(self.settings)

    @once
    def _photos(self) -> Store:
        return build_store(self.settings, self._address, SCENES, process=self._store_process)

    @once
    def _searcher(self) -> Searcher:
        return build_searcher(self._parts, self.store)

    @property
    def parts(self) -> Parts:
        """The models, for what this class has no word for."""
        return self._parts

    def use_parts(self, parts: Parts) -> None:
        """Work with these models from here on; :meth:`close` closes them."""
        self.__dict__["_parts"] = parts
        self._changed()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the store, the cache and the models back."""
        if "_embeddings" in self.__dict__:
            self.__dict__.pop("_embeddings").close()
        self._give_back_photos()
        if "store" in self.__dict__:
            self.store.close()
        if "_parts" in self.__dict__:
            self._parts.close()

    def load(self) -> None:
        """Load what a search needs now, so that the first one is as fast as the others."""
        self._parts.encoder.embedder.load()
        if self._parts.detector is not None:
            self._parts.detector.load()

    @once
    def _embeddings(self) -> EmbeddingCache:
        return build_cache(self.settings, self._address)

    def _give_back_photos(self) -> None:
        """Close the collection of photos; it is opened again when it is needed."""
        self.__dict__.pop("_finder", None)
        if "_photos" in self.__dict__:
            self.__dict__.pop("_photos").close()

    def _changed(self) -> None:
        """Forget what was read of the collection: its fields and what was learned on it."""
        self.__dict__.pop("_searcher", None)
        self.__dict__.pop("_completer", None)

    def _scene(self, photo: Any) -> Scene:
        if isinstance(photo, Scene):
            return photo
        return load_scene(photo, limits=self.settings.images)

    def check_collection(self) -> None:
        """Make sure that the collection can be searched with these models.

        Raises:
            StoreError: there is none, it cannot be read, or it was made with other models.
        """
        self._searcher.open()

    def options(
        self, where: str | Condition | None = None, options: Mapping[str, Any] | None = None
    ) -> SearchOptions:
        """The settings' defaults of a search with some of its options changed.

        Raises:
            QueryError: there is no such option, or a value is not of its type or range.
            FilterError: the filter cannot be parsed, or names an unknown field.
        """
        return self.settings.search.changed(options or {}, self.parse(where))

    def parse(self, where: str | Condition | None) -> Condition | None:
        """A filter text as conditions on this collection's fields.

        Raises:
            FilterError: it cannot be parsed, or names an unknown field.
        """
        if not isinstance(where, str):
            return where
        return parse_filter(where, self._schema_fields())

    @property
    def state_dir(self) -> Path:
        """Where a service keeps what belongs to this store but not into it."""
        chosen = self.settings.service.state_dir
        if chosen is not None:
            return chosen
        return self.settings.cache_dir if is_url(self._address) else Path(self._address)

    def fields(self) -> Mapping[str, FieldType]:
        """Fields of the collection that can be filtered, counted or sorted by, with their types.

        Raises:
            StoreError: there is no collection.
        """
        return schema_of(self.store).fields

    def _schema_fields(self) -> Mapping[str, Any]:
        return schema_of(self.store).fields

"""The front door: one object that indexes a catalogue and searches photos in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.build import (
    Parts,
    build_indexer,
    build_searcher,
    build_store,
    cache_path,
    search_options,
)
from scenesearch.catalog import OnDuplicate, RowError, read_catalog
from scenesearch.conditions import AllOf, Condition, Equals, OneOf
from scenesearch.config import Settings, load_settings
from scenesearch.embed.cache import EmbeddingCache
from scenesearch.errors import CatalogError, QueryError, StoreError
from scenesearch.images import ImageSource, load_scene
from scenesearch.index_run import IndexReport, Progress
from scenesearch.look import Look
from scenesearch.look_builder import attributes_of
from scenesearch.plan import IndexPlan
from scenesearch.points import CUTOUT
from scenesearch.protocols import Store
from scenesearch.query import Query, SearchOptions
from scenesearch.searcher import PreparedQuery, Searcher
from scenesearch.store.filters import parse_filter
from scenesearch.types import BoxTuple, Item, Region, Scene
from scenesearch.words import ParsedWords

Weighted = Iterable[Any] | Mapping[Any, float]


@dataclass(frozen=True, slots=True)
class IndexOutcome:
    """What :meth:`SceneSearch.index` did.

    Attributes:
        plan: what was to be done.
        report: what was done; None for a dry run.
        rows: rows of the catalogue that gave no item.
        notes: what was odd but harmless in the catalogue.
    """

    plan: IndexPlan
    report: IndexReport | None
    rows: tuple[RowError, ...]
    notes: tuple[str, ...]


class SceneSearch:
    """A collection of catalogue items, and the models it was made with.

    Models and store are opened when they are first needed. Use it as a context manager, or call
    :meth:`close`.

    Args:
        store: a folder for the embedded store, or the URL of a Qdrant server.
        collection: name of the collection: ``a-z 0-9 _ -``, at most 64.
        config: a YAML file, the name of a profile that came with the package, or settings.

    >>> with SceneSearch("./store", config="cpu-small") as shop:  # doctest: +SKIP
    ...     shop.index("catalog.csv")
    ...     look = shop.shop_the_look("room.jpg", where="price < 100")
    ...     look.save("look.png")
    """

    def __init__(
        self,
        store: str | Path = "store",
        *,
        collection: str = "items",
        config: str | Path | Settings | None = None,
    ) -> None:
        self.settings = config if isinstance(config, Settings) else load_settings(config)
        self._address = store
        self._collection = collection
        self._cache: EmbeddingCache | None = None

    @cached_property
    def store(self) -> Store:
        """The store, for what this class has no word for."""
        return build_store(self.settings, self._address, self._collection)

    @cached_property
    def _parts(self) -> Parts:
        return Parts(self.settings)

    @cached_property
    def _searcher(self) -> Searcher:
        return build_searcher(self._parts, self.store)

    def __enter__(self) -> SceneSearch:
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
        if self._cache is not None:
            self._cache.close()
            self._cache = None
        if "store" in self.__dict__:
            self.store.close()
        if "_parts" in self.__dict__:
            self._parts.close()

    def load(self) -> None:
        """Load what a search needs now, so that the first one is as fast as the others."""
        self._parts.encoder.embedder.load()
        if self._parts.detector is not None:
            self._parts.detector.load()

    # index

    def index(
        self,
        catalog: str | Path,
        *,
        image_root: str | Path | None = None,
        strict: bool = False,
        prune: bool = False,
        dry_run: bool = False,
        on_duplicate: OnDuplicate = "error",
        columns: Mapping[str, str] | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        progress: Progress | None = None,
    ) -> IndexOutcome:
        """Bring the collection in line with a catalogue; only what changed is worked on.

        Args:
            catalog: CSV, JSONL, Parquet, or a folder of images; see docs/catalog.md.
            image_root: where image paths start; the catalogue's folder by default.
            strict: stop at the first bad row instead of leaving it out.
            prune: remove stored items the catalogue no longer has.
            dry_run: plan only; changes nothing.
            on_duplicate: what to do with two rows of one id.
            columns: our name to the catalogue's, where they differ: ``{"id": "SKU"}``.
            encoding: of a text catalogue that is not UTF-8.
            delimiter: of a CSV, where the guess is wrong.
            progress: called with (stage, done, total).

        Raises:
            CatalogError: the catalogue cannot be read, or has bad rows under ``strict``.
            ModelError: weights are missing or cannot be used.
            StoreError: the store cannot be opened or written.
        """
        reader = read_catalog(
            catalog,
            image_root=Path(image_root) if image_root is not None else None,
            columns=columns,
            on_duplicate=on_duplicate,
            encoding=encoding,
            delimiter=delimiter,
        )
        found = reader.read_all()
        if strict and found.errors:
            raise CatalogError(
                f"{catalog}: {len(found.errors)} bad rows, the first: {found.errors[0]}; "
                f"correct them, or index without strict to leave them out",
                code="bad_rows",
            )
        if prune and found.errors:
            raise CatalogError(
                f"{catalog}: {len(found.errors)} bad rows and prune together would remove good "
                f"items whose rows are broken; the first: {found.errors[0]}",
                code="bad_rows",
            )
        if dry_run:
            # a plan reads no embedding, and must leave no file behind
            nothing = EmbeddingCache(":memory:")
            indexer = build_indexer(self._parts, self.store, self._collection, nothing)
            plan = indexer.plan(found.items, prune=prune, progress=progress)
            nothing.close()
            return IndexOutcome(plan, None, found.errors, found.notes)
        if self._cache is None:
            self._cache = EmbeddingCache(cache_path(self.settings, self._address))
        indexer = build_indexer(self._parts, self.store, self._collection, self._cache)
        plan = indexer.plan(found.items, prune=prune, progress=progress)
        try:
            report = indexer.run(plan, found.fields, progress=progress)
        finally:
            # it remembers the collection's fields and what was fitted on it, which may be new
            self.__dict__.pop("_searcher", None)
        return IndexOutcome(plan, report, found.errors, found.notes)

    # search

    def shop_the_look(
        self,
        photo: ImageSource | Scene,
        *,
        boxes: Sequence[BoxTuple] = (),
        point: tuple[float, float] | None = None,
        text: str | Weighted = (),
        items: str | Weighted = (),
        words: str | ParsedWords | None = None,
        where: str | Condition | None = None,
        **options: Any,
    ) -> Look:
        """Search every object of a photo.

        Args:
            photo: path, bytes, file object, PIL image, numpy array, or a scene.
            boxes: regions to search instead of the detector's: pixels, xyxy.
            point: a tapped point: only the object under it is searched.
            text: words that every region is moved towards; a mapping gives weights, negative
                ones push away.
            items: likewise with catalogue items ("like this, but more like that one").
            words: plain words, such as "red, under $50": their price filters, their colours and
                categories move every region's answers; see docs/words.md.
            where: a filter; see docs/filters.md.
            **options: any field of :class:`~scenesearch.query.SearchOptions`.

        Raises:
            ImageError: the photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        query = Query(
            scene=self._scene(photo),
            boxes=tuple(boxes),
            point=point,
            texts=_weighted(text),
            items=_weighted(items),
            words=words,
        )
        return self._searcher.look(query, self._options(where, options))

    look = shop_the_look

    def search(
        self,
        words: str | ParsedWords | None = None,
        *,
        text: str | Weighted = (),
        photos: ImageSource | Scene | Weighted = (),
        items: str | Weighted = (),
        vectors: Sequence[tuple[NDArray[np.float32], float]] | NDArray[np.float32] = (),
        where: str | Condition | None = None,
        **options: Any,
    ) -> Look:
        """Search for one thing, by any mixture of words, photos of it, items and vectors.

        Args:
            words: plain words, such as "red shoes under $50", understood without a model; what
                was understood is ``Look.parsed``, and can be corrected and given here instead.
            text: words for a model that reads text; a mapping gives weights, negative ones push
                away.
            photos: photos of the thing; each is one thing, nothing is detected in it.
            items: ids of catalogue items.
            vectors: embeddings of the caller.
            where: a filter; see docs/filters.md.
            **options: any field of :class:`~scenesearch.query.SearchOptions`.

        Raises:
            ImageError: a photo cannot be read.
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        if isinstance(vectors, np.ndarray):
            vectors = [(vectors, 1.0)]
        query = Query(
            products=tuple((self._scene(p), w) for p, w in _weighted(photos)),
            texts=_weighted(text),
            items=_weighted(items),
            vectors=tuple(vectors),
            words=words,
        )
        return self._searcher.look(query, self._options(where, options))

    def understand(self, words: str, *, strict_category: bool = False) -> ParsedWords:
        """What some words ask for in this collection, to be corrected and searched with.

        Args:
            words: as for :meth:`search`.
            strict_category: make the category a filter instead of a preference.

        Raises:
            QueryError: the text is too long.
            StoreError: there is no collection, or it was made with other models.
        """
        return self._searcher.understand(words, strict_category=strict_category)

    def prepare(
        self,
        photo: ImageSource | Scene,
        *,
        boxes: Sequence[BoxTuple] = (),
        regions: Mapping[str, Any] | None = None,
    ) -> PreparedQuery:
        """Run the models over a photo once, to ask many questions of it with :meth:`answer`.

        Args:
            photo: as for :meth:`shop_the_look`.
            boxes: regions to search instead of the detector's: pixels, xyxy.
            regions: other values of :class:`~scenesearch.encode.RegionRules`.

        Raises:
            ImageError: the photo cannot be read.
            StoreError: there is no collection, or it was made with other models.
        """
        query = Query(scene=self._scene(photo), boxes=tuple(boxes))
        return self._searcher.prepare(query, regions)

    def answer(
        self, prepared: PreparedQuery, *, where: str | Condition | None = None, **options: Any
    ) -> Look:
        """Search with what :meth:`prepare` gave; no model runs.

        Raises:
            QueryError: an option makes no sense.
        """
        return self._searcher.answer(prepared, self._options(where, options))

    def regions(self, photo: ImageSource | Scene) -> list[Region]:
        """What would be searched in a photo; needs no collection."""
        return self._searcher.regions(Query(scene=self._scene(photo)))

    def _scene(self, photo: Any) -> Scene:
        if isinstance(photo, Scene):
            return photo
        return load_scene(photo, limits=self.settings.images)

    def _options(self, where: str | Condition | None, options: Mapping[str, Any]) -> SearchOptions:
        base = search_options(self.settings)
        known = {name for name in SearchOptions.__slots__ if name != "where"}
        unknown = sorted(set(options) - known)
        if unknown:
            raise QueryError(
                f"Unknown option {unknown[0]!r}; expected one of {', '.join(sorted(known))}",
                code="unknown_option",
            )
        return replace(base, where=self.parse(where), **options)

    def parse(self, where: str | Condition | None) -> Condition | None:
        """A filter text as conditions on this collection's fields.

        Raises:
            FilterError: it cannot be parsed, or names an unknown field.
        """
        if not isinstance(where, str):
            return where
        return parse_filter(where, self._schema_fields())

    def _schema_fields(self) -> Mapping[str, Any]:
        schema = self.store.schema
        if schema is None:
            raise StoreError(
                f"There is no collection {self._collection!r} in {self._address}; index a "
                f"catalogue first",
                code="no_collection",
            )
        return schema.fields

    # items

    def get(self, item_id: str) -> Item | None:
        """An item as it is stored, or None."""
        self._schema_fields()
        page = self.store.scroll(where=Equals("item_id", item_id), limit=1000)
        if not page.records:
            return None
        ordered = sorted(page.records, key=lambda r: int(r.payload.get("photo_index", 0)))
        photos = tuple(dict.fromkeys(str(r.payload.get("photo")) for r in ordered))
        return Item(item_id, photos, attributes_of(ordered[0].payload))

    def delete(self, *, ids: Sequence[str] = (), where: str | Condition | None = None) -> int:
        """Remove items by id or by filter; returns how many points are gone.

        Raises:
            QueryError: neither ids nor a filter is given.
        """
        self._schema_fields()
        terms: list[Condition] = []
        if ids:
            terms.append(OneOf("item_id", tuple(ids)))
        condition = self.parse(where)
        if condition is not None:
            terms.append(condition)
        if not terms:
            raise QueryError("Give the ids or a filter of what to delete", code="empty_query")
        before = self.store.count()
        self.store.delete(where=AllOf(tuple(terms)))
        return before - self.store.count()

    def values(self, field: str) -> dict[str, str]:
        """A field's value of every item that has one.

        Raises:
            QueryError: the collection has no such field.
        """
        if field not in self._schema_fields():
            raise QueryError(
                f"Unknown field {field!r}; the collection has "
                f"{', '.join(sorted(self._schema_fields()))}",
                code="unknown_field",
            )
        found: dict[str, str] = {}
        cursor: str | None = None
        while True:
            page = self.store.scroll(limit=5000, cursor=cursor, fields=("item_id", field))
            for record in page:
                if record.payload.get(field) is not None:
                    found[str(record.payload["item_id"])] = str(record.payload[field])
            cursor = page.cursor
            if cursor is None:
                return found

    def likeness(self, point_ids: Sequence[str]) -> float:
        """Mean cosine between stored points (intra-list similarity), -1 to 1."""
        found = self.store.retrieve(point_ids, spaces=(CUTOUT,))
        n = len(found)
        if n < 2:
            return 0.0
        rows = np.stack([record.vectors[CUTOUT] for record in found])
        return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))

    def count(self, where: str | Condition | None = None) -> int:
        """How many points (regions of photos) the collection holds."""
        self._schema_fields()
        return self.store.count(self.parse(where))


def _weighted(parts: Any) -> tuple[tuple[Any, float], ...]:
    """One thing, several things, or things with weights, as pairs."""
    if isinstance(parts, Mapping):
        return tuple((part, float(weight)) for part, weight in parts.items())
    if isinstance(parts, list | tuple):
        return tuple((part, 1.0) for part in parts)
    return ((parts, 1.0),)

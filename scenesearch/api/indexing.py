"""The front door's way in: a catalogue to a collection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenesearch.api.base import Shop
from scenesearch.catalog import OnDuplicate, RowError, read_catalog
from scenesearch.catalog.attributes import field_types
from scenesearch.catalog.reader import CatalogReader
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item, Scene
from scenesearch.index.plan import IndexPlan
from scenesearch.index.run import IndexReport, Progress
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.sync.lock import sync_lock
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import SyncReport
from scenesearch.wiring import build_indexer, build_syncer, sync_lock_file


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


class Indexing(Shop):
    """Brings a collection in line with a catalogue."""

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
        cache = self._embeddings
        indexer = build_indexer(self._parts, self.store, self._collection, cache)
        plan = indexer.plan(found.items, prune=prune, progress=progress)
        try:
            report = indexer.run(plan, found.fields, progress=progress)
        finally:
            self._changed()
        return IndexOutcome(plan, report, found.errors, found.notes)

    def put(
        self,
        items: Sequence[Item],
        *,
        fields: Mapping[str, FieldType] | None = None,
        load: Callable[[str], Scene] | None = None,
        settle: bool = False,
    ) -> IndexOutcome:
        """Insert items, or replace those that are there; only what changed is worked on.

        What is written is durable and found when this returns. Only the points of these items
        are read, so it costs the same in a large collection.

        Args:
            items: ids unique.
            fields: types of their attributes; by default those of the collection, and for new
                attributes what their values say.
            load: path to scene; raises ImageError. By default photos are decoded in this process.
            settle: also do what :meth:`settle` does.

        Raises:
            CollectionMismatchError: the collection was made with other models or rules, or has
                a field of another type.
            ModelError: weights are missing or cannot be used.
            StoreError: the store cannot be opened or written.
        """
        if fields is None:
            schema = self.store.schema
            fields = field_types(items, schema.fields if schema is not None else {})
        cache = self._embeddings
        indexer = build_indexer(self._parts, self.store, self._collection, cache, load=load)
        plan = indexer.plan(items)
        try:
            report = indexer.run(plan, fields, finish=settle)
        finally:
            self._changed()
        return IndexOutcome(plan, report, (), ())

    def set_attributes(
        self, items: Sequence[Item], *, fields: Mapping[str, FieldType] | None = None
    ) -> IndexOutcome:
        """Replace all attributes of stored items; their photos are neither read nor changed.

        Args:
            items: stored ones, with all of their attributes.
            fields: as for :meth:`put`.

        Raises:
            StoreError: there is no collection, or it cannot be written.
        """
        if fields is None:
            fields = field_types(items, self._schema_fields())
        cache = self._embeddings
        indexer = build_indexer(self._parts, self.store, self._collection, cache)
        plan = indexer.plan_attributes(items)
        try:
            report = indexer.run(plan, fields, finish=False)
        finally:
            self._changed()
        return IndexOutcome(plan, report, (), ())

    def settle(self) -> tuple[str, ...]:
        """Make searches fast again after many :meth:`put`; may take seconds.

        Returns:
            What a user should know.

        Raises:
            StoreError: the store cannot be written.
        """
        cache = self._embeddings
        notes = build_indexer(self._parts, self.store, self._collection, cache).finish()
        self._changed()
        return notes

    def sync(
        self,
        catalog: str | Path,
        *,
        rules: SyncRules | None = None,
        dry_run: bool = False,
        progress: Progress | None = None,
        **reading: Any,
    ) -> SyncReport:
        """Make the collection like a manifest: insert, update and delete; see docs/sync.md.

        Args:
            catalog: CSV, JSONL, Parquet, or a folder of images.
            rules: what it may delete, and whether new items are audited.
            dry_run: plan only; changes nothing.
            progress: called with (stage, done, total).
            **reading: options of :func:`~scenesearch.catalog.read_catalog`.

        Raises:
            CatalogError: the manifest cannot be read, or too much would be deleted.
            StoreError: the store cannot be used, or another sync is running.
        """
        rules = rules or SyncRules()

        def read() -> CatalogReader:
            return read_catalog(catalog, **reading)

        if dry_run:
            nothing = EmbeddingCache(":memory:")
            try:
                syncer = build_syncer(self._parts, self.store, self._collection, nothing, rules)
                return syncer.plan(read, progress=progress)
            finally:
                nothing.close()
        file = sync_lock_file(self.settings, self._address, self._collection)
        with sync_lock(file, f"collection {self._collection!r}"):
            cache = self._embeddings
            syncer = build_syncer(self._parts, self.store, self._collection, cache, rules)
            try:
                return syncer.run(syncer.plan(read, progress=progress), progress=progress)
            finally:
                self._changed()

"""A catalogue, or some items, to a collection."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from scenesearch import wiring
from scenesearch.api.bucket_photos import BucketPhotos
from scenesearch.api.fetched import fetch_photos
from scenesearch.api.on_ray import indexing_there
from scenesearch.api.opened import Opened
from scenesearch.catalog import Catalog, CatalogReader, RowError
from scenesearch.catalog.attributes import field_types
from scenesearch.core.errors import CatalogError, StoreUnavailableError
from scenesearch.core.protocols import Remote
from scenesearch.core.types import FieldType, Item, Scene
from scenesearch.index.indexer import Indexer
from scenesearch.index.plan import IndexPlan
from scenesearch.index.ray_run import RayIndexing
from scenesearch.index.run import IndexReport, Progress
from scenesearch.index.stored import photos_in_use
from scenesearch.store.priced import unwrapped
from scenesearch.sync.plan import SyncRules
from scenesearch.sync.syncer import SyncReport, sync_lock
from scenesearch.system.lock_file import DirectoryLock
from scenesearch.system.ray_cluster import RayOptions

WAIT_S = 5.0
"""For inserts under way, before a first run."""
INSERT_S = 1.0
"""For another insert that makes the collection."""
RETRY_S = 5.0
"""After which an insert is to try again."""


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


def index(
    opened: Opened,
    reader: CatalogReader,
    *,
    notes: tuple[str, ...],
    strict: bool,
    prune: bool,
    dry_run: bool,
    cluster: RayOptions | None,
    progress: Progress | None,
) -> IndexOutcome:
    """As :meth:`SceneSearch.index`, of a catalogue that is open."""
    found = reader.read_all()
    if strict and (found.errors or found.lost):
        bad = sum(lost.count for lost in found.lost)
        first = found.errors[0] if found.errors else found.lost[0]
        raise CatalogError(
            f"{reader.path}: {len(found.errors)} bad rows and {bad} bad cells, the first: {first}; "
            f"correct them, or index without strict to leave them out",
            code="bad_rows",
        )
    if prune and found.errors:
        raise CatalogError(
            f"{reader.path}: {len(found.errors)} bad rows and prune together would remove good "
            f"items whose rows are broken; the first: {found.errors[0]}",
            code="bad_rows",
        )
    with (
        indexing_there(opened, cluster) as workers,
        closing(BucketPhotos(opened, workers)) as away,
    ):
        fetched = fetch_photos(
            opened, found.items, dry_run=dry_run, progress=progress, embeds=workers
        )
        away.look(fetched.items, dry_run=dry_run, progress=progress)
        with (
            _in_bulk(opened, progress),
            _first(opened, dry_run=dry_run),
            _indexer(
                opened, missing=fetched.failures, away=away.sha256, workers=workers
            ) as indexer,
        ):
            plan = indexer.plan(fetched.items, prune=prune, progress=progress)
            report = None if dry_run else indexer.run(plan, found.fields, progress=progress)
            if report is not None:
                opened.write_to_others()
    notes = (*notes, *found.notes, *fetched.notes)
    return IndexOutcome(plan, report, found.errors, notes)


def put(
    opened: Opened,
    items: Sequence[Item],
    *,
    fields: Mapping[str, FieldType] | None = None,
    load: Callable[[str], Scene] | None = None,
    indexer: Indexer | None = None,
    settle: bool = False,
) -> IndexOutcome:
    """As :meth:`SceneSearch.put`; ``indexer`` is one of the collection that is there already."""
    if fields is None:
        schema = opened.store.schema
        fields = field_types(items, schema.fields if schema is not None else {})
    with _while_nobody_makes_it(opened), _indexer(opened, load, indexer) as writer:
        plan = writer.plan(items)
        outcome = IndexOutcome(plan, writer.run(plan, fields, finish=settle), (), ())
        opened.write_to_others([item.id for item in items])
        return outcome


def set_attributes(
    opened: Opened, items: Sequence[Item], *, fields: Mapping[str, FieldType] | None = None
) -> IndexOutcome:
    """As :meth:`SceneSearch.set_attributes`."""
    if fields is None:
        fields = field_types(items, opened.fields())
    with _indexer(opened) as indexer:
        plan = indexer.plan_attributes(items)
        outcome = IndexOutcome(plan, indexer.run(plan, fields, finish=False), (), ())
        opened.write_to_others([item.id for item in items])
        return outcome


def settle(opened: Opened) -> tuple[str, ...]:
    """As :meth:`SceneSearch.settle`."""
    for other in opened.others():
        with _indexer(other) as indexer:
            indexer.finish()
    with _indexer(opened) as indexer:
        return indexer.finish()


def sync(
    opened: Opened,
    read: Callable[[], CatalogReader],
    rules: SyncRules | None,
    *,
    dry_run: bool,
    cluster: RayOptions | None,
    planned: Callable[[SyncReport], None] | None,
    progress: Progress | None,
    notes: tuple[str, ...],
) -> SyncReport:
    """As :meth:`SceneSearch.sync`, of a manifest that ``read`` opens."""
    with ExitStack() as stack:
        if not dry_run:
            stack.enter_context(syncing(opened))
        stack.callback(opened.changed)
        stack.enter_context(_in_bulk(opened, progress))
        workers = stack.enter_context(indexing_there(opened, cluster))
        away = stack.enter_context(closing(BucketPhotos(opened, workers)))
        missing: dict[str, str] = {}
        indexer = wiring.build_indexer(
            opened.parts,
            opened.store,
            opened.collection,
            opened.embeddings,
            missing=missing,
            folder=opened.photo_folder,
            away=away.sha256,
            embeds=workers,
            writes=_writers(opened, workers),
        )
        syncer = wiring.build_syncer(
            opened.parts,
            indexer,
            opened.store,
            rules or SyncRules(),
            workers.looks if workers else None,
        )

        def fetch(catalog: Catalog) -> Catalog:
            fetched = fetch_photos(
                opened, catalog.items, dry_run=dry_run, progress=progress, embeds=workers
            )
            missing.update(fetched.failures)
            away.look(fetched.items, dry_run=dry_run, progress=progress)
            told = (*notes, *catalog.notes, *fetched.notes)
            return replace(catalog, items=fetched.items, notes=told)

        plan = syncer.plan(read, fetch=fetch, progress=progress)
        if planned is not None:
            planned(plan)
        if dry_run:
            return plan
        done = syncer.run(plan, progress=progress)
        opened.write_to_others()
        _sweep(opened)
        return done


def _sweep(opened: Opened) -> None:
    """Remove kept photos that no item has any more; young ones stay, for a run may name them."""
    folder = opened.photo_folder
    if folder.root.is_dir():
        with folder.lock:
            folder.sweep(partial(photos_in_use, opened.store))


@contextmanager
def syncing(opened: Opened) -> Iterator[None]:
    """As :meth:`SceneSearch.syncing`; inside of it, the store is given back in the end."""
    if opened.syncing:
        try:
            yield
        finally:
            opened.rest()
        return
    file = wiring.sync_lock_file(opened.settings, opened.address, opened.collection)
    with sync_lock(file, f"collection {opened.collection!r} in {opened.address}"):
        opened.syncing = True
        try:
            yield
        finally:
            opened.syncing = False


@contextmanager
def _in_bulk(opened: Opened, progress: Progress | None) -> Iterator[None]:
    """Over a whole collection: a server that is away for a while ends nothing."""
    store, most = unwrapped(opened.store), opened.settings.store.retry_s
    if not isinstance(store, Remote):
        yield
        return

    def waits(seconds: float) -> None:
        if progress is not None:
            progress("wait", int(seconds), int(most))

    with store.in_bulk(most, waits):
        yield


@contextmanager
def _first(opened: Opened, *, dry_run: bool) -> Iterator[None]:
    """A run that may make the collection, with a projection that only its photos are enough for.

    Until it has, items that are inserted are asked to wait: a collection made of a few of them has
    none, for good.
    """
    lock = None if dry_run or not _unmade(opened) else _lock(opened, WAIT_S)
    try:
        yield
    finally:
        if lock is not None:
            lock.release()


@contextmanager
def _while_nobody_makes_it(opened: Opened) -> Iterator[None]:
    """An insert, which may make the collection by itself.

    Raises:
        StoreUnavailableError: a first run has begun and made none yet.
    """
    if not _unmade(opened):
        yield
        return
    lock = _lock(opened, INSERT_S)
    if lock is None and not _unmade(opened):
        yield  # who made it has done so meanwhile
        return
    if lock is None:
        raise StoreUnavailableError(
            "the catalogue is being indexed for the first time, and what is inserted before its "
            "projection is there could not be compared with it; try again in a while",
            retry_after_s=RETRY_S,
        )
    try:
        yield
    finally:
        lock.release()


def _unmade(opened: Opened) -> bool:
    return bool(opened.settings.embedder.whiten) and opened.store.schema is None


def _lock(opened: Opened, wait_s: float) -> DirectoryLock | None:
    file = wiring.first_lock_file(opened.settings, opened.address, opened.collection)
    until = time.monotonic() + wait_s
    while True:
        try:
            return DirectoryLock(file, f"the making of {opened.collection!r}")
        except StoreUnavailableError:
            if time.monotonic() >= until:
                return None
        time.sleep(0.05)


def _writers(opened: Opened, workers: RayIndexing | None) -> RayIndexing | None:
    """Who writes points in the place of this process: nobody where it alone has the store open."""
    return workers if wiring.is_url(opened.address) else None


@contextmanager
def _indexer(
    opened: Opened,
    load: Callable[[str], Scene] | None = None,
    made: Indexer | None = None,
    missing: Mapping[str, str] | None = None,
    away: Callable[[str], str] | None = None,
    workers: RayIndexing | None = None,
) -> Iterator[Indexer]:
    """What brings the collection up to date; what was read of it is forgotten in the end."""
    if opened.store.schema is None:
        opened.refuse_dropped()
    # the cache is opened by who reads an embedding: neither a plan nor a patch does
    cache = opened.embeddings
    try:
        yield made or wiring.build_indexer(
            opened.parts,
            opened.store,
            opened.collection,
            cache,
            load=load,
            missing=missing,
            folder=opened.photo_folder,
            away=away,
            embeds=workers,
            writes=_writers(opened, workers),
        )
    finally:
        opened.changed()

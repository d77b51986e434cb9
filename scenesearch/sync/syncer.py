"""Keeping a collection like a manifest: a plan first, then the work, safely repeated for ever.

It stands on the indexer, which works on what changed only, and adds what a job that runs
unattended needs: broken rows never delete their items, a manifest that lost most of its rows is
not believed, and new items are looked at for duplicates before they are inserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from scenesearch.catalog import BrokenRows, Catalog, CatalogReader, RowError
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.errors import CatalogError, ImageError, StoreUnavailableError
from scenesearch.core.protocols import Describer, Store
from scenesearch.core.types import Record, Scene
from scenesearch.index.indexer import Indexer
from scenesearch.index.plan import kept_plans
from scenesearch.index.run import IndexReport, Progress
from scenesearch.index.stored import stored_ids
from scenesearch.models.cutout.cutter import CutRules, cut_product
from scenesearch.sync.audit import FIELDS, Seen, doubled, find_duplicates, mean_colour
from scenesearch.sync.plan import SyncPlan, SyncRules, refusal, spare
from scenesearch.system.lock_file import DirectoryLock


@contextmanager
def sync_lock(file: Path, what: str) -> Iterator[None]:
    """Hold a file locked; the system lets go of it however the process ends.

    Two syncs of one collection from different manifests would delete each other's items.

    Args:
        file: made where it is missing, never deleted.
        what: names the collection in the message.

    Raises:
        StoreUnavailableError: another sync holds it; names its process.
    """
    try:
        lock = DirectoryLock(file, f"the sync lock {file}")
    except StoreUnavailableError as error:
        raise StoreUnavailableError(
            f"{what} is being synced by another process, and two syncs would undo each other's "
            f"work; wait for it or stop it ({error})"
        ) from error
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did.

    Attributes:
        plan: what was to be done.
        report: what was done; None where it was only planned.
        rows: rows of the manifest that gave no item.
        notes: what was odd but harmless in the manifest.
    """

    plan: SyncPlan
    report: IndexReport | None
    rows: tuple[RowError, ...]
    notes: tuple[str, ...]

    @property
    def failed(self) -> bool:
        """Whether a row or a photo could not be used."""
        failures = self.report.failures if self.report else self.plan.index.failures
        return bool(self.rows or failures)


Looks = Callable[[Sequence[str]], Iterator[Seen | None]]
"""What photos look like, by their paths and in order; None for one that cannot be read."""


class PhotoLooks:
    """What photos look like, worked out in threads and without any model.

    A photo whose background is not plain is seen as a whole: separating it would take a matting
    model seconds. So it is not found nearly equal to a stored photo that was separated that way.

    Args:
        load: path to scene; raises ImageError.
        rules: how catalogue photos are cut.
        describer: cutouts to colours and hashes.
        workers: threads.
    """

    def __init__(
        self, load: Callable[[str], Scene], rules: CutRules, describer: Describer, workers: int
    ) -> None:
        self._load = load
        self._rules = rules
        self._describer = describer
        self._workers = workers

    def __call__(self, paths: Sequence[str]) -> Iterator[Seen | None]:
        """One for each path, in order; None for a photo that cannot be read."""
        with ThreadPoolExecutor(self._workers, "scenesearch-audit") as pool:
            # map() hands out all of its work at once
            for part in batches(paths, 1000):
                yield from pool.map(self._look, part)

    def _look(self, path: str) -> Seen | None:
        try:
            scene = self._load(path)
        except ImageError:
            return None  # indexing will say so
        cutout, _ = cut_product(scene.image, self._rules, None, scene.own)
        description = self._describer.describe(cutout)
        return Seen(description.phash, mean_colour(description.colours))


class Syncer:
    """Plans and carries out syncs of one collection.

    Args:
        indexer: of the collection.
        store: of the collection.
        looks: what photos look like, for the duplicate audit.
        rules: what it may do.
    """

    def __init__(
        self, indexer: Indexer, store: Store, looks: Looks, rules: SyncRules | None = None
    ) -> None:
        self._indexer = indexer
        self._store = store
        self._looks = looks
        self._rules = rules or SyncRules()

    def plan(
        self,
        read: Callable[[], CatalogReader],
        *,
        fetch: Callable[[Catalog], Catalog] = lambda catalog: catalog,
        progress: Progress | None = None,
    ) -> SyncReport:
        """What a sync would do; changes nothing and loads no model.

        Args:
            read: opens the manifest.
            fetch: puts files in the place of photos that are addresses.
            progress: called with (stage, done, total).

        Raises:
            CatalogError: the manifest cannot be read, or is empty while the collection is not.
            CollectionMismatchError: the collection was made with other models or rules.
            StoreError: the store cannot be read.
        """
        # by hash: the ids of a million items are not held to count them
        stored = len(np.unique(np.fromiter(map(hash, stored_ids(self._store)), np.int64)))
        catalog, broken = self._read(read, stored)
        catalog = fetch(catalog)
        index = self._indexer.plan(catalog.items, prune=True, progress=progress)
        index, kept, postponed = spare(index, broken.ids, broken.nameless)
        plan = SyncPlan(
            index,
            catalog.fields,
            stored,
            kept,
            postponed,
            broken.nameless,
            refusal=refusal(len(index.gone), stored, self._rules),
        )
        if self._rules.audit or self._rules.audit_strict:
            plan = self._audited(plan, progress)
        return SyncReport(plan, None, catalog.errors, catalog.notes)

    def run(self, planned: SyncReport, *, progress: Progress | None = None) -> SyncReport:
        """Carry out a plan. Killed at any moment, the next sync finishes the work.

        Args:
            planned: from :meth:`plan`.
            progress: called as work is done, each time after a batch became durable: what it
                raises stops the run there and comes out of this method.

        Raises:
            CatalogError: the plan would delete too much.
            ModelError: weights are missing or cannot be used.
            StoreError: the store or the cache cannot be written; what was written stays.
        """
        if planned.plan.refusal is not None:
            raise CatalogError(planned.plan.refusal, code="mass_delete")
        report = self._indexer.run(planned.plan.index, planned.plan.fields, progress=progress)
        return replace(planned, report=report)

    def _read(self, read: Callable[[], CatalogReader], stored: int) -> tuple[Catalog, BrokenRows]:
        try:
            reader = read()
        except CatalogError as error:
            if error.code != "empty_catalog" or not stored:
                raise
            if not self._rules.allow_mass_delete:
                raise CatalogError(
                    f"{error}; the sync would delete all {stored:,} stored items. If that is "
                    f"meant, allow it with --allow-mass-delete (allow_mass_delete=True)",
                    code="mass_delete",
                ) from error
            return Catalog((), (), {}), BrokenRows(frozenset(), 0)
        catalog = reader.read_all()
        return catalog, reader.broken_rows(catalog.errors)

    def _audited(self, plan: SyncPlan, progress: Progress | None) -> SyncPlan:
        def look(paths: Sequence[str]) -> Iterator[Seen | None]:
            for done, seen in enumerate(self._looks(paths), start=1):
                if progress is not None:
                    progress("audit", done, len(paths))
                yield seen

        findings = find_duplicates(plan.index, self._scroll(FIELDS), look, near=self._rules.near)
        if not self._rules.audit_strict:
            return replace(plan, findings=findings)
        out = doubled(plan.index, findings)
        left = set(out)
        items = kept_plans(item for item in plan.index.items if item.item.id not in left)
        return replace(
            plan, index=replace(plan.index, items=items), findings=findings, left_out=out
        )

    def _scroll(self, fields: Sequence[str]) -> Iterator[Record]:
        if self._store.schema is None:
            return
        yield from scroll_all(self._store, fields=fields)

"""One collection made like another one, with models of its own: from what it holds, and the photos.

Both are compared item by item, by the same marks as a catalogue and a collection are, so it can be
killed at any moment and done again; what is like it already costs reading its marks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from scenesearch.catalog.columns import KNOWN
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.points import FIELDS, catalogue_spaces, is_ours, schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.types import FieldType, Item, Record
from scenesearch.index.indexer import CHUNK, PLANNED, Indexer
from scenesearch.index.plan import (
    Failure,
    IndexPlan,
    ItemPlan,
    PhotoRef,
    StoredItem,
    plan_item,
    stored_items,
)
from scenesearch.index.run import Progress
from scenesearch.search.look_builder import attributes_of

SLICE = 500
"""Items of one request."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What had to be done.

    Attributes:
        items: that were written, or written to.
        removed: items.
        embedded: photos that went through the models.
        failures: photos that could not be read.
        notes: what a user should know.
    """

    items: int = 0
    removed: int = 0
    embedded: int = 0
    failures: tuple[Failure, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def nothing(self) -> bool:
        """Whether they were alike, but for photos that cannot be read any more."""
        return not self.items and not self.removed


def follow(
    source: Store,
    target: Store,
    indexer: Indexer,
    *,
    ids: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Followed:
    """Make a collection hold the items of another one.

    Args:
        source: the collection as it is, prices as they are stored; of its vectors only those that
            came with the catalogue are read.
        target: the other one, made where it is not there yet.
        indexer: writes into ``target``.
        ids: of items that may differ; all by default.
        progress: called with (stage, done, total).

    Raises:
        CollectionMismatchError: ``target`` was made with other models than the indexer's.
        StoreError: one of them cannot be used; what was written stays.
    """
    wanted, there = _marks(source, ids), _marks(target, ids)
    differ = [one for one, found in wanted.items() if not _alike(found, there.get(one))]
    gone = tuple(sorted(there.keys() - wanted.keys()))
    if not differ and not gone:
        return Followed()
    schema = schema_of(source)
    fields = {k: v for k, v in schema.fields.items() if k not in FIELDS}
    spaces = catalogue_spaces(schema)
    done = Followed(removed=len(gone))
    for plans in _portions(source, differ, there, fields, tuple(spaces)):
        plan = IndexPlan(tuple(plans), gone, vectors=spaces)
        report = indexer.run(plan, fields, progress=progress, finish=False)
        gone = ()
        done = Followed(
            done.items + report.added + report.changed,
            done.removed,
            done.embedded + report.embedded,
            done.failures + report.failures,
            tuple(dict.fromkeys((*done.notes, *report.notes))),
        )
    if gone:
        indexer.run(IndexPlan((), gone), fields, finish=False)
    return done


def _marks(store: Store, ids: Sequence[str] | None) -> dict[str, StoredItem]:
    if store.schema is None:
        return {}
    if ids is None:
        return stored_items(scroll_all(store, fields=PLANNED))
    found: dict[str, StoredItem] = {}
    for some in batches(ids, SLICE):
        where = OneOf("item_id", tuple(some))
        found |= stored_items(scroll_all(store, where=where, fields=PLANNED))
    return found


def _alike(wanted: StoredItem, found: StoredItem | None) -> bool:
    if found is None or not found.hashes <= wanted.hashes:
        return False
    # of photos some of whose regions are gone, the places are not known
    return (
        not found.partial
        and wanted.photos.items() <= found.photos.items()
        and found.photos.keys() <= wanted.photos.keys() | wanted.partial
    )


def _portions(
    source: Store,
    ids: Sequence[str],
    there: Mapping[str, StoredItem],
    fields: Mapping[str, FieldType],
    spaces: Sequence[str],
) -> Iterator[list[ItemPlan]]:
    """Plans of so many photos as a projection is fitted on."""
    plans: list[ItemPlan] = []
    photos = 0
    for some in batches(sorted(ids), SLICE):
        points: dict[str, list[Record]] = {}
        for record in scroll_all(source, where=OneOf("item_id", tuple(some)), spaces=spaces):
            if is_ours(record.payload):
                points.setdefault(str(record.payload["item_id"]), []).append(record)
        for item_id, found in points.items():
            plan = _plan(item_id, found, there.get(item_id), fields)
            plans.append(plan)
            photos += len(plan.write)
        if photos >= CHUNK:
            yield plans
            plans, photos = [], 0
    if plans:
        yield plans


def _plan(
    item_id: str,
    points: Sequence[Record],
    there: StoredItem | None,
    fields: Mapping[str, FieldType],
) -> ItemPlan:
    payload = points[0].payload
    refs = {
        ref.sha256: ref
        for ref in (
            PhotoRef(
                str(one.payload.get("photo")),
                str(one.payload["photo_sha256"]),
                int(one.payload.get("photo_index", 0)),
            )
            for one in points
        )
    }
    refs = dict(sorted(refs.items(), key=lambda pair: (pair[1].index, pair[0])))
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in attributes_of(payload).items()
        # a currency that stood beside a price was once no field
        if name in fields or name in KNOWN
    }
    vectors = {s: row.astype("<f4").tobytes() for one in points for s, row in one.vectors.items()}
    item = Item(item_id, tuple(ref.path for ref in refs.values()), attributes, vectors)
    return plan_item(item, there, str(payload.get("item_hash")), refs)

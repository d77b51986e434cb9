"""What a collection holds by item: which ids there are, and their removal, always whole."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from scenesearch.catalog.records import CellError
from scenesearch.catalog.values import id_of
from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import Condition, OneOf, all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.points import is_ours, schema_of
from scenesearch.core.protocols import Store

SLICE = 500
"""Ids of one request."""


class Deleted(NamedTuple):
    """How much :func:`delete_items` removed."""

    items: int
    points: int


def delete_items(
    store: Store, *, ids: Sequence[str] = (), where: Condition | None = None
) -> Deleted:
    """Remove items by id, by a condition, or by both; an item goes whole, or not at all.

    Args:
        store: the collection.
        ids: of items, where any are given; those that are not there are left out.
        where: what must hold for one point of an item at least.

    Raises:
        QueryError: neither ids nor a condition is given.
        StoreError: there is no collection, or it cannot be written.
    """
    if not ids and where is None:
        raise QueryError("Give the ids or a filter of what to delete", code="empty_query")
    schema_of(store)
    counts = _meant(store, ids, where)
    points = 0
    for some in batches(sorted(counts), SLICE):
        these = OneOf("item_id", tuple(some))
        # of an item that was found by a condition, other points may not satisfy it
        points += sum(counts[one] for one in some) if where is None else store.count(these)
        store.delete(where=these)
    return Deleted(len(counts), points)


def items_meant(store: Store, ids: Sequence[str], where: Condition | None) -> list[str]:
    """The items that :func:`delete_items` would remove."""
    return sorted(_meant(store, ids, where)) if ids or where is not None else []


def _meant(store: Store, ids: Sequence[str], where: Condition | None) -> Counter[str]:
    if not ids:
        return _counts(store, where)
    readable = [one for one in map(readable_id, ids) if one is not None]
    return _counts_among(store, sorted(set(as_stored(store, readable).values())), where)


def photos_in_use(store: Store, photos: Sequence[str]) -> set[str]:
    """Which of these photos have points; a catalogue of a million photos is not read for ten.

    Args:
        store: a collection, or none yet.
        photos: sha256 of each.
    """
    found: set[str] = set()
    if store.schema is None:
        return found
    for some in batches(photos, SLICE):
        where = OneOf("photo_sha256", tuple(some))
        records = scroll_all(store, where=where, fields=("photo_sha256",))
        found |= {str(record.payload["photo_sha256"]) for record in records}
    return found


def stored_ids(store: Store) -> Iterator[str]:
    """The item of each point, as it is walked over; none where there is no collection."""
    if store.schema is not None:
        records = scroll_all(store, fields=("item_id",))
        yield from (str(r.payload["item_id"]) for r in records if is_ours(r.payload))


def ids_where(store: Store, where: Condition | None) -> list[str]:
    """The sorted ids of all items that have a point of which a condition holds."""
    # a facet of as many values as items takes longer, and holds the engine all the while
    return sorted(_counts(store, where))


def ids_among(store: Store, ids: Sequence[str], where: Condition | None) -> list[str]:
    """Those of the ids that are stored, and of which the condition holds; sorted."""
    return sorted(_counts_among(store, ids, where))


def as_stored(store: Store, ids: Collection[str]) -> dict[str, str]:
    """Each id as it is stored: composed and decomposed letters do not differ."""
    forms = {
        one: (one, unicodedata.normalize("NFC", one), unicodedata.normalize("NFD", one))
        for one in ids
        if not one.isascii()
    }
    if not forms or store.schema is None:
        return {one: one for one in ids}
    every = sorted({form for some in forms.values() for form in some})
    stored = set(ids_among(store, every, None))
    return {one: next((form for form in forms.get(one, ()) if form in stored), one) for one in ids}


def readable_id(item_id: Any) -> str | None:
    """An id as catalogues have it; None for what no item could have."""
    try:
        return id_of(item_id)
    except CellError:
        return None


def _counts_among(store: Store, ids: Sequence[str], where: Condition | None) -> Counter[str]:
    found: Counter[str] = Counter()
    for some in batches(ids, SLICE):
        found += _counts(store, all_of(OneOf("item_id", tuple(some)), where))
    return found


def _counts(store: Store, where: Condition | None) -> Counter[str]:
    """Points that satisfy a condition, by their item."""
    records = scroll_all(store, where=where, fields=("item_id",))
    return Counter(str(r.payload["item_id"]) for r in records if is_ours(r.payload))

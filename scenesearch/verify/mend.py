"""What a damaged collection can be made good from: its own points, and the embedding cache."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from scenesearch.catalog.columns import KNOWN
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.points import catalogue_spaces
from scenesearch.core.protocols import Inspectable, Store
from scenesearch.core.types import CollectionSchema, Item, Point, Stored
from scenesearch.index.plan import ItemPlan, PhotoRef
from scenesearch.search.look_builder import attributes_of
from scenesearch.store.payloads import bool_fields, decode_payload
from scenesearch.store.sums import SUMS
from scenesearch.verify.points import Points

PAGE = 500


class Work(NamedTuple):
    """What is to be done about damaged points of items.

    Attributes:
        rewrite: items with the photos whose points are written again.
        delete: ids of points of which not even the payload says what they were.
        items: whom those belonged to, as far as that is known.
    """

    rewrite: tuple[ItemPlan, ...]
    delete: tuple[str, ...]
    items: tuple[str, ...]


def work_of(points: Points, schema: CollectionSchema) -> Work:
    """Sort damaged points by what can be done about them."""
    bools = bool_fields(schema.fields)
    photos: dict[str, dict[str, PhotoRef]] = {}
    payloads: dict[str, Mapping[str, Any]] = {}
    delete: list[str] = []
    items: set[str] = set()
    for one, why in points.wrong.items():
        payload = decode_payload(points.payloads[one], bools)
        try:
            item, ref = str(payload["item_id"]), _ref(payload)
        except (KeyError, TypeError, ValueError):
            delete.append(one)
            continue
        if why in ("payload", "ids"):
            delete.append(one)
            items.add(item)
            continue
        photos.setdefault(item, {})[ref.sha256] = ref
        payloads[item] = payload
    plans = (
        ItemPlan(
            Item(
                item,
                tuple(ref.path for ref in refs.values()),
                {
                    name: tuple(value) if isinstance(value, list) else value
                    for name, value in attributes_of(payloads[item]).items()
                    if name in schema.fields or name in KNOWN
                },
                {},
            ),
            # vectors of its catalogue can only come from there: the next index run writes them
            "" if catalogue_spaces(schema) else str(payloads[item].get("item_hash")),
            write=tuple(refs.values()),
            known=False,
        )
        for item, refs in sorted(photos.items())
    )
    return Work(tuple(plans), tuple(delete), tuple(sorted(items)))


def _ref(payload: Mapping[str, Any]) -> PhotoRef:
    return PhotoRef(
        str(payload["photo"]), str(payload["photo_sha256"]), int(payload.get("photo_index", 0))
    )


def readable_points(store: Store, schema: CollectionSchema) -> Iterator[list[Point]]:
    """What can be read of a collection, page by page; it ends where nothing more can be.

    Points keep their sums, so what is damaged of them can be found again wherever they are written.
    """
    if not isinstance(store, Inspectable):
        return
    bools = bool_fields(schema.fields)
    cursor: str | None = None
    size = PAGE
    while True:
        try:
            page = store.inspect(cursor, size)
        except SceneSearchError:
            if size == 1:
                return
            size = 1
            continue
        yield [_point(one, bools) for one in page.points if one.vectors or one.payload]
        cursor = page.cursor
        if cursor is None:
            return


def _point(stored: Stored, bools: Sequence[str]) -> Point:
    sums = {name: stored.payload[name] for name in SUMS if name in stored.payload}
    vectors = {
        space: row for space, row in stored.vectors.items() if np.isfinite(row).all() and row.any()
    }
    return Point(stored.id, vectors, {**decode_payload(stored.payload, bools), **sums})

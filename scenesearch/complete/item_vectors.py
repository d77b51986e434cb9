"""Items of a collection as rows of numbers, read from its store."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.errors import DamagedError
from scenesearch.core.points import COLOUR, CUTOUT, is_ours
from scenesearch.core.protocols import Store
from scenesearch.core.types import CollectionSchema, Record
from scenesearch.models.embed.tower import normalise_rows
from scenesearch.store.census import REPAIR

Floats = NDArray[np.float32]

CATEGORY_TYPES = ("keyword", "integer")
"""Types of field that can tell categories apart."""
_PAGE = 5_000
_IDS = 500
_CATEGORIES = 100_000


@dataclass(frozen=True, slots=True, eq=False)
class ItemRows:
    """Items as parallel arrays.

    Attributes:
        ids: one for each row.
        categories: as text, None where there is none.
        vectors: shape (n, dim) by space, rows L2-normalised, 0 where an item has no such vector.
    """

    ids: tuple[str, ...]
    categories: tuple[str | None, ...]
    vectors: Mapping[str, Floats]


def spaces_of(schema: CollectionSchema) -> tuple[str, ...]:
    """The spaces that completion looks at and the collection has."""
    return tuple(space for space in (CUTOUT, COLOUR) if space in schema.vectors)


def category_of(payload: Mapping[str, Any], field: str) -> str | None:
    """The category as text; the first of several.

    >>> category_of({"category": ["rug", "textile"]}, "category")
    'rug'
    """
    value = payload.get(field)
    if isinstance(value, list | tuple):
        value = value[0] if value else None
    return None if value is None else str(value)


def read_items(store: Store, ids: Sequence[str], field: str, schema: CollectionSchema) -> ItemRows:
    """The items that the collection has, in the order asked; mean vectors over their points."""
    spaces = spaces_of(schema)
    sums: dict[str, dict[str, Floats]] = {}
    categories: dict[str, str | None] = {}
    fields = ("item_id", field) if field in schema.fields else ("item_id",)
    for part in batches(ids, _IDS):
        where = OneOf("item_id", tuple(part))
        for record in scroll_all(store, where=where, fields=fields, spaces=spaces):
            if not is_ours(record.payload):
                raise DamagedError(
                    f"point {record.id} is found as one of an item and does not say which: {REPAIR}"
                )
            item = str(record.payload["item_id"])
            categories.setdefault(item, category_of(record.payload, field))
            into = sums.setdefault(item, {})
            for space, vector in record.vectors.items():
                into[space] = into[space] + vector if space in into else vector
    found = tuple(item for item in ids if item in sums)
    return ItemRows(
        found,
        tuple(categories[item] for item in found),
        {s: _rows([sums[item].get(s) for item in found], schema.vectors[s]) for s in spaces},
    )


def rows_of(records: Sequence[Record], field: str, schema: CollectionSchema) -> ItemRows:
    """Stored points as rows; one point for each item."""
    return ItemRows(
        tuple(str(record.payload["item_id"]) for record in records),
        tuple(category_of(record.payload, field) for record in records),
        {
            space: _rows([record.vectors.get(space) for record in records], dim)
            for space, dim in schema.vectors.items()
            if space in spaces_of(schema)
        },
    )


def _rows(vectors: Sequence[Floats | None], dim: int) -> Floats:
    nothing = np.zeros(dim, np.float32)
    stacked = [nothing if vector is None else vector for vector in vectors]
    return normalise_rows(np.stack(stacked)) if stacked else np.zeros((0, dim), np.float32)


def walk(
    store: Store, field: str, schema: CollectionSchema
) -> Iterator[tuple[list[str | None], Floats]]:
    """Categories and cutout vectors of every point, page by page."""
    fields = (field,) if field in schema.fields else ("item_id",)
    for page in batches(scroll_all(store, fields=fields, spaces=(CUTOUT,), page=_PAGE), _PAGE):
        found = [record for record in page if CUTOUT in record.vectors]
        if found:
            yield (
                [category_of(record.payload, field) for record in found],
                np.stack([record.vectors[CUTOUT] for record in found]),
            )


def catalogue_digest(store: Store, field: str, schema: CollectionSchema) -> str:
    """Changes when points come, go or change category; reads no vector.

    A photo that is replaced by another of the same category is not seen; it moves the mean of
    its category by a hair.
    """
    counts = (
        store.facet(field, limit=_CATEGORIES) if schema.fields.get(field) in CATEGORY_TYPES else []
    )
    text = json.dumps([store.count(), field, counts, dict(schema.metadata)], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()

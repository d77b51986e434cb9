"""Between the points of this package and those of the engines, in both directions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import scroll_all
from scenesearch.core.protocols import WORDS, Store
from scenesearch.core.types import CollectionSchema, FieldType, Page, Point, Record, Stored
from scenesearch.store.bm25 import Terms, payload_terms
from scenesearch.store.checks import canonical_id
from scenesearch.store.payloads import decode_payload, encode_payload, retype_payload
from scenesearch.store.sums import summed
from scenesearch.store.vectors import unit_vectors

Vectors = dict[str, NDArray[np.float32] | Terms]
"""Of one point, by space."""


def to_record(point: Any, bools: Collection[str]) -> Record:
    """A retrieved point.

    Args:
        point: an engine's.
        bools: names of the bool fields (:func:`~scenesearch.store.payloads.bool_fields`).
    """
    vectors = {
        space: np.asarray(vector, dtype=np.float32)
        for space, vector in (point.vector or {}).items()
    }
    return Record(str(point.id), decode_payload(point.payload, bools), vectors)


def to_stored(point: Any) -> Stored:
    """An engine's point as it lies there, with its sums."""
    vectors = dict(point.vector or {})
    sparse = vectors.pop(WORDS, None)
    return Stored(
        str(point.id),
        dict(point.payload or {}),
        {space: np.asarray(row, np.float32) for space, row in vectors.items()},
        None
        if sparse is None
        else {int(i): float(v) for i, v in zip(sparse.indices, sparse.values, strict=True)},
    )


def in_order(points: Iterable[Any], ids: Sequence[str], bools: Collection[str]) -> list[Record]:
    """Retrieved points in the order they were asked for; what was not found is left out."""
    found = {record.id: record for record in (to_record(point, bools) for point in points)}
    return [found[i] for i in ids if i in found]


def to_page(points: Iterable[Any], following: Any, bools: Collection[str]) -> Page:
    """Part of a scroll; ``following`` is where the engine goes on, None at the end."""
    records = tuple(to_record(point, bools) for point in points)
    return Page(records, None if following is None else str(following))


def to_write(
    points: Sequence[Point], schema: CollectionSchema
) -> tuple[dict[str, Point], list[Vectors], list[dict[str, Any]]]:
    """Points by their canonical ids, with their vectors and payloads as engines take them.

    What is searched by its words has a vector of them, beside those it was given.

    The last of equal ids wins, as if they had come one after the other.

    Raises:
        InvalidVectorError: a vector is not finite, is zero or has another size.
        QueryError: a space the schema does not have.
        StoreError: a value of a payload cannot be stored.
        ValueError: an id is no UUID.
    """
    by_id = {canonical_id(point.id): point for point in points}
    dense = unit_vectors(list(by_id.values()), schema)
    vectors: list[Vectors] = [{**rows} for rows in dense]
    payloads = [
        summed(point_id, rows, encode_payload(point.payload, schema.fields, f"point {point_id}"))
        for (point_id, point), rows in zip(by_id.items(), dense, strict=True)
    ]
    for rows, payload in zip(vectors, payloads, strict=True):
        if (terms := payload_terms(payload, schema)) is not None:
            rows[WORDS] = terms
    return by_id, vectors, payloads


def retype_patches(
    store: Store, new: Mapping[str, FieldType]
) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """What must be rewritten when fields that points already have get a type.

    Returns:
        Changes of payloads, each with the ids of the points it is for.

    Raises:
        CollectionMismatchError: a point holds a value of another type.
    """
    patches: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for record in scroll_all(store, fields=list(new), page=1000):
        if patch := retype_payload(record.payload, new, record.id):
            patches.setdefault(repr(patch), (patch, []))[1].append(record.id)
    return patches.values()

"""Keeps the augmented vectors of a collection up to date; the plain ones stay beside them."""

from __future__ import annotations

import hashlib

import numpy as np

from scenesearch.points import AUGMENTED, CUTOUT
from scenesearch.protocols import Store
from scenesearch.rank.augment import augment
from scenesearch.types import Point, Record

BLOB = "augmented"
LARGEST = 50_000
"""Points above which nothing is augmented: every vector is compared with every other."""
PAGE = 1_000
"""Points of one request."""


def refresh_augmented(store: Store, neighbours: int) -> str | None:
    """Work out the augmented vectors anew where the points changed since the last time.

    They depend on the plain vectors of all points and nothing else, so a killed run is made good
    by the next one.

    Args:
        store: the collection.
        neighbours: how many count.

    Returns:
        What the user should know, or None.
    """
    schema = store.schema
    if schema is None:
        return None
    if AUGMENTED not in schema.vectors:
        return (
            "index.augment is on, but the collection was made without; index into a new "
            "--collection to have it"
        )
    if (count := store.count()) > LARGEST:
        return f"not augmented: {count} points are more than the {LARGEST} it is made for"
    records = _all(store)
    digest = hashlib.sha256(f"{neighbours}".encode())
    for record in records:
        digest.update(record.id.encode())
        digest.update(record.vectors[CUTOUT].tobytes())
    state = digest.digest()
    if store.read_blob(BLOB) == state:
        return None
    if records:
        moved = augment(np.stack([r.vectors[CUTOUT] for r in records]), neighbours)
        for start in range(0, len(records), PAGE):
            store.upsert(
                [
                    Point(r.id, {**r.vectors, AUGMENTED: vector}, r.payload)
                    for r, vector in zip(records[start:], moved[start : start + PAGE], strict=False)
                ]
            )
    store.write_blob(BLOB, state)
    return None


def _all(store: Store) -> list[Record]:
    """Every point with all its vectors, by id."""
    schema = store.schema
    spaces = tuple(schema.vectors) if schema is not None else ()
    records: list[Record] = []
    cursor: str | None = None
    while True:
        page = store.scroll(limit=PAGE, cursor=cursor, spaces=spaces)
        records += page.records
        cursor = page.cursor
        if cursor is None:
            return sorted(records, key=lambda record: record.id)

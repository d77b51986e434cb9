"""The points of an item: its payload, and one point for each region of its photos. Pure code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from scenesearch.core.points import AUGMENTED, CONTEXT, CUTOUT, OCR, PROFILE, point_id
from scenesearch.core.protocols import WORDS
from scenesearch.core.sales import with_bounds
from scenesearch.core.types import Item, Point, Value, Vector
from scenesearch.index.plan import PhotoRef
from scenesearch.models.embed.cache import Entry
from scenesearch.models.embed.projection import Projection

PAYLOAD_VERSION = "2"
"""Of what :func:`item_payload` writes; part of each item's hash, so that after a change the next
index run writes every payload again, without embedding anything."""

WORDY = ("title", "category", "brand", "colour", "tags", "description")
"""Attributes whose words an item can be searched by."""


def photo_points(
    collection: str,
    ref: PhotoRef,
    entries: Sequence[Entry],
    base: Mapping[str, Any],
    projection: Projection | None,
    *,
    augmented: bool,
    own: Mapping[str, Vector] | None = None,
) -> list[Point]:
    """One point for each region of a photo.

    Args:
        collection: part of the ids.
        ref: the photo.
        entries: its regions.
        base: payload of its item, from :func:`item_payload`.
        projection: of the collection; None for raw vectors.
        augmented: whether the collection has a space for augmented vectors.
        own: vectors that the catalogue has of the item: each of its points has them.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    points = []
    for entry in entries:
        vectors: dict[str, Vector] = {
            space: vector for space, vector in entry.vectors.items() if space != PROFILE
        }
        if projection is not None:
            for space in (CUTOUT, CONTEXT):
                vectors[space] = projection.apply(vectors[space][None])[0]
        if augmented:
            vectors[AUGMENTED] = vectors[CUTOUT]  # until all points are there
        vectors |= own or {}
        payload = {
            **base,
            **entry.payload,
            "photo": ref.path,
            "photo_sha256": ref.sha256,
            "photo_index": ref.index,
            "region_count": len(entries),
            "indexed_at": now,
        }
        if (read := entry.payload.get(OCR)) is not None:
            payload[WORDS] = with_read(payload[WORDS], read)
        key = str(entry.payload["region_key"])
        name = point_id(collection, str(base["item_id"]), ref.sha256, key)
        points.append(Point(name, vectors, payload))
    return points


def item_payload(item: Item, item_hash: str) -> dict[str, Any]:
    """The part of a payload that comes from the catalogue and can change without embedding."""
    return {
        "item_id": item.id,
        "item_hash": item_hash,
        **{name: _plain(value) for name, value in with_bounds(item.attributes).items()},
        WORDS: words_of(item) or None,
    }


def own_vectors(item: Item) -> dict[str, Vector]:
    """The vectors that the catalogue has of an item, by space, of any length."""
    return {space: np.frombuffer(data, "<f4") for space, data in (item.vectors or {}).items()}


def payload_hash(item_hash: str) -> str:
    """What is stored as the hash of an item: of its attributes, and of how they are stored."""
    return f"{PAYLOAD_VERSION}:{item_hash}"


def words_of(item: Item) -> str:
    """The words that an item can be searched by, in the order of :data:`WORDY`.

    >>> words_of(Item("1", ("a.jpg",), {"category": "rug", "title": "VIRUM", "tags": ("a", "b")}))
    'VIRUM / rug / a / b'
    """
    texts: list[str] = []
    for name in WORDY:
        value = item.attributes.get(name, ())
        texts += (value,) if isinstance(value, str) else value if isinstance(value, tuple) else ()
    return " / ".join(texts)


def with_read(words: str | None, read: str | None) -> str | None:
    """The words of an item together with what is written in one of its photos.

    >>> with_read("Oats / cereal", "SUNRISE 500 g")
    'Oats / cereal / SUNRISE 500 g'
    """
    return " / ".join(text for text in (words, read) if text) or None


def _plain(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value

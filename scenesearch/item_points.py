"""The points of one photo of an item: cached embeddings and the item's payload. Pure code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scenesearch.embed.cache import Entry
from scenesearch.embed.projection import Projection
from scenesearch.plan import PhotoRef
from scenesearch.points import AUGMENTED, CONTEXT, CUTOUT, OCR, PROFILE, point_id, with_read
from scenesearch.protocols import WORDS
from scenesearch.types import Point, Vector


def photo_points(
    collection: str,
    ref: PhotoRef,
    entries: Sequence[Entry],
    base: Mapping[str, Any],
    projection: Projection | None,
    *,
    augmented: bool,
) -> list[Point]:
    """One point for each region of a photo.

    Args:
        collection: part of the ids.
        ref: the photo.
        entries: its regions.
        base: payload of its item, from :func:`~scenesearch.points.item_payload`.
        projection: of the collection; None for raw vectors.
        augmented: whether the collection has a space for augmented vectors.
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

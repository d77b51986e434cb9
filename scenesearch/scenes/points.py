"""What is stored of a photo: a tag row and its encoded regions become points. Pure code.

Everything said of the photo as a whole (labels, counts, kind, text, products) stands on each of
its points, so that one condition means the same for whole photos and for objects.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.points import CONTEXT, CUTOUT, colours_payload, point_id
from scenesearch.core.types import FieldType, Point
from scenesearch.models.embed.projection import Projection
from scenesearch.models.encode import EncodedRegion, payload_of
from scenesearch.tagging.rows import TaggedObject, TagRow

SCENES = "scenes"
"""Usual name of the collection."""
SCENE_SCHEMA_VERSION = "scenes-1"

RAW = {CUTOUT: "cutout_raw", CONTEXT: "context_raw"}
"""Where embeddings stay as they were, beside their projections."""

FIELDS: Mapping[str, FieldType] = {
    "photo": "keyword",
    "photo_sha256": "keyword",
    "folder": "keyword",
    "folders": "keyword",
    "width": "integer",
    "height": "integer",
    "kind": "keyword",
    "text": "text",
    "items": "keyword",
    "labels": "keyword",
    "label_counts": "keyword",
    "object_colours": "keyword",
    "photo_tags": "keyword",
    "photo_colours": "keyword",
    "region": "keyword",
    "label": "keyword",
    "label_confidence": "float",
    "colour_names": "keyword",
    "tags": "keyword",
}
"""Payload fields that can be filtered; docs/scenes.md says what each holds. Each costs an index, so
what is only read (hashes, keys) is not among them."""

OBJECT_FIELDS = frozenset({"label", "label_confidence"})
"""Fields that only the points of objects have."""


def at_least(name: str, count: int) -> str:
    """The entry that a photo with ``count`` or more of something has.

    >>> at_least("chair", 2)
    'chair:2'
    """
    return f"{name}:{count}"


def counted(names: Iterable[str]) -> list[str]:
    """One entry for each count from 1 up, so that an engine of keywords can compare counts.

    "At least 2" is the entry of 2, "exactly 2" the entry of 2 without that of 3.

    >>> counted(["chair", "lamp", "chair"])
    ['chair:1', 'chair:2', 'lamp:1']
    """
    counts = Counter(names)
    return [at_least(name, n) for name, count in counts.items() for n in range(1, count + 1)]


def counts_of(entries: Iterable[str]) -> dict[str, int]:
    """Read back what :func:`counted` wrote: the largest count of each name.

    >>> counts_of(["chair:1", "chair:2", "lamp:1"])
    {'chair': 2, 'lamp': 1}
    """
    largest: dict[str, int] = {}
    for entry in entries:
        name, _, count = entry.rpartition(":")
        largest[name] = max(largest.get(name, 0), int(count))
    return largest


COUNTED = 0.2
"""Confidence from which an object is counted. A thing that is found is worth showing at much less,
but what is doubtful is mostly a second box of something else; docs/decisions/scenes.md has figures.
"""


def label_of(one: TaggedObject) -> str:
    """What an object is called: its label in the words of the vocabulary where it has one."""
    return next((tag.name for tag in one.tags if tag.source == "label"), one.label)


def photo_payload(row: TagRow, items: Sequence[str] = ()) -> dict[str, Any]:
    """What is said of a photo on each of its points."""
    labels = [label_of(one) for one in row.objects]
    sure: dict[str, float] = {}
    for one, label in zip(row.objects, labels, strict=True):
        sure[label] = max(sure.get(label, 0.0), one.confidence)
    pairs = zip(row.objects, labels, strict=True)
    certain = [(one, label) for one, label in pairs if one.confidence >= COUNTED]
    coloured = [
        f"{name} {label}"
        for one, label in certain
        for name in dict.fromkeys(colour.name for colour in one.colours)
    ]
    folder = os.path.dirname(row.source)  # noqa: PTH120 - sources may be addresses
    return {
        "photo": row.source,
        "photo_sha256": row.sha256,
        "folder": folder,
        "folders": folders_of(folder),
        "width": row.width,
        "height": row.height,
        "kind": row.kind,
        "kind_score": round(float(row.kind_score), 4),
        "text": "\n".join(line.text for line in row.text) or None,
        "items": list(dict.fromkeys(items)),
        "labels": list(dict.fromkeys(labels)),
        "label_counts": counted(label for _, label in certain),
        "label_scores": [[label, round(float(score), 4)] for label, score in sure.items()],
        "object_colours": counted(coloured),
        "photo_tags": [tag.name for tag in row.tags],
        "photo_colours": list(dict.fromkeys(colour.name for colour in row.colours)),
        "models": row.models,
    }


def folders_of(folder: str) -> list[str]:
    """A folder and all that it lies in, nearest first.

    >>> folders_of("photos/2024/may")
    ['photos/2024/may', 'photos/2024', 'photos']
    >>> folders_of("s3://bucket/rooms")
    ['s3://bucket/rooms', 's3://bucket']
    """
    found: list[str] = []
    while folder and not folder.endswith(("/", ":")) and folder not in found:
        found.append(folder)
        folder = os.path.dirname(folder)  # noqa: PTH120
    return found


def stored_vectors(
    vectors: Mapping[str, NDArray[np.float32]], projection: Projection | None
) -> dict[str, NDArray[np.float32]]:
    """Raw embeddings as they are stored: with a projection, both projected and raw."""
    stored = dict(vectors)
    if projection is not None:
        for space, raw in RAW.items():
            if space in vectors:
                stored[raw] = vectors[space]
                stored[space] = projection.apply(vectors[space][None])[0]
    return stored


def scene_points(
    row: TagRow,
    encoded: Sequence[EncodedRegion],
    *,
    collection: str = SCENES,
    projection: Projection | None = None,
    items: Sequence[str] = (),
    indexed_at: str = "",
) -> list[Point]:
    """One point for the photo, one for each of its objects.

    Args:
        row: what tagging said of the photo.
        encoded: its regions; the one of kind ``whole`` is the photo.
        collection: part of the ids.
        projection: the one of the items that the photos shall be comparable with.
        items: ids of products known to be in the photo.
        indexed_at: ISO 8601.

    Raises:
        ValueError: there is no region for the whole photo, or the row is an error.
    """
    if row.error is not None or not any(one.region.kind == "whole" for one in encoded):
        raise ValueError(
            f"{row.source}: expected a row without an error and a region of kind 'whole', got "
            f"error {row.error!r} and {[one.region.key for one in encoded]}; leave it out"
        )
    base = photo_payload(row, items)
    objects = {one.key: one for one in row.objects}
    points = []
    for one in encoded:
        payload = {**base, **payload_of(one), "indexed_at": indexed_at}
        if one.region.kind == "whole":
            payload |= {
                **colours_payload(row.colours),
                "phash": row.phash,
                "tags": base["photo_tags"],
            }
        elif one.region.key in objects:
            known = objects[one.region.key]
            payload |= {
                **colours_payload(known.colours),
                "label": label_of(known),
                "tags": [tag.name for tag in known.tags],
            }
        vectors = stored_vectors(one.vectors, projection)
        name = point_id(collection, row.source, row.sha256, one.region.key)
        points.append(Point(name, vectors, payload))
    return points

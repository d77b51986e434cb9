"""Stored points to items as JSON values. No path of a file ever leaves through here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scenesearch.catalog import RESERVED
from scenesearch.core.points import is_ours
from scenesearch.core.types import FieldType, Record, Value
from scenesearch.engine.media import photo_url

JSON = dict[str, Any]


def group_items(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Points by item, each item's in the order of its photos."""
    found: dict[str, list[Record]] = {}
    for record in records:
        if is_ours(record.payload):
            found.setdefault(str(record.payload["item_id"]), []).append(record)
    for points in found.values():
        points.sort(key=_place)
    return found


def stored_attributes(points: list[Record], fields: Mapping[str, FieldType]) -> dict[str, Value]:
    """The attributes of an item as indexing was given them.

    Args:
        points: all of the item, from :func:`group_items`.
        fields: types of the collection's fields.
    """
    return {
        name: _value(value, fields.get(name))
        for name, value in points[0].payload.items()
        if name not in RESERVED
    }


def item_json(item_id: str, points: list[Record], fields: Mapping[str, FieldType]) -> JSON:
    """An item with its photos; each is named by the point that is the photo as a whole."""
    photos: dict[str, list[Record]] = {}
    for point in points:
        photos.setdefault(str(point.payload.get("photo_sha256")), []).append(point)
    attributes = stored_attributes(points, fields)
    return {
        "id": item_id,
        "attributes": {k: list(v) if isinstance(v, tuple) else v for k, v in attributes.items()},
        "photos": [
            {
                "point_id": regions[0].id,
                "photo_url": photo_url(regions[0].id) if regions[0].payload.get("photo") else None,
                "regions": len(regions),
            }
            for regions in photos.values()
        ],
    }


def _place(record: Record) -> tuple[int, bool, str]:
    payload = record.payload
    return int(payload.get("photo_index", 0)), payload.get("region") != "whole", record.id


def _value(value: Any, kind: FieldType | None) -> Value:
    """As it was before it was stored: engines have lists, and may write 5.0 as 5."""
    if isinstance(value, list):
        return tuple(str(one) for one in value)
    if kind == "float" and isinstance(value, int):
        return float(value)
    return value  # type: ignore[no-any-return]

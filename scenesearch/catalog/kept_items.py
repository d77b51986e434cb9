"""The items of a whole catalogue, however many."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence
from typing import Any

from scenesearch.core.types import Item
from scenesearch.system.spool import spooled


def kept(items: Iterable[Item]) -> Sequence[Item]:
    """Items in their order; where they are many they wait in a temporary file, out of memory.

    Raises:
        NoSpaceError: that file cannot be written.
    """
    return spooled(items, item_to_json, item_of_json)


def item_to_json(item: Item) -> list[Any]:
    """An item as JSON has it."""
    vectors = None
    if item.vectors is not None:
        vectors = {space: b64encode(data).decode() for space, data in item.vectors.items()}
    return [item.id, item.photos, dict(item.attributes), vectors]


def item_of_json(value: Any) -> Item:
    """The item that :func:`item_to_json` gave."""
    item_id, photos, attributes, vectors = value
    for name, cell in attributes.items():
        if isinstance(cell, list):
            attributes[name] = tuple(cell)
    if vectors is not None:
        vectors = {space: b64decode(text) for space, text in vectors.items()}
    return Item(item_id, tuple(photos), attributes, vectors)

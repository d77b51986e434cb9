"""What must be rewritten when fields that points already have get a type."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from scenesearch.core.protocols import Store
from scenesearch.core.scroll import scroll_all
from scenesearch.core.types import FieldType
from scenesearch.store.payloads import retype_payload


def retype_patches(
    store: Store, new: Mapping[str, FieldType]
) -> Iterable[tuple[dict[str, Any], list[str]]]:
    """Changes of payloads, each with the ids of the points it is for.

    Raises:
        CollectionMismatchError: a point holds a value of another type.
    """
    patches: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for record in scroll_all(store, fields=list(new), page=1000):
        if patch := retype_payload(record.payload, new, record.id):
            patches.setdefault(repr(patch), (patch, []))[1].append(record.id)
    return patches.values()

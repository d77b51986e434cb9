"""What is stored: items by id, by filter, and as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.api.opened import Opened
from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.points import CUTOUT, schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.scroll import scroll_all
from scenesearch.core.types import Item
from scenesearch.index.stored import Deleted, delete_items
from scenesearch.search.look_builder import attributes_of


def get(store: Store, item_id: str) -> Item | None:
    """As :meth:`SceneSearch.get`."""
    schema_of(store)
    page = store.scroll(where=Equals("item_id", item_id), limit=1000)
    if not page.records:
        return None
    ordered = sorted(page.records, key=lambda r: int(r.payload.get("photo_index", 0)))
    photos = tuple(dict.fromkeys(str(r.payload.get("photo")) for r in ordered))
    return Item(item_id, photos, attributes_of(ordered[0].payload))


def delete(opened: Opened, ids: Sequence[str], where: str | Condition | None) -> Deleted:
    """As :meth:`SceneSearch.delete`; says how many items are gone, too."""
    gone = delete_items(opened.store, ids=ids, where=opened.parse(where))
    if gone.items:
        opened.changed()
    return gone


def values(store: Store, field: str) -> dict[str, str]:
    """As :meth:`SceneSearch.values`."""
    fields = schema_of(store).fields
    if field not in fields:
        raise QueryError(
            f"Unknown field {field!r}; the collection has {', '.join(sorted(fields))}",
            code="unknown_field",
        )
    return {
        str(record.payload["item_id"]): str(record.payload[field])
        for record in scroll_all(store, fields=("item_id", field))
        if record.payload.get(field) is not None
    }


def likeness(store: Store, point_ids: Sequence[str]) -> float:
    """As :meth:`SceneSearch.likeness`."""
    found = store.retrieve(point_ids, spaces=(CUTOUT,))
    n = len(found)
    if n < 2:
        return 0.0
    rows = np.stack([record.vectors[CUTOUT] for record in found])
    return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))

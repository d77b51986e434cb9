"""The front door to what is stored: items by id, by filter, and as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.api.base import Shop
from scenesearch.core.conditions import AllOf, Condition, Equals, OneOf
from scenesearch.core.errors import QueryError
from scenesearch.core.points import CUTOUT
from scenesearch.core.scroll import scroll_all
from scenesearch.core.types import Item
from scenesearch.search.look_builder import attributes_of


class Items(Shop):
    """Reads and removes what a collection holds."""

    def get(self, item_id: str) -> Item | None:
        """An item as it is stored, or None."""
        self._schema_fields()
        page = self.store.scroll(where=Equals("item_id", item_id), limit=1000)
        if not page.records:
            return None
        ordered = sorted(page.records, key=lambda r: int(r.payload.get("photo_index", 0)))
        photos = tuple(dict.fromkeys(str(r.payload.get("photo")) for r in ordered))
        return Item(item_id, photos, attributes_of(ordered[0].payload))

    def delete(self, *, ids: Sequence[str] = (), where: str | Condition | None = None) -> int:
        """Remove items by id or by filter; returns how many points are gone.

        Raises:
            QueryError: neither ids nor a filter is given.
        """
        self._schema_fields()
        terms: list[Condition] = []
        if ids:
            terms.append(OneOf("item_id", tuple(ids)))
        condition = self.parse(where)
        if condition is not None:
            terms.append(condition)
        if not terms:
            raise QueryError("Give the ids or a filter of what to delete", code="empty_query")
        before = self.store.count()
        self.store.delete(where=AllOf(tuple(terms)))
        return before - self.store.count()

    def values(self, field: str) -> dict[str, str]:
        """A field's value of every item that has one.

        Raises:
            QueryError: the collection has no such field.
        """
        if field not in self._schema_fields():
            raise QueryError(
                f"Unknown field {field!r}; the collection has "
                f"{', '.join(sorted(self._schema_fields()))}",
                code="unknown_field",
            )
        return {
            str(record.payload["item_id"]): str(record.payload[field])
            for record in scroll_all(self.store, fields=("item_id", field))
            if record.payload.get(field) is not None
        }

    def likeness(self, point_ids: Sequence[str]) -> float:
        """Mean cosine between stored points (intra-list similarity), -1 to 1."""
        found = self.store.retrieve(point_ids, spaces=(CUTOUT,))
        n = len(found)
        if n < 2:
            return 0.0
        rows = np.stack([record.vectors[CUTOUT] for record in found])
        return float(((rows @ rows.T).sum() - n) / (n * (n - 1)))

    def changed(self) -> None:
        """Forget what was learned of the collection, because something else wrote to it.

        Searches that are under way go on with what they knew. Safe to call from any thread.
        """
        self._changed()

    def count(self, where: str | Condition | None = None) -> int:
        """How many points (regions of photos) the collection holds."""
        self._schema_fields()
        return self.store.count(self.parse(where))

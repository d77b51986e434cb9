"""What a caller whose key has a filter may name."""

from __future__ import annotations

from collections.abc import Iterable

from scenesearch.api.opened import Opened
from scenesearch.core.conditions import Condition
from scenesearch.core.errors import QueryError
from scenesearch.index.stored import ids_among


def check_items(opened: Opened, items: Iterable[str], only: Condition | None) -> None:
    """Refuse items outside a filter, as if they were not there.

    Args:
        opened: the collection.
        items: ids that are asked with.
        only: the filter of the key; None for none.

    Raises:
        QueryError: names the first.
    """
    ids = list(items)
    if only is None or not ids:
        return
    there = set(ids_among(opened.store, ids, only))
    for item_id in ids:
        if item_id not in there:
            raise QueryError(f"No item {item_id!r:.100} in the collection", code="unknown_item")

"""What goes with items, as a service answers it."""

from __future__ import annotations

from typing import Any

from scenesearch.api.opened import Opened
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import OneOf, all_of
from scenesearch.engine.media import photo_url
from scenesearch.engine.permitted import check_items
from scenesearch.engine.tasks import CompleteTask
from scenesearch.look.as_json import plain


def complete(opened: Opened, task: CompleteTask) -> dict[str, Any]:
    """What :class:`CompleteTask` asks for; pictures by address.

    Raises:
        QueryError: an unknown item, none, or a limit that makes no sense.
        StoreError: there is no collection.
    """
    only = opened.only(task.only)
    check_items(opened, task.items, only)
    found = opened.completer.complete(
        list(task.items),
        limit=task.limit,
        per_category=task.per_category,
        where=all_of(only, opened.parse(task.where)),
    )
    pictures = _pictures(opened, [one.item_id for one in found.suggestions])
    values = found.to_dict()
    if only is not None:
        # they count what all have
        values["notes"] = []
    for group in values["groups"]:
        for one in group["suggestions"]:
            del one["photo"]
            one["attributes"] = plain(one["attributes"])
            one["photo_url"] = pictures.get(one["item_id"])
    return values


def _pictures(opened: Opened, ids: list[str]) -> dict[str, str]:
    """The address of each item's first photo."""
    first: dict[str, tuple[int, str]] = {}
    if ids:
        fields = ("item_id", "photo_index")
        for point in scroll_all(opened.store, where=OneOf("item_id", tuple(ids)), fields=fields):
            place = (int(point.payload.get("photo_index", 0)), point.id)
            item_id = str(point.payload["item_id"])
            first[item_id] = min(place, first.get(item_id, place))
    return {item_id: photo_url(point) for item_id, (_, point) in first.items()}

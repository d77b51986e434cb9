"""A digest of what an item says, to see that it changed."""

from __future__ import annotations

import hashlib
import json

from scenesearch.core.types import Item


def item_hash(item: Item) -> str:
    """The sha256 of an item's attributes, as 64 hex digits, whatever their order.

    The id and the photos are not part of it, so two items differ in it exactly when writing one's
    payload over the other's would change something. ``1``, ``1.0``, ``"1"`` and True differ.

    >>> one = Item("1", ("a.jpg",), {"price": 9.5, "tags": ("x", "y")})
    >>> item_hash(one) == item_hash(Item("2", ("b.jpg",), {"tags": ("x", "y"), "price": 9.5}))
    True
    """
    text = json.dumps(dict(item.attributes), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()

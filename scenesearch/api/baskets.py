"""Baskets over a collection: what tells styles apart is read from it."""

from __future__ import annotations

from collections.abc import Mapping

from scenesearch.api.opened import Opened
from scenesearch.basket import Baskets, make_baskets, point_ids
from scenesearch.core.points import CUTOUT
from scenesearch.look.values import LookData


def baskets_of(
    opened: Opened,
    look: LookData,
    budget: float,
    *,
    currency: str | None,
    keep: Mapping[int, str | None],
    same_category: bool,
) -> Baskets:
    """As :meth:`SceneSearch.basket`, of a look that was answered by this collection."""
    points = point_ids(look)
    stored = opened.store.retrieve(points, spaces=(CUTOUT,)) if points else ()
    vectors = {one.id: one.vectors[CUTOUT] for one in stored if CUTOUT in one.vectors}
    return make_baskets(
        look,
        budget,
        currency=currency,
        keep=keep,
        same_category=same_category,
        vectors=vectors,
    )

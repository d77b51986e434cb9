"""What a completion starts from: items that were named, or the matches of a look. Pure code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from scenesearch.complete.item_vectors import category_of
from scenesearch.core.errors import QueryError
from scenesearch.look.look import Look

MAX_ANCHORS = 100
FUSED_ANCHORS = 3
"""Matches of a look without regions that stand for it."""
PRESENT_MATCHES = 3
"""Best matches of a region whose categories count as being in the photo."""


def weighted_anchors(items: str | Iterable[str] | Mapping[str, float]) -> dict[str, float]:
    """Items with weights, by id, so that the order they are given in plays no part in a sum.

    Raises:
        QueryError: none, more than :data:`MAX_ANCHORS`, or a weight that is not above 0.

    >>> weighted_anchors(["a", "b"])
    {'a': 1.0, 'b': 1.0}
    """
    if isinstance(items, str):
        items = (items,)
    weights = dict(items) if isinstance(items, Mapping) else dict.fromkeys(items, 1.0)
    found = {str(item): float(weight) for item, weight in weights.items()}
    if not 1 <= len(found) <= MAX_ANCHORS:
        raise QueryError(
            f"{len(found)} items to complete, expected 1 to {MAX_ANCHORS}; name the main ones",
            code="empty_query" if not found else "too_many_items",
        )
    for item, weight in found.items():
        if not np.isfinite(weight) or weight <= 0:
            raise QueryError(
                f"The weight of item {item!r} is {weight}, expected a number above 0",
                code="bad_option",
            )
    return dict(sorted(found.items()))


def look_anchors(look: Look) -> dict[str, float]:
    """The best match of each region, weighted by its score; empty without a match.

    A look without regions (a search for one thing) is stood for by its first matches.
    """
    found: dict[str, float] = {}
    for region in look.regions:
        if region.matches:
            best = region.matches[0]
            # a score can be 0; a match that was kept still counts a little
            found[best.item_id] = found.get(best.item_id, 0.0) + max(best.score, 0.01)
    if not look.regions:
        for match in look.matches[:FUSED_ANCHORS]:
            found[match.item_id] = max(match.score, 0.01)
    heaviest = sorted(found.items(), key=lambda pair: (-pair[1], pair[0]))[:MAX_ANCHORS]
    return dict(heaviest)


def look_categories(look: Look, field: str, known: Iterable[str]) -> set[str]:
    """Categories that are in the photo already.

    Those of each region's best matches, and those named as the detector named a region.
    """
    found = {
        name
        for region in look.regions
        for match in region.matches[:PRESENT_MATCHES]
        if (name := category_of(match.attributes, field)) is not None
    }
    labels = {region.region.label.casefold() for region in look.regions if region.region.label}
    return found | {name for name in known if name.casefold() in labels}

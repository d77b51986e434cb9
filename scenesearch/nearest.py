"""The engine's batch of a search: the nearest points to each region, in each space."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from scenesearch.conditions import AllOf, Condition, Not, OneOf
from scenesearch.protocols import Store, VectorQuery
from scenesearch.query_vectors import SpaceVectors
from scenesearch.rank.candidates import Answer

SPARE = 4
"""Hits that are asked for beyond the limit for each item to leave out; most have fewer points."""


def nearest(
    store: Store,
    asked: Sequence[SpaceVectors],
    spaces: Mapping[str, str],
    *,
    limit: int,
    where: Condition | None = None,
    fields: tuple[str, ...] = ("item_id",),
    without: Collection[str] = (),
) -> list[Answer]:
    """One batch, with a request for each region and space.

    Args:
        store: the collection.
        asked: vectors by space, of each region.
        spaces: which to ask in, in order, and what the collection calls them.
        limit: hits of each request.
        where: what they must satisfy.
        fields: of each hit; the item's id is one of them.
        without: items that are no answer: those that were asked with.
    """
    keys = [(r, s) for r, vectors in enumerate(asked) for s in spaces if s in vectors]
    if not keys:
        return []
    # Items that were asked with come first, and are left out here: a filter makes each step of the
    # engine's graph search a third dearer.
    most = limit + SPARE * len(without)
    queries = [VectorQuery(spaces[s], asked[r][s], most, where, fields) for r, s in keys]
    found = store.query(queries)
    if without:
        kept = [[hit for hit in hits if hit.payload["item_id"] not in without] for hits in found]
        # they have more points than that, so that others were cut
        short = [i for i, hits in enumerate(kept) if len(hits) < limit and len(found[i]) == most]
        if short:
            others = left_out(where, without)
            again = [queries[i]._replace(limit=limit, where=others) for i in short]
            for i, hits in zip(short, store.query(again), strict=True):
                kept[i] = hits
        found = [hits[:limit] for hits in kept]
    return [Answer(r, s, hits) for (r, s), hits in zip(keys, found, strict=True)]


def left_out(where: Condition | None, items: Collection[str]) -> Condition | None:
    """A filter that also leaves some items out."""
    if not items:
        return where
    others = Not(OneOf("item_id", tuple(items)))
    return others if where is None else AllOf((where, others))

"""The engine's batch of a search: the nearest points to each region, in each space.

And query expansion, by which a query moves towards its best answers before it is asked for good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Condition, Not, OneOf, all_of
from scenesearch.core.points import CONTEXT, CUTOUT
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.search.rank.candidates import Answer
from scenesearch.search.vectors import SpaceVectors

SPARE = 4
"""Hits that are asked for beyond the limit for each item to leave out; most have fewer points."""


def nearest(
    store: Store,
    asked: Sequence[SpaceVectors],
    spaces: Mapping[str, str],
    *,
    limit: int,
    where: Callable[[int], Condition | None] = lambda _: None,
    fields: tuple[str, ...] = ("item_id",),
    without: Collection[str] = (),
) -> list[Answer]:
    """One batch, with a request for each region and space.

    Args:
        store: the collection.
        asked: vectors by space, of each region.
        spaces: which to ask in, in order, and what the collection calls them.
        limit: hits of each request.
        where: what they must satisfy, by the index of the region.
        fields: of each hit; the item's id is one of them.
        without: items that are no answer: those that were asked with.
    """
    keys = [(r, s) for r, vectors in enumerate(asked) for s in spaces if s in vectors]
    if not keys:
        return []
    # Items that were asked with come first, and are left out here: a filter makes each step of the
    # engine's graph search a third dearer.
    most = limit + SPARE * len(without)
    queries = [VectorQuery(spaces[s], asked[r][s], most, where(r), fields) for r, s in keys]
    answered = store.query(queries)
    # is_ours would cost three times as much, over thousands of hits
    found = [[hit for hit in hits if "item_id" in hit.payload] for hits in answered]
    if without:
        kept = [[hit for hit in hits if hit.payload["item_id"] not in without] for hits in found]
        # they have more points than that, so that others were cut
        short = [i for i, hits in enumerate(kept) if len(hits) < limit and len(answered[i]) == most]
        if short:
            again = [
                queries[i]._replace(limit=limit, where=left_out(queries[i].where, without))
                for i in short
            ]
            for i, hits in zip(short, store.query(again), strict=True):
                kept[i] = [hit for hit in hits if "item_id" in hit.payload]
        found = [hits[:limit] for hits in kept]
    return [Answer(r, s, hits) for (r, s), hits in zip(keys, found, strict=True)]


def left_out(where: Condition | None, items: Collection[str]) -> Condition | None:
    """A filter that also leaves some items out."""
    return all_of(where, Not(OneOf("item_id", tuple(items))) if items else None)


def expanded(
    store: Store,
    asked: Sequence[SpaceVectors],
    answers: Sequence[Answer],
    options: SearchOptions,
) -> list[SpaceVectors]:
    """The vectors to ask with instead.

    Args:
        store: for the vectors of the answers.
        asked: vectors by space, of each region.
        answers: the engine's to ``asked``; the first ``options.expansion`` hits of each count.
        options: how many neighbours, and how near they have to be.
    """
    best = {(a.region, a.space): a.hits[: options.expansion] for a in answers}
    ids = list(dict.fromkeys(hit.id for hits in best.values() for hit in hits))
    stored = {r.id: r.vectors for r in store.retrieve(ids, spaces=(CUTOUT, CONTEXT))}
    result: list[SpaceVectors] = []
    for region, spaces in enumerate(asked):
        moved = dict(spaces)
        for space in (CUTOUT, CONTEXT):
            hits = [h for h in best.get((region, space), ()) if space in stored.get(h.id, ())]
            if hits:
                neighbours = np.stack([stored[h.id][space] for h in hits])
                scores = np.array([h.score for h in hits], np.float32)
                moved[space] = expand(
                    spaces[space], neighbours, scores, floor=options.expansion_floor
                )
        result.append(moved)
    return result


def expand(
    query: NDArray[np.float32],
    neighbours: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    alpha: float = 3.0,
    floor: float = 0.5,
) -> NDArray[np.float32]:
    """Alpha-weighted query expansion (Radenovic, Tolias and Chum, TPAMI 2019).

    The guard against drift is the floor: neighbours below it do not count, and with none above
    it the query stays as it is.

    Args:
        query: shape (dim,), L2-normalised.
        neighbours: shape (k, dim), the vectors of the best hits.
        scores: shape (k,), their cosines to the query.
        alpha: weight of a neighbour is its cosine to this power.
        floor: cosine below which a neighbour is not trusted.

    Returns:
        Shape (dim,), L2-normalised.
    """
    trusted = scores >= floor
    if not trusted.any():
        return query
    weights = np.clip(scores[trusted], 0, None) ** alpha
    moved = query + weights @ neighbours[trusted]
    return (moved / np.linalg.norm(moved)).astype(np.float32)

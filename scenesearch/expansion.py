"""Query expansion over a store: the vectors of a query move towards those of its best answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.points import CONTEXT, CUTOUT
from scenesearch.protocols import Store
from scenesearch.query import SearchOptions
from scenesearch.query_vectors import SpaceVectors
from scenesearch.rank.candidates import Answer
from scenesearch.rank.expand import expand


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

"""Candidates with their signals to the few that are suggested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.complete.completion import Suggestion
from scenesearch.complete.options import CompleteOptions
from scenesearch.complete.signals import Signals, reasons
from scenesearch.core.points import CUTOUT
from scenesearch.core.types import Record
from scenesearch.search.look_builder import attributes_of
from scenesearch.search.rank.diversify import mmr
from scenesearch.search.rank.exact import products
from scenesearch.search.rank.fuse import fuse, order

_MMR_POOL = 200
EQUAL = 0.9995
"""Cosine from which two pictures are one, shown once: cuts of one photo lie above, two photos of a
thing below."""


def rank_constant(candidates: int) -> float:
    """The k of reciprocal rank: 60, and less where 60 ranks would be most of the list.

    >>> rank_constant(2000), rank_constant(50)
    (60.0, 5.0)
    """
    return min(60.0, max(1.0, candidates / 10))


def choose(
    signals: Signals,
    records: Sequence[Record],
    options: CompleteOptions,
    limit: int,
    per_category: int,
) -> tuple[Suggestion, ...]:
    """The suggestions, best first.

    Args:
        signals: of each candidate.
        records: the candidates as they are stored, in the same order.
        options: weights and diversity.
        limit: the most suggestions.
        per_category: the most of one category.
    """
    names = [n for n in signals.scores if options.weights.get(n)]
    if not names or not records:
        return ()
    scores = np.stack([signals.scores[name] for name in names])
    weights = np.array([options.weights[name] for name in names], np.float32)
    fused = fuse(scores, weights, method="reciprocal_rank", k=rank_constant(scores.shape[1]))
    ranked = order(fused.scores, signals.rows.ids)
    if options.diversity and ranked:
        head = ranked[: max(_MMR_POOL, limit)]
        vectors = signals.rows.vectors[CUTOUT][head]
        top = fused.scores[head]
        picked = mmr(
            top / top[0], products(vectors, vectors), diversity=options.diversity, limit=len(head)
        )
        ranked = [*(head[i] for i in picked), *ranked[len(head) :]]
    pictures = signals.rows.vectors[CUTOUT]
    taken: dict[str | None, int] = {}
    chosen: list[int] = []
    for i in ranked:
        name = signals.rows.categories[i]
        # what has no category is no category of its own
        if name is None or taken.get(name, 0) < per_category:
            if any(float(pictures[i] @ pictures[j]) >= EQUAL for j in chosen):
                continue
            taken[name] = taken.get(name, 0) + 1
            chosen.append(i)
        if len(chosen) == limit:
            break
    return tuple(
        Suggestion(
            item_id=signals.rows.ids[i],
            category=signals.rows.categories[i],
            score=float(fused.scores[i]),
            parts=dict(zip(names, map(float, fused.contributions[:, i]), strict=True)),
            reason=reasons(signals, i, dict(zip(names, fused.contributions[:, i], strict=True))),
            together=int(signals.together[:, i].sum()),
            attributes=attributes_of(records[i].payload),
            photo=str(records[i].payload["photo"]) if records[i].payload.get("photo") else None,
        )
        for i in chosen
    )

"""The whole ranking after the engine's answer, in order. Pure: lists of hits in, a ranking out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.query import SearchOptions
from scenesearch.rank.agree import agree
from scenesearch.rank.candidates import Answer, Candidates, Scores, blend, gather
from scenesearch.rank.diversify import collapse, mmr, same_value
from scenesearch.rank.fuse import Fused, fuse, order

POOL = 50
"""Diversity looks at this many of the fused list, or twice what is asked for if that is more."""

Similarities = Callable[[Sequence[str]], NDArray[np.float32]]
"""Item ids to their cosines, shape (n, n)."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The fused list, with everything that explains it.

    Attributes:
        candidates: items, and their cosines by space.
        scores: blended similarity, shape (regions, items), NaN where a region has no say.
        fused: the fusion of the regions.
        ordered: indices of items, best first.
        variants: by position in ``ordered``: the items that the match stands for.
    """

    candidates: Candidates
    scores: Scores
    fused: Fused
    ordered: tuple[int, ...]
    variants: Mapping[int, tuple[int, ...]]

    def region_order(self, region: int, limit: int) -> list[int]:
        """The best items of one region, by blended similarity, ties by id."""
        # in float64, so that moving them by 2 makes no two similarities equal that are not;
        # similarities are above -1, so that they are above 0 then, which `order` keeps
        row = self.scores[region].astype(np.float64)
        return order(np.where(np.isnan(row), 0, row + 2), self.candidates.items)[:limit]


def rank(
    answers: Sequence[Answer],
    region_weights: NDArray[np.float32],
    space_weights: Mapping[str, float],
    options: SearchOptions,
    similarities: Similarities,
) -> Ranking:
    """Blend, cut off, fuse, collapse, diversify, sort.

    Args:
        answers: the engine's, one for each region and space.
        region_weights: shape (regions,), above 0.
        space_weights: by space, above 0.
        options: how.
        similarities: called only when diversity by vector is asked for.
    """
    candidates = gather(answers, len(region_weights))
    scores = blend(candidates.scores, space_weights, len(region_weights))
    if options.agreement > 0:
        categories = [_key(payload.get(options.agreement_field)) for payload in candidates.payloads]
        scores = agree(scores, categories, weight=options.agreement)
    if options.score_min is not None:
        scores = np.where(scores >= options.score_min, scores, np.nan).astype(np.float32)
    fused = fuse(scores, region_weights, method=options.fusion)
    ordered = order(fused.scores, candidates.items)
    variants: dict[int, tuple[int, ...]] = {}
    if options.collapse is not None:
        keys = [_key(candidates.payloads[i].get(options.collapse)) for i in ordered]
        groups = collapse(keys)
        variants = {ordered[g[0]]: tuple(ordered[j] for j in g[1:]) for g in groups if len(g) > 1}
        ordered = [ordered[g[0]] for g in groups]
    if options.diversity > 0 and ordered:
        ordered = _diversified(ordered, candidates, fused, options, similarities)
    ordered = ordered[: options.limit]
    if options.sort is not None:
        ordered = _sorted(ordered, candidates, options.sort)
    return Ranking(candidates, scores, fused, tuple(ordered), variants)


def _diversified(
    ordered: list[int],
    candidates: Candidates,
    fused: Fused,
    options: SearchOptions,
    similarities: Similarities,
) -> list[int]:
    size = max(POOL, 2 * options.limit)
    pool, rest = ordered[:size], ordered[size:]
    if options.diversity_field is not None:
        field = options.diversity_field
        alike = same_value([_key(candidates.payloads[i].get(field)) for i in pool])
    else:
        alike = similarities([candidates.items[i] for i in pool])
    relevance = fused.scores[pool] / fused.scores[pool].max()
    picked = mmr(relevance, alike, diversity=options.diversity, limit=len(pool))
    return [pool[i] for i in picked] + rest


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _sorted(ordered: list[int], candidates: Candidates, sort: str) -> list[int]:
    falling, field = sort.startswith("-"), sort.removeprefix("-")
    values: dict[int, Any] = {i: candidates.payloads[i].get(field) for i in ordered}
    known = [i for i in ordered if values[i] is not None]
    # stable, so that equal values stay in order of relevance; missing values come last
    numeric = all(isinstance(values[i], int | float) for i in known)
    known.sort(key=lambda i: values[i] if numeric else str(values[i]), reverse=falling)
    return known + [i for i in ordered if values[i] is None]


def count_facets(
    candidates: Candidates, scores: Scores, fields: Sequence[str]
) -> dict[str, tuple[tuple[Any, int], ...]]:
    """Values of fields over every candidate that is still in some region's list."""
    kept = np.flatnonzero((~np.isnan(scores)).any(axis=0))
    facets: dict[str, tuple[tuple[Any, int], ...]] = {}
    for field in fields:
        counts: Counter[Any] = Counter()
        for i in kept:
            value = candidates.payloads[i].get(field)
            counts.update(value if isinstance(value, list) else () if value is None else (value,))
        facets[field] = tuple(sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0]))))
    return facets

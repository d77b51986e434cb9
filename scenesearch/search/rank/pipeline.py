"""The whole ranking after the engine's answer, in order. Pure: lists of hits in, a ranking out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.config.search import EACH, SearchOptions
from scenesearch.search.rank.agree import agree
from scenesearch.search.rank.candidates import Answer, Candidates, Scores, blend, boost, gather
from scenesearch.search.rank.diversify import collapse, mmr, same_picture, same_value
from scenesearch.search.rank.fuse import Fused, best_of, fuse, order
from scenesearch.search.rank.one_score import score_of
from scenesearch.search.rank.rerank import merge

PICTURE, MAIN_COLOUR = "phash", "colour_names"
"""Payload fields that tell near-duplicate pictures."""
POOL = 50
"""Diversity looks at this many of the fused list, or twice what is asked for if that is more."""

Similarities = Callable[[Sequence[str]], NDArray[np.float32]]
"""Item ids to their cosines, shape (n, n)."""

SecondLook = Callable[[Candidates, Scores], Scores]
"""Candidates and their scores to what a slower model says: one for each, NaN where not asked."""

Prior = Callable[[Sequence[Mapping[str, Any]]], Scores]
"""Fields of items to what each region's label adds to their similarity, shape (regions, items)."""

Gain = Callable[[Mapping[str, Any]], float]
"""What the fields of an item add to its similarity."""


def ranked_by(options: SearchOptions) -> tuple[str, ...]:
    """Payload fields that the ranking needs of every hit; those of boosts are beside them."""
    sort = options.sort.removeprefix("-") if options.sort else None
    voted = options.agreement_field if options.agreement > 0 else None
    colour = MAIN_COLOUR if options.collapse == PICTURE else None
    folded = options.collapse if options.collapse != EACH else None
    wanted = (*options.facets, folded, colour, options.diversity_field, sort, voted)
    return tuple(dict.fromkeys(field for field in wanted if field is not None))


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """The fused list, with everything that explains it.

    Attributes:
        candidates: items, and their cosines by space.
        scores: similarity and boost, shape (regions, items), NaN where a region has no say.
        fused: the fusion of the regions.
        ordered: indices of items, best first: the whole list, of which a part is shown.
        variants: by position in ``ordered``: the items that the match stands for.
        keys: of each candidate; items of one key are one match. None for an item of its own.
        backgrounds: shape (regions,): the similarity that is a score of 0.
        again: what the slower model said, as ``scores``; None without one.
        named: what the labels of the regions add, as ``scores`` and part of them; None without.
        gains: boost of each item, shape (items,), part of ``scores``; None without boosts.
    """

    candidates: Candidates
    scores: Scores
    fused: Fused
    ordered: tuple[int, ...]
    variants: Mapping[int, tuple[int, ...]]
    backgrounds: NDArray[np.float32]
    keys: tuple[Hashable | None, ...]
    again: Scores | None = None
    named: Scores | None = None
    gains: NDArray[np.float32] | None = None

    def score(self, region: int, item: int) -> float:
        """Of an item for a region, 0 to 1."""
        return score_of(float(self.scores[region, item]), float(self.backgrounds[region]))

    def region_order(self, region: int, limit: int) -> list[int]:
        """The best items of one region, by similarity and boost, ties by id; folded likewise."""
        return [group[0] for group in self.region_groups(region, limit)]

    def region_groups(self, region: int, limit: int) -> list[list[int]]:
        """Likewise, each with the items that it stands for."""
        found = best_of(self.scores[region], self.candidates.items)
        groups = collapse([self.keys[i] for i in found])[:limit]
        return [[found[i] for i in group] for group in groups]


def rank(
    answers: Sequence[Answer],
    region_weights: NDArray[np.float32],
    space_weights: Mapping[str, float],
    options: SearchOptions,
    similarities: Similarities,
    *,
    backgrounds: NDArray[np.float32] | None = None,
    second_look: SecondLook | None = None,
    prior: Prior | None = None,
    gain: Gain | None = None,
) -> Ranking:
    """Blend, look again, read labels, cut off, boost, fuse, collapse, diversify, sort.

    Args:
        answers: the engine's, one for each region and space.
        region_weights: shape (regions,), above 0.
        space_weights: by space, above 0.
        options: how.
        similarities: called only when diversity by vector is asked for.
        backgrounds: shape (regions,): the similarity that is a score of 0, which it is by default.
        second_look: asks a slower model; None for none.
        prior: what the labels of the regions say of the items' names; None for nothing.
        gain: what the fields of a candidate add to its similarity; None for no boosts.
    """
    if backgrounds is None:
        backgrounds = np.zeros(len(region_weights), np.float32)
    candidates = gather(answers, len(region_weights))
    scores = blend(candidates.scores, space_weights, len(region_weights))
    if options.agreement > 0:
        categories = [_key(payload.get(options.agreement_field)) for payload in candidates.payloads]
        scores = agree(scores, candidates.items, categories, weight=options.agreement)
    again: Scores | None = None
    if second_look is not None:
        again = second_look(candidates, scores)
        scores = merge(scores, again, weight=options.rerank_weight)
    named = prior(candidates.payloads) if prior is not None else None
    between = scores
    if named is not None:
        scores = scores + named
    if options.score_min is not None:
        least = (backgrounds + options.score_min * (1 - backgrounds))[:, None]
        scores, between = (np.where(scores >= least, s, np.nan) for s in (scores, between))
    gains: NDArray[np.float32] | None = None
    if gain is not None:
        # after the cutoff, which is about what is alike
        gains = np.array([gain(payload) for payload in candidates.payloads], np.float32)
        scores, between = boost(scores, gains), boost(between, gains)
    fused = fuse(scores, region_weights, between=between, method=options.fusion)
    ordered = order(fused.scores, candidates.items)
    keys = _collapse_keys(candidates.payloads, ordered, options)
    groups = collapse([keys[i] for i in ordered])
    variants = {ordered[g[0]]: tuple(ordered[j] for j in g[1:]) for g in groups if len(g) > 1}
    ordered = [ordered[g[0]] for g in groups]
    if options.diversity > 0 and ordered:
        ordered = _diversified(ordered, candidates, fused, options, similarities)
    # as deep whatever is shown of it, so that pages are parts of one list, which is sorted whole
    ordered = ordered[: max(options.candidates, options.limit)]
    if options.sort is not None:
        ordered = _sorted(ordered, candidates, options.sort)
    return Ranking(
        *(candidates, scores, fused, tuple(ordered), variants, backgrounds, keys),
        *(again, named, gains),
    )


def _collapse_keys(
    payloads: Sequence[Mapping[str, Any]], ordered: Sequence[int], options: SearchOptions
) -> tuple[Hashable | None, ...]:
    """What makes two candidates one match; None for one of its own."""
    keys: list[Hashable | None] = [None] * len(payloads)
    if options.collapse == PICTURE:
        # every two are compared, and nobody sees what is far down
        first = ordered[: max(POOL, 4 * options.limit)]
        found = same_picture(
            [payloads[i].get(PICTURE) for i in first],
            [next(iter(payloads[i].get(MAIN_COLOUR) or ()), None) for i in first],
        )
        for i, key in zip(first, found, strict=True):
            keys[i] = key
    elif options.collapse != EACH:
        keys = [_key(payload.get(options.collapse)) for payload in payloads]
    return tuple(keys)


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

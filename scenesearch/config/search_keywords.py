"""The options of a search as keywords. Made by ``python tools/options.py``: change nothing here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    from scenesearch.config.search import WordWeights
    from scenesearch.core.conditions import Condition


class SearchKeywords(TypedDict, total=False):
    """See docs/options.md; an option that is left out is as the settings have it."""

    limit: int
    per_region: int
    candidates: int
    preset: Literal["exact", "similar", "category", "style", "colour"]
    weights: Mapping[str, float] | None
    catalogue_weight: float
    fusion: Literal["best_rank", "share", "reciprocal_rank", "best_score"]
    expansion: int
    expansion_floor: float
    diversity: float
    diversity_field: str | None
    score_min: float | None
    familiarity_min: float
    agreement: float
    agreement_field: str
    meaning: float
    rerank: int
    rerank_weight: float
    boosts: Mapping[str | Condition, float]
    collapse: str
    facets: tuple[str, ...] | list[str]
    suggest: int
    sort: str | None
    word_weights: WordWeights | Mapping[str, float]

"""What a caller can ask, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from scenesearch.config.search import Fusion
from scenesearch.core.conditions import Condition
from scenesearch.core.errors import QueryError
from scenesearch.core.types import BoxTuple, Scene
from scenesearch.search.rank.boost import Boosted, fields_of
from scenesearch.words import ParsedWords, WordWeights

PICTURE, MAIN_COLOUR = "phash", "colour_names"
"""Payload fields that tell near-duplicate pictures."""
_WHOLE_NUMBERS = frozenset({"limit", "per_region", "candidates", "expansion", "rerank"})


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question. Parts add up; a negative weight pushes away.

    Attributes:
        scene: a photo whose objects are searched one by one.
        boxes: the caller's own regions of ``scene``, instead of the detector's.
        point: a tapped point of ``scene``: the object under it is searched.
        products: photos of one thing each, with weights.
        texts: words, with weights; needs a model with a text tower.
        items: ids of catalogue items, with weights.
        vectors: raw or stored-size embeddings of the caller, with weights.
        words: plain words to be understood, or what was understood of some, corrected.
    """

    scene: Scene | None = None
    boxes: tuple[BoxTuple, ...] = ()
    point: tuple[float, float] | None = None
    products: tuple[tuple[Scene, float], ...] = ()
    texts: tuple[tuple[str, float], ...] = ()
    items: tuple[tuple[str, float], ...] = ()
    vectors: tuple[tuple[NDArray[np.float32], float], ...] = ()
    words: str | ParsedWords | None = None

    def check(self) -> None:
        """Refuse a question with nothing to look for.

        Raises:
            QueryError: no part, only negative parts, an empty text, or boxes without a photo.
        """
        weights = [
            w for part in (self.products, self.texts, self.items, self.vectors) for _, w in part
        ]
        if not all(np.isfinite(weights)):
            raise QueryError(f"Weights must be finite numbers, got {weights}", code="bad_weight")
        if not all(text.strip() for text, _ in self.texts):
            raise QueryError("A text of the query is empty; leave it out", code="empty_text")
        if self.scene is None and (self.boxes or self.point is not None):
            raise QueryError("Boxes and points need the photo they are in", code="no_photo")
        if isinstance(self.words, str) and not self.words.strip():
            raise QueryError("The words of the query are empty; leave them out", code="empty_text")
        if self.scene is None and self.words is None and not any(w > 0 for w in weights):
            raise QueryError(
                "Nothing to look for: give words, a photo, a text, an item id or a vector with a "
                "positive weight",
                code="empty_query",
            )


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """How an answer is made.

    Attributes:
        limit: matches of the fused list.
        per_region: matches of each region's list.
        candidates: hits asked of the engine for each region and space.
        preset: weights of the spaces by name.
        weights: weights of the spaces, instead of a preset.
        where: filter.
        fusion: how the regions' lists become one.
        expansion: neighbours a query moves towards; 0 for none.
        expansion_floor: cosine a neighbour needs to be trusted.
        diversity: 0 to 1, of the fused list; 0 for none.
        diversity_field: compare items by this field instead of by vector.
        score_min: similarity below which a match is dropped, -1 to 1.
        familiarity_min: regions less at home in the catalogue than this are answered with "no
            good match": 0.01 refuses what is stranger than 99 % of the catalogue's own photos;
            0 refuses nothing.
        agreement: weight of the vote of each region's best items on what category it shows; 0
            for none.
        agreement_field: the field that is voted on.
        rerank: best items of each object's list that a slower model looks at again; 0 for none.
        rerank_weight: how much the second look counts, 0 to 1.
        boosts: what an item's fields add to its similarity, by weight: a filter text or condition
            (``{"in_stock = true": 0.05}``), or a field with numbers, whose weight counts
            ``log(1 + value)`` times (``{"sales": 0.02}``).
        collapse: items with the same value of this field are one match that lists the others;
            ``phash``: items with near-duplicate pictures.
        facets: fields to count over the candidates.
        sort: order the fused list by this field; a leading ``-`` for falling order.
        word_weights: how much each part of the query's words counts.
    """

    limit: int = 20
    per_region: int = 8
    candidates: int = 200
    preset: str = "similar"
    weights: Mapping[str, float] | None = None
    where: Condition | None = None
    fusion: Fusion = "best_rank"
    expansion: int = 0
    expansion_floor: float = 0.5
    diversity: float = 0.0
    diversity_field: str | None = None
    score_min: float | None = None
    familiarity_min: float = 0.01
    agreement: float = 0.0
    agreement_field: str = "category"
    rerank: int = 0
    rerank_weight: float = 0.5
    boosts: Mapping[str | Boosted, float] = field(default_factory=dict)
    collapse: str | None = None
    facets: tuple[str, ...] = field(default=())
    sort: str | None = None
    word_weights: WordWeights = field(default_factory=WordWeights)

    @property
    def fields(self) -> tuple[str, ...]:
        """Payload fields that the ranking needs of every hit."""
        sort = self.sort.removeprefix("-") if self.sort else None
        voted = self.agreement_field if self.agreement > 0 else None
        # boosts as text name no field until they are read against the collection's
        boosted = [
            name for one in self.boosts if not isinstance(one, str) for name in fields_of(one)
        ]
        colour = MAIN_COLOUR if self.collapse == PICTURE else None
        wanted = (*self.facets, self.collapse, colour, self.diversity_field, sort, voted, *boosted)
        return tuple(dict.fromkeys(field for field in wanted if field is not None))

    def check(self) -> None:
        """Refuse values out of range.

        Raises:
            QueryError: names the option, its value and its range.
        """
        # callers give what they parsed, so the types are not to be trusted
        ranges: dict[str, tuple[Any, float, float]] = {
            "limit": (self.limit, 1, 1000),
            "per_region": (self.per_region, 0, 200),
            "candidates": (self.candidates, 1, 1000),
            "expansion": (self.expansion, 0, 50),
            "expansion_floor": (self.expansion_floor, -1, 1),
            "diversity": (self.diversity, 0, 1),
            "agreement": (self.agreement, 0, 1),
            "rerank": (self.rerank, 0, 200),
            "rerank_weight": (self.rerank_weight, 0, 1),
            "familiarity_min": (self.familiarity_min, 0, 1),
            "score_min": (0 if self.score_min is None else self.score_min, -1, 1),
        }
        for name, (value, low, high) in ranges.items():
            kinds: Any = Integral if name in _WHOLE_NUMBERS else Real
            # the comparison also catches NaN
            if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
                kind = "a whole number " if kinds is Integral else ""
                raise QueryError(
                    f"{name} is {value!r}, expected {kind}{low} to {high}", code="out_of_range"
                )
        if self.fusion not in get_args(Fusion):
            raise QueryError(
                f"No fusion {self.fusion!r}; expected one of {', '.join(get_args(Fusion))}",
                code="bad_fusion",
            )
        self._check_boosts()
        if self.weights is None:
            return
        values = list(self.weights.values())
        if not all(np.isfinite(values)) or not any(w > 0 for w in values):
            raise QueryError(
                f"weights are {dict(self.weights)}, expected finite numbers, at least one above 0",
                code="out_of_range",
            )

    def _check_boosts(self) -> None:
        boosts: Any = self.boosts
        weights: list[Any] = list(boosts.values()) if isinstance(boosts, Mapping) else [None]
        for weight in weights:
            number = isinstance(weight, Real) and not isinstance(weight, bool)
            if not number or not -1 <= weight <= 1:
                raise QueryError(
                    f"boosts are {boosts!r:.200}, expected conditions or fields by weight, each "
                    f'-1 to 1: {{"in_stock = true": 0.05}}',
                    code="out_of_range",
                )

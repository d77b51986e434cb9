"""How an answer is made: what look and search share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from scenesearch.schemas.base import (
    UNIQUE,
    Body,
    FieldName,
    ItemId,
    Limit,
    Offset,
    Optionally,
    Sentence,
    Share,
    Unique,
    Weight,
    Where,
    Whole,
    Words,
)

Preset = Literal["exact", "similar", "category", "style", "colour"]
SpaceWeights = Annotated[
    dict[FieldName, Annotated[float, Field(ge=0, le=100)]], Field(min_length=1, max_length=16)
]

_OPTIONS = (
    *("limit", "per_region", "preset", "weights", "expansion", "diversity", "diversity_field"),
    *("score_min", "rerank", "boosts", "collapse", "facets", "sort"),
)


class AnswerOptions(Body):
    """How the lists are made. What is left out is as the service is configured."""

    texts: dict[Sentence, Weight] = Field(
        {},
        max_length=16,
        description=(
            "Words that the search moves towards, with weights; below 0 away. Needs a model that "
            "reads text"
        ),
        examples=[{"with armrests": 0.5}],
    )
    items: dict[ItemId, Weight] = Field(
        {},
        max_length=32,
        description="Catalogue items that the search moves towards, with weights; below 0 away",
        examples=[{"SKU-1": 1.0, "SKU-2": -0.5}],
    )
    words: Optionally[Words] = Field(
        None,
        description="Plain words; prices, colours and categories in them are understood",
        examples=["in blue, under $50"],
    )
    where: Optionally[Where] = None
    facets: Annotated[list[FieldName], Unique] = Field(
        [],
        max_length=16,
        description="Fields whose values are counted over the candidates",
        examples=[["category", "colour_names"]],
        json_schema_extra=UNIQUE,
    )
    sort: Optionally[FieldName] = Field(
        None,
        description="Order the fused list by this field; `-price` for falling order",
        examples=["-price"],
    )
    score_min: Optionally[Annotated[float, Field(ge=-1, le=1)]] = Field(
        None, description="Matches less similar than this are left out"
    )
    diversity: Share = Field(0.0, description="0 for the best matches, towards 1 for unlike ones")
    diversity_field: Optionally[FieldName] = Field(
        None, description="Tell likeness by this field instead of by looks"
    )
    collapse: Optionally[FieldName] = Field(
        None,
        description=(
            "Items with the same value of this field are one match that lists the others; `phash`: "
            "items with nearly the same picture"
        ),
    )
    preset: Optionally[Preset] = Field(None, description="What similar means", examples=["similar"])
    weights: Optionally[SpaceWeights] = Field(
        None,
        description="Weights of the vector spaces, instead of a preset",
        examples=[{"cutout": 0.7, "colour": 0.3}],
    )
    limit: Limit = Field(20, description="Matches of the fused list")
    offset: Offset = Field(0, description="Matches of the fused list to leave out")
    per_region: Whole = Field(8, ge=0, le=50, description="Matches of each region's own list")
    rerank: Whole = Field(
        0, ge=0, le=200, description="Best items of each object that are compared part by part"
    )
    expansion: Whole = Field(0, ge=0, le=50, description="Neighbours that a query moves towards")
    boosts: dict[
        Annotated[str, Field(min_length=1, max_length=4000)], Annotated[float, Field(ge=-1, le=1)]
    ] = Field(
        {},
        max_length=16,
        description="What a filter that holds, or a field with numbers, adds to the similarity",
        examples=[{"in_stock = true": 0.05}],
    )

    def options(self) -> Mapping[str, Any]:
        """What was asked for, by the names of :class:`~scenesearch.search.query.SearchOptions`."""
        given = {name: getattr(self, name) for name in _OPTIONS if name in self.model_fields_set}
        if "facets" in given:
            given["facets"] = tuple(given["facets"])
        return given

"""Values of fields and how many points have each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenesearch.config.search import FieldName
from scenesearch.schemas.base import (
    UNIQUE,
    Asked,
    Optionally,
    Sent,
    Unique,
    Where,
)
from scenesearch.schemas.looks import SentCount


class FacetQuery(Asked):
    """Which fields are counted."""

    field: Annotated[list[FieldName], Unique] = Field(
        [],
        max_length=16,
        description="Fields to count; left out: the category, the colours and what has few values",
        json_schema_extra=UNIQUE,
    )
    where: Optionally[Where] = None
    limit: int = Field(50, ge=1, le=1000, description="The most values of a field")


class SentRange(Sent):
    """The smallest and the largest value of a field with numbers; null where there is none."""

    min: float | None
    max: float | None


class FacetsResponse(Sent):
    """Values with counts, most first; the range of a field with numbers."""

    facets: dict[str, list[SentCount] | SentRange]
    items: Annotated[int, Field(ge=0)] | None = Field(
        description="Items that satisfy `where`; null where there are too many to be counted"
    )
    points: int = Field(ge=0, description="Their points: regions of their photos")
    fields: dict[str, Literal["keyword", "text", "integer", "float", "bool"]] = Field(
        description="What can be filtered by, and its type"
    )

"""A search for one thing, and what there is to search: values of fields, counted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from scenesearch.config.search import FieldName
from scenesearch.core.errors import QueryError
from scenesearch.schemas.answering import AnswerOptions
from scenesearch.schemas.base import (
    UNIQUE,
    Asked,
    Body,
    Optionally,
    Sent,
    Unique,
    Weight,
    Where,
    any_of,
)
from scenesearch.schemas.looks import SentCount
from scenesearch.schemas.photos import MAX_PHOTOS, WeightedPhoto


class WeightedVector(Body):
    """An embedding of the caller."""

    vector: list[Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        min_length=1,
        max_length=8192,
        description="As long as the model's embeddings, see GET /v1/models; not all zeros",
    )
    weight: Weight = 1.0
    space: Optionally[FieldName] = Field(
        None,
        description="Where it is none of the model's, but such as came with the catalogue: the "
        "space that these are in",
        examples=["clip"],
    )


class SearchOptions(AnswerOptions):
    """What to search beside photos that come as files, and how."""

    photos: list[WeightedPhoto] = Field(
        [],
        max_length=MAX_PHOTOS,
        description="Photos of the thing; nothing is detected in them",
    )
    vectors: list[WeightedVector] = Field([], max_length=8)

    def check(self, files: int) -> None:
        """Refuse a question with nothing to look for, before a photo costs anything.

        Args:
            files: photos that came beside this; each counts 1.

        Raises:
            QueryError: nothing has a weight above 0.
        """
        weights = [
            *self.texts.values(),
            *self.items.values(),
            *(one.weight for one in self.photos),
            *(one.weight for one in self.vectors),
        ]
        if not files and self.words is None and not any(weight > 0 for weight in weights):
            raise QueryError(
                "Nothing to look for: give words, a text, a photo, an item or a vector with a "
                "weight above 0",
                code="empty_query",
            )


class SearchRequest(SearchOptions):
    """Any mixture of words, texts, photos, items and vectors."""

    model_config = ConfigDict(
        json_schema_extra=any_of("words", "texts", "photos", "items", "vectors")
    )


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

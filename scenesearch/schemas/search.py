"""A search for one thing."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field

from scenesearch.core.errors import QueryError
from scenesearch.schemas.answering import AnswerOptions
from scenesearch.schemas.base import Body, Weight
from scenesearch.schemas.photos import MAX_PHOTOS, WeightedPhoto


class WeightedVector(Body):
    """An embedding of the caller."""

    vector: list[Annotated[float, Field(ge=-1e6, le=1e6)]] = Field(
        min_length=1,
        max_length=8192,
        description="As long as the model's embeddings, see GET /v1/models; not all zeros",
    )
    weight: Weight = 1.0


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
        json_schema_extra={
            "anyOf": [
                {"required": [name]} for name in ("words", "texts", "photos", "items", "vectors")
            ]
        }
    )

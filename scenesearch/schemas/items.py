"""Items of the catalogue, as they are sent and as they come."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from scenesearch.config.search import FieldName
from scenesearch.schemas.base import (
    UNIQUE,
    Asked,
    Body,
    Cursor,
    ItemId,
    Limit,
    Optionally,
    Sent,
    Unique,
    Where,
    one_of,
)
from scenesearch.schemas.looks import Attribute, PhotoUrl
from scenesearch.schemas.photos import PhotoSources

AttributeName = FieldName
"""Kept as a manifest's column is: ``inStock`` as ``in_stock``."""
Text = Annotated[str, Field(max_length=10_000)]
Number = Annotated[float, Field(ge=-1e15, le=1e15)]
Value = bool | Annotated[int, Field(ge=-(10**15), le=10**15)] | Number | Text
Keywords = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=512)]], Field(max_length=256)
]

Vector = Annotated[list[Number], Field(min_length=2, max_length=8192)]


class ItemAttributes(Body):
    """Attributes without photos; photos come as files beside it."""

    id: ItemId
    attributes: dict[AttributeName, Value | Keywords | Vector] = Field(
        {},
        max_length=256,
        description="title, category, price, ... and any other field; numbers are a vector, where "
        "the collection has a space of that name",
        examples=[{"title": "Armchair", "category": "chair", "price": 129.0, "in_stock": True}],
    )


class PathItemAttributes(Body):
    """Attributes of the item that the path names; photos come as files beside it."""

    attributes: dict[AttributeName, Value | Keywords | Vector] = Field(
        {},
        max_length=256,
        description="title, category, price, ... and any other field; what is not there is "
        "removed, but for vectors",
        examples=[{"title": "Armchair", "category": "chair", "price": 129.0}],
    )


class ItemRequest(ItemAttributes, PhotoSources):
    """An item to be stored, with its photos."""


class PathItemRequest(PathItemAttributes, PhotoSources):
    """What is stored as the item that the path names."""


class AttributesRequest(Body):
    """Attributes to be set; null removes one. No photo is looked at again."""

    attributes: dict[AttributeName, Value | Keywords | None] = Field(
        min_length=1, max_length=256, examples=[{"price": 9.5, "old_field": None}]
    )


Ids = Annotated[
    list[ItemId], Field(min_length=1, max_length=1000, json_schema_extra=UNIQUE), Unique
]


class DeleteRequest(Body):
    """Items to be removed: by id, or by a filter."""

    model_config = ConfigDict(json_schema_extra=one_of("ids", "where"))

    ids: Optionally[Ids] = None
    where: Optionally[Where] = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.ids is None) == (self.where is None):
            raise PydanticCustomError("one_way", "give exactly one of ids and where")
        return self


class ItemsQuery(Asked):
    """Which items are listed."""

    where: Optionally[Where] = None
    limit: Limit = 50
    cursor: Optionally[Cursor] = Field(None, description="Of the page before")


class SentItemPhoto(Sent):
    """One photo of an item."""

    point_id: str
    photo_url: PhotoUrl | None
    regions: int = Field(ge=0, description="Regions of it that are stored")


class ItemResponse(Sent):
    """One item."""

    id: str
    attributes: dict[str, Attribute]
    photos: list[SentItemPhoto]


class ItemsResponse(Sent):
    """A page of items, in a stable order."""

    items: list[ItemResponse]
    cursor: str | None = Field(description="Of the next page; null on the last")


class DeletedResponse(Sent):
    """What was removed."""

    items: int = Field(ge=0)
    points: int = Field(ge=0)

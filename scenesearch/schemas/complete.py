"""What goes with items: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from scenesearch.schemas.base import UNIQUE, Asked, ItemId, Optionally, Sent, Unique, Where
from scenesearch.schemas.looks import Attribute, Number, PhotoUrl


class CompleteQuery(Asked):
    """What is there already, and how much is suggested."""

    item: Annotated[list[ItemId], Unique] = Field(
        min_length=1,
        max_length=32,
        description="Ids of items that are there",
        json_schema_extra=UNIQUE,
    )
    limit: int = Field(12, ge=1, le=100, description="The most suggestions")
    per_category: int = Field(3, ge=1, le=100, description="The most of one category")
    where: Optionally[Where] = None


class SentSuggestion(Sent):
    """One item that goes with those."""

    item_id: str
    category: str | None
    score: Number = Field(description="0 to 1, comparable inside this answer only")
    parts: dict[str, Number]
    reason: str = Field(description="Why, for people")
    together: int = Field(ge=0, description="Known scenes that it shares with one of those")
    attributes: dict[str, Attribute]
    photo_url: PhotoUrl | None


class SentGroup(Sent):
    """Suggestions of one category."""

    category: str | None
    suggestions: list[SentSuggestion]


class CompleteResponse(Sent):
    """What goes with items; the category of the best suggestion first."""

    anchors: dict[str, Number] = Field(description="Weights of the items, adding up to 1")
    groups: list[SentGroup]
    left_out: list[str] = Field(description="Categories that are there already")
    notes: list[str]

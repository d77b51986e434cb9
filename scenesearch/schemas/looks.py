"""A look as it is sent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from scenesearch.schemas.base import Sent

Number = float | None
"""None where a number was not finite."""
SentBox = Annotated[list[float], Field(min_length=4, max_length=4)]
Attribute = str | int | float | bool | list[Any] | dict[str, Any] | None
PhotoUrl = Annotated[
    str,
    Field(
        description="Path of the picture on this service",
        examples=["/v1/photos/9a4e4f0e-6d6c-5f4a-9f39-0a1a3b2a8b52?width=320"],
    ),
]


class SentScene(Sent):
    """The photo that was looked at, upright."""

    width: int
    height: int
    sha256: str = Field(description="Of the encoded file")
    warnings: list[str]


class SentColour(Sent):
    """One dominant colour."""

    name: str
    hex: str = Field(pattern="^#[0-9a-f]{6}$")
    lab: list[Number] = Field(min_length=3, max_length=3)
    share: Number


class SentEvidence(Sent):
    """What one region of the photo, and one stored photo, gave to a match."""

    region: Annotated[int, Field(ge=0)] | None = Field(
        description="Index in `regions`; null where no region earned it"
    )
    point_id: str
    photo_url: PhotoUrl | None
    scores: dict[str, Number] = Field(description="Cosine by vector space")
    contribution: Number


class SentMatch(Sent):
    """One item of a list."""

    rank: int = Field(ge=1)
    item_id: str
    score: Number = Field(
        description="0: no more like the query than the catalogue as a whole; 1: the same picture"
    )
    verdict: Literal["exact", "similar", "related"] | None = Field(
        None,
        description="exact: it may be the very thing; similar: a thing like it; related: something "
        "near, or alike and of another kind. From the score, whichever model is used",
    )
    parts: dict[str, Number] = Field(description="What each part of the ranking gave")
    evidence: list[SentEvidence]
    attributes: dict[str, Attribute]
    photo_url: PhotoUrl | None
    variants: list[str] = Field(description="Ids of near-duplicates that this match stands for")


class SentRegion(Sent):
    """One region of the photo, with its own matches."""

    number: int = Field(ge=1)
    key: str
    kind: Literal["whole", "object", "tile"]
    box: SentBox
    area_share: Number
    position: str | None
    label: str | None
    confidence: Number
    weight: Number
    has_mask: bool
    cutout_method: str
    cutout_reason: str
    colours: list[SentColour]
    notes: list[str]
    matches: list[SentMatch] = Field(description="Best first; empty is an honest no good match")


class SentCount(Sent):
    """A value and how often it is there."""

    value: str | int | float | bool | None
    count: int = Field(ge=0)


class SentPrice(Sent):
    """Bounds on the price."""

    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


class SentWords(Sent):
    """What was understood of the words."""

    text: str
    colours: list[str]
    not_colours: list[str]
    categories: list[str]
    kinds: list[str]
    near: list[str]
    fits: dict[str, float]
    not_categories: list[str]
    price: SentPrice | None
    currency: str | None
    in_stock: bool | None
    remaining: str
    not_words: list[str]
    strict_category: bool
    understood: list[str]
    notes: list[str]


class SentTurn(Sent):
    """A turn of the question, as it was understood."""

    said: str
    object: int | None
    understood: list[str] = Field(
        description="What it asks for, of a comparison by number of the object; empty: nothing here"
    )
    to: dict[str, str] = Field(
        description="Items that a comparison was with, by number of the object; send it with the "
        "turn, and the turn means the same whatever else is changed"
    )


class SentNextTurn(Sent):
    """A turn that would split a list of the answer: send `where` and `object` in `refine`."""

    text: str
    where: str
    object: int | None = Field(description="Whose list it splits; null for the fused list")
    count: int = Field(ge=0, description="Matches of that list that it keeps")


class LookResponse(Sent):
    """What was found: one list for each region, and one for the whole photo."""

    query_id: str | None = Field(
        description="Ask the same photo again with it; null where there is nothing to ask again"
    )
    total: int = Field(
        description="Matches of the whole list: at most `candidates`, or `limit` where that is more"
    )
    next_offset: int | None = Field(description="The offset of the next page; null on the last")
    box_format: Literal["xyxy_px"]
    scene: SentScene | None = Field(description="null for a search without a photo to look at")
    regions: list[SentRegion]
    matches: list[SentMatch] = Field(description="The fused list, best first")
    facets: dict[str, list[SentCount]]
    timings_ms: dict[str, Number]
    notes: list[str]
    parsed: SentWords | None
    refined: list[SentTurn]
    suggestions: list[SentNextTurn]

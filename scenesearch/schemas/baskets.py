"""The whole look under a budget: what is asked, and what is answered."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from scenesearch.schemas.base import WHOLE, ItemId, Optionally, Sent
from scenesearch.schemas.look import LookOptions, LookRequest
from scenesearch.schemas.looks import Number, SentRegion, SentScene, SentWords

ObjectNumber = Annotated[str, Field(pattern="^[1-9][0-9]?$")]
Currency = Annotated[str, Field(min_length=1, max_length=16, pattern=r"^[^\x00-\x1f\x7f]*$")]


class BasketOptions(LookOptions):
    """A budget, what is kept of an earlier answer, and how the photo is searched."""

    budget: float = Field(gt=0, le=1e9, description="The most that a basket costs", examples=[800])
    currency: Optionally[Currency] = Field(
        None, description="Of the budget; by default the one that most products have"
    )
    keep: dict[ObjectNumber, ItemId] = Field(
        {},
        max_length=30,
        description="Products to keep, by `number` of the object; to swap one, keep all others",
        examples=[{"1": "SKU-1"}],
    )
    leave_out: list[Annotated[int, Field(ge=1, le=99), WHOLE]] = Field(
        [], max_length=30, description="Objects, by `number`, that nothing is bought for"
    )

    same_category: bool = Field(
        False, description="No product of another category than the object's first match"
    )

    def kept(self) -> dict[int, str | None]:
        """What is kept, by number; None for nothing."""
        kept = {int(number): item for number, item in self.keep.items()}
        return {**kept, **dict.fromkeys(self.leave_out)}


class BasketRequest(LookRequest, BasketOptions):
    """A budget, and a photo or the query id of an earlier answer."""


class SentOther(Sent):
    """A product that could be bought instead, the rest left as it is."""

    rank: int = Field(ge=1, description="In the object's `matches`")
    item_id: str
    score: Number
    price: float
    total: float = Field(description="Of the basket then; within the budget")


class SentChoice(Sent):
    """The product of one object."""

    number: int = Field(ge=1, description="Of the object, as in `regions`")
    label: str | None
    rank: int = Field(ge=1, description="In the object's `matches`")
    item_id: str
    score: Number
    price: float
    others: list[SentOther] = Field(description="What it could be swapped for, best first")


class SentMissing(Sent):
    """An object without a product."""

    number: int = Field(ge=1)
    label: str | None
    why: Literal["no match", "no price", "over budget", "left out"]


class SentBasket(Sent):
    """One product an object."""

    name: Literal["closest", "cheaper", "another style"]
    total: float = Field(description="Never above the budget")
    score: Number = Field(description="The sum of the products' scores")
    choices: list[SentChoice]
    missing: list[SentMissing]


class SentUnpriced(Sent):
    """A product that could not be considered."""

    number: int = Field(ge=1)
    item_id: str
    why: str


class BasketResponse(Sent):
    """The closest basket, then those that differ from it."""

    query_id: str | None = Field(description="Ask the same photo again with it")
    budget: float
    currency: str | None
    baskets: list[SentBasket]
    unpriced: list[SentUnpriced] = Field(
        description="Products without a price, or with one in another currency"
    )
    box_format: Literal["xyxy_px"]
    scene: SentScene | None
    regions: list[SentRegion] = Field(
        description="The objects, with the lists that were chosen from"
    )
    timings_ms: dict[str, Number]
    notes: list[str]
    parsed: SentWords | None

"""Baskets as values: what was chosen for each object of a look, and what could be instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from scenesearch.core.json_values import json_values
from scenesearch.look.as_json import PhotoUrl, look_values
from scenesearch.look.values import LookData, Match

Name = Literal["closest", "cheaper", "another style"]
Why = Literal["no match", "no price", "over budget", "left out"]


@dataclass(frozen=True, slots=True)
class Other:
    """A product that could be bought for an object instead, the rest left as it is.

    Attributes:
        rank: in the object's list, from 1.
        item_id: the product.
        score: as ranked.
        price: of it.
        total: of the basket then; within the budget.
    """

    rank: int
    item_id: str
    score: float
    price: float
    total: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The product of one object.

    Attributes:
        number: of the object, from 1, as regions are numbered.
        label: of the object, or None.
        rank: of the product in the object's list, from 1.
        match: the product.
        price: of it.
        others: what could be bought instead, best first.
    """

    number: int
    label: str | None
    rank: int
    match: Match
    price: float
    others: tuple[Other, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """An object without a product, and why."""

    number: int
    label: str | None
    why: Why


@dataclass(frozen=True, slots=True)
class Unpriced:
    """A product that could not be considered: it has no price, or one in another currency."""

    number: int
    item_id: str
    why: str


@dataclass(frozen=True, slots=True)
class Basket:
    """One product an object.

    Attributes:
        name: what it is the best of.
        choices: in the order of the objects.
        missing: objects without a product.
        total: what it costs, never above the budget.
        score: the sum of the products' scores.
    """

    name: Name
    choices: tuple[Choice, ...]
    missing: tuple[Missing, ...]
    total: float
    score: float


@dataclass(frozen=True, slots=True)
class Baskets:
    """A look under a budget.

    Attributes:
        look: what was chosen from.
        budget: the most that a basket costs.
        currency: of the budget, or None where the catalogue names none.
        baskets: the closest one first.
        unpriced: products that could not be considered.
        notes: what the reader should know.
    """

    look: LookData
    budget: float
    currency: str | None
    baskets: tuple[Basket, ...]
    unpriced: tuple[Unpriced, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self, *, photo_url: PhotoUrl | None = None) -> dict[str, Any]:
        """As JSON values; ``BasketResponse`` in docs/openapi.json says what each is.

        Args:
            photo_url: as for :func:`~scenesearch.look.as_json.look_values`.
        """
        look = look_values(self.look, photo_url=photo_url)
        return {
            "budget": self.budget,
            "currency": self.currency,
            "baskets": [_basket(basket) for basket in self.baskets],
            "unpriced": json_values(self.unpriced, 6),
            **{name: look[name] for name in ("box_format", "scene", "regions", "timings_ms")},
            "notes": [*look["notes"], *self.notes],
            "parsed": look["parsed"],
        }


def _basket(basket: Basket) -> dict[str, Any]:
    return {
        "name": basket.name,
        "total": basket.total,
        "score": round(basket.score, 6),
        "choices": [
            {
                "number": one.number,
                "label": one.label,
                "rank": one.rank,
                "item_id": one.match.item_id,
                "score": round(one.match.score, 6),
                "price": one.price,
                "others": json_values(one.others, 6),
            }
            for one in basket.choices
        ],
        "missing": json_values(basket.missing, 6),
    }

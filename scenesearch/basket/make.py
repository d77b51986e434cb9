"""A look and a budget to baskets: the closest one, a cheaper one, one of another style.

Takes the lists of a look's objects as they are ranked. It knows nothing of stores or models: what
tells styles apart, the vectors of the products' photos, is given.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.basket.knapsack import choose
from scenesearch.basket.values import (
    Basket,
    Baskets,
    Choice,
    Missing,
    Name,
    Other,
    Unpriced,
    Why,
)
from scenesearch.core.errors import QueryError
from scenesearch.look.values import LookData, Match

UNITS = 1000
"""Of a currency's unit: prices are added exactly, and some currencies have three decimals."""
CHEAPER = 0.75
"""Share of the closest basket's total that the cheaper one may cost."""
UNLIKE = 0.5
"""Share of its score that a product loses, in another style, by looking just like the closest."""
LIST_LENGTH = 12
"""Products of each object to choose from, where nobody says how many."""
BUDGET_MAX = 1e9
"""More is no budget."""

Vectors = Mapping[str, NDArray[np.float32]]
"""Of products' photos, by the id of the point: float32, L2-normalised."""


@dataclass(frozen=True, slots=True)
class _Object:
    """An object and what can be bought for it.

    Attributes:
        number: of the region, from 1.
        label: of the region.
        matches: its list.
        prices: in units, by place in the list, of what has a price.
        fixed: whether ``place`` is what is bought, and nothing is chosen.
        place: in the list; None for nothing.
    """

    number: int
    label: str | None
    matches: tuple[Match, ...]
    prices: Mapping[int, int]
    fixed: bool = False
    place: int | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is the same for all baskets: the objects, and the budget in units."""

    objects: tuple[_Object, ...]
    budget: int

    @property
    def fixed(self) -> dict[int, int]:
        """Places that were kept, by the object's number."""
        return {one.number: one.place for one in self.objects if one.place is not None}

    def choose(self, budget: int, gains: Mapping[tuple[int, int], float]) -> dict[int, int]:
        """Places by the object's number.

        Args:
            budget: in units.
            gains: what the score of a product is multiplied by, by number and place.
        """
        free = [one for one in self.objects if not one.fixed]
        offers = [
            [
                (price, one.matches[i].score * gains.get((one.number, i), 1.0))
                for i, price in one.prices.items()
            ]
            for one in free
        ]
        chosen = self.fixed
        found = choose(offers, budget - self.total(chosen))
        for one, at in zip(free, found, strict=True):
            if at is not None:
                chosen[one.number] = list(one.prices)[at]
        return chosen

    def total(self, chosen: Mapping[int, int]) -> int:
        """What a choice costs, in units."""
        return sum(one.prices[chosen[one.number]] for one in self.objects if one.number in chosen)


def make_baskets(
    look: LookData,
    budget: float,
    *,
    currency: str | None = None,
    keep: Mapping[int, str | None] | None = None,
    same_category: bool = False,
    vectors: Vectors | None = None,
) -> Baskets:
    """Choose one product for each object of a look, within a budget.

    The closest basket has the best sum of scores that the budget allows, or misses at most 0.5 % of
    it (:mod:`scenesearch.basket.knapsack`). The cheaper one is the best of those that cost at most
    three quarters of it. The one of another style shares no product with it, and a product counts
    the less the more it looks like the closest one.

    Args:
        look: objects with their lists; a photo in which no object was found counts as one.
        budget: in the currency, above 0 and at most 10^9.
        currency: of the budget; by default the one that most products have. Products with a
            price in another one are left out, and named.
        keep: by number of the object, the product to keep, which is how one is swapped; None to
            buy nothing for that object.
        same_category: only products of the category of the object's first match, so that no
            chair takes the place of a sofa which is too dear.
        vectors: of the products' photos; without them another style is only other products.

    Raises:
        QueryError: the budget is none, or what is to be kept is not there or costs more than it.
    """
    units = budget_units(budget)
    parts, notes = _parts(look)
    money = currency or _currency(look, parts)
    objects: list[_Object] = []
    unpriced: list[Unpriced] = []
    for i in parts:
        found, prices = look.regions[i], {}
        for place, match in enumerate(found.matches):
            if same_category and not _alike(match, found.matches[0]):
                continue
            price, why = _price(match.attributes, money)
            if price is None:
                unpriced.append(Unpriced(i + 1, match.item_id, why))
            else:
                prices[place] = price
        objects.append(_Object(i + 1, found.region.label, found.matches, prices))
    wish = _Wish(_kept(objects, units, keep or {}), units)
    closest = wish.choose(units, {})
    made: dict[Name, dict[int, int]] = {"closest": closest}
    made["cheaper"] = _cheaper(wish, closest)
    made["another style"] = _another(wish, closest, vectors or {})
    different: list[dict[int, int]] = []
    baskets: list[Basket] = []
    for name, chosen in made.items():
        if chosen in different or (not chosen and closest):
            notes.append(f"{name}: there is none that differs")
            continue
        different.append(chosen)
        baskets.append(_basket(name, wish, chosen))
    return Baskets(look, float(budget), money, tuple(baskets), tuple(unpriced), tuple(notes))


def point_ids(look: LookData) -> list[str]:
    """The points whose vectors tell styles apart, each once."""
    points = (
        match.evidence[0].point_id
        for found in look.regions
        for match in found.matches
        if match.evidence
    )
    return list(dict.fromkeys(points))


def budget_units(budget: float) -> int:
    """A budget in units.

    Raises:
        QueryError: it is no number above 0.
    """
    if isinstance(budget, bool) or not isinstance(budget, int | float):
        raise QueryError(f"budget is {budget!r:.100}, expected a number", code="bad_option")
    if not 0 < budget <= BUDGET_MAX:
        raise QueryError(
            f"budget is {budget:g}, expected a number above 0 and at most {BUDGET_MAX:,.0f}",
            code="out_of_range",
        )
    return math.floor(Decimal(str(budget)) * UNITS)


def _parts(look: LookData) -> tuple[list[int], list[str]]:
    """Which regions are bought for: objects; where there are none, the photo as one."""
    objects = [i for i, found in enumerate(look.regions) if found.region.kind == "object"]
    if objects or not look.regions:
        return objects, [] if objects else ["no photo was looked at, so there is nothing to buy"]
    whole = [i for i, found in enumerate(look.regions) if found.region.kind == "whole"]
    return (whole or [0])[:1], ["no object was found: the photo counts as one"]


def _currency(look: LookData, parts: list[int]) -> str | None:
    counts = Counter(
        str(match.attributes["currency"])
        for i in parts
        for match in look.regions[i].matches
        if match.attributes.get("currency")
    )
    return min(counts, key=lambda name: (-counts[name], name), default=None)


def _alike(match: Match, first: Match) -> bool:
    wanted = first.attributes.get("category")
    return wanted is None or match.attributes.get("category") == wanted


def _price(attributes: Mapping[str, Any], currency: str | None) -> tuple[int | None, str]:
    """The price in units, rounded up; else why there is none."""
    price, own = attributes.get("price"), attributes.get("currency")
    if isinstance(price, bool) or not isinstance(price, int | float) or not math.isfinite(price):
        return None, "no price"
    if price < 0:
        return None, "no price"
    if own and currency and str(own) != currency:
        return None, f"its price is in {own}"
    return math.ceil(Decimal(str(price)) * UNITS), ""


def _kept(
    objects: list[_Object], budget: int, keep: Mapping[int, str | None]
) -> tuple[_Object, ...]:
    """The objects, those that a product was kept for with it."""
    unknown = keep.keys() - {one.number for one in objects}
    if unknown:
        there = ", ".join(str(one.number) for one in objects) or "none: there are no objects"
        raise QueryError(
            f"keep names the object {min(unknown)}, expected one of {there}", code="unknown_object"
        )
    kept: list[_Object] = []
    spent = 0
    for one in objects:
        item_id = keep.get(one.number)
        places = [i for i in one.prices if one.matches[i].item_id == item_id]
        if item_id is not None and not places:
            raise QueryError(
                f"keep names {item_id!r:.100} for the object {one.number}, whose list has no such "
                f"product with a price; ask for a longer list with per_region",
                code="unknown_item",
            )
        place = places[0] if places else None
        spent += 0 if place is None else one.prices[place]
        kept.append(replace(one, fixed=one.number in keep, place=place))
    if spent > budget:
        raise QueryError(
            f"What is to be kept costs {_amount(spent):g}, more than the budget of "
            f"{_amount(budget):g}; swap something for a cheaper one",
            code="over_budget",
        )
    return tuple(kept)


def _cheaper(wish: _Wish, closest: Mapping[int, int]) -> dict[int, int]:
    limit = math.floor(CHEAPER * wish.total(closest))
    return wish.choose(limit, {}) if limit >= wish.total(wish.fixed) else {}


def _another(wish: _Wish, closest: Mapping[int, int], vectors: Vectors) -> dict[int, int]:
    gains: dict[tuple[int, int], float] = {}
    for one in wish.objects:
        if one.number in closest:
            taken = one.matches[closest[one.number]]
            for i in one.prices:
                same = one.matches[i].item_id == taken.item_id
                likeness = _likeness(one.matches[i], taken, vectors)
                gains[one.number, i] = 0.0 if same else 1 - UNLIKE * likeness
    return wish.choose(wish.budget, gains)


def _likeness(one: Match, other: Match, vectors: Vectors) -> float:
    """Cosine, 0 to 1; 0 where it is not known."""
    if not (one.evidence and other.evidence):
        return 0.0
    first = vectors.get(one.evidence[0].point_id)
    second = vectors.get(other.evidence[0].point_id)
    if first is None or second is None:
        return 0.0
    return min(max(float(first @ second), 0.0), 1.0)


def _basket(name: Name, wish: _Wish, chosen: Mapping[int, int]) -> Basket:
    total = wish.total(chosen)
    choices: list[Choice] = []
    missing: list[Missing] = []
    for one in wish.objects:
        place = chosen.get(one.number)
        if place is None:
            missing.append(Missing(one.number, one.label, _why(one)))
            continue
        left = wish.budget - total + one.prices[place]
        others = tuple(
            Other(
                i + 1,
                one.matches[i].item_id,
                one.matches[i].score,
                _amount(price),
                _amount(total - one.prices[place] + price),
            )
            for i, price in one.prices.items()
            if i != place and price <= left
        )
        match, price = one.matches[place], _amount(one.prices[place])
        choices.append(Choice(one.number, one.label, place + 1, match, price, others))
    score = sum(one.match.score for one in choices)
    return Basket(name, tuple(choices), tuple(missing), _amount(total), score)


def _why(one: _Object) -> Why:
    if one.fixed:
        return "left out"
    if not one.matches:
        return "no match"
    return "over budget" if one.prices else "no price"


def _amount(units: int) -> float:
    return units / UNITS

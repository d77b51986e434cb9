"""Sales with dates: what an item costs at a moment, and filters on prices at that moment.

Stored are the regular price, that of the sale and when it holds, so that what is stored does not
grow old. Whoever asks gets ``price``, what is paid now, and ``list_price``, the regular one where
that is higher. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from scenesearch.core.conditions import (
    AllOf,
    AnyOf,
    Between,
    Condition,
    Equals,
    Not,
    OneOf,
    all_of,
)
from scenesearch.core.types import FieldType

PRICE, LIST_PRICE = "price", "list_price"
SALE_PRICE, SALE_START, SALE_END = "sale_price", "sale_start", "sale_end"
"""Attributes: the price of the sale, and from when to when it holds, as ISO 8601."""
SALE_FROM, SALE_UNTIL = "sale_from", "sale_until"
"""Payload fields of items with such a sale: the same in whole seconds since 1970."""
BOUNDS: Mapping[str, FieldType] = {SALE_FROM: "integer", SALE_UNTIL: "integer"}
NEEDED = (PRICE, SALE_PRICE, SALE_FROM, SALE_UNTIL)
"""Payload fields that tell what an item costs."""
_EVER = (0, 32_503_680_000)
"""Where a sale has no beginning, or no end before the year 3000."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_ADOBE = "%m/%d/%y, %I:%M %p"


def moment(text: str | None) -> datetime | None:
    """A date of ISO 8601, of UTC where it names no zone; None for anything else.

    Also ``2/19/18, 1:06 AM``, as Adobe Commerce writes it.

    >>> moment("2026-05-01T08:00+0200").isoformat()
    '2026-05-01T08:00:00+02:00'
    """
    if not text:
        return None
    text = " ".join(text.split())
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        try:
            found = datetime.strptime(text, _ADOBE)
        except ValueError:
            return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def last_moment(text: str | None) -> datetime | None:
    """As :func:`moment`, of an end: a day without a time is over when the day is."""
    found = moment(text)
    whole_day = found is not None and _DAY.fullmatch((text or "").strip())
    return found.replace(hour=23, minute=59, second=59) if found and whole_day else found


def bounds(attributes: Mapping[str, Any]) -> tuple[int, int] | None:
    """From when to when a sale holds; None where there is none with dates."""
    price, sale = _number(attributes.get(PRICE)), _number(attributes.get(SALE_PRICE))
    if price is None or sale is None or sale >= price:
        return None
    start = moment(_text(attributes.get(SALE_START)))
    end = last_moment(_text(attributes.get(SALE_END)))
    if start is None and end is None:
        return None
    first = _EVER[0] if start is None else int(start.timestamp())
    last = _EVER[1] if end is None else int(end.timestamp())
    return max(first, _EVER[0]), min(last, _EVER[1])


def regular(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they are stored, of some that may have been read while a sale held.

    >>> regular({"price": 79.0, "list_price": 89.0, "sale_price": 79.0, "sale_end": "2026-12-31"})
    {'price': 89.0, 'sale_price': 79.0, 'sale_end': '2026-12-31'}
    """
    found = dict(attributes)
    dated = found.get(SALE_START) or found.get(SALE_END)
    sale, high = _number(found.get(SALE_PRICE)), _number(found.get(LIST_PRICE))
    if dated and sale is not None and high is not None and found.get(PRICE) == sale < high:
        found[PRICE] = found.pop(LIST_PRICE)
    return found


def with_bounds(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes as they are stored, with the fields that filters on prices need."""
    found = regular(attributes)
    held = bounds(found)
    return found if held is None else {**found, **dict(zip(BOUNDS, held, strict=True))}


def priced(payload: Mapping[str, Any], now: float) -> Mapping[str, Any]:
    """A payload with what is paid at a moment; the same object where there is no sale.

    Args:
        payload: with :data:`NEEDED` of what is stored.
        now: seconds since 1970.
    """
    first, last = payload.get(SALE_FROM), payload.get(SALE_UNTIL)
    if first is None or last is None or not first <= now <= last:
        return payload
    low, high = payload.get(SALE_PRICE), payload.get(PRICE)
    return payload if low is None else {**payload, PRICE: low, LIST_PRICE: high}


def as_of(condition: Condition | None, now: float) -> Condition | None:
    """A condition on prices as one on what is stored of them.

    Args:
        condition: of a collection with :data:`BOUNDS`.
        now: seconds since 1970.
    """
    match condition:
        case AllOf(terms) | AnyOf(terms):
            return replace(condition, terms=tuple(_as_of(term, now) for term in terms))
        case Not(term):
            return Not(_as_of(term, now))
        case Equals() | OneOf() | Between() if condition.field in (PRICE, LIST_PRICE):
            return _priced(condition, now)
    return condition


def _as_of(condition: Condition, now: float) -> Condition:
    return as_of(condition, now) or condition


def _priced(condition: Equals | OneOf | Between, now: float) -> Condition:
    holds = (Between(SALE_FROM, lte=now), Between(SALE_UNTIL, gte=now))
    lower = SALE_PRICE if condition.field == PRICE else PRICE
    on_sale = AllOf((replace(condition, field=lower), *holds))
    otherwise = all_of(condition, Not(AllOf(holds)))
    return AnyOf((on_sale, otherwise or condition))


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None

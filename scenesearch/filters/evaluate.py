"""What a condition means on one payload, in plain Python.

The reference the engines are tested against, and what the numpy store filters with. Takes a
condition whose values have the types of their fields (:mod:`scenesearch.filters.typed`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.types import FieldType, Scalar

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> frozenset[str]:
    """The lower-case runs of letters and digits of a text, as the engine's word index has them.

    >>> sorted(words("Red velvet SOFA, 3-seat"))
    ['3', 'red', 'seat', 'sofa', 'velvet']
    """
    return frozenset(word.lower() for word in _WORD.findall(text))


def matches(
    condition: Condition,
    payload: Mapping[str, Any],
    fields: Mapping[str, FieldType] | None = None,
) -> bool:
    """Whether a payload satisfies a condition.

    A list satisfies a condition when one of its entries does; a missing field, None and an empty
    list satisfy none. Values of different types are never equal (``True`` is not ``1``), except
    that integers and floats compare by value.

    Args:
        condition: what must hold.
        payload: as it was given to the store.
        fields: types of the fields; those of type ``text`` are compared by words, all others
            exactly. Without it, everything is compared exactly.

    >>> matches(Equals("colours", "red"), {"colours": ["red", "blue"]})
    True
    >>> matches(Not(Equals("brand", "X")), {})
    True
    """
    match condition:
        case Equals(field, value):
            text = fields is not None and fields.get(field) == "text"
            return any(_equal(entry, value, text=text) for entry in _entries(payload, field))
        case OneOf(field, values):
            if fields is not None and fields.get(field) == "text":
                return any(matches(Equals(field, value), payload, fields) for value in values)
            return any(_among(entry, values) for entry in _entries(payload, field))
        case Between(field):
            return any(_inside(entry, condition) for entry in _entries(payload, field))
        case AllOf(terms):
            return all(matches(term, payload, fields) for term in terms)
        case AnyOf(terms):
            return any(matches(term, payload, fields) for term in terms)
        case Not(term):
            return not matches(term, payload, fields)


def _entries(payload: Mapping[str, Any], field: str) -> tuple[Any, ...]:
    value = payload.get(field)
    if value is None:
        return ()
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _equal(entry: object, value: Scalar, *, text: bool) -> bool:
    if text and isinstance(entry, str) and isinstance(value, str):
        wanted = words(value)
        return bool(wanted) and wanted <= words(entry)
    if isinstance(entry, bool) != isinstance(value, bool):
        return False
    return entry == value


def _among(entry: object, values: tuple[Scalar, ...]) -> bool:
    if entry not in values:  # nearly always, of hundreds of ids
        return False
    # True equals 1, and text nothing but text
    return isinstance(entry, str) or any(_equal(entry, value, text=False) for value in values)


def _inside(entry: object, bounds: Between) -> bool:
    if isinstance(entry, bool) or not isinstance(entry, int | float):
        return False
    return (
        (bounds.gt is None or entry > bounds.gt)
        and (bounds.gte is None or entry >= bounds.gte)
        and (bounds.lt is None or entry < bounds.lt)
        and (bounds.lte is None or entry <= bounds.lte)
    )

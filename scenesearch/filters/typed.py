"""Conditions against the types of the fields: coerced where that is safe, refused otherwise.

Takes a :data:`~scenesearch.core.conditions.Condition` and the schema's fields; gives the condition
with every value of its field's own Python type. What comes out of here is all that the
evaluator and the translators have to understand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import FilterError
from scenesearch.core.types import FieldType, Scalar

NUMERIC: tuple[FieldType, ...] = ("integer", "float")
_MAX_INT = 2**63 - 1
_SHOWN_FIELDS = 30


def nearest_fields(name: str, fields: Iterable[str]) -> str:
    """``Did you mean 'price'? Fields: …`` for messages about an unknown field."""
    names = sorted(fields)
    by_fold = {field.casefold(): field for field in names}
    close = get_close_matches(name.casefold(), list(by_fold), n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(repr(by_fold[fold]) for fold in close)}? " if close else ""
    more = f" and {len(names) - _SHOWN_FIELDS} more" if len(names) > _SHOWN_FIELDS else ""
    listed = ", ".join(names[:_SHOWN_FIELDS]) + more if names else "none"
    return f"{hint}Fields: {listed}."


def field_type(name: str, fields: Mapping[str, FieldType]) -> FieldType:
    """The type of a field.

    Raises:
        FilterError: there is no such field; names the nearest ones.
    """
    kind = fields.get(name)
    if kind is None:
        raise FilterError(f"unknown field {name!r} in the filter. {nearest_fields(name, fields)}")
    return kind


def check_condition(condition: Condition, fields: Mapping[str, FieldType]) -> Condition:
    """The same condition with every value of its field's type.

    Whole floats become integers on integer fields, integers become floats on float fields;
    nothing else is converted.

    Raises:
        FilterError: an unknown field, a value of another type, a range on a field that has no
            order, a bound that is not finite.
        TypeError: something that is not a condition.

    >>> check_condition(Equals("price", 5), {"price": "float"})
    Equals(field='price', value=5.0)
    """
    match condition:
        case Equals(field, value):
            return Equals(field, check_value(field, field_type(field, fields), value))
        case OneOf(field, values):
            kind = field_type(field, fields)
            return OneOf(field, tuple(check_value(field, kind, value) for value in values))
        case Between():
            return _check_between(condition, field_type(condition.field, fields))
        case AllOf(terms):
            return AllOf(tuple(check_condition(term, fields) for term in terms))
        case AnyOf(terms):
            return AnyOf(tuple(check_condition(term, fields) for term in terms))
        case Not(term):
            return Not(check_condition(term, fields))
        case _:
            raise TypeError(
                f"a filter must be a Condition (Equals, OneOf, Between, AllOf, AnyOf, Not), "
                f"got {type(condition).__name__}; parse text with parse_filter"
            )


def check_value(field: str, kind: FieldType, value: Scalar) -> Scalar:
    """A value as the Python type of a field of type ``kind``.

    Raises:
        FilterError: it is of another type.
    """
    if kind == "bool" and isinstance(value, bool):
        return value
    if kind in ("keyword", "text") and isinstance(value, str):
        return value
    if kind in NUMERIC and not isinstance(value, bool) and isinstance(value, int | float):
        number = _finite(field, value)
        if kind == "float":
            return number
        if number.is_integer() and abs(int(value)) <= _MAX_INT:
            return int(value)
    expected = {
        "bool": "true or false",
        "keyword": "text",
        "text": "text",
        "integer": "a whole number of at most 64 bits",
        "float": "a number",
    }[kind]
    raise FilterError(
        f"field {field!r} is of type {kind} and is compared with {expected}, got {value!r:.80}"
    )


def _check_between(condition: Between, kind: FieldType) -> Between:
    if kind not in NUMERIC:
        raise FilterError(
            f"field {condition.field!r} is of type {kind}, which has no order; "
            "only integer and float fields take <, <=, >, >= and between"
        )
    bounds = {
        name: None if bound is None else _finite(condition.field, bound)
        for name, bound in (
            ("gt", condition.gt),
            ("gte", condition.gte),
            ("lt", condition.lt),
            ("lte", condition.lte),
        )
    }
    return Between(condition.field, **bounds)


def _finite(field: str, value: float) -> float:
    try:
        number = float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise FilterError(f"field {field!r} is compared with finite numbers, got {value!r:.40}")
    return number

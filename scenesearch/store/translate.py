"""Conditions to an engine's own filters, whichever classes that engine builds them from.

The meaning lives here once; a :class:`Dialect` says how an engine spells it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import QueryError
from scenesearch.core.types import FieldType, Scalar
from scenesearch.filters.evaluate import words
from scenesearch.filters.typed import check_condition


class Dialect(Protocol):
    """The constructors of one engine's filter classes. Keys come quoted."""

    def match(self, key: str, value: str | int) -> Any:
        """The field has this keyword or integer."""

    def match_any(self, key: str, values: Sequence[str | int]) -> Any:
        """The field has one of these keywords or integers."""

    def match_words(self, key: str, text: str) -> Any:
        """The text field has all words of ``text``."""

    def between(self, key: str, bounds: Between) -> Any:
        """The number is inside the bounds."""

    def ids(self, ids: Sequence[str]) -> Any:
        """The point has one of these ids; never, when there is none."""

    def combine(
        self, *, must: Sequence[Any] = (), should: Sequence[Any] = (), must_not: Sequence[Any] = ()
    ) -> Any:
        """A filter; always true when everything is empty."""


def translate(condition: Condition, fields: Mapping[str, FieldType], dialect: Dialect) -> Any:
    """The engine's filter for a condition.

    Raises:
        FilterError: an unknown field, or a value of another type than its field.
    """
    node = _node(check_condition(condition, fields), fields, dialect)
    return dialect.combine(must=[node])


def key_path(field: str) -> str:
    """A payload key as a JSON path of the engines, quoted so that dots and brackets are literal.

    Raises:
        QueryError: the key has a character that no stored key can have.
    """
    if '"' in field or "\\" in field:
        raise QueryError(f"no payload field can be called {field!r}: it has a quote or backslash")
    return f'"{field}"'


def _node(condition: Condition, fields: Mapping[str, FieldType], dialect: Dialect) -> Any:
    match condition:
        case Equals(field, value):
            return _equals(field, fields[field], value, dialect)
        case OneOf(field, values):
            if fields[field] in ("keyword", "integer", "bool") and values:
                return dialect.match_any(key_path(field), [_stored(value) for value in values])
            return _any(
                [_equals(field, fields[field], value, dialect) for value in values], dialect
            )
        case Between(field):
            return dialect.between(key_path(field), condition)
        case AllOf(terms):
            return dialect.combine(must=[_node(term, fields, dialect) for term in terms])
        case AnyOf(terms):
            return _any([_node(term, fields, dialect) for term in terms], dialect)
        case Not(term):
            return dialect.combine(must_not=[_node(term, fields, dialect)])


def _equals(field: str, kind: FieldType, value: Any, dialect: Dialect) -> Any:
    key = key_path(field)
    if kind == "float":
        # Engines match only keywords and integers exactly.
        return dialect.between(key, Between(field, gte=value, lte=value))
    if kind == "text":
        # Without a single word there is nothing a word index could find.
        return dialect.match_words(key, value) if words(value) else dialect.ids([])
    return dialect.match(key, _stored(value))


def _stored(value: Scalar) -> Any:
    # Bools are stored as 0 and 1 (see payloads.py).
    return int(value) if isinstance(value, bool) else value


def _any(nodes: Sequence[Any], dialect: Dialect) -> Any:
    # An empty "should" is true for the engines; an empty "or" is false.
    return dialect.combine(should=nodes) if nodes else dialect.ids([])

"""Conditions to an engine's own filters, whichever classes that engine builds them from.

The meaning lives here once; a :class:`Dialect` says how an engine spells it, and
:class:`Requests` is what both engines' requests share.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import QueryError
from scenesearch.core.types import FieldType, Scalar
from scenesearch.filters.evaluate import words
from scenesearch.filters.typed import check_condition
from scenesearch.store.checks import canonical_id, check_selection


class Dialect:
    """The constructors of one engine's filter classes. Keys come quoted.

    Args:
        classes: the engine's module; both engines call nearly all of them the same.
        between: its class of ranges, over integers as over floats.
        ids: makes its condition on ids.
    """

    def __init__(
        self, classes: Any, between: Callable[..., Any], ids: Callable[[Sequence[str]], Any]
    ) -> None:
        self._classes = classes
        self._between = between
        self.ids = ids
        """The point has one of these ids; never, when there is none."""

    def match(self, key: str, value: str | int) -> Any:
        """The field has this keyword or integer; never a bool, whose filters match nothing."""
        return self._condition(key, match=self._classes.MatchValue(value=value))

    def match_any(self, key: str, values: Sequence[str | int]) -> Any:
        """The field has one of these keywords or integers."""
        return self._condition(key, match=self._classes.MatchAny(any=list(values)))

    def match_words(self, key: str, text: str) -> Any:
        """The text field has all words of ``text``."""
        return self._condition(key, match=self._classes.MatchText(text=text))

    def between(self, key: str, bounds: Between) -> Any:
        """The number is inside the bounds."""
        inside = self._between(gt=bounds.gt, gte=bounds.gte, lt=bounds.lt, lte=bounds.lte)
        return self._condition(key, range=inside)

    def _condition(self, key: str, **how: Any) -> Any:
        return self._classes.FieldCondition(key=key, **how)

    def combine(
        self, *, must: Sequence[Any] = (), should: Sequence[Any] = (), must_not: Sequence[Any] = ()
    ) -> Any:
        """A filter; always true when everything is empty."""
        return self._classes.Filter(
            must=list(must) or None, should=list(should) or None, must_not=list(must_not) or None
        )


class Requests:
    """What an engine is asked for one collection, as far as the engines say it alike.

    Args:
        fields: types of the collection's fields.
        dialect: the engine's filters.
        include: makes the engine's choice of payload fields.
    """

    def __init__(
        self,
        fields: Mapping[str, FieldType],
        dialect: Dialect,
        include: Callable[[list[str]], Any],
    ) -> None:
        self._fields = fields
        self._dialect = dialect
        self._include = include

    def where(self, condition: Condition | None) -> Any:
        """A filter, or None."""
        return None if condition is None else translate(condition, self._fields, self._dialect)

    def those(self, ids: Sequence[str]) -> Any:
        """A filter for some points; unlike lists of ids, it does not mind unknown ones."""
        return self._dialect.combine(must=[self._dialect.ids(ids)])

    def selection(self, ids: Sequence[str] | None, where: Condition | None) -> Any:
        """The filter of a write to points by their ids, or by a condition.

        Raises:
            ValueError: both or neither are given, or an id is no UUID.
        """
        check_selection(ids, where)
        return self.where(where) if ids is None else self.those([canonical_id(i) for i in ids])

    def selector(self, fields: Sequence[str] | None) -> Any:
        """Which payload comes back: all for None."""
        if not fields:
            return fields is None
        return self._include([key_path(field) for field in fields])


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

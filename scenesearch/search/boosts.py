"""Boosts: what an item's own fields add to its similarity, read against a collection's fields.

A boost is added to the similarity of every region's candidates before the regions are fused, so
its weight says what it does: 0.05 lets an item pass those that look up to 0.05 of cosine more
alike. It never brings in an item that the engine did not find, nor one below ``score_min``.

People write boosts as they write filters, with a weight each; what comes out is a gain for each
payload, which :func:`scenesearch.search.rank.candidates.boost` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from scenesearch.core.conditions import AllOf, AnyOf, Condition, Not
from scenesearch.core.errors import FilterError, QueryError
from scenesearch.core.types import FieldType
from scenesearch.filters.evaluate import matches
from scenesearch.filters.parse import parse_filter
from scenesearch.filters.typed import NUMERIC, check_condition, field_type


@dataclass(frozen=True, slots=True)
class LogOf:
    """A numeric field as a boost: its weight counts ``log(1 + value)`` times.

    The logarithm because what is counted (sales, views, ratings) spreads over magnitudes: with a
    weight of 0.02, 10 sales are worth 0.05 of cosine and 1,000 are worth 0.14.
    """

    field: str

    def of(self, payload: Mapping[str, Any]) -> float:
        """``log(1 + value)``; 0 for a missing or negative value.

        >>> round(LogOf("sales").of({"sales": 1000}), 2)
        6.91
        """
        value = payload.get(self.field)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return 0.0
        return float(np.log1p(max(float(value), 0.0)))


Boosted = Condition | LogOf
"""What a boost's weight counts for: the items that satisfy a condition, or a number's size."""


def fields_of(boosted: Boosted) -> tuple[str, ...]:
    """The payload fields a boost looks at, each once.

    >>> from scenesearch.core.conditions import Equals
    >>> fields_of(AllOf((Equals("brand", "X"), Not(Equals("in_stock", False)))))
    ('brand', 'in_stock')
    """
    match boosted:
        case AllOf(terms) | AnyOf(terms):
            return tuple(dict.fromkeys(name for term in terms for name in fields_of(term)))
        case Not(term):
            return fields_of(term)
        case _:
            return (boosted.field,)


def read_boosts(
    boosts: Mapping[Any, float], fields: Mapping[str, FieldType]
) -> dict[Boosted, float]:
    """The same boosts with every text understood; two texts that mean the same add up.

    Args:
        boosts: a filter text (``in_stock = true``), the name of an integer or float field, a
            condition or a :class:`LogOf`, to a weight.
        fields: types of the collection's fields.

    Raises:
        QueryError: an unknown field, a text that is no filter, a value of another type.

    >>> read_boosts({"sales": 0.02}, {"sales": "integer"})
    {LogOf(field='sales'): 0.02}
    """
    read: dict[Boosted, float] = {}
    for written, weight in boosts.items():
        try:
            boosted = _read(written, fields)
        except FilterError as error:
            raise QueryError(
                f"The boost {written!r} is not understood: {error}; expected a filter, or the "
                f"name of a field with numbers",
                code="bad_boost",
            ) from error
        read[boosted] = read.get(boosted, 0.0) + float(weight)
    return read


def _read(written: str | Boosted, fields: Mapping[str, FieldType]) -> Boosted:
    if isinstance(written, LogOf):
        kind = field_type(written.field, fields)
        if kind not in NUMERIC:
            raise FilterError(
                f"field {written.field!r} is of type {kind}, expected integer or float"
            )
        return written
    if not isinstance(written, str):
        return check_condition(written, fields)
    name = written.strip()
    if fields.get(name) in NUMERIC:
        return LogOf(name)
    return parse_filter(written, fields)


def gain_of(
    boosts: Mapping[Boosted, float], fields: Mapping[str, FieldType]
) -> Callable[[Mapping[str, Any]], float]:
    """What the payload of an item gains, in units of similarity.

    Args:
        boosts: as :func:`read_boosts` gives them.
        fields: types of the collection's fields.
    """

    def gain(payload: Mapping[str, Any]) -> float:
        return sum(
            weight
            * (
                boosted.of(payload)
                if isinstance(boosted, LogOf)
                else matches(boosted, payload, fields)
            )
            for boosted, weight in boosts.items()
        )

    return gain

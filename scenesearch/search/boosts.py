"""The boosts of a search, read against the fields of a collection.

People write them as they write filters, with a weight each; what comes out is a gain for each
payload, which :mod:`scenesearch.search.rank.boost` adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from scenesearch.core.errors import FilterError, QueryError
from scenesearch.core.types import FieldType
from scenesearch.filters.evaluate import matches
from scenesearch.filters.parse import parse_filter
from scenesearch.filters.typed import NUMERIC, check_condition, field_type
from scenesearch.search.rank.boost import Boosted, LogOf


def read_boosts(
    boosts: Mapping[Any, float], fields: Mapping[str, FieldType]
) -> dict[Boosted, float]:
    """The same boosts with every text understood; two texts that mean the same add up.

    Args:
        boosts: a filter text (``in_stock = true``), the name of an integer or float field, a
            condition or a :class:`~scenesearch.search.rank.boost.LogOf`, to a weight.
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

"""Typed conditions on payload fields: what a filter means, before any engine sees it.

People write text (:mod:`scenesearch.filters.parse` parses it); the stores translate these values.
A list field (tags, colours) satisfies a condition when one of its entries does. A missing field
satisfies none, so it satisfies every :class:`Not`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scenesearch.core.types import Scalar


@dataclass(frozen=True, slots=True)
class Equals:
    """``field = value``."""

    field: str
    value: Scalar


@dataclass(frozen=True, slots=True)
class OneOf:
    """``field in (a, b)``."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """A numeric range; a bound that is None is open."""

    field: str
    gt: float | None = None
    gte: float | None = None
    lt: float | None = None
    lte: float | None = None


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every term holds (``and``); true when there is none."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one term holds (``or``)."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The term does not hold."""

    term: Condition


Condition = Equals | OneOf | Between | AllOf | AnyOf | Not


def all_of(*conditions: Condition | None) -> Condition | None:
    """All of those that are given, as one; None where none is.

    >>> all_of(None, Equals("brand", "X"))
    Equals(field='brand', value='X')
    """
    terms = tuple(one for one in conditions if one is not None)
    if not terms:
        return None
    return terms[0] if len(terms) == 1 else AllOf(terms)

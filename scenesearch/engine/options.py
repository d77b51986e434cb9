"""What a task asks of an answer: JSON values to search options."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from scenesearch.core.errors import QueryError
from scenesearch.search.query import SearchOptions
from scenesearch.words.weights import WordWeights

MAX_DEPTH = 1000
"""Matches of a fused list that can be reached by paging."""
MAX_NAMES = 32
"""Fields, weights or boosts of one search."""


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(name, value, "a finite number")
    return value


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(name, value, "a whole number")
    return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise _wrong(name, value, "a text")
    return value


def _weights(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping) or len(value) > MAX_NAMES:
        raise _wrong(name, value, f"at most {MAX_NAMES} numbers by name")
    return {_text(name, key): _number(name, weight) for key, weight in value.items()}


def _names(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list | tuple) or len(value) > MAX_NAMES:
        raise _wrong(name, value, f"a list of at most {MAX_NAMES} names of fields")
    return tuple(dict.fromkeys(_text(name, one) for one in value))


def _word_weights(name: str, value: Any) -> WordWeights:
    if isinstance(value, WordWeights):
        return value
    given = _weights(name, value)
    known = [field.name for field in fields(WordWeights)]
    unknown = [one for one in given if one not in known]
    if unknown:
        raise _wrong(f"{name}.{unknown[0]}", given[unknown[0]], f"one of {', '.join(known)}")
    return WordWeights(**given)


_Reader = Callable[[str, Any], Any]

_READERS: Mapping[str, _Reader] = {
    **dict.fromkeys(("limit", "per_region", "candidates", "expansion", "rerank"), _whole),
    **dict.fromkeys(
        (
            *("expansion_floor", "diversity", "score_min", "familiarity_min"),
            *("agreement", "rerank_weight"),
        ),
        _number,
    ),
    **dict.fromkeys(
        ("preset", "fusion", "diversity_field", "agreement_field", "collapse", "sort"), _text
    ),
    "weights": _weights,
    "boosts": _weights,
    "facets": _names,
    "word_weights": _word_weights,
}
"""How each option is read; all of :class:`SearchOptions` but ``where``."""

_NONE_MEANS_NONE = frozenset({"diversity_field", "score_min", "collapse", "sort", "weights"})
"""Options that have no value by default, so that None is one."""


def read_options(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, of the types that :class:`SearchOptions` has.

    Args:
        values: JSON values; None leaves an option as the settings have it.

    Raises:
        QueryError: an unknown name, or a value of another type.

    >>> read_options({"facets": ["category"], "preset": None})
    {'facets': ('category',)}
    """
    read: dict[str, Any] = {}
    for name, value in values.items():
        reader = _READERS.get(name)
        if reader is None:
            raise QueryError(
                f"Unknown option {name!r}; expected one of {', '.join(sorted(_READERS))}",
                code="unknown_option",
            )
        if value is not None:
            read[name] = reader(name, value)
        elif name in _NONE_MEANS_NONE:
            read[name] = None
    return read


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of the fused list is shown.

    Attributes:
        offset: matches that are left out.
        limit: matches that are shown.
    """

    offset: int
    limit: int

    @classmethod
    def of(cls, offset: int, limit: int) -> Paging:
        """Checked.

        Raises:
            QueryError: the part lies outside the first :data:`MAX_DEPTH` matches.
        """
        offset, limit = _whole("offset", offset), _whole("limit", limit)
        if offset < 0 or limit < 1 or offset + limit > MAX_DEPTH:
            raise QueryError(
                f"offset {offset} and limit {limit}: expected an offset of at least 0, a limit of "
                f"at least 1 and no more than {MAX_DEPTH} together; narrow the search by a filter "
                f"instead",
                code="out_of_range",
            )
        return cls(offset, limit)

    @property
    def depth(self) -> int:
        """Matches to ask for: one more than is shown says whether there is more."""
        return min(self.offset + self.limit + 1, MAX_DEPTH)

    def next_offset(self, found: int) -> int | None:
        """Where the next part starts; None at the end.

        Args:
            found: matches there are, of those asked for.
        """
        end = self.offset + self.limit
        return end if found > end else None


def to_depth(options: SearchOptions, paging: Paging) -> dict[str, int]:
    """What must change in the options for a list that reaches as deep as is asked.

    Pages within the usual number of candidates are pages of one list; deeper ones need more
    candidates, so an item near the border can be on two pages.
    """
    return {"limit": paging.depth, "candidates": max(options.candidates, paging.depth)}


def _wrong(name: str, value: Any, expected: str) -> QueryError:
    return QueryError(f"{name} is {value!r:.100}, expected {expected}", code="bad_option")

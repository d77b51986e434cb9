"""One step of a conversation about an answer, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import QueryError

MAX_TURNS = 16
"""Steps of one question."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is said, or chosen, when an answer is there; the next turn is about what it leaves.

    Attributes:
        words: plain words ("in walnut"), or a comparison with the first match of the answer so
            far ("cheaper", "wider", "not that brand").
        where: a filter, as text or as conditions.
        object: number of the object that it is about, from 1; None for every one.
        to: items that a comparison is with, instead of the first matches, by number of the object
            (0 for a question without a photo): what it means stays, whatever else is changed.
    """

    words: str | None = None
    where: str | Condition | None = None
    object: int | None = None
    to: Mapping[int, str] = field(default_factory=dict)

    def check(self) -> None:
        """Refuse a turn that says nothing.

        Raises:
            QueryError: it has neither words nor a filter, or its object is no number.
        """
        if not (self.words or "").strip() and self.where is None:
            raise QueryError("A turn has neither words nor a filter; leave it out", code="bad_turn")
        number = self.object
        if number is not None and (
            isinstance(number, bool) or not isinstance(number, int) or number < 1
        ):
            raise QueryError(
                f"object of a turn is {number!r:.100}, expected the number of an object, from 1",
                code="unknown_object",
            )

    @property
    def said(self) -> str:
        """The turn in a few words."""
        told = self.where if isinstance(self.where, str) else "" if self.where is None else "filter"
        return ", ".join(part for part in ((self.words or "").strip(), told) if part)

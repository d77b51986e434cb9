"""A question as its turns leave it: what holds for every object, and what for one alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from scenesearch.core.conditions import Between, Condition, Equals, Not, all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.turns import Turn
from scenesearch.look.values import Refined
from scenesearch.words import ParsedWords
from scenesearch.words.comparisons import Comparison
from scenesearch.words.parsed import bounds, joined

First = tuple[str, Mapping[str, Any]]
"""What is compared with: an item's id, and its attributes."""


@dataclass(frozen=True, slots=True)
class Narrowed:
    """What is asked, after some turns.

    Attributes:
        where: the filter of the whole question.
        parsed: its words.
        own_where: filters of single regions, by their index.
        own_parsed: likewise words.
        read: the turns so far, as they were understood.
        notes: turns that say nothing here.
    """

    where: Condition | None = None
    parsed: ParsedWords | None = None
    own_where: Mapping[int, Condition] = field(default_factory=dict)
    own_parsed: Mapping[int, ParsedWords] = field(default_factory=dict)
    read: tuple[Refined, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def filtered(self) -> bool:
        """Whether anything can keep an item out."""
        return self.where is not None or bool(self.own_where)

    def where_of(self, region: int) -> Condition | None:
        """What the matches of a region satisfy."""
        return all_of(self.where, self.own_where.get(region))

    def words_of(self, regions: int) -> list[tuple[ParsedWords, frozenset[int]]]:
        """Regions by the words that they are ranked by; those without words are not there.

        Args:
            regions: how many there are; 1 for a question without a photo.
        """
        found: dict[ParsedWords, set[int]] = {}
        for region in range(regions):
            own = self.own_parsed.get(region)
            parsed = self.parsed if own is None else joined(self.parsed, own)
            if parsed is not None:
                found.setdefault(parsed, set()).add(region)
        return [(parsed, frozenset(rows)) for parsed, rows in found.items()]

    def with_words(self, turn: Turn, parsed: ParsedWords, regions: int) -> Narrowed:
        """After a turn whose words say something by themselves."""
        said = Refined(turn.said, turn.object, parsed.understood)
        read, notes = (*self.read, said), (*self.notes, *parsed.notes)
        row = _row(turn, regions)
        if row is None:
            where, together = all_of(self.where, parsed.where), joined(self.parsed, parsed)
            return replace(self, where=where, parsed=together, read=read, notes=notes)
        own = {**self.own_parsed, row: joined(self.own_parsed.get(row), parsed)}
        return replace(self._only(row, parsed.where), own_parsed=own, read=read, notes=notes)

    def with_filter(self, turn: Turn, where: Condition, regions: int) -> Narrowed:
        """After a turn that is a filter."""
        said = Refined(turn.said, turn.object, (turn.said,))
        row = _row(turn, regions)
        narrowed = (
            replace(self, where=all_of(self.where, where))
            if row is None
            else self._only(row, where)
        )
        return replace(narrowed, read=(*self.read, said))

    def with_comparison(
        self, turn: Turn, compared: Comparison, firsts: Mapping[int, First], regions: int
    ) -> Narrowed:
        """After a turn that compares with what was shown first.

        Args:
            turn: what was said.
            compared: what it compares.
            firsts: what each object is compared with, by its number; of a question without a
                photo under 0.
            regions: how many there are.
        """
        _row(turn, regions)
        about = {n: one for n, one in firsts.items() if turn.object is None or n == turn.object}
        narrowed, understood = self, []
        for number, (item_id, attributes) in about.items():
            where = compared.with_first(item_id, attributes)
            if where is None or number > regions:
                continue
            narrowed = (
                narrowed._only(number - 1, where)
                if number
                else replace(narrowed, where=all_of(narrowed.where, where))
            )
            understood.append((f"{number}: " if number else "") + _told(where))
        to = {number: item_id for number, (item_id, _) in about.items()}
        said = Refined(turn.said, turn.object, tuple(understood), to)
        notes = narrowed.notes
        if not understood:
            why = (
                "nothing was found before it"
                if compared.field and not about
                else (
                    f"what was found has no {compared.field}"
                    if compared.field
                    else "the catalogue has no such field"
                )
            )
            notes = (*notes, f"{turn.said!r} is left out: {why}")
        return replace(narrowed, read=(*self.read, said), notes=notes)

    def _only(self, row: int, where: Condition | None) -> Narrowed:
        both = all_of(self.own_where.get(row), where)
        return self if both is None else replace(self, own_where={**self.own_where, row: both})


def _row(turn: Turn, regions: int) -> int | None:
    """The index of the region that a turn is about.

    Raises:
        QueryError: there is no such object.
    """
    if turn.object is None:
        return None
    if turn.object > regions:
        there = f"one of 1 to {regions}" if regions else "none, there is no photo"
        raise QueryError(
            f"A turn is about the object {turn.object}, expected {there}", code="unknown_object"
        )
    return turn.object - 1


def _told(where: Condition) -> str:
    match where:
        case Between():
            return bounds(where)
        case Equals(field=name, value=value):
            return f"{name} = {value}"
        case Not(term=Equals(field=name, value=value)):
            return f"{name} != {value}"
    return "filter"

"""Which part of a list a task asks for."""

from __future__ import annotations

from dataclasses import dataclass

from scenesearch.config.search import SearchOptions
from scenesearch.core.errors import QueryError

MAX_DEPTH = 1000
"""Matches of a fused list that can be reached by paging."""


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
        if isinstance(offset, bool) or not isinstance(offset, int):
            raise QueryError(
                f"offset is {offset!r:.100}, expected a whole number", code="bad_option"
            )
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

    def to_depth(self, options: SearchOptions) -> SearchOptions:
        """The options for a list that reaches as deep as is asked.

        Pages within the usual number of candidates are pages of one list; deeper ones need more
        candidates, so an item near the border can be on two pages.
        """
        deep = {"limit": self.depth, "candidates": max(options.candidates, self.depth)}
        return options.model_copy(update=deep)

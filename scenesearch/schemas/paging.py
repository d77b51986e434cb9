"""Lists that are read a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

from pydantic import Field

from scenesearch.schemas.base import Asked, Optionally

Place = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
"""A cursor: where the page before ended."""
_Row = TypeVar("_Row")


class PageQuery(Asked):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=1000)
    cursor: Optionally[Place] = Field(None, description="Of the page before")

    @property
    def place(self) -> int | None:
        """Where the page before ended; None for the first page."""
        return None if self.cursor is None else int(self.cursor)

    @property
    def one_more(self) -> int:
        """How many rows to read, so that it is known whether another page follows."""
        return self.limit + 1

    def page(
        self, rows: Sequence[_Row], place: Callable[[_Row], int]
    ) -> tuple[Sequence[_Row], str | None]:
        """The page, and the cursor of the next one; None on the last.

        Args:
            rows: at most :attr:`one_more` of them.
            place: of a row in the list.
        """
        page = rows[: self.limit]
        return page, str(place(page[-1])) if len(rows) > len(page) else None

"""What the state is kept in: tables of one service's file, or of a database that several share.

The statements of jobs, feedback and the rest are written once, in what SQLite and PostgreSQL both
understand, with ``?`` for values. What differs is here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from scenesearch.core.errors import StoreError
from scenesearch.system.row_sums import Summed
from scenesearch.system.sqlite_file import Row


class Cursor(Protocol):
    """What a statement gave."""

    @property
    def rowcount(self) -> int:
        """Rows that it changed."""

    def fetchone(self) -> Any:
        """The next row, or None."""


class Statements(Protocol):
    """One transaction."""

    def execute(self, query: str, values: Sequence[Any] = ()) -> Cursor:
        """Do one statement."""

    def executemany(self, query: str, values: Iterable[Sequence[Any]]) -> object:
        """Do one statement for each of many values."""


class Tables(Protocol):
    """Tables, safe to use from any thread.

    Attributes:
        poll_s: after which others may have added something that nobody here was told of; None
            where there are no others.
    """

    poll_s: float | None

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of a query."""

    def one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of a query."""

    def select(self, table: Summed, columns: str, rest: str) -> str:
        """A query for :meth:`sound_rows`.

        Args:
            table: of which rows are read.
            columns: that are read.
            rest: of the query, from its condition on.
        """

    def sound_rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """All rows of such a query.

        Raises:
            DamagedError: one is not what was written.
        """

    def sound_one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """The first row of such a query, likewise."""

    def writing(self) -> AbstractContextManager[Statements]:
        """One transaction: all of it is durable when the block ends well, else nothing.

        One at a time, of all who share the tables.
        """

    def take(self, job: int) -> bool:
        """Whether a job is this service's to work on, from here on; the one before is let go.

        What a service had taken that died is free at once.
        """

    def let_go(self) -> None:
        """Leave the job that was taken last, if any, to others."""

    def damaged(self, said: str) -> StoreError:
        """The error of something that is not what was written."""

    def check_space(self, needed: int) -> None:
        """Refuse a write of so many bytes before it is begun.

        Raises:
            NoSpaceError: the disk has no room for it.
        """

    def shrink(self) -> None:
        """Give room that is no longer used back."""

    def close(self) -> None:
        """Give everything back."""

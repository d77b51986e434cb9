"""A checksum in each row of a table, kept by SQLite itself and compared when the row is read.

SQLite sums nothing: a bit that flipped on the disk is read as it is. Triggers put the sum of a row
beside it, and let nobody change a row that is not what was written, since its new sum would say
that it is.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from zlib import crc32

FUNCTION = "row_sum"
"""What SQLite calls :func:`row_sum`."""
DAMAGED = "a row is not what was written"
"""What SQLite says where a row that is to be changed does not have its sum."""


def row_sum(*values: object) -> int:
    """A sum of values as SQLite gives them: text, numbers, bytes and None.

    >>> row_sum("a", 1) == row_sum("a", 1), row_sum("a", 1) == row_sum("a1")
    (True, False)
    """
    total = 0
    for value in values:
        data = value if isinstance(value, bytes) else repr(value).encode()
        total = crc32(data, crc32(b"%d:" % len(data), total))
    return total


def teach(db: sqlite3.Connection) -> sqlite3.Connection:
    """The connection itself, which knows the function from here on."""
    db.create_function(FUNCTION, -1, row_sum, deterministic=True)
    return db


@dataclass(frozen=True, slots=True)
class Summed:
    """A table whose rows have a column ``sum``.

    Attributes:
        table: its name.
        key: columns that tell its rows apart.
        columns: that are summed, those of the key included.
    """

    table: str
    key: tuple[str, ...]
    columns: tuple[str, ...]

    def sound(self, alias: str = "") -> str:
        """An expression of a query: 1 for a row that is what was written, else 0.

        Args:
            alias: of the table in that query.
        """
        dot = f"{alias}." if alias else ""
        return f"{dot}sum IS {self._sum(dot)}"

    def select(self, columns: str, rest: str) -> str:
        """A query of rows, the first column of which is :meth:`sound`.

        Args:
            columns: what else is read.
            rest: of the query, from its condition on.
        """
        return f"SELECT {self.sound()}, {columns} FROM {self.table} {rest}"  # noqa: S608 - our names

    def insert(self, how: str = "INSERT") -> str:
        """A statement that adds a row, of a value a column."""
        columns, marks = ", ".join(self.columns), ", ".join("?" * len(self.columns))
        return f"{how} INTO {self.table} ({columns}) VALUES ({marks})"

    @property
    def triggers(self) -> str:
        """A script that makes what keeps the sums."""
        table = self.table
        these = " AND ".join(f"{name} = new.{name}" for name in self.key)
        summed = f"SET sum = {self._sum('new.')} WHERE {these}"
        note = f"BEGIN UPDATE {table} {summed}; END;"
        changed = f"UPDATE OF {', '.join(self.columns)} ON {table}"
        return (
            f"CREATE TRIGGER {table}_added AFTER INSERT ON {table} {note}"
            f"CREATE TRIGGER {table}_change BEFORE {changed} WHEN old.sum IS NOT "
            f"{self._sum('old.')} BEGIN SELECT RAISE(ABORT, '{DAMAGED}'); END;"
            f"CREATE TRIGGER {table}_changed AFTER {changed} {note}"
        )

    @property
    def migration(self) -> str:
        """A script that gives an older table its sums."""
        summed = f"UPDATE {self.table} SET sum = {self._sum('')}"  # noqa: S608 - our names
        return f"ALTER TABLE {self.table} ADD COLUMN sum INTEGER; {summed}; {self.triggers}"

    def widening(self, older: Summed, column: str) -> str:
        """A script that gives the table one column more.

        A row that is not what was written stays one: its sum is left as it was.

        Args:
            older: the table as it was.
            column: its name, type and default.
        """
        table = self.table
        dropped = "".join(
            f"DROP TRIGGER {table}_{what};" for what in ("added", "change", "changed")
        )
        summed = f"UPDATE {table} SET sum = {self._sum('')} WHERE {older.sound()}"  # noqa: S608 - our names
        return f"{dropped} ALTER TABLE {table} ADD COLUMN {column}; {summed}; {self.triggers}"

    def _sum(self, prefix: str) -> str:
        return f"{FUNCTION}({', '.join(prefix + name for name in self.columns)})"

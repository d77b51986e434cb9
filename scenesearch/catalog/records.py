"""What passes between a source, the row builder and the caller: raw rows and row errors."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from scenesearch.core.errors import CatalogError

MAX_FIELD_CHARS = 1_000_000
"""A longer cell costs its row."""
MAX_RECORD_CHARS = 4_000_000
"""A longer row is skipped without ever being held in memory."""
MAX_COLUMNS = 1000
"""A manifest with more columns is refused."""
MAX_PHOTOS = 1000
"""An item with more photos is refused."""


@dataclass(frozen=True, slots=True)
class RowError:
    """Why one row of a manifest gave no item; the other rows are not affected.

    Attributes:
        row: the physical line a CSV or JSONL row starts on, the row of a Parquet file, the place
            of a photo among the photos of a folder; all from 1.
        column: the column at fault, by its normalised name; None where it is the whole row.
        code: a short stable name of the cause, for machines (``bad_price``).
        message: what was got, what was expected, what to do.
    """

    row: int
    column: str | None
    code: str
    message: str

    def __str__(self) -> str:
        where = f"row {self.row}" if self.column is None else f"row {self.row}, {self.column}"
        return f"{where}: {self.message}"


@dataclass(frozen=True, slots=True)
class LostCells:
    """Cells of one column that could not be used, for one reason; their rows gave items.

    Attributes:
        column: at fault, by its normalised name.
        code: as in :class:`RowError`.
        count: how many.
        row: the first of them.
        message: what was wrong there.
    """

    column: str
    code: str
    count: int
    row: int
    message: str

    def __str__(self) -> str:
        return (
            f"{self.column}: {self.count:,} cell(s) were left out, the first in row {self.row}: "
            f"{self.message}"
        )


class CellError(Exception):
    """Refuses a cell from inside; the reader turns it into a :class:`RowError` or a lost cell.

    Attributes:
        code: as in :class:`RowError`.
        column: as in :class:`RowError`; filled in by whoever knows it.
    """

    def __init__(self, code: str, message: str, *, column: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.column = column

    def at(self, row: int) -> RowError:
        """The same, told of a row."""
        return RowError(row, self.column, self.code, str(self))


class RawRow(NamedTuple):
    """One row as the source has it: cells by normalised column name, not yet checked."""

    row: int
    cells: Mapping[str, Any]


class Packed(NamedTuple):
    """A photo that lies inside the file.

    Attributes:
        data: the encoded photo.
        name: what the file calls it.
    """

    data: bytes
    name: str

    def __repr__(self) -> str:
        return f"Packed({self.name!r}, {len(self.data):,} bytes)"


class Source(Protocol):
    """Something with rows that can be walked over more than once, in the same order."""

    @property
    def header(self) -> tuple[str, ...] | None:
        """Normalised column names, or None where only the rows know them (JSONL)."""

    @property
    def typed(self) -> bool:
        """Whether cells have types of their own; False when every cell is text (CSV)."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd but harmless, known once the rows were walked over."""

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows from the start.

        Raises:
            CatalogError: the file as a whole cannot be read.
        """


class PhotoNames(Protocol):
    """What a cell that names a photo is about."""

    def resolve(self, text: str) -> str:
        """Where the photo is.

        Raises:
            CellError: there is none, or it may not be read.
        """

    def keep(self, photo: Packed) -> str:
        """Where a photo is, once it was taken out of the file.

        Raises:
            CellError: it is no photo.
        """


def unreadable(path: Path, error: OSError) -> CatalogError:
    """A source that the system does not let us read."""
    return CatalogError(
        f"{path} cannot be read: {error.strerror or error}; check that it is there and readable",
        code="catalog_not_readable",
    )


def shown(value: object, limit: int = 80) -> str:
    """A value for a message: quoted, escaped, and cut to about ``limit`` characters.

    >>> shown("one two" * 20, 12)
    "'one twoo..."
    """
    # reprlib goes down a few levels only, whatever a JSON file nests.
    text = repr(value[: limit + 1]) if isinstance(value, str) else reprlib.repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."

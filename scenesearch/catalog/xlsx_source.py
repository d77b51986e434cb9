"""Excel workbooks, read only, through openpyxl: the rows of one sheet, as they come.

Cells are given as text, as a CSV of the sheet would have them, so that a feed means the same in
both; dates as ISO text, formulas as the value that was computed last. The sheet is the one that is
open when the workbook is opened, unless only another one has rows.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from scenesearch.catalog.columns import IMAGE_COLUMNS, KNOWN, ColumnMap, Namer, proposed_name
from scenesearch.catalog.compressed import check_entries
from scenesearch.catalog.csv_source import HEADER_WITHIN, WORDS
from scenesearch.catalog.records import (
    MAX_COLUMNS,
    MAX_FIELD_CHARS,
    MAX_RECORD_CHARS,
    CellError,
    RawRow,
    RowError,
)
from scenesearch.catalog.values import SPACE
from scenesearch.core.errors import CatalogError
from scenesearch.core.extras import extra


class XlsxSource:
    """Rows of one workbook, numbered as Excel does.

    Args:
        path: the file.
        columns: our name to the file's header.
        ignored: headers that are left out.

    Attributes:
        named: each header of the file and its name.

    Raises:
        CatalogError: it is no workbook, has no header, or grows too much when it is unpacked.
    """

    typed = False

    def __init__(
        self, path: Path, *, columns: ColumnMap | None = None, ignored: Iterable[str] = ()
    ) -> None:
        self._path = path
        known = WORDS | {"id", *IMAGE_COLUMNS, *KNOWN}
        known |= {header.strip().casefold() for header in (columns or {}).values()}
        namer = Namer(columns, ignored)
        with self._cells() as cells:
            above = list(zip(range(HEADER_WITHIN), cells, strict=False))
        rows = [(number, row) for _, (number, row) in above if any(one is not None for one in row)]
        if not rows:
            raise CatalogError(
                f"{path} has no rows: expected a sheet with a header; is it the right workbook?",
                code="empty_catalog",
            )

        def words(row: tuple[Any, ...]) -> int:
            return sum(isinstance(one, str) and proposed_name(one) in known for one in row)

        # as in a text file: the first row of two known names or more, else the first row
        self._head, header = next((one for one in rows if words(one[1]) > 1), rows[0])
        header = tuple("" if one is None else str(one) for one in header)
        while header and not header[-1].strip():
            header = header[:-1]
        if len(header) > MAX_COLUMNS:
            raise CatalogError(
                f"{path} has {len(header):,} columns: expected at most {MAX_COLUMNS:,}",
                code="too_many_columns",
            )
        self.header = namer.header(list(header))
        namer.check_found()
        self.named = namer.named
        count = sum(number < self._head for number, _ in rows)
        skipped = (f"{count} row(s) above the header were left out",) if count else ()
        self.notes = (*skipped, *namer.notes)

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        with self._cells() as cells:
            for number, row in cells:
                if number <= self._head:
                    continue
                try:
                    found = self._row(row)
                except CellError as error:
                    yield error.at(number)
                    continue
                if found:
                    yield RawRow(number, found)

    def _row(self, row: tuple[Any, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        chars = 0
        for name, cell in zip(self.header, row, strict=False):
            text = _text(cell)
            if not name or not text:
                continue
            chars += len(text)
            if len(text) > MAX_FIELD_CHARS or chars > MAX_RECORD_CHARS:
                raise CellError(
                    "field_too_long",
                    f"a cell has more than {MAX_FIELD_CHARS:,} characters: expected fewer",
                    column=name,
                )
            found[name] = text
        return found

    @contextmanager
    def _cells(self) -> Iterator[Iterator[tuple[int, tuple[Any, ...]]]]:
        try:
            with zipfile.ZipFile(self._path) as archive:
                check_entries(self._path, archive)
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise self._no_workbook(error) from error
        with extra("xlsx", f"{self._path}: reading Excel workbooks"):
            import openpyxl
        try:
            book = openpyxl.load_workbook(
                self._path, read_only=True, data_only=True, keep_links=False
            )
        except Exception as error:  # whatever a broken workbook makes the library raise
            raise self._no_workbook(error) from error
        try:
            sheets = [book.active, *book.worksheets]
            with_rows = (one for one in sheets if any(any(row) for _, row in self._rows_of(one)))
            yield self._rows_of(next(with_rows, sheets[0]))
        finally:
            book.close()

    def _rows_of(self, sheet: Any) -> Iterator[tuple[int, tuple[Any, ...]]]:
        if not hasattr(sheet, "iter_rows"):  # one that is a chart
            return
        number = 0
        rows: Any = None
        while True:
            try:
                if rows is None:
                    # what a sheet says of its size is not to be believed
                    sheet.reset_dimensions()
                    rows = sheet.iter_rows(values_only=True, max_col=MAX_COLUMNS + 1)
                number += 1
                row = next(rows, None)
            except Exception as error:  # as above
                raise self._no_workbook(error) from error
            if row is None:
                return
            yield number, row

    def _no_workbook(self, error: Exception) -> CatalogError:
        reason = " ".join(str(error).split())[:120]
        return CatalogError(
            f"{self._path} is no Excel workbook that can be read: {reason}; expected .xlsx without "
            f"a password; save it again, or as CSV",
            code="bad_catalog",
        )


def _text(cell: Any) -> str:
    """A cell as people see it; ``#N/A`` and the like are no value."""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return f"{cell:.15g}"  # as many digits as Excel keeps
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, date | time):
        return cell.isoformat()
    text = "" if cell is None else str(cell).strip(SPACE)
    return "" if text in _ERRORS else text


_ERRORS = frozenset({"#N/A", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!"})

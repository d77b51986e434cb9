"""CSV and TSV manifests: the csv module with bounded memory, line numbers and recovery by row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from scenesearch.catalog.columns import IMAGE_COLUMNS, KNOWN, ColumnMap, Namer, proposed_name
from scenesearch.catalog.compressed import open_text
from scenesearch.catalog.records import (
    MAX_COLUMNS,
    MAX_FIELD_CHARS,
    CellError,
    RawRow,
    RowError,
    shown,
)
from scenesearch.catalog.text_file import Lines, check_encoding
from scenesearch.catalog.values import SPACE
from scenesearch.core.errors import CatalogError

DELIMITERS = ",;\t|~"
"""Tried in this order where none is given."""
_NOT_DELIMITERS = '" \r\n\0'
HEADER_WITHIN = 20
"""Records that may stand above the header: remarks, help for each column, labels."""
_WORDS_TEXT = (
    "id title link price availability image_link sku_id handle url_handle body_html "
    "vendor variant_price sku type name published regular_price images "
    "attribute_set_code product_type base_image item_type product_name product_id "
    "active_0_1 image_urls_x_y_z brand"
)
WORDS = frozenset(_WORDS_TEXT.split())
"""Names, as :func:`proposed_name` makes them, of headers of feeds; with ours, a header is known."""
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[\r\n]*')  # written and read by Excel

_UNSEEN = SPACE + "\u00a0\u00ad\u200b\u200c\u200d\u2060\ufeff"
"""Of cells with nothing else, nobody sees anything."""


class CsvSource:
    """Rows of one CSV file; cells are stripped text, empty ones are left out.

    Args:
        path: the file.
        columns: our name to the file's header.
        encoding: forces one; see :func:`scenesearch.catalog.text_file.check_encoding`.
        delimiter: forces one; found from the header where None.
        ignored: headers that are left out.

    Attributes:
        named: each header of the file and its name.

    Raises:
        CatalogError: the encoding, the header or the delimiter does not work.
    """

    typed = False

    def __init__(
        self,
        path: Path,
        *,
        columns: ColumnMap | None = None,
        encoding: str | None = None,
        delimiter: str | None = None,
        ignored: Iterable[str] = (),
    ) -> None:
        if delimiter is not None and (len(delimiter) != 1 or delimiter in _NOT_DELIMITERS):
            raise CatalogError(
                f"the delimiter is {shown(delimiter)}: expected one character such as ',' or ';'",
                code="bad_delimiter",
            )
        self._path = path
        self.header: tuple[str, ...] = ()
        self._encoding = check_encoding(path, encoding)
        self._delimiter = delimiter or ","
        self._known = WORDS | {"id", *IMAGE_COLUMNS, *KNOWN}
        self._known |= {header.strip().casefold() for header in (columns or {}).values()}
        namer = Namer(columns, ignored)
        with self._open() as stream:
            lines = Lines(stream)
            self._skipped = self._find_delimiter(lines, delimiter)
        self._above = self._rows_above()
        with self._open() as stream:
            headers = self._read_header(Lines(stream))
        self.header = namer.header(headers)
        namer.check_found()
        self.named = namer.named
        above = (f"{self._above} row(s) above the header were left out",) if self._above else ()
        self.notes = (*above, *namer.notes)

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        width = len(self.header)
        named = [(index, name) for index, name in enumerate(self.header) if name]
        with self._open() as stream:
            lines = Lines(stream)
            self._read_header(lines)
            for row, fields in self._records(lines):
                if isinstance(fields, RowError):
                    yield fields
                    continue
                if len(fields) > width and not any(map(str.strip, fields[width:])):
                    del fields[width:]  # some exports end each row with a delimiter
                if len(fields) != width:
                    if any(field.strip(SPACE) for field in fields):
                        yield RowError(
                            row,
                            None,
                            "ragged_row",
                            f"the row has {len(fields)} fields: expected {width}, as the header "
                            f"has; put fields that contain {self._delimiter!r} in double quotes",
                        )
                elif any(len(field) > MAX_FIELD_CHARS for field in fields):
                    yield _too_long(row)
                else:
                    cells = {
                        name: cell for index, name in named if (cell := fields[index].strip(SPACE))
                    }
                    # A row of nothing but delimiters is what spreadsheets leave below a table.
                    if any(cell.strip(_UNSEEN) for cell in cells.values()):
                        yield RawRow(row, cells)

    def _open(self) -> TextIO:
        return open_text(self._path, self._encoding, newline="")

    def _records(self, lines: Lines) -> Iterator[tuple[int, list[str] | RowError]]:
        # The limit is one for the whole process; it is only ever raised, so that readers in
        # other threads are not cut short.
        if csv.field_size_limit() < MAX_FIELD_CHARS:
            csv.field_size_limit(MAX_FIELD_CHARS)
        parser = csv.reader(lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)
        while True:
            lines.begin()
            try:
                fields = next(parser)
            except StopIteration:
                return
            except CellError as error:
                row = lines.number
                lines.retry()
                yield row, error.at(row)
            except csv.Error as error:
                row, text = lines.number, lines.text
                lines.retry()
                too_long = "field limit" in str(error)
                wrong = _too_long(row) if too_long else _bad_quotes(row, text, error)
                yield row, self._as_written(text) or wrong
            else:
                if fields:
                    yield lines.number, fields

    def _as_written(self, text: str) -> list[str] | None:
        """The cells of a line whose quotes are no quoting: feeds with tabs may be written so."""
        cells = text.rstrip("\r\n").split(self._delimiter)
        return cells if self._delimiter in "\t~|" and len(cells) == len(self.header) else None

    def _read_header(self, lines: Lines) -> list[str]:
        for _ in range(self._skipped):
            lines.begin()
            next(lines, None)
        above = self._above
        for _, fields in self._records(lines):
            if above:
                above -= 1
                continue
            if isinstance(fields, RowError):
                raise CatalogError(
                    f"{self._path}: the header cannot be read: {fields}", code="bad_header"
                )
            if not any(field.strip(SPACE) for field in fields):
                continue
            if len(fields) > MAX_COLUMNS:
                raise CatalogError(
                    f"{self._path} has {len(fields):,} columns: expected at most {MAX_COLUMNS:,}; "
                    f"leave out the ones that searches do not need",
                    code="too_many_columns",
                )
            # A mark that the codec kept, or a second one.
            fields[0] = fields[0].lstrip("\ufeff")
            return fields
        raise CatalogError(
            f"{self._path} is empty: expected a header with 'id' and 'image', and a row for each "
            f"product",
            code="empty_catalog",
        )

    def _rows_above(self) -> int:
        """How many records stand above the header.

        The first record is the header, unless it is a remark (``#``) or knows none of our names;
        then it is the first of the next few that knows two.
        """
        with self._open() as stream:
            lines = Lines(stream)
            for _ in range(self._skipped):
                lines.begin()
                next(lines, None)
            remarks = 0
            for place, (_, fields) in enumerate(self._records(lines)):
                if place == HEADER_WITHIN:
                    break
                if isinstance(fields, RowError):
                    if not place and not fields.message.startswith("a double quote"):
                        return 0  # said by who reads it
                    continue
                remark = fields[0].lstrip("\ufeff").startswith("#")
                hits = len(self._known & _names(fields))
                if not remark and (hits > 1 or (hits and place == remarks)):
                    return place
                remarks += remark and remarks == place
            return remarks

    def _find_delimiter(self, lines: Lines, given: str | None) -> int:
        """Set the delimiter from the first lines with text; how many lines to skip before them."""
        first: list[str] = []
        for line in lines.each():
            if isinstance(line, CellError):
                if first:
                    break
                raise CatalogError(
                    f"{self._path}: the header cannot be read: {line}", code="bad_header"
                ) from line
            if line.strip():
                first.append(line)
            if len(first) == HEADER_WITHIN or (first and _SEPARATOR_LINE.fullmatch(first[0])):
                break
        if not first:
            return 0
        line = first[0]
        if separator := _SEPARATOR_LINE.fullmatch(line):
            if separator[1] not in _NOT_DELIMITERS:
                self._delimiter = given or separator[1]
            return lines.number
        if given is None:
            # the header is the line that knows most of our names: there may be help above it
            scores = [
                (*_score(line, delimiter, self._known), -place, -index)
                for place, line in enumerate(first)
                for index, delimiter in enumerate(DELIMITERS)
                if not place or _score(line, delimiter, self._known)[0] > 1
            ]
            self._delimiter = DELIMITERS[-max(scores)[-1]]
        return 0


def _score(line: str, delimiter: str, known: frozenset[str]) -> tuple[int, int]:
    """How much a line looks like a header: known names, then columns."""
    try:
        fields = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True))
    except csv.Error:
        return 0, 0
    return len(known & _names(fields)), len(fields)


def _names(fields: Sequence[str]) -> set[str]:
    """What headers may be known by."""
    return {name for field in fields for name in (proposed_name(field), field.strip().casefold())}


def _too_long(row: int) -> RowError:
    return RowError(
        row,
        None,
        "field_too_long",
        f"a field has more than {MAX_FIELD_CHARS:,} characters: expected fewer; shorten it, or "
        f"close the double quote it starts with",
    )


def _bad_quotes(row: int, text: str, error: csv.Error) -> RowError:
    unclosed = "unexpected end" in str(error)
    got = "a double quote is never closed" if unclosed else "text follows a closing double quote"
    return RowError(
        row,
        None,
        "bad_quotes",
        f"{got} in the row that starts {shown(text.rstrip(), 60)}: expected fields with quotes to "
        f'be written "like ""this"""',
    )

"""What a layout of a feed is, and a feed as a source of rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from scenesearch.catalog.columns import IMAGE_COLUMNS
from scenesearch.catalog.feeds.row import FeedRow
from scenesearch.catalog.records import RawRow, RowError, Source
from scenesearch.catalog.values import split_addresses
from scenesearch.core.types import FieldType

CODES: Mapping[str, FieldType] = dict.fromkeys(
    "sku gtin gtin8 gtin12 gtin13 gtin14 ean upc mpn isbn barcode google_product_category "  # noqa: SIM905
    "fb_product_category".split(),
    "keyword",
)
"""Columns of feeds that hold codes, whatever digits they are made of."""
SAMPLE_ROWS = 50
"""Rows that tell what a file is."""


class Sample(NamedTuple):
    """What a file is recognised by: its columns, and its first rows."""

    names: frozenset[str]
    rows: Sequence[Mapping[str, Any]]

    def has(self, *names: str) -> bool:
        """Whether all of these are columns."""
        return self.names.issuperset(names)

    def any(self, *names: str) -> bool:
        """Whether one of these is a column."""
        return not self.names.isdisjoint(names)


class Reading:
    """One walk over a feed.

    Args:
        source: its rows, which can be walked over more than once.
        became: what each column became.
        renamed: columns by the names a layout has for them, where the file has others.

    Attributes:
        hidden: products that the shop itself does not show, and that are left out.
    """

    def __init__(self, source: Source, became: dict[str, str], renamed: dict[str, str]) -> None:
        self.source = source
        self.renamed = renamed
        self.hidden = 0
        self._became = became

    def rows(self) -> Iterator[RawRow | RowError]:
        """The rows as the file has them."""
        return self.source.rows()

    def row(self, row: int, cells: Mapping[str, Any]) -> FeedRow:
        """One of them, to take from."""
        return FeedRow(row, cells, self._became)

    def each(self, make: Callable[[FeedRow], bool]) -> Iterator[RawRow | RowError]:
        """Where each row is an item: ``make`` takes from it; False leaves it out as hidden."""
        for raw in self.rows():
            if isinstance(raw, RowError):
                yield raw
                continue
            row = self.row(raw.row, raw.cells)
            if make(row):
                yield row.done()
            else:
                self.hidden += 1


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout.

    Attributes:
        names: what ``--feed`` calls it, the usual name first.
        title: what people call it.
        recognises: whether a sample is of it.
        convert: rows of the file to rows of ours: ``id``, ``image`` (a list), ``title``, ...
    """

    names: tuple[str, ...]
    title: str
    recognises: Callable[[Sample], bool]
    convert: Callable[[Reading], Iterator[RawRow | RowError]]


class FeedSource:
    """The rows of a feed under our names.

    Args:
        inner: the file.
        layout: what it is.

    Attributes:
        became: what each column became, as far as rows were read: ``""`` for one left out.
        renamed: columns by the names the layout has for them, where the file has others.
    """

    header = None

    def __init__(self, inner: Source, layout: Layout) -> None:
        self.inner = inner
        self.layout = layout
        self.became: dict[str, str] = {}
        self.renamed: dict[str, str] = {}
        self.typed = inner.typed
        self._hidden = 0

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        found = f"read as {self.layout.title}"
        hidden = (
            f"{self._hidden:,} product(s) that the shop itself does not show (drafts, hidden) were "
            f"left out"
        )
        return (found, *self.inner.notes, *((hidden,) if self._hidden else ()))

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        reading = Reading(self.inner, self.became, self.renamed)
        yield from joined(self.layout.convert(reading))
        self._hidden = reading.hidden


def joined(rows: Iterable[RawRow | RowError]) -> Iterator[RawRow | RowError]:
    """Rows with nothing but photos, added to the item before.

    A row without an id that names something else as well stays as it is, and is refused for it.
    """
    held: RawRow | None = None
    for raw in rows:
        if held is not None and isinstance(raw, RawRow) and len(raw.cells) == 1:
            ((column, cell),) = raw.cells.items()
            if column in IMAGE_COLUMNS and column in held.cells:
                photos = listed(held.cells[column]) + listed(cell)
                held = RawRow(held.row, {**held.cells, column: photos})
                continue
        if held is not None:
            yield held
            held = None
        if isinstance(raw, RawRow) and "id" in raw.cells:
            held = raw
        else:
            yield raw
    if held is not None:
        yield held


def listed(cell: Any) -> list[Any]:
    """The photos of a cell, one by one."""
    if isinstance(cell, str):
        return split_addresses(cell, "|")
    return cell if isinstance(cell, list) else [cell]


def sample_of(source: Source) -> Sample:
    """The first rows of a file."""
    rows = [raw.cells for raw in islice(source.rows(), SAMPLE_ROWS) if isinstance(raw, RawRow)]
    names = source.header if source.header is not None else {name for row in rows for name in row}
    return Sample(frozenset(name for name in names if name), rows)

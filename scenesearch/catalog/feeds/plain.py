"""A table of one's own: columns have our names already, or names that say as much."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from scenesearch.catalog.columns import ID_COLUMNS
from scenesearch.catalog.feeds.layout import joined
from scenesearch.catalog.records import RawRow, RowError, Source


class PlainSource:
    """Rows of a plain table: as they are, but for an id of another name, and rows of photos.

    Args:
        inner: the file.
        names: of its columns, where its first rows have to tell them.

    Attributes:
        inner: the file.
        id_column: whose values are the ids, where it is not called so; else None.
    """

    def __init__(self, inner: Source, names: Collection[str] = ()) -> None:
        self.inner = inner
        self.typed = inner.typed
        header = inner.header
        there = names if header is None else header
        others = () if "id" in there else ID_COLUMNS
        self.id_column = next((name for name in others if name in there), None)
        self.header = header and tuple("id" if name == self.id_column else name for name in header)

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        renamed = (f"the ids are read from column {self.id_column!r}",) if self.id_column else ()
        return (*self.inner.notes, *renamed)

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        return joined(self._renamed() if self.id_column else self.inner.rows())

    def _renamed(self) -> Iterator[RawRow | RowError]:
        for raw in self.inner.rows():
            if isinstance(raw, RawRow) and "id" not in raw.cells:
                cells = {"id" if k == self.id_column else k: v for k, v in raw.cells.items()}
                yield RawRow(raw.row, cells)
            else:
                yield raw

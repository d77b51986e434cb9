"""Which items the broken rows of a manifest are about, so that nobody takes them for gone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from scenesearch.catalog import CatalogReader, RowError
from scenesearch.catalog.duplicates import id_key
from scenesearch.catalog.records import CellError
from scenesearch.catalog.values import id_of


class BrokenRows(NamedTuple):
    """What can be said of rows that gave no item.

    Attributes:
        ids: of the rows whose id could be read; as :func:`~scenesearch.catalog.duplicates.id_key`
            gives them.
        nameless: how many rows could not even be read that far.
    """

    ids: frozenset[str]
    nameless: int


def broken_rows(reader: CatalogReader, errors: Sequence[RowError]) -> BrokenRows:
    """Find the ids of broken rows; reads the source again, but only where there are any.

    Args:
        reader: what gave the errors.
        errors: its errors.

    Raises:
        CatalogError: the source cannot be read any more.
    """
    wanted = {error.row for error in errors}
    if not wanted:
        return BrokenRows(frozenset(), 0)
    found: dict[int, str] = {}
    # a RowError has no id, so the raw rows are walked over once more
    for raw in reader._rows():
        if raw.row in wanted and not isinstance(raw, RowError):
            try:
                found[raw.row] = id_key(id_of(raw.cells.get("id")))
            except CellError:
                continue
    reader._check_unchanged()
    return BrokenRows(frozenset(found.values()), len(wanted - set(found)))

"""Reading a catalogue: its columns and ids in a first pass, its items in a second."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from scenesearch.catalog.columns import KNOWN, Plan, plan_columns
from scenesearch.catalog.duplicates import Duplicates, IdCounts, OnDuplicate, id_key
from scenesearch.catalog.field_types import ColumnType
from scenesearch.catalog.records import CellError, PhotoNames, RawRow, RowError, Source
from scenesearch.catalog.rows import RowBuilder
from scenesearch.catalog.values import id_of
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item


@dataclass(frozen=True, slots=True)
class Catalog:
    """A whole catalogue in memory.

    Attributes:
        items: one for each good product, in the order of the source.
        errors: one for each row that gave no item and was no duplicate.
        fields: the type of each attribute that occurs.
        notes: what was odd but harmless: renamed columns, rows left out as exact repeats, ...
    """

    items: tuple[Item, ...]
    errors: tuple[RowError, ...]
    fields: Mapping[str, FieldType]
    notes: tuple[str, ...] = ()


class BrokenRows(NamedTuple):
    """What can be said of rows that gave no item.

    Attributes:
        ids: of the rows whose id could be read; as :func:`~scenesearch.catalog.duplicates.id_key`
            gives them.
        nameless: how many rows could not even be read that far.
    """

    ids: frozenset[str]
    nameless: int


class CatalogReader:
    """Iterates over the items and the row errors of a source, in one pass and little memory.

    It can be iterated again, and then reads the source again. Made by
    :func:`scenesearch.catalog.read_catalog`.

    Attributes:
        path: the source.
        fields: the type of each attribute, over all rows.
        row_count: how many rows the source has, good and bad.
    """

    def __init__(
        self,
        path: Path,
        source: Source,
        paths: PhotoNames,
        *,
        policy: OnDuplicate,
        max_rows: int,
        split_photos: bool,
    ) -> None:
        self.path = path
        self._source = source
        self._policy: OnDuplicate = policy
        self._stamp = _stamp(path)
        if source.header is not None:
            plan_columns(source.header)  # fails before the rows are walked over
        types, ids, self.row_count = self._scan(max_rows)
        self._repeated = ids.repeated()
        plan = plan_columns(source.header if source.header is not None else types)
        self.fields: Mapping[str, FieldType] = {
            name: KNOWN[name] if name in KNOWN else types[column].field_type()
            for column, name in plan.attributes.items()
            if column in types
        }
        self._notes = (*source.notes, *plan.notes, *_type_notes(plan, types))
        self._last_notes: tuple[str, ...] = ()
        self._builder = RowBuilder(
            plan,
            self.fields,
            paths,
            typed=source.typed,
            split_photos=split_photos,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd but harmless; rows left out are counted once they were walked over."""
        return self._notes + self._last_notes

    def __iter__(self) -> Iterator[Item | RowError]:
        """Walk over the rows.

        Raises:
            CatalogError: the source changed since it was opened, or cannot be read any more.
        """
        duplicates = Duplicates(self._policy, self._repeated)
        self._check_unchanged()
        for raw in self._rows():
            if isinstance(raw, RowError):
                yield raw
                continue
            try:
                item_id = id_of(raw.cells.get("id"))
            except CellError as error:
                yield error.at(raw.row)
                continue
            key = id_key(item_id)
            try:
                item = self._build(raw, item_id)
            except CellError as error:
                yield error.at(raw.row)
                yield from duplicates.refused(key)
            else:
                yield from duplicates.add(raw.row, key, item)
        yield from duplicates.finish()
        self._check_unchanged()
        self._last_notes = duplicates.notes()

    def read_all(self) -> Catalog:
        """Everything at once; memory grows with the catalogue.

        Raises:
            CatalogError: as for iterating.
        """
        items: list[Item] = []
        errors: list[RowError] = []
        for found in self:
            if isinstance(found, Item):
                items.append(found)
            else:
                errors.append(found)
        return Catalog(tuple(items), tuple(errors), dict(self.fields), self.notes)

    def broken_rows(self, errors: Sequence[RowError]) -> BrokenRows:
        """Which items the broken rows are about; reads the source again, where there are any.

        Args:
            errors: what iterating gave of them.

        Raises:
            CatalogError: as for iterating.
        """
        wanted = {error.row for error in errors}
        found: dict[int, str] = {}
        # a RowError has no id
        for raw in self._rows() if wanted else ():
            if raw.row in wanted and isinstance(raw, RawRow):
                try:
                    found[raw.row] = id_key(id_of(raw.cells.get("id")))
                except CellError:
                    continue
        self._check_unchanged()
        return BrokenRows(frozenset(found.values()), len(wanted) - len(found))

    def _scan(self, max_rows: int) -> tuple[dict[str, ColumnType], IdCounts, int]:
        """The first pass: types of columns with any value, ids, number of rows."""
        types: dict[str, ColumnType] = {}
        ids = IdCounts()
        count = 0
        first_error: RowError | None = None
        for raw in self._rows():
            count += 1
            if count > max_rows:
                raise CatalogError(
                    f"{self.path} has more than {max_rows:,} rows: expected at most that; split "
                    f"it, or raise max_rows",
                    code="too_many_rows",
                )
            if isinstance(raw, RowError):
                first_error = first_error or raw
                continue
            self._look_at(raw, types)
            try:
                ids.add(id_key(id_of(raw.cells.get("id"))))
            except CellError:
                continue  # said in the second pass
        if not count:
            raise CatalogError(
                f"{self.path} has no products: expected a row (or a photo) for each; is it the "
                f"right file?",
                code="empty_catalog",
            )
        if first_error and not types and self._source.header is None:
            raise CatalogError(
                f"{self.path}: none of its {count:,} lines can be read; {first_error}",
                code="bad_catalog",
            )
        return types, ids, count

    def _rows(self) -> Iterator[RawRow | RowError]:
        try:
            yield from self._source.rows()
        except OSError as error:
            raise CatalogError(
                f"{self.path} cannot be read: {error.strerror or error}; check that it is there "
                f"and readable",
                code="catalog_not_readable",
            ) from error
        except UnicodeDecodeError as error:
            raise self._changed() from error

    def _look_at(self, raw: RawRow, types: dict[str, ColumnType]) -> None:
        typed = self._source.typed
        for column, cell in raw.cells.items():
            kind = types.get(column)
            if kind is None:
                kind = types[column] = ColumnType()
            if typed:
                kind.add_value(cell)
            else:
                kind.add_text(cell, raw.row)

    def _build(self, raw: RawRow, item_id: str) -> Item:
        try:
            return self._builder.build(raw, item_id)
        except (KeyError, ValueError) as error:
            # A cell that no longer fits the type its column had in the first pass.
            raise self._changed() from error

    def _check_unchanged(self) -> None:
        if _stamp(self.path) != self._stamp:
            raise self._changed()

    def _changed(self) -> CatalogError:
        return CatalogError(
            f"{self.path} changed while it was read: expected it to stay as it was; read it again",
            code="catalog_changed",
        )


def _stamp(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise CatalogError(
            f"{path} is no longer there: expected it to stay as it was; read it again",
            code="catalog_changed",
        ) from error
    # The photos of a folder may come and go; a manifest may not.
    is_folder = stat.S_ISDIR(found.st_mode)
    return (0, 0, found.st_ino) if is_folder else (found.st_size, found.st_mtime_ns, found.st_ino)


def _type_notes(plan: Plan, types: Mapping[str, ColumnType]) -> Iterator[str]:
    for column, name in plan.attributes.items():
        note = types[column].note() if column in types and name not in KNOWN else None
        if note:
            yield f"column {column!r}: {note}"

"""Reading a catalogue: its columns and ids in a first pass, its items in a second.

The first bad cell costs the row.
"""

from __future__ import annotations

import stat
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from scenesearch.catalog.attributes import ColumnType, value_of_cell, value_of_text
from scenesearch.catalog.columns import KNOWN, Plan, plan_columns
from scenesearch.catalog.deduplication import Duplicates, OnDuplicate, id_key, repeated_hashes
from scenesearch.catalog.records import (
    MAX_PHOTOS,
    CellError,
    PhotoNames,
    RawRow,
    RowError,
    Source,
    shown,
    unreadable,
)
from scenesearch.catalog.values import KNOWN_VALUES, SPACE, id_of, split_list
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item, Value


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
        ids: of the rows whose id could be read, as ``deduplication.id_key`` gives them.
        nameless: how many rows could not even be read that far.
    """

    ids: frozenset[str]
    nameless: int


class CatalogReader:
    """Iterates over the items and the row errors of a source, in one pass and little memory.

    It can be iterated again, and then reads the source again. Made by
    :func:`scenesearch.catalog.read_catalog`.

    Args:
        path: the source.
        source: its rows.
        paths: where photos may be.
        policy: what a repeated id means.
        max_rows: a source with more is refused.
        split_photos: whether a text cell can name several photos (``a.jpg|b.jpg``, or JSON).

    Attributes:
        path: the source.
        fields: the type of each attribute, over all rows.
        row_count: how many rows the source has, good and bad.
        row: that was read last while walking over the rows.
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
        self._paths = paths
        self._split_photos = split_photos
        self._policy: OnDuplicate = policy
        self._stamp = _stamp(path)
        if source.header is not None:
            plan_columns(source.header)  # fails before the rows are walked over
        types, ids, self.row_count = self._scan(max_rows)
        self._repeated = repeated_hashes(ids)
        self._plan = plan_columns(source.header if source.header is not None else types)
        self.fields: Mapping[str, FieldType] = {
            name: KNOWN[name] if name in KNOWN else types[column].field_type()
            for column, name in self._plan.attributes.items()
            if column in types
        }
        self._notes = (*source.notes, *self._plan.notes, *_type_notes(self._plan, types))
        self._last_notes: tuple[str, ...] = ()
        self.row = 0

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
            self.row = raw.row
            if isinstance(raw, RowError):
                yield raw
                continue
            key: str | None = None
            try:
                item_id = id_of(raw.cells.get("id"))
                key = id_key(item_id)
                item = self._build(raw, item_id)
            except CellError as error:
                yield error.at(raw.row)
                if key is not None:
                    yield from duplicates.done(key)
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
        found = list(self)
        items = tuple(one for one in found if isinstance(one, Item))
        errors = tuple(one for one in found if isinstance(one, RowError))
        return Catalog(items, errors, dict(self.fields), self.notes)

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

    def _scan(self, max_rows: int) -> tuple[dict[str, ColumnType], array[int], int]:
        """The first pass: types of columns with any value, ids, number of rows."""
        types: dict[str, ColumnType] = defaultdict(ColumnType)
        ids = array("q")
        count, typed = 0, self._source.typed
        first_error: RowError | None = None
        for count, raw in enumerate(self._rows(), 1):
            if count > max_rows:
                raise CatalogError(
                    f"{self.path} has more than {max_rows:,} rows: expected at most that; split "
                    f"it, or raise max_rows",
                    code="too_many_rows",
                )
            if isinstance(raw, RowError):
                first_error = first_error or raw
                continue
            for column, cell in raw.cells.items():
                if typed:
                    types[column].add_value(cell)
                else:
                    types[column].add_text(cell, raw.row)
            try:
                ids.append(hash(id_key(id_of(raw.cells.get("id")))))
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
            raise unreadable(self.path, error) from error
        except UnicodeDecodeError as error:
            raise self._changed() from error

    def _build(self, raw: RawRow, item_id: str) -> Item:
        column = self._plan.image
        attributes: dict[str, Value] = {}
        try:
            photos = self._photos(raw.cells.get(column))
            for column, name in self._plan.attributes.items():
                cell = raw.cells.get(column)
                value = None if cell is None else self._value(name, cell)
                # Empty text and an empty list are no value; 0 and False are.
                if value is not None and value not in ("", ()):
                    attributes[name] = value
            return Item(item_id, photos, attributes)
        except CellError as error:
            raise CellError(error.code, str(error), column=column) from error
        except (KeyError, ValueError) as error:
            # A cell that no longer fits the type its column had in the first pass.
            raise self._changed() from error

    def _value(self, name: str, cell: Any) -> Value | None:
        known = KNOWN_VALUES.get(name)
        if known is not None:
            return known(cell)
        kind = self.fields[name]
        return value_of_cell(cell, kind) if self._source.typed else value_of_text(cell, kind)

    def _photos(self, cell: Any) -> tuple[str, ...]:
        if isinstance(cell, str) and self._split_photos:
            values = split_list(cell, "|")
        else:
            values = cell if isinstance(cell, list) else [cell]
        texts = []
        for value in values:
            if not isinstance(value, str | None):
                raise CellError(
                    "bad_path",
                    f"{shown(value)} is not a path: expected text, or a list of texts",
                )
            if value is not None and (text := value.strip(SPACE)):
                texts.append(text)
        if not texts:
            raise CellError(
                "missing_image", "the row names no photo: expected the path of at least one"
            )
        if len(texts) > MAX_PHOTOS:
            raise CellError(
                "too_many_photos",
                f"the row names {len(texts):,} photos: expected at most {MAX_PHOTOS:,}",
            )
        return tuple(dict.fromkeys(self._paths.resolve(text) for text in texts))

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

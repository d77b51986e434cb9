"""Reading a catalogue: its columns and ids in a first pass, its items in a second.

A bad id or photo costs the row, any other bad cell only itself.
"""

from __future__ import annotations

import stat
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from scenesearch.catalog.attributes import (
    ColumnType,
    agreed_type,
    declared_value,
    value_of_cell,
    value_of_text,
)
from scenesearch.catalog.columns import KNOWN, Plan, plan_columns
from scenesearch.catalog.deduplication import Duplicates, OnDuplicate, id_key, repeated_hashes
from scenesearch.catalog.kept_items import kept
from scenesearch.catalog.likely import likely_columns
from scenesearch.catalog.prices import Decimal, Offer, PriceStyle
from scenesearch.catalog.records import (
    MAX_PHOTOS,
    CellError,
    LostCells,
    Packed,
    PhotoNames,
    RawRow,
    RowError,
    Source,
    shown,
    unreadable,
)
from scenesearch.catalog.values import KNOWN_VALUES, SPACE, id_of, split_addresses, split_list
from scenesearch.catalog.vectors import (
    VectorColumn,
    check_there,
    is_empty,
    vector_columns,
    vector_of,
)
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item, Value

_PRICES = frozenset({"price", "list_price", "sale_price"})


@dataclass(frozen=True, slots=True)
class Catalog:
    """A whole catalogue.

    Attributes:
        items: one for each good product, in the order of the source; where they are many they
            are in a temporary file, and are read from there each time they are walked over.
        errors: one for each row that gave no item and was no duplicate.
        fields: the type of each attribute that occurs.
        notes: what was odd but harmless: renamed columns, rows left out as exact repeats, ...
        lost: cells that could not be used, by column and reason; ``notes`` tells of them too.
    """

    items: Sequence[Item]
    errors: tuple[RowError, ...]
    fields: Mapping[str, FieldType]
    notes: tuple[str, ...] = ()
    lost: tuple[LostCells, ...] = ()


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
        types: of attributes, where somebody said so; found over the rows for the others.
        stored: types that the attributes have where the items go.
        decimal: the separator before the decimals of prices; what the prices show where None.
        doubt: why the source may be a part only: said as an error after its last row.
        vectors: columns that hold vectors.
        spaces: dimensions of the vectors that the collection has, whose columns hold some as well;
            None where there is no collection yet.

    Attributes:
        path: the source.
        source: its rows.
        fields: the type of each attribute, over all rows.
        attributes: what each column but the id, the photos and vectors is kept as.
        vectors: dimension of each vector space, by its column.
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
        types: Mapping[str, FieldType] | None = None,
        stored: Mapping[str, FieldType] | None = None,
        decimal: Decimal | None = None,
        doubt: str | None = None,
        vectors: Sequence[str] = (),
        spaces: Mapping[str, int] | None = None,
    ) -> None:
        self.path = path
        self._doubt = doubt
        self.source = source
        self._prices = PriceStyle(decimal)
        self._lost: dict[tuple[str, str], LostCells] = {}
        self._paths = paths
        self._split_photos = split_photos
        self._policy: OnDuplicate = policy
        self._stamp = _stamp(path)
        if source.header is not None:
            self._planned(source.header)  # fails before the rows are walked over
        wanted = vector_columns(vectors, spaces)
        looked = {column: VectorColumn() for column in wanted}
        found, ids, self.row_count = self._scan(max_rows, looked)
        self._repeated = repeated_hashes(ids)
        # what a layout makes of several columns is in no header
        names = tuple(dict.fromkeys((*(source.header or ()), *found)))
        if self._prices.named and "price" in found and "currency" not in names:
            found["currency"] = ColumnType()  # it stands beside the prices
            names = (*names, "currency")
        check_there(wanted, vectors, names)
        self.vectors: Mapping[str, int] = {
            column: looked[column].size(column, (spaces or {}).get(column))
            for column in wanted
            if column in names
        }
        self._plan = self._planned(names)
        given, stored = types or {}, stored or {}
        offered = {
            column: found[column].vector
            for column, name in self._plan.attributes.items()
            if column in found and found[column].vector
            if name not in given and name not in stored
        }
        self.attributes: Mapping[str, str] = {
            column: name
            for column, name in self._plan.attributes.items()
            if column not in offered and column not in self.vectors
        }
        columns = {name: found[c] for c, name in self.attributes.items() if c in found}
        self.fields: Mapping[str, FieldType] = {
            name: _declared(name, given[name], stored.get(name))
            if name in given and name not in KNOWN
            else agreed_type(name, column, stored.get(name))
            for name, column in columns.items()
        }
        own = {name: KNOWN.get(name) or columns[name].field_type() for name in columns}
        # of these, each cell is looked at by the type; of the others all cells have it
        self._declared = {
            name for name in columns if name in given or self.fields[name] != own[name]
        }
        untyped = {column: kind for column, kind in found.items() if column not in given}
        told = (
            f"column {column!r}: it holds vectors (lists of {size:,} numbers), which are no "
            f"attribute, and is left out; --vectors {column} keeps them, and items are compared "
            f"by them as well, beside what photos look like"
            for column, size in offered.items()
        )
        notes = _type_notes(self.attributes, untyped)
        self._notes = (*source.notes, *self._plan.notes, *notes, *told)
        self._last_notes: tuple[str, ...] = ()
        self.row = 0

    @property
    def image(self) -> str:
        """The column with the photos."""
        return self._plan.image

    @property
    def notes(self) -> tuple[str, ...]:
        """What was odd but harmless; rows left out are counted once they were walked over."""
        return self._notes + self._last_notes + tuple(map(str, self.lost))

    @property
    def lost(self) -> tuple[LostCells, ...]:
        """Cells that were left out, by column and reason, as far as the rows were walked over."""
        return tuple(self._lost.values())

    def __iter__(self) -> Iterator[Item | RowError]:
        """Walk over the rows.

        Raises:
            CatalogError: the source changed since it was opened, or cannot be read any more.
        """
        duplicates = Duplicates(self._policy, self._repeated)
        self._lost.clear()
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
        if self._doubt is not None:
            yield RowError(self.row + 1, None, "cut_short", self._doubt)
        self._check_unchanged()
        self._last_notes = duplicates.notes()

    def read_all(self) -> Catalog:
        """Everything at once; memory grows with the errors, and not with the items.

        Raises:
            CatalogError: as for iterating.
            NoSpaceError: many items, and no room for a temporary file.
        """
        errors: list[RowError] = []

        def good() -> Iterator[Item]:
            for one in self:
                if isinstance(one, RowError):
                    errors.append(one)
                else:
                    yield one

        items = kept(good())
        return Catalog(items, tuple(errors), dict(self.fields), self.notes, self.lost)

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

    def _planned(self, names: Iterable[str]) -> Plan:
        try:
            return plan_columns(names)
        except CatalogError as error:
            raise CatalogError(f"{error}{likely_columns(self.source)}", code=error.code) from error

    def _scan(
        self, max_rows: int, vectors: Mapping[str, VectorColumn]
    ) -> tuple[dict[str, ColumnType], array[int], int]:
        """The first pass: types of columns with any value, ids, number of rows."""
        types: dict[str, ColumnType] = defaultdict(ColumnType)
        ids = array("q")
        count, typed = 0, self.source.typed
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
                if column in vectors:
                    types.setdefault(column, ColumnType())  # there, and no attribute
                    vectors[column].look(cell)
                elif isinstance(cell, Offer):
                    if cell.sale is not None:
                        types.setdefault("list_price", ColumnType())
                        if cell.dated:
                            types.setdefault("sale_price", ColumnType())
                    for amount in cell.cells:
                        self._prices.look(amount)
                elif typed or not isinstance(cell, str):
                    types[column].add_value(cell)
                else:
                    types[column].add_text(cell, raw.row)
                if column in _PRICES:
                    types.setdefault(column, ColumnType())  # there, whatever its cells are
                    self._prices.look(cell)
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
        if first_error and not types and self.source.header is None:
            raise CatalogError(
                f"{self.path}: none of its {count:,} lines can be read; {first_error}",
                code="bad_catalog",
            )
        return types, ids, count

    def _rows(self) -> Iterator[RawRow | RowError]:
        try:
            yield from self.source.rows()
        except OSError as error:
            raise unreadable(self.path, error) from error
        except UnicodeDecodeError as error:
            raise self._changed() from error

    def _build(self, raw: RawRow, item_id: str) -> Item:
        column = self._plan.image
        attributes: dict[str, Value] = {}
        try:
            photos = self._photos(raw.cells.get(column))
        except CellError as error:
            raise CellError(error.code, str(error), column=column) from error
        for column, name in self.attributes.items():
            cell = raw.cells.get(column)
            if cell is None:
                continue
            try:
                if name in _PRICES:
                    self._price(raw.row, name, cell, attributes)
                    continue
                value = self._value(name, cell)
            except CellError as error:
                self._lose(raw.row, column, error)
                continue
            except (KeyError, ValueError) as error:
                # A cell that no longer fits the type its column had in the first pass.
                raise self._changed() from error
            # Empty text and an empty list are no value; 0 and False are.
            if value is not None and value not in ("", ()):
                attributes[name] = value
        _check_list_price(attributes)
        return Item(item_id, photos, attributes, self._vectors(raw) if self.vectors else None)

    def _vectors(self, raw: RawRow) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        for column, size in self.vectors.items():
            if not is_empty(cell := raw.cells.get(column)):
                try:
                    found[column] = vector_of(cell, size)
                except CellError as error:
                    self._lose(raw.row, column, error)
        return found

    def _value(self, name: str, cell: Any) -> Value | None:
        known = KNOWN_VALUES.get(name)
        kind = self.fields[name]
        if known is not None:
            value = known(cell)
            # stored when the name had no meaning of its own yet
            fits = value is None or kind == KNOWN[name]
            return value if fits else declared_value(name, value, kind)
        if name in self._declared:
            return declared_value(name, cell, kind)
        if self.source.typed or not isinstance(cell, str):
            return value_of_cell(cell, kind)
        return value_of_text(cell, kind)

    def _price(self, row: int, name: str, cell: Any, attributes: dict[str, Value]) -> None:
        """What is paid, and what the regular price is, and the currency that stands there."""
        offer = cell if isinstance(cell, Offer) else Offer(cell)
        regular = self._prices.read(offer.regular) if offer.regular is not None else None
        try:
            sale = self._prices.read(offer.sale) if offer.sale is not None else None
        except CellError as error:
            # the price is there all the same
            sale = None
            self._lose(row, "sale_price", error)
        if sale is not None and not sale.amount:
            sale = None
        if regular is not None and sale is not None:
            low, high = sorted((regular, sale), key=lambda price: price.amount)
            paid = low
            if low.amount < high.amount:
                # a sale with dates holds when somebody asks, and not when the file is read
                other = "sale_price" if offer.dated else "list_price"
                attributes[other] = (low if offer.dated else high).amount
                paid = high if offer.dated else low
        else:
            paid = regular or sale  # type: ignore[assignment]
        if paid is not None:
            attributes[name] = paid.amount
            if paid.currency and name == "price":
                attributes.setdefault("currency", paid.currency)

    def _lose(self, row: int, column: str, error: CellError) -> None:
        """Count a cell that is left out."""
        key = column, error.code
        known = self._lost.get(key)
        self._lost[key] = (
            replace(known, count=known.count + 1)
            if known
            else LostCells(column, error.code, 1, row, str(error))
        )

    def _photos(self, cell: Any) -> tuple[str, ...]:
        if isinstance(cell, str) and self._split_photos:
            values = split_addresses(cell, "|") if "://" in cell else split_list(cell, "|")
        else:
            values = cell if isinstance(cell, list) else [cell]
        texts: list[str | Packed] = []
        for value in values:
            if isinstance(value, Packed):
                texts.append(value)
                continue
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
        places = (
            self._paths.keep(one) if isinstance(one, Packed) else self._paths.resolve(one)
            for one in texts
        )
        return tuple(dict.fromkeys(places))

    def _check_unchanged(self) -> None:
        if _stamp(self.path) != self._stamp:
            raise self._changed()

    def _changed(self) -> CatalogError:
        return CatalogError(
            f"{self.path} changed while it was read: expected it to stay as it was; read it again",
            code="catalog_changed",
        )


def _declared(name: str, declared: FieldType, stored: FieldType | None) -> FieldType:
    """The type that somebody said, where the collection can have it.

    Raises:
        CatalogError: it has another already.
    """
    if stored in (None, declared) or (stored, declared) == ("integer", "float"):
        return declared
    raise CatalogError(
        f"{name!r} is to be of type {declared}, and is {stored} in the collection: expected that; "
        f"leave the type out, or keep the column under another name (--column)",
        code="wrong_type",
    )


def _check_list_price(attributes: dict[str, Value]) -> None:
    """A former price that is no higher than today's is none, as shops fill it in."""
    price, former = attributes.get("price"), attributes.get("list_price")
    if former == 0 or (isinstance(price, float) and isinstance(former, float) and former <= price):
        del attributes["list_price"]


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


def _type_notes(attributes: Mapping[str, str], types: Mapping[str, ColumnType]) -> Iterator[str]:
    for column, name in attributes.items():
        note = types[column].note() if column in types and name not in KNOWN else None
        if note:
            yield f"column {column!r}: {note}"

"""Types of attributes, found over a column or given by a collection, and values of these types.

CSV cells are text, so a column has a type only when all of its cells agree. Cells of JSONL and
Parquet have types of their own, and a column that mixes them becomes keywords. A manifest types a
column over all of its rows. An item that comes alone has the same names, types and checks: it meets
the types that the collection has, and only a name that is new there gets the type of its values.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from scenesearch.catalog.columns import KNOWN, normalise, plan_columns
from scenesearch.catalog.records import MAX_COLUMNS, CellError, shown
from scenesearch.catalog.values import KNOWN_VALUES, keywords, text_of
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item, Value

LONG_TEXT_CHARS = 200
"""A text column with any longer cell is ``text`` (searched by words), not ``keyword``."""

# No leading zeros and no plus: "001" and "+49" are codes, and must stay as they are.
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INT64 = range(-(2**63), 2**63)
"""What an ``integer`` field can hold."""
EXACT = range(-(2**53), 2**53 + 1)
"""Whole numbers that ranges, which compare floats, and readers of JSON in a browser tell apart."""
VECTOR = 16
"""Lists of so many numbers, most of them alike long, are vectors."""
_TAKEN = ("id", "image")
"""What a manifest names the id and the photos, so that no attribute can have these names."""
_EXPECTED: Mapping[FieldType, str] = {
    "keyword": "text, or a list of texts",
    "text": "text, or a list of texts",
    "integer": "a whole number of at most 64 bits",
    "float": "a number",
    "bool": "true or false",
}
_HELD: Mapping[FieldType, tuple[type, ...]] = {
    "keyword": (str, tuple),
    "text": (str, tuple),
    "integer": (int,),
    "float": (float,),
    "bool": (bool,),
}


class ColumnType:
    """What the cells of one column have in common. Feed it every cell, then ask.

    Attributes:
        count: cells seen.
        fraction: whether one was a number that is not whole.
    """

    __slots__ = (
        *("_boolean", "_integer", "_kinds", "_long", "_number", "_numbers", "_odd", "_vectors"),
        *("count", "fraction"),
    )

    def __init__(self) -> None:
        self.count = 0
        self.fraction = False
        self._vectors: Counter[int] = Counter()
        self._integer = self._number = self._boolean = True
        self._long = False
        self._numbers = 0
        self._odd: tuple[int, str] | None = None
        self._kinds: set[str] = set()

    def add_text(self, cell: str, row: int) -> None:
        """Look at a stripped, non-empty CSV cell."""
        if cell[0] == "[":
            self._see_vector(_listed(cell))
        self.count += 1
        if len(cell) > LONG_TEXT_CHARS:
            self._long = True
        if self._number:
            if _INTEGER.fullmatch(cell):
                # Beyond that it is a code, not a quantity: a float would change its digits.
                self._number = len(cell) <= 20 and int(cell) in EXACT
            else:
                self._integer = False
                self._number = bool(_FLOAT.fullmatch(cell)) and math.isfinite(float(cell))
                self.fraction = self.fraction or (self._number and not float(cell).is_integer())
            if self._number:
                self._numbers += 1
            else:
                self._odd = (row, cell[:100])
        elif not self.fraction and cell[0] in "-.0123456789" and _FLOAT.fullmatch(cell):
            # a word among numbers does not hide that one of them is not whole
            number = float(cell)
            self.fraction = math.isfinite(number) and not number.is_integer()
        if self._boolean:
            self._boolean = cell.lower() in ("true", "false")

    def add_value(self, cell: Any) -> None:
        """Look at a cell with a type of its own, not None."""
        if isinstance(cell, list):
            self._see_vector(cell)
        self.count += 1
        match cell:
            case bool():
                kind = "bool"
            case int():
                kind = "integer" if cell in EXACT else "large integer"
            case float():
                kind = "float"
                self.fraction = self.fraction or not cell.is_integer()
            case str():
                kind = "text"
                self._long = self._long or len(cell) > LONG_TEXT_CHARS
            case list():
                kind = "list"
            case _:
                return
        self._kinds.add(kind)

    def _see_vector(self, cell: Any) -> None:
        # JavaScript writes 0.0 as 0, so that one fraction is enough
        if isinstance(cell, list) and len(cell) >= VECTOR:
            kinds = set(map(type, cell))
            if float in kinds and kinds <= {float, int}:
                self._vectors[len(cell)] += 1

    @property
    def vector(self) -> int:
        """How many numbers most cells are a list of; 0 where they are none."""
        for size, count in self._vectors.most_common(1):
            return size if 2 * count > self.count else 0
        return 0

    @property
    def only_numbers(self) -> bool:
        """Whether all cells with types of their own were numbers."""
        return self._kinds <= {"integer", "float"}

    def field_type(self) -> FieldType:
        """The type of the column."""
        if self._kinds:
            if self._kinds == {"bool"}:
                return "bool"
            if self._kinds == {"integer"}:
                return "integer"
            if self._kinds <= {"integer", "float"}:
                return "float"
            return "text" if self._long and "list" not in self._kinds else "keyword"
        if self._boolean and self.count:
            return "bool"
        if self._number and self.count:
            return "integer" if self._integer else "float"
        return "text" if self._long else "keyword"

    def note(self) -> str | None:
        """What a user may want to know about the type, or None."""
        mixed = self._kinds - {"list"}
        if "large integer" in mixed:
            return (
                "it has integers beyond 2^53, which ranges and browsers round, so its values are "
                "kept as text"
            )
        if len(mixed) > 1 and not mixed <= {"integer", "float"}:
            return f"it mixes {', '.join(sorted(self._kinds))}, so its values are kept as text"
        if not self._kinds and self._odd and self._numbers >= 5:
            row, cell = self._odd
            return (
                f"it is text: row {row} has {shown(cell)} after {self._numbers:,} plain numbers; "
                f"leave the cell empty to filter by range"
            )
        return None


def _listed(cell: str) -> Any:
    """A cell that is a list in JSON, or None."""
    try:
        return json.loads(cell) if cell.endswith("]") else None
    except (ValueError, RecursionError):
        return None


def value_of_text(cell: str, kind: FieldType) -> Value:
    """A stripped CSV cell as a value of its column's type.

    Raises:
        CellError: it has characters that cannot be stored.
    """
    match kind:
        case "integer":
            return int(cell)
        case "float":
            return float(cell)
        case "bool":
            return cell.lower() == "true"
        case _:
            return text_of(cell)


def value_of_cell(cell: Any, kind: FieldType) -> Value | None:
    """A cell with a type of its own as a value of its column's type; None when it is empty.

    Raises:
        CellError: it is nested, not finite, or has characters that cannot be stored.
    """
    if isinstance(cell, list):
        return keywords(cell) or None
    text = text_of(cell)  # refuses what is nested or not finite, whatever the type
    if kind == "float":
        return float(cell)
    return cell if kind in ("integer", "bool") else text or None


_BOOLS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def declared_value(name: str, cell: Any, kind: FieldType) -> Value | None:
    """A cell as a value of a type that was declared, or that a collection has.

    Raises:
        CellError: ``wrong_type``; or it is nested, not finite, or cannot be stored.
    """
    if isinstance(cell, tuple):
        cell = list(cell)
    if not isinstance(cell, str) or kind in ("keyword", "text"):
        return attribute_value(name, cell, kind, strict=False)
    text = text_of(cell)
    value: Value | None = None
    if not text:
        return None
    if kind == "bool":
        value = _BOOLS.get(text.lower())
    elif _FLOAT.fullmatch(text) and math.isfinite(float(text)):
        number = float(text)
        if kind == "float":
            value = number
        elif number.is_integer():
            whole = int(text) if _INTEGER.fullmatch(text) else int(number)
            value = whole if whole in INT64 else None
    if value is None:
        raise _wrong(cell, kind, shown(cell))
    return value


def attribute_names(names: Iterable[str]) -> dict[str, str]:
    """What attributes of these names are kept as: lower snake case, reserved names prefixed.

    >>> attribute_names(["inStock", "color", "label"])
    {'inStock': 'in_stock', 'color': 'colour', 'label': 'attr_label'}

    Raises:
        CellError: a name that cannot be one, or two that are kept as one.
    """
    found: dict[str, str] = {}
    for name in names:
        try:
            normal = normalise(name)
            if normal in _TAKEN:
                raise CellError(
                    "bad_column",
                    f"the attribute {shown(name)} has the name of the item's own {normal}: "
                    f"expected another; rename it",
                    column=name,
                )
            kept = plan_columns((*_TAKEN, normal)).attributes[normal]
        except CatalogError as error:
            raise CellError(error.code, str(error), column=name) from error
        if kept in found.values():
            raise CellError(
                "duplicate_column",
                f"two attributes are both kept as {kept!r}: expected one; remove the other",
                column=name,
            )
        found[name] = kept
    return found


def field_types(items: Iterable[Item], fields: Mapping[str, FieldType]) -> dict[str, FieldType]:
    """The type of each attribute of items: the collection's, else what its values say."""
    columns: dict[str, ColumnType] = {}
    for item in items:
        for name, value in item.attributes.items():
            look_at(columns, name, value)
    return {name: kind_of(name, columns, fields) for name in columns}


def look_at(columns: dict[str, ColumnType], name: str, value: Any) -> None:
    """Note a value for the type of its attribute."""
    if value is not None:
        cell = list(value) if isinstance(value, tuple) else value
        columns.setdefault(name, ColumnType()).add_value(cell)


def kind_of(
    name: str, columns: Mapping[str, ColumnType], fields: Mapping[str, FieldType]
) -> FieldType:
    """The type of an attribute: the collection's, a known one, or what its values say."""
    kind = fields.get(name)
    if kind == "integer" and name in columns and columns[name].only_numbers:
        return "float" if columns[name].fraction else kind
    return kind or KNOWN.get(name) or columns[name].field_type()


def agreed_type(name: str, column: ColumnType, stored: FieldType | None) -> FieldType:
    """The type of a column of a catalogue, where the collection may have one for it.

    Integers become floats as soon as one number is not whole, whatever else there is. Any other
    type stays as it is stored, and cells that are not of it are left out.
    """
    found = KNOWN.get(name) or column.field_type()
    if stored is None or stored == found:
        return found
    known = name in KNOWN and (stored, found) == ("integer", "float")
    widens = stored == "integer" and name not in KNOWN and column.fraction
    return "float" if known or widens else stored


def attribute_value(name: str, cell: Any, kind: FieldType, *, strict: bool) -> Value | None:
    """A JSON value as a value of its field; None where it is empty.

    Args:
        name: as the attribute is kept.
        cell: not None.
        kind: type of the field.
        strict: refuse numbers for a field of texts, which the values of a new one make texts.

    Raises:
        CellError: it is nested, not finite, of another type than its field, or of no meaning
            where the name has one (``price``).
    """
    try:
        check = KNOWN_VALUES.get(name)
        if check is not None:
            value = check(cell)
        else:
            cells = cell if isinstance(cell, list) else [cell]
            if strict or kind in ("integer", "float", "bool"):
                for one in cells:
                    _check_kind(one, kind, single=not isinstance(cell, list))
            value = value_of_cell(_whole(cell) if kind == "integer" else cell, kind)
        if value is None or value in ("", ()):
            return None
        # however it was read
        if not isinstance(value, _HELD[kind]) or (kind == "integer" and isinstance(value, bool)):
            raise _wrong(value, kind, shown(value))
    except CellError as error:
        raise CellError(error.code, str(error), column=error.column or name) from error
    return value


def _check_kind(cell: Any, kind: FieldType, *, single: bool) -> None:
    """Whether a cell of its own type fits a field, before anything is made text of it."""
    if isinstance(cell, dict | list) or cell is None:
        return  # refused, with a reason of its own, by who reads it; null in a list is left out
    if isinstance(cell, float) and not math.isfinite(cell):
        return  # not finite: likewise
    texts = kind in ("keyword", "text")
    if not single and not texts:
        raise _wrong(cell, kind, "a list")
    number = not isinstance(cell, bool) and isinstance(cell, int | float)
    match kind:
        case "bool":
            good = isinstance(cell, bool)
        case "integer":
            good = number and int(cell) == cell and int(cell) in INT64
        case "float":
            good = number and (not isinstance(cell, int) or cell in INT64)
        case _:
            good = isinstance(cell, str)
    if not good:
        raise _wrong(cell, kind, shown(cell))


def _wrong(cell: Any, kind: FieldType, got: str) -> CellError:
    kind_of_cell = "" if isinstance(cell, str) else f" ({type(cell).__name__})"
    return CellError(
        "wrong_type",
        f"{got}{kind_of_cell} for a field of type {kind}: expected {_EXPECTED[kind]}; send it as "
        f"that, or under another name",
    )


def _whole(cell: Any) -> Any:
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def check_room(fields: Iterable[str], new: Iterable[str]) -> None:
    """Whether a collection can have these further fields.

    Raises:
        CellError: it would have more than a manifest can have columns.
    """
    known = set(fields)
    wanted = set(new) - known
    if wanted and len(known) + len(wanted) > MAX_COLUMNS:
        raise CellError(
            "too_many_columns",
            f"{shown(min(wanted))} would be one field too many: expected at most {MAX_COLUMNS:,} "
            f"in a collection; use the names that are there",
            column=min(wanted),
        )

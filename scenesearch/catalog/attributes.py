"""Attributes that come one item at a time: the same names, types and checks as in a manifest.

A manifest types a column over all of its rows. An item that comes alone meets the types that the
collection has, and only a name that is new there gets the type of its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from scenesearch.catalog.columns import KNOWN, normalise, plan_columns
from scenesearch.catalog.field_types import INT64, ColumnType, value_of_cell
from scenesearch.catalog.records import MAX_COLUMNS, CellError, shown
from scenesearch.catalog.values import KNOWN_VALUES
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import FieldType, Item, Value

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
    return fields.get(name) or KNOWN.get(name) or columns[name].field_type()


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
        _check_value(value, kind)
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


def _check_value(value: Value, kind: FieldType) -> None:
    """Whether a value is of its field's type, however it was read."""
    if not isinstance(value, _HELD[kind]) or (kind == "integer" and isinstance(value, bool)):
        raise _wrong(value, kind, shown(value))


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

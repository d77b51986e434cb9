"""Types of attribute columns, found over the whole column, and cells turned into values.

CSV cells are text, so a column has a type only when all of its cells agree. Cells of JSONL and
Parquet have types of their own, and a column that mixes them becomes keywords.
"""

from __future__ import annotations

import math
import re
from typing import Any

from scenesearch.catalog.records import shown
from scenesearch.catalog.values import keywords, text_of
from scenesearch.core.types import FieldType, Value

LONG_TEXT_CHARS = 200
"""A text column with any longer cell is ``text`` (searched by words), not ``keyword``."""

# No leading zeros and no plus: "001" and "+49" are codes, and must stay as they are.
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_FLOAT = re.compile(r"-?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
INT64 = range(-(2**63), 2**63)
"""What an ``integer`` field can hold."""


class ColumnType:
    """What the cells of one column have in common. Feed it every cell, then ask."""

    __slots__ = ("_boolean", "_integer", "_kinds", "_long", "_number", "_numbers", "_odd", "count")

    def __init__(self) -> None:
        self.count = 0
        self._integer = self._number = self._boolean = True
        self._long = False
        self._numbers = 0
        self._odd: tuple[int, str] | None = None
        self._kinds: set[str] = set()

    def add_text(self, cell: str, row: int) -> None:
        """Look at a stripped, non-empty CSV cell."""
        self.count += 1
        if len(cell) > LONG_TEXT_CHARS:
            self._long = True
        if self._number:
            if _INTEGER.fullmatch(cell):
                # Beyond 64 bits it is a code, not a quantity: a float would change its digits.
                self._number = len(cell) <= 20 and int(cell) in INT64
            else:
                self._integer = False
                self._number = bool(_FLOAT.fullmatch(cell)) and math.isfinite(float(cell))
            if self._number:
                self._numbers += 1
            else:
                self._odd = (row, cell[:100])
        if self._boolean:
            self._boolean = cell.lower() in ("true", "false")

    def add_value(self, cell: Any) -> None:
        """Look at a cell with a type of its own, not None."""
        self.count += 1
        match cell:
            case bool():
                kind = "bool"
            case int():
                kind = "integer" if cell in INT64 else "large integer"
            case float():
                kind = "float"
            case str():
                kind = "text"
                self._long = self._long or len(cell) > LONG_TEXT_CHARS
            case list():
                kind = "list"
            case _:
                return
        self._kinds.add(kind)

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
            return "it has integers beyond 64 bits, so its values are kept as text"
        if len(mixed) > 1 and not mixed <= {"integer", "float"}:
            return f"it mixes {', '.join(sorted(self._kinds))}, so its values are kept as text"
        if not self._kinds and self._odd and self._numbers >= 5:
            row, cell = self._odd
            return (
                f"it is text: row {row} has {shown(cell)} after {self._numbers:,} plain numbers; "
                f"leave the cell empty to filter by range"
            )
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

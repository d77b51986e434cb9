"""JSONL manifests: one JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from scenesearch.catalog.columns import ColumnMap, Namer
from scenesearch.catalog.records import CellError, RawRow, RowError, shown
from scenesearch.catalog.text_file import Lines, check_encoding
from scenesearch.core.errors import CatalogError

_ONE_OBJECT = 'one object a line, such as {"id": "1", "image": "photos/1.jpg"}'


class JsonlSource:
    """Rows of one JSONL file; null is the same as leaving the key out.

    Args:
        path: the file.
        columns: our name to the file's key.
        encoding: forces one; see :func:`scenesearch.catalog.text_file.check_encoding`.

    Raises:
        CatalogError: the encoding does not work, or the file is one JSON array or document.
    """

    header = None
    typed = True

    def __init__(
        self, path: Path, *, columns: ColumnMap | None = None, encoding: str | None = None
    ) -> None:
        self._path = path
        self._encoding = check_encoding(path, encoding)
        self._namer = Namer(columns)
        with self._open() as stream:
            lines = (line for line in Lines(stream).each() if isinstance(line, str))
            first = next(filter(None, map(str.strip, lines)), "")
        if first.startswith("["):
            raise CatalogError(
                f"{path} is one JSON array: expected {_ONE_OBJECT}; convert it with "
                f"jq -c '.[]' {path.name} > lines.jsonl",
                code="json_array",
            )
        if first == "{":
            raise CatalogError(
                f"{path} has an object over several lines: expected {_ONE_OBJECT}; convert it "
                f"with jq -c . {path.name} > lines.jsonl",
                code="json_document",
            )

    @property
    def notes(self) -> tuple[str, ...]:
        """See :class:`scenesearch.catalog.records.Source`."""
        return tuple(self._namer.notes)

    def rows(self) -> Iterator[RawRow | RowError]:
        """Walk over the rows; see :class:`scenesearch.catalog.records.Source`."""
        with self._open() as stream:
            lines = Lines(stream)
            for line in lines.each():
                try:
                    if isinstance(line, CellError):
                        raise line
                    if line.strip():
                        yield RawRow(lines.number, self._cells(line))
                except CellError as error:
                    yield error.at(lines.number)
        self._namer.check_found()

    def _open(self) -> TextIO:
        # Only \n ends a line: \r stands before it at most, and U+2028 may stand in a string.
        return self._path.open(encoding=self._encoding, newline="\n")

    def _cells(self, line: str) -> dict[str, Any]:
        cells: dict[str, Any] = {}
        for key, value in _parse(line).items():
            name = self._namer.name(key)
            if name in cells:
                raise CellError(
                    "duplicate_key",
                    f"two keys are both named {name!r}: expected different names; remove one",
                    column=name,
                )
            if value is not None:
                cells[name] = value
        return cells


def _parse(line: str) -> dict[str, Any]:
    text = line.strip()
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        if not line.endswith("\n") and not text.endswith("}"):
            raise CellError(
                "truncated_line",
                f"the last line is cut off at {shown(text[-40:])}: expected a whole object; write "
                f"the file again",
            ) from error
        fix = "remove the comma at its end" if text.endswith("},") else f"expected {_ONE_OBJECT}"
        raise CellError(
            "bad_json", f"the line is not JSON ({error.msg} at column {error.colno}): {fix}"
        ) from error
    except RecursionError as error:
        raise CellError(
            "bad_json", f"the line is nested too deeply: expected {_ONE_OBJECT}"
        ) from error
    except ValueError as error:  # an integer of thousands of digits
        raise CellError(
            "bad_json", "the line has a number of thousands of digits: expected it as text"
        ) from error
    if not isinstance(value, dict):
        raise CellError("not_an_object", f"the line is {shown(value, 40)}: expected {_ONE_OBJECT}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise CellError(
                "duplicate_key", f"the key {shown(key)} stands there twice: expected it once"
            )
        found[key] = value
    return found


def _no_constant(name: str) -> Any:
    raise CellError(
        "bad_number", f"{name} is not JSON: expected a finite number; use null, or leave it out"
    )

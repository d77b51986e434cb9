"""Rows of matches as a table: a line for each match, and one where there is none."""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Iterator, Mapping
from typing import IO, Any

from scenesearch.matching.rows import SHOWN, MatchRow
from scenesearch.tagging.outputs import Cell, Table, Texts, flat_schema

COLUMNS = (
    *("source", "sha256", "width", "height", "object", "label", "confidence", "box", "note"),
    *("rank", "item_id", "score", *SHOWN, "error", "message"),
)
_KINDS: Mapping[str, Cell] = {
    **dict.fromkeys(("confidence", "score", "price"), "real"),
    **dict.fromkeys(("width", "height", "object", "rank"), "whole"),
    "box": "reals",
}
"""Of what is no text."""


def lines(texts: Texts) -> Texts:
    """A row, of a photo, to lines, of its matches, all as JSON texts.

    An object without a match has one line without an item, a photo without objects or with an
    error one line without an object.
    """
    for text in texts:
        for line in _lines(json.loads(text)):
            yield json.dumps(line, ensure_ascii=False, allow_nan=False)


def _lines(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    photo = dict.fromkeys(COLUMNS) | {name: row[name] for name in COLUMNS if name in row}
    for one in row["objects"] or [None]:
        if one is None:
            yield photo
            continue
        told = {name: one[name] for name in ("label", "confidence", "box", "note")}
        found = {**photo, "object": one["number"], **told}
        for match in one["matches"] or [{}]:
            attributes = match.get("attributes", {})
            price = attributes.get("price")
            yield {
                **found,
                **{name: match.get(name) for name in ("rank", "item_id", "score")},
                **{name: str(value) for name, value in attributes.items()},
                # a price that is none is text of the catalogue, and no number of a column
                **({} if price is None else {"price": _number(price)}),
            }


def _number(value: Any) -> float | None:
    return None if isinstance(value, str | bool) else float(value)


def write_csv(texts: Texts, file: IO[bytes]) -> None:
    """A header, and a line a match."""
    writer = csv.writer(codecs.getwriter("utf-8")(file), lineterminator="\n")
    writer.writerow(COLUMNS)
    for text in lines(texts):
        line = json.loads(text)
        cells = (line[name] for name in COLUMNS)
        writer.writerow(
            json.dumps(cell) if isinstance(cell, list) else "" if cell is None else cell
            for cell in cells
        )


def schema() -> Any:
    """The columns, as :class:`pyarrow.Schema`."""
    return flat_schema({name: _KINDS.get(name, "text") for name in COLUMNS})


MATCHES = Table(MatchRow, schema, write_csv, lines)
"""A line a match, in every format."""

"""A catalogue looked at before it is indexed: what it was taken for, and everything wrong with it.

Problems are grouped by column and reason, so that a feed of a million rows with one fault in each
has one problem. Nothing is fetched, no photo is decoded.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scenesearch.catalog.feeds.layout import FeedSource
from scenesearch.catalog.feeds.plain import PlainSource
from scenesearch.catalog.likely import likely_meanings
from scenesearch.catalog.reader import CatalogReader
from scenesearch.catalog.records import RowError, Source
from scenesearch.core.types import Item

EXAMPLES = 3
"""Rows named of each problem."""

_FIXES: Mapping[str, str] = {
    "ambiguous_price": "--price-locale LOCALE",
    "duplicate_id": "--on-duplicate last",
    "image_not_found": "--image-root FOLDER",
    "image_outside_root": "--image-root FOLDER",
    "bad_path": "--image-root FOLDER",
    "ragged_row": "--delimiter CHARACTER",
    "remote_image": "--fetch",
}
_ONLY_THE_FILE_TEXT = (
    "bad_json bad_xml bad_tar truncated_line not_an_object duplicate_key bad_quotes "
    "unfetched_address"
)
_ONLY_THE_FILE = frozenset(_ONLY_THE_FILE_TEXT.split())
"""What no option mends."""


@dataclass(frozen=True, slots=True)
class ColumnUse:
    """What a column of the file became.

    Attributes:
        header: as it stands in the file.
        field: ``id``, ``image``, an attribute's name, or ``""`` where it is left out.
        type: of the attribute; empty for the others.
    """

    header: str
    field: str
    type: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Rows, or cells, that cannot be used for one reason.

    Attributes:
        column: at fault; None where it is the whole row.
        code: a stable name of the cause.
        count: how many.
        rows: the first of them.
        message: what was wrong in the first.
        costs: ``rows`` or ``cells``.
        fix: the option that mends it or leaves it out; empty where only the file can be mended.
    """

    column: str | None
    code: str
    count: int
    rows: tuple[int, ...]
    message: str
    costs: str
    fix: str


@dataclass(frozen=True, slots=True)
class Check:
    """What a catalogue is.

    Attributes:
        taken_for: its layout, in words.
        rows: how many it has.
        items: how many items they give.
        photos: of all items.
        addresses: those that are web addresses, and would have to be fetched.
        columns: what each became, in the order of the file.
        sample: the first item, as it will be stored.
        problems: everything that cannot be used; those of rows first, then by how many.
        notes: what was odd but harmless.
    """

    taken_for: str
    rows: int
    items: int
    photos: int
    addresses: int
    columns: tuple[ColumnUse, ...]
    sample: Item | None
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]


def check_catalog(reader: CatalogReader) -> Check:
    """Look at a whole catalogue.

    Args:
        reader: of it; one that takes addresses (``FeedOptions(fetch=True)``) has them counted.

    Raises:
        CatalogError: as for iterating over the reader.
    """
    groups: dict[tuple[str | None, str], tuple[int, tuple[int, ...], str]] = {}
    sample: Item | None = None
    items = photos = addresses = 0
    for found in reader:
        if isinstance(found, RowError):
            key = found.column, found.code
            count, rows, message = groups.get(key, (0, (), found.message))
            rows = (*rows, found.row) if len(rows) < EXAMPLES else rows
            groups[key] = count + 1, rows, message
            continue
        items += 1
        sample = sample or found
        photos += len(found.photos)
        addresses += sum(photo.startswith(("http://", "https://")) for photo in found.photos)
    problems = [
        Problem(
            column, code, count, rows, message, "rows", _fix(column, code, mostly=2 * count > items)
        )
        for (column, code), (count, rows, message) in groups.items()
    ]
    columns = tuple(_columns(reader))
    header_of = {use.field: use.header for use in reversed(columns) if use.header}
    problems += [
        Problem(
            lost.column, lost.code, lost.count, (lost.row,), lost.message, "cells",
            _fix(header_of.get(lost.column, lost.column), lost.code, mostly=False),
        )
        for lost in reader.lost
    ]  # fmt: skip
    meanings: tuple[str, ...] = ()
    if isinstance(reader.source, PlainSource):
        named = {use.header: use.field for use in columns}
        meanings = tuple(likely_meanings(named, set(named.values())))
    problems.sort(key=lambda one: (one.costs != "rows", -one.count))
    return Check(
        _taken_for(reader.source),
        reader.row_count,
        items,
        photos,
        addresses,
        columns,
        sample,
        tuple(problems),
        (*(note for note in reader.notes if note not in set(map(str, reader.lost))), *meanings),
    )


def _fix(column: str | None, code: str, *, mostly: bool) -> str:
    if code in _FIXES:
        return _FIXES[code]
    if code in ("missing_image", "empty_id", "bad_id", "long_id"):
        # of a few rows the column is the right one
        if not mostly:
            return ""
        return f"--column {'image' if code == 'missing_image' else 'id'}=HEADER"
    if column is None or code in _ONLY_THE_FILE:
        return ""
    if code == "wrong_type":
        return f"--type {shlex.quote(column)}=keyword"
    return f"--ignore-column {shlex.quote(column)}"


def _taken_for(source: Source) -> str:
    return source.layout.title if isinstance(source, FeedSource) else "a plain table"


def _columns(reader: CatalogReader) -> Iterator[ColumnUse]:
    """What became of each column, by its header; what a layout made of several comes last."""
    source = reader.source
    inner = source.inner if isinstance(source, FeedSource | PlainSource) else source
    headers: Mapping[str, str] = getattr(inner, "named", {})
    became = source.became if isinstance(source, FeedSource | PlainSource) else {}
    names = dict(reader.attributes)
    seen: set[str] = set()
    renamed = source.renamed if isinstance(source, FeedSource) else {}
    header_of = {renamed.get(name, name): header for header, name in headers.items() if name}
    for column in dict.fromkeys((*header_of, *became)):
        field = became.get(column)
        if field is None:
            field = column if column in ("id", reader.image) else names.get(column, "")
            field = "image" if column == reader.image else field
        seen.add(field)
        kind = reader.fields.get(names.get(field, field), "") if field else ""
        if column in reader.vectors:
            field, kind = column, f"vectors of {reader.vectors[column]:,} numbers"
        yield ColumnUse(header_of.get(column, column), field, kind)
    for header, name in headers.items():
        if not name:
            yield ColumnUse(header, "", "")
    for column, name in names.items():
        if name not in seen and (isinstance(source, FeedSource) or column not in header_of):
            yield ColumnUse("", name, reader.fields.get(name, ""))

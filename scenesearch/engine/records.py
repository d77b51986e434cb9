"""Items as callers send them, read by the rules of catalogues; a bad one costs itself only."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from scenesearch.catalog.attributes import (
    ColumnType,
    attribute_names,
    attribute_value,
    check_room,
    kind_of,
    look_at,
)
from scenesearch.catalog.columns import KNOWN
from scenesearch.catalog.deduplication import id_key
from scenesearch.catalog.records import MAX_PHOTOS, CellError, shown
from scenesearch.catalog.values import id_of
from scenesearch.catalog.vectors import is_empty, vector_of
from scenesearch.core.types import FieldType, Value
from scenesearch.engine.tasks import ItemRecord


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a record was not stored."""

    code: str
    detail: str

    def to_dict(self) -> dict[str, str]:
        """As JSON values."""
        return {"code": self.code, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Accepted:
    """A record that can be stored.

    Attributes:
        item_id: as it will be stored, unless the collection has the same id in other letters.
        attributes: by the names they are kept under.
        fields: their types.
        vectors: those that came with it; None where it says nothing of them.
    """

    record: ItemRecord
    item_id: str
    attributes: Mapping[str, Value]
    fields: Mapping[str, FieldType]
    vectors: Mapping[str, bytes] | None


@dataclass(frozen=True, slots=True)
class Repeats:
    """A record that is the same as an earlier one of the batch, at this place."""

    place: int


Reading = Accepted | Repeats | Refused


def read_records(
    records: Sequence[ItemRecord],
    fields: Mapping[str, FieldType],
    spaces: Mapping[str, int],
) -> tuple[Reading, ...]:
    """What each record of a batch says, in order.

    A name that the collection does not have gets the type of its values over the whole batch.

    Args:
        records: as they came.
        fields: types of the collection's fields; empty where there is none yet.
        spaces: dimensions of the vectors of catalogues that it has.
    """
    columns: dict[str, ColumnType] = {}
    for record in records:
        try:
            names = attribute_names(record.attributes)
        except CellError:
            continue  # said below
        for name, kept in names.items():
            if kept not in spaces:
                look_at(columns, kept, record.attributes[name])
    known = dict(fields)
    places: dict[str, int] = {}
    found: list[Reading] = []
    for place, record in enumerate(records):
        try:
            reading = _read(record, columns, fields, spaces)
            check_room(known, reading.fields)
        except CellError as error:
            where = f"{error.column}: " if error.column and error.column != "id" else ""
            found.append(Refused(error.code, f"{where}{error}"))
            continue
        first = places.setdefault(id_key(reading.item_id), place)
        if first == place:
            known |= reading.fields
            found.append(reading)
        elif _content(records[first]) == _content(record):
            found.append(Repeats(first))
        else:
            found.append(
                Refused(
                    "duplicate_id",
                    f"the id {shown(record.item_id)} is already that of record {first + 1} of "
                    f"this request, which differs: expected different ids; send one of them",
                )
            )
    return tuple(found)


def read_attributes(
    attributes: Mapping[str, Any], fields: Mapping[str, FieldType]
) -> tuple[dict[str, Value | None], dict[str, FieldType]]:
    """Attributes by the names they are kept under, with their types; None for what is empty.

    Args:
        attributes: JSON values.
        fields: types of the collection's fields.

    Raises:
        CellError: a name or a value is bad.
    """
    columns: dict[str, ColumnType] = {}
    names = attribute_names(attributes)
    for name, kept in names.items():
        look_at(columns, kept, attributes[name])
    values, types = _values(attributes, names, columns, fields)
    check_room(fields, types)
    return values, types


def _read(
    record: ItemRecord,
    columns: Mapping[str, ColumnType],
    fields: Mapping[str, FieldType],
    spaces: Mapping[str, int],
) -> Accepted:
    item_id = id_of(record.item_id)
    if not record.photos:
        raise CellError(
            "missing_image",
            "the item has no photo: expected at least one; to change attributes alone, patch it",
        )
    if len(record.photos) > MAX_PHOTOS:
        raise CellError(
            "too_many_photos",
            f"the item has {len(record.photos):,} photos: expected at most {MAX_PHOTOS:,}",
        )
    names = attribute_names(record.attributes)
    vectors = _vectors(record.attributes, names, fields, spaces)
    names = {name: kept for name, kept in names.items() if kept not in spaces}
    values, types = _values(record.attributes, names, columns, fields)
    attributes = {name: value for name, value in values.items() if value is not None}
    return Accepted(record, item_id, attributes, types, vectors)


def _vectors(
    attributes: Mapping[str, Any],
    names: Mapping[str, str],
    fields: Mapping[str, FieldType],
    spaces: Mapping[str, int],
) -> dict[str, bytes] | None:
    found: dict[str, bytes] = {}
    for name, kept in names.items():
        cell = attributes[name]
        try:
            if kept in spaces and not is_empty(cell):
                found[kept] = vector_of(cell, spaces[kept])
        except CellError as error:
            raise CellError(error.code, str(error), column=name) from error
        known = kept in spaces or kept in fields or kept in KNOWN
        if not known and isinstance(cell, list) and any(map(_is_number, cell)):
            raise CellError(
                "bad_vector",
                f"a list of numbers: expected text, or the name of a vector space that the "
                f"collection has ({', '.join(spaces) or 'none'}); index a catalogue with "
                f"--vectors to make one",
                column=name,
            )
    return found if not spaces.keys().isdisjoint(names.values()) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _values(
    attributes: Mapping[str, Any],
    names: Mapping[str, str],
    columns: Mapping[str, ColumnType],
    fields: Mapping[str, FieldType],
) -> tuple[dict[str, Value | None], dict[str, FieldType]]:
    values: dict[str, Value | None] = {}
    types: dict[str, FieldType] = {}
    for name, kept in names.items():
        cell = attributes[name]
        values[kept] = None
        if cell is None:
            continue
        kind = kind_of(kept, columns, fields)
        strict = kept in fields or kept in KNOWN
        values[kept] = attribute_value(kept, cell, kind, strict=strict)
        if values[kept] is not None:
            types[kept] = kind
    return values, types


def _content(record: ItemRecord) -> tuple[Any, ...]:
    photos = tuple(hashlib.sha256(photo.data).digest() for photo in record.photos)
    return photos, repr(sorted(record.attributes.items()))

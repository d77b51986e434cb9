"""Arguments that every store refuses in the same words: names, ids, limits, fields, spaces."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

from scenesearch.core.errors import QueryError, StoreError
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import CollectionSchema, FieldType
from scenesearch.filters.typed import nearest_fields

_NAME = re.compile(r"[a-z0-9_-]{1,64}")
_BLOB = re.compile(r"[a-z0-9_-][a-z0-9_.-]{0,63}")
_FIELD = re.compile(r'[^"\\\x00-\x1f\x7f\ud800-\udfff]{1,256}')


def check_name(name: str, what: str = "collection") -> str:
    """The name of a collection, or of something else that engines name alike, itself.

    Raises:
        StoreError: it is not 1 to 64 of ``a-z 0-9 _ -``.
    """
    if not _NAME.fullmatch(name):
        raise StoreError(
            f"bad {what} name {name!r}: use 1 to 64 lower-case letters, digits, '_' and '-'",
            code="bad_name",
        )
    return name


def check_blob_name(name: str) -> str:
    """The name itself.

    Raises:
        ValueError: it is not a plain lower-case file name.
    """
    if not _BLOB.fullmatch(name):
        raise ValueError(
            f"bad blob name {name!r}: use 1 to 64 lower-case letters, digits, '_', '-' and '.', "
            "not starting with '.'"
        )
    return name


def check_key(key: str) -> str:
    """The name of a payload field itself; engines cannot quote every character.

    Raises:
        StoreError: it is empty, longer than 256 characters, or holds a double quote, a
            backslash or a control character.
    """
    if not isinstance(key, str) or not _FIELD.fullmatch(key):
        raise StoreError(
            f"bad field name {key!r:.100}: use 1 to 256 characters without double quotes, "
            "backslashes and control characters; rename the column or attribute",
            code="bad_name",
        )
    return key


def canonical_id(point_id: str) -> str:
    """The UUID in its usual lower-case form with dashes.

    Raises:
        ValueError: it is no UUID.
    """
    try:
        return str(uuid.UUID(point_id))
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            f"a point id must be a UUID as text, got {point_id!r:.100}; derive one with uuid5"
        ) from None


def check_cursor(cursor: str) -> str:
    """The canonical id a scroll goes on from.

    Raises:
        QueryError: no page ever gave this cursor.
    """
    try:
        return canonical_id(cursor)
    except ValueError:
        raise QueryError(
            f"bad cursor {cursor!r:.100}: pass the cursor of the page before, or none to start"
        ) from None


def check_limit(limit: int) -> int:
    """The limit itself.

    Raises:
        ValueError: it is below 1.
    """
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 1:
        raise ValueError(f"limit must be a whole number of at least 1, got {limit!r}")
    return limit


def check_spaces(spaces: Iterable[str], schema: CollectionSchema) -> list[str]:
    """The spaces as a list.

    Raises:
        QueryError: the schema has no such space.
    """
    names = list(spaces)
    for name in names:
        if name not in schema.vectors:
            raise QueryError(
                f"unknown vector space {name!r}; this collection has {', '.join(schema.vectors)}",
                code="unknown_space",
            )
    return names


def check_facet(field: str, schema: CollectionSchema) -> FieldType:
    """The type of a field that has facets.

    Raises:
        QueryError: the field is unknown, or of a type that has no facets.
    """
    kind = schema.fields.get(field)
    if kind is None:
        raise QueryError(
            f"unknown field {field!r} for a facet. {nearest_fields(field, schema.fields)}",
            code="unknown_field",
        )
    if kind in ("text", "float"):
        raise QueryError(
            f"field {field!r} is of type {kind}, which has no facets; "
            "keyword, integer and bool fields have"
        )
    return kind


def check_selection(ids: object, where: object) -> None:
    """Nothing, when exactly one of the two is given.

    Raises:
        ValueError: both or neither are.
    """
    if (ids is None) == (where is None):
        got = "neither" if ids is None else "both"
        raise ValueError(f"give exactly one of ids and where, got {got}")


def check_text_search(schema: CollectionSchema) -> None:
    """Nothing, when a collection can be searched by words.

    Raises:
        QueryError: it was made before there was a field for that.
    """
    if schema.fields.get(WORDS) != "text":
        raise QueryError(
            f"This collection cannot be searched by words: it has no field {WORDS!r} of type "
            f"text, which collections made by an older version lack; index its catalogue again, "
            f"which adds the field and embeds nothing anew",
            code="no_words",
        )

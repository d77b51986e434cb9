"""Payloads as engines store them, and back.

Bool fields are stored as the integers 0 and 1, because the embedded engine's filters on bools
match nothing; :func:`decode_payload` gives bools back by the schema's types. Everything else is
stored as plain JSON: tuples become lists, numpy scalars Python numbers, and keys whose value is
None are left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from scenesearch.core.errors import CollectionMismatchError, StoreError
from scenesearch.core.types import FieldType
from scenesearch.store.checks import check_key
from scenesearch.store.sums import PAYLOAD_SUM, SUMS

_MAX_INT = 2**63 - 1
_MAX_DEPTH = 16
_EXPECTED = {
    "keyword": "text",
    "text": "text",
    "integer": "a whole number",
    "float": "a number",
    "bool": "true or false",
}


def encode_payload(
    payload: Mapping[str, Any], fields: Mapping[str, FieldType], what: str
) -> dict[str, Any]:
    """A payload as the engines store it.

    Args:
        payload: JSON values; those of typed fields must be of the type, or lists of it.
        fields: types of the typed fields; others are stored as they are.
        what: names the payload in messages.

    Raises:
        StoreError: a value that JSON has not, or of another type than its field.

    >>> encode_payload({"in_stock": True, "tags": ("a",), "x": None}, {"in_stock": "bool"}, "p")
    {'in_stock': 1, 'tags': ['a']}
    """
    result = {}
    for key, value in payload.items():
        check_key(key)
        if value is None:
            continue
        plain = value if _is_plain(value) else _plain(value, repr(key), what, 0)
        kind = fields.get(key)
        result[key] = plain if kind is None else _encode_typed(plain, kind, f"{key!r} of {what}")
    return result


def encode_patch(payload: Mapping[str, Any], fields: Mapping[str, FieldType]) -> dict[str, Any]:
    """A change of payloads: as :func:`encode_payload`, with the Nones that remove keys kept.

    It takes the sum of the payload out, which is none of the changed one.
    """
    removed = [check_key(key) for key, value in payload.items() if value is None]
    patch = encode_payload(payload, fields, "the change") | dict.fromkeys(removed)
    return {**patch, PAYLOAD_SUM: None} if patch else {}


def bool_fields(
    fields: Mapping[str, FieldType], wanted: Collection[str] | None = None
) -> tuple[str, ...]:
    """Names of the bool fields among ``wanted`` (all, when it is None)."""
    return tuple(
        name
        for name, kind in fields.items()
        if kind == "bool" and (wanted is None or name in wanted)
    )


def decode_payload(payload: Mapping[str, Any] | None, bools: Collection[str]) -> dict[str, Any]:
    """A payload as it was given to the store.

    Args:
        payload: from an engine.
        bools: names of the bool fields (:func:`bool_fields`).
    """
    result = {key: value for key, value in (payload or {}).items() if value is not None}
    for name in SUMS:
        result.pop(name, None)
    for name in bools:
        value = result.get(name)
        if isinstance(value, list):
            result[name] = [bool(entry) for entry in value]
        elif value is not None:
            result[name] = bool(value)
    return result


def retype_payload(
    payload: Mapping[str, Any], new: Mapping[str, FieldType], point_id: str
) -> dict[str, Any]:
    """What must change in a stored payload once fields that it has get a type.

    Raises:
        CollectionMismatchError: it holds a value of another type.
    """
    present = {key: payload[key] for key in new if payload.get(key) is not None}
    try:
        encoded = encode_payload(present, new, f"point {point_id}")
    except StoreError as error:
        raise CollectionMismatchError(
            f"cannot add the field: a point already holds another kind of value. {error}"
        ) from error
    # repr tells True from 1 and 1.0 from 1, which compare equal.
    changed = {key: value for key, value in encoded.items() if repr(value) != repr(present[key])}
    return {**changed, PAYLOAD_SUM: None} if changed else {}


def _encode_typed(value: Any, kind: FieldType, what: str) -> Any:
    if isinstance(value, list):
        return [_encode_typed_scalar(entry, kind, what) for entry in value]
    return _encode_typed_scalar(value, kind, what)


def _encode_typed_scalar(value: Any, kind: FieldType, what: str) -> str | int | float:
    match kind, value:
        case "bool", bool():
            return int(value)
        case (("keyword" | "text"), str()):
            return value
        case "integer", int() if not isinstance(value, bool):
            return value
        case "integer", float() if value.is_integer() and abs(value) <= _MAX_INT:
            return int(value)
        case "float", (int() | float()) if not isinstance(value, bool):
            return float(value)
    raise StoreError(
        f"{what} must be {_EXPECTED[kind]} (or a list of it), as the field is of type {kind}, "
        f"got {value!r:.80} ({type(value).__name__}); fix the value, or leave it out",
        code="bad_payload",
    )


def _is_plain(value: Any) -> bool:
    """Whether a value is stored as it is, for most of those of a bulk load; the rest is asked."""
    kind = type(value)
    if kind is str:
        ascii_only: bool = value.isascii()
        return ascii_only
    if kind is float:
        return math.isfinite(value)
    return kind is int and -_MAX_INT - 1 <= value <= _MAX_INT


def _plain(value: Any, place: str, what: str, depth: int) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        # Half a character cannot be written as UTF-8.
        if value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value):
            return value
        raise StoreError(
            f"{place} of {what} holds half of a character (a lone surrogate)", code="bad_payload"
        )
    if isinstance(value, int):
        if -_MAX_INT - 1 <= value <= _MAX_INT:
            return value
        raise StoreError(
            f"{place} of {what} does not fit in 64 bits; store it as text", code="bad_payload"
        )
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        raise StoreError(
            f"{place} of {what} must be finite, got {value}; leave it out", code="bad_payload"
        )
    if depth < _MAX_DEPTH:
        if isinstance(value, list | tuple):
            return [
                entry if _is_plain(entry) else _plain(entry, f"{place}[{i}]", what, depth + 1)
                for i, entry in enumerate(value)
            ]
        if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
            return {key: _plain(v, f"{place}.{key}", what, depth + 1) for key, v in value.items()}
    raise StoreError(
        f"{place} of {what} must be a JSON value (text, number, true, false, a list or a mapping "
        f"with text keys, at most {_MAX_DEPTH} deep), got {type(value).__name__}",
        code="bad_payload",
    )

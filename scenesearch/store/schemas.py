"""Schemas of collections: what may be created, what counts as the same, and how they are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import get_args
from uuid import uuid4
from zlib import crc32

from scenesearch.core.errors import CollectionMismatchError, DamagedError, StoreError
from scenesearch.core.protocols import WORDS
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import CollectionSchema, FieldType
from scenesearch.store.bm25 import MEAN_WORDS, has_words
from scenesearch.store.checks import check_blob_name, check_key, check_name

MAX_DIM = 65_536
"""The longest vectors the engine takes."""
SCANNED_DIM = 64
"""Spaces of at most this many dimensions (colour) have no codes: of so few numbers they say too
little, and scanning the vectors is cheap."""
OVERSAMPLING: Mapping[Quantization, float] = {"int8": 2.0, "binary": 8.0}
"""Candidates by the codes for each hit, scored again by the vectors; see docs/scale.md."""
FORMAT = 2
"""Version of what is written; an unknown one is refused."""
_READ = (1, FORMAT)
"""Versions that are read. In the first, points have no sparse vectors of their words yet."""


def check_schema(schema: CollectionSchema) -> CollectionSchema:
    """The schema itself.

    Raises:
        StoreError: it has no vector space, or a name, size or type no engine takes.
    """
    if not schema.vectors:
        raise StoreError("a collection needs at least one vector space, got none")
    for space, dim in schema.vectors.items():
        check_name(space, "vector space")
        if space == WORDS:
            raise StoreError(f"no vector space can be called {WORDS!r}: words are searched in it")
        if isinstance(dim, bool) or not isinstance(dim, int) or not 1 <= dim <= MAX_DIM:
            raise StoreError(
                f"vector space {space!r} must have 1 to {MAX_DIM} dimensions, got {dim!r}"
            )
    check_fields(schema.fields)
    check_quantization(schema.quantization)
    if schema.on_disk not in (None, True, False):
        raise StoreError(f"on_disk must be true or false, got {schema.on_disk!r}")
    if schema.memory not in (None, *get_args(Memory)):
        raise StoreError(f"memory must be {', '.join(get_args(Memory))}, got {schema.memory!r}")
    return schema


def check_quantization(quantization: Quantization) -> Quantization:
    """The name itself.

    Raises:
        StoreError: it is no quantization.
    """
    if quantization not in get_args(Quantization):
        raise StoreError(
            f"quantization must be {', '.join(get_args(Quantization))}, got {quantization!r}"
        )
    return quantization


def new_schema(schema: CollectionSchema, blobs: Mapping[str, bytes] | None) -> CollectionSchema:
    """The schema of a collection that is made now.

    Args:
        schema: as it was asked for; of the texts to come only the caller knows anything.
        blobs: files that it is made with.

    Raises:
        StoreError: as for :func:`check_schema`.
        ValueError: a bad name of a file.
    """
    check_schema(schema)
    mean = schema.mean_words or MEAN_WORDS
    return replace(
        schema,
        mean_words=mean if has_words(schema) else None,
        blobs={
            check_blob_name(name): sha256(data).hexdigest() for name, data in (blobs or {}).items()
        },
        made=uuid4().hex,
    )


def check_fields(fields: Mapping[str, FieldType]) -> None:
    """Nothing, when every name and type can be indexed.

    Raises:
        StoreError: one cannot.
    """
    for name, kind in fields.items():
        check_key(name)
        if kind not in get_args(FieldType):
            raise StoreError(
                f"field {name!r} must be of type {', '.join(get_args(FieldType))}, got {kind!r}"
            )


def check_same_schema(name: str, stored: CollectionSchema, wanted: CollectionSchema) -> None:
    """Nothing, when a collection made with ``stored`` can be opened as ``wanted``.

    Vectors and metadata must be equal; the collection may have more fields than wanted, since
    they may have been added later, and keeps its quantization.

    Raises:
        CollectionMismatchError: names each difference with both sides.
    """
    differences = [
        *_differences("vector space", stored.vectors, wanted.vectors, extra=True),
        *_differences("field", stored.fields, wanted.fields, extra=False),
        *_differences("metadata", stored.metadata, wanted.metadata, extra=True),
    ]
    if differences:
        raise CollectionMismatchError(
            f"collection {name!r} was made with another schema: {'; '.join(differences)}. "
            "Use the settings and models it was made with, or index into a new collection"
        )


def check_new_fields(
    name: str, stored: CollectionSchema, fields: Mapping[str, FieldType]
) -> dict[str, FieldType]:
    """Those of ``fields`` that the collection does not have yet, or has as integers.

    Raises:
        CollectionMismatchError: one exists with another type that cannot be widened to this one.
        StoreError: a name or type that no engine takes.
    """
    check_fields(fields)
    known = {
        field: kind
        for field, kind in fields.items()
        if field in stored.fields and not widens(stored.fields[field], kind)
    }
    differences = _differences("field", stored.fields, known, extra=False)
    if differences:
        raise CollectionMismatchError(
            f"collection {name!r} has fields of another type: {'; '.join(differences)}. "
            "Rename the field, or index into a new collection"
        )
    return {field: kind for field, kind in fields.items() if field not in known}


def widens(stored: FieldType, wanted: FieldType) -> bool:
    """Whether values of one type are also of another, without loss."""
    return (stored, wanted) == ("integer", "float")


def _differences(
    what: str, stored: Mapping[str, object], wanted: Mapping[str, object], *, extra: bool
) -> list[str]:
    keys = sorted({*wanted, *(stored if extra else ())})
    return [
        f"{what} {key!r} is {stored.get(key, 'absent')} there and {wanted.get(key, 'absent')} here"
        for key in keys
        if stored.get(key) != wanted.get(key)
    ]


def dump_schema(schema: CollectionSchema) -> str:
    """The schema as one JSON object, with a sum of all that it says."""
    value = {
        "format": FORMAT,
        "vectors": dict(schema.vectors),
        "fields": dict(schema.fields),
        "metadata": dict(schema.metadata),
        "quantization": schema.quantization,
        "mean_words": schema.mean_words,
        "blobs": dict(schema.blobs),
        "made": schema.made,
        # not said where it is the engine's choice, as it always was before there was one
        **({} if schema.on_disk is None else {"on_disk": schema.on_disk}),
        **({} if schema.memory is None else {"memory": schema.memory}),
    }
    return json.dumps({**value, "sum": _sum(value)}, ensure_ascii=False, indent=1)


def _sum(value: Mapping[str, object]) -> int:
    return crc32(json.dumps(value, sort_keys=True).encode())


def _check_sum(data: dict[str, object]) -> None:
    # older versions wrote none
    if "sum" in data and data.pop("sum") != _sum(data):
        raise ValueError("it is not what was written")


def load_schema(text: str, source: str) -> CollectionSchema:
    """The schema that :func:`dump_schema` wrote.

    Args:
        text: JSON.
        source: where it was read, for messages.

    Raises:
        StoreError: it is not such JSON, or of a format this version does not know.
    """
    try:
        data = json.loads(text)
        if data["format"] not in _READ:
            raise StoreError(
                f"{source} is of format {data['format']!r}, this version reads at most {FORMAT}; "
                "use the version that wrote it, or index again"
            )
        _check_sum(data)
        schema = CollectionSchema(
            {str(k): int(v) for k, v in data["vectors"].items()},
            dict(data["fields"]),
            {str(k): str(v) for k, v in data["metadata"].items()},
            quantization=data.get("quantization", "none"),  # not said before there was a choice
            mean_words=None if (mean := data.get("mean_words")) is None else float(mean),
            blobs={str(k): str(v) for k, v in data.get("blobs", {}).items()},
            made=str(data.get("made", "")),
            on_disk=data.get("on_disk"),
            memory=data.get("memory"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{source} is not a readable schema ({type(error).__name__}: {error}); restore it "
            "from a backup, or have the collection made again: scenesearch verify STORE --repair"
        ) from error
    return check_schema(schema)

"""What is stored of an item: ids, payloads, the schema of a collection. Pure code."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from scenesearch.core.errors import CollectionMismatchError, StoreError
from scenesearch.core.protocols import WORDS, Store
from scenesearch.core.types import CollectionSchema, Colour, FieldType

SCHEMA_VERSION = "1"
OCR = "ocr"
"""The payload field of what is written in a photo, where photos were indexed with a reader."""
READER = "reader"
"""Names the reader in the metadata of such a collection."""
NAMESPACE = uuid.UUID("6f1d3a52-5a0e-5c36-9d0b-2f9a5cf7c1de")
"""Of all scenesearch collections; never change it, ids hang on it."""

CUTOUT, CONTEXT, COLOUR = "cutout", "context", "colour"
"""The named vector spaces."""
AUGMENTED = "augmented"
"""The space that answers for ``cutout`` in collections indexed with ``index.augment``."""
SPACES = frozenset({CUTOUT, CONTEXT, COLOUR, AUGMENTED})
"""Those that photos are embedded into; any other came with the catalogue."""

PROFILE = "profile"
"""Class probabilities in the embedding cache; not stored as a vector."""

FIELDS: Mapping[str, FieldType] = {
    "item_id": "keyword",
    "photo_sha256": "keyword",
    "phash": "keyword",
    "region": "keyword",
    "label": "keyword",
    "colour_names": "keyword",
    "cutout_method": "keyword",
    WORDS: "text",
}
"""Indexed payload fields of every collection, beside the catalogue's own."""

PROJECTION_BLOB = "projection.npz"
"""The fitted projection, kept with the collection."""

OOD_BLOB = "familiarity.npz"
"""What the catalogue is of, kept with the collection; named as the first builds named it."""

NOTHING = b"nothing"
"""A blob in the place of a damaged one, to be learned again; one that was cut short is empty."""

REVISION = "_revision"
"""The payload field of a server's points that says when they were last written. Below 2^53, because
the server compares integers as floats."""

MUST_MATCH = ("schema", "embedder", "background")
"""Metadata that a search and its collection must agree on; an index run must agree on all."""


def schema_of(store: Store) -> CollectionSchema:
    """The schema of a collection of items.

    Raises:
        StoreError: there is no collection.
    """
    schema = store.schema
    if schema is None:
        raise StoreError(
            "There is no such collection in this store; index a catalogue first: "
            "scenesearch index CATALOGUE --store ...",
            code="no_collection",
        )
    return schema


def catalogue_spaces(schema: CollectionSchema) -> dict[str, int]:
    """Dimensions of the spaces whose vectors came with the catalogue, one for each item."""
    return {space: dim for space, dim in schema.vectors.items() if space not in SPACES}


def is_ours(payload: Mapping[str, Any], of: str = "item_id") -> bool:
    """Whether indexing wrote the point, and nobody by hand: it says which item it is of.

    A server lets everybody with its key write. What is not ours is left alone and never an answer;
    neither is a point that lost its payload to damage.

    Args:
        payload: of the point.
        of: the field that says it; ``photo`` in a collection of photos.
    """
    return isinstance(payload.get(of), str)


def point_id(collection: str, item_id: str, photo_sha256: str, region_key: str) -> str:
    """UUIDv5 of what the point is, never of its vector: the same content is the same point."""
    name = "\x1f".join((collection, item_id, photo_sha256, region_key))
    return str(uuid.uuid5(NAMESPACE, name))


def colours_payload(colours: tuple[Colour, ...]) -> dict[str, Any]:
    """Dominant colours as JSON: ``[name, L, a, b, share]`` each, and their names to filter by."""
    return {
        "colours": [
            [c.name, *(round(float(x), 1) for x in c.lab), round(float(c.share), 4)]
            for c in colours
        ],
        "colour_names": list(dict.fromkeys(c.name for c in colours)),
    }


def colours_of(payload: Mapping[str, Any]) -> tuple[Colour, ...]:
    """Read back what :func:`colours_payload` wrote."""
    return tuple(
        Colour(str(name), (float(lightness), float(a), float(b)), float(share))
        for name, lightness, a, b, share in payload.get("colours", ())
    )


def check_models(
    found: Mapping[str, str], wanted: Mapping[str, str], keys: tuple[str, ...] | None = None
) -> None:
    """Refuse a collection made with other models.

    Args:
        found: metadata of the collection.
        wanted: metadata of this run.
        keys: which must agree; all of ``wanted`` by default.

    Raises:
        CollectionMismatchError: names both sides of each difference.
    """
    wrong = [
        f"{key}: collection has {found.get(key)!r}, this configuration has {wanted[key]!r}"
        for key in (keys or tuple(wanted))
        if found.get(key) != wanted[key]
    ]
    if wrong:
        raise CollectionMismatchError(
            "The collection was made with other models or rules; "
            + "; ".join(wrong)
            + ". Use the configuration it was made with, or index into a new --collection"
        )

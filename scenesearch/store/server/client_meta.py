"""What a server-side collection knows about itself: its schema and its blobs.

They are points without vectors in a companion collection, ``<collection>--meta``, which works
with every server version and in the client's in-memory mode.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from typing import Any, get_args

from scenesearch.core.errors import DamagedError, StoreError
from scenesearch.core.types import CollectionSchema, FieldType
from scenesearch.store.census import REPAIR
from scenesearch.store.schemas import dump_schema, load_schema, widens
from scenesearch.store.server.connection import CONSENSUS_S, Connection

META_SUFFIX = "--meta"
_ADDED = "added"
"""Key of the fields that were added since the collection was made, beside its schema."""
_WRITTEN = "written"
"""Key of the names of the blobs that were written since, so that one that is gone is missed."""
NOT_FOUND = 404
MAX_BLOB_BYTES = 16 * 2**20
"""Servers refuse requests above 32 MB, and base64 adds a third."""
_NAMESPACE = uuid.UUID("7d1b2a3e-5c55-4f0e-9a58-0c2f6f1f0b6e")


class ClientMeta:
    """The companion of one collection.

    Args:
        server: where it lies.
        collection: name of the collection it belongs to.

    Attributes:
        layout: shards and copies that it is made with, as the server's arguments.
    """

    def __init__(self, server: Connection, collection: str) -> None:
        self._server = server
        self._collection = collection
        self._meta = collection + META_SUFFIX
        self.layout: Mapping[str, int] = {}
        self._written: frozenset[str] | None = None

    def read_schema(self) -> CollectionSchema | None:
        """The schema, or None where there is no collection."""
        payload = self._read("schema")
        self._written = None if payload is None else frozenset(payload.get(_WRITTEN) or ())
        if payload is None:
            return None
        source = f"{self._meta!r} in {self._server.where}"
        schema = load_schema(str(payload.get("schema")), source)
        added = payload.get(_ADDED) or {}
        for field, kind in added.items():
            known = schema.fields.get(field, kind)
            if kind not in get_args(FieldType) or not (kind == known or widens(known, kind)):
                raise DamagedError(
                    f"{source} says that field {field!r} is {kind!r}, where it was {known!r}; "
                    f"{REPAIR}"
                )
        return replace(schema, fields={**schema.fields, **added}) if added else schema

    def count_points(self) -> int:
        """Points of the collection itself; 0 where there is none."""
        return self._server.ask(f"count points of {self._collection!r}", self._count)

    def _count(self, client: Any) -> int:
        if not client.collection_exists(self._collection):
            return 0
        return int(client.count(self._collection, exact=True).count)

    def write_schema(self, schema: CollectionSchema) -> None:
        """Write the schema of a new collection; what makes it exist."""
        self._write("schema", {"schema": dump_schema(schema)})

    def change_schema(self, schema: CollectionSchema) -> None:
        """Replace the schema but for the fields that were added since it was made."""
        self._merge({"schema": dump_schema(schema)})

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """Add fields, whatever others add at the same time."""
        self._merge(dict(fields), _ADDED)

    def _merge(self, payload: dict[str, Any], key: str | None = None) -> None:
        # the server merges one by one, so that nobody writes over what another has added
        self._server.ask(
            f"write about {self._collection!r}",
            lambda c: c.set_payload(
                self._meta, payload, points=[self._id("schema")], key=key, wait=True
            ),
        )

    def read_blob(self, name: str) -> bytes | None:
        """A blob, or None.

        Raises:
            DamagedError: it was written and is gone, or is not what was written.
        """
        payload = self._read(f"blob:{name}")
        if payload is None:
            if name in (self._written or ()):
                raise DamagedError(f"{name!r} in {self._meta!r} is gone; {REPAIR}")
            return None
        try:
            data = base64.b64decode(str(payload.get("data")), validate=True)
        except (binascii.Error, ValueError) as error:
            raise DamagedError(
                f"{name!r} in {self._meta!r} is damaged: {error}; {REPAIR}"
            ) from error
        # older versions wrote no sum
        if payload.get("sum", wanted := sha256(data).hexdigest()) != wanted:
            raise DamagedError(f"{name!r} in {self._meta!r} is not what was written; {REPAIR}")
        return data

    def write_blob(self, name: str, data: bytes) -> None:
        """Replace a blob.

        Raises:
            StoreError: it is too large for one request.
        """
        if len(data) > MAX_BLOB_BYTES:
            raise StoreError(
                f"blob {name!r} has {len(data)} bytes, at most {MAX_BLOB_BYTES}; keep large "
                "files outside the collection"
            )
        text = base64.b64encode(data).decode("ascii")
        about = {"name": name, "data": text, "sum": sha256(data).hexdigest()}
        self._write(f"blob:{name}", about)
        # what a collection is made with stands in its schema, which comes last
        if self._written is not None and name not in self._written:
            self._merge({name: True}, _WRITTEN)
            self._written |= {name}

    def read_note(self, name: str) -> str | None:
        """A text beside the schema and the blobs, or None."""
        payload = self._read(f"note:{name}")
        return None if payload is None else str(payload.get("text"))

    def write_note(self, name: str, text: str) -> None:
        """Replace a text."""
        self._write(f"note:{name}", {"name": name, "text": text})

    def forget(self, *notes: str, all_else: bool = False) -> None:
        """Remove notes; or everything but them, which leaves a collection without a record."""
        from qdrant_client import models

        ids = models.HasIdCondition(has_id=[self._id(f"note:{name}") for name in notes])
        which = models.Filter(must_not=[ids]) if all_else else models.Filter(must=[ids])
        self._server.ask(
            f"write about {self._collection!r}",
            lambda c: c.delete(self._meta, models.FilterSelector(filter=which), wait=True),
        )

    def _read(self, key: str) -> dict[str, Any] | None:
        from qdrant_client.http.exceptions import UnexpectedResponse

        def read(client: Any) -> list[Any]:
            try:
                return list(client.retrieve(self._meta, [self._id(key)], with_payload=True))
            except UnexpectedResponse as error:
                if error.status_code == NOT_FOUND and b"exist" in error.content:
                    return []
                raise
            except ValueError as error:
                # the in-memory mode has no status to tell by
                if str(error) == f"Collection {self._meta} not found":
                    return []
                raise

        found = self._server.ask(f"read about {self._collection!r}", read)
        return dict(found[0].payload or {}) if found else None

    def _write(self, key: str, payload: dict[str, Any]) -> None:
        from qdrant_client import models

        point = models.PointStruct(id=self._id(key), vector={}, payload=payload)

        def write(client: Any) -> None:
            if not client.collection_exists(self._meta):
                client.create_collection(
                    self._meta, vectors_config={}, timeout=CONSENSUS_S, **self.layout
                )
            client.upsert(self._meta, [point], wait=True)

        self._server.ask(f"write about {self._collection!r}", write)

    @staticmethod
    def _id(key: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, key))

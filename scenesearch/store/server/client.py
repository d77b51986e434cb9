"""The store on a Qdrant server, through qdrant-client; also its in-memory mode, for tests.

Sharding, replication and access rights are the server's. Each ``upsert`` is one request, which
the server logs as one operation; keep batches to a few thousand points, since servers refuse
requests above 32 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import CollectionMismatchError, StoreError
from scenesearch.core.protocols import WORDS, TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, FieldType, Hit, Page, Point, Record, Scalar
from scenesearch.store.checks import (
    canonical_id,
    check_blob_name,
    check_cursor,
    check_facet,
    check_limit,
    check_name,
    check_spaces,
)
from scenesearch.store.payloads import bool_fields, encode_patch
from scenesearch.store.records import in_order, retype_patches, to_page, to_write
from scenesearch.store.schemas import check_new_fields, check_same_schema, check_schema
from scenesearch.store.server.client_meta import META_SUFFIX, ClientMeta
from scenesearch.store.server.client_translate import (
    ClientRequests,
    client_errors,
    field_schema,
    is_local,
    to_hits,
    to_text_hits,
    vector_params,
)
from scenesearch.store.ties import settle, settle_facet
from scenesearch.store.translate import key_path
from scenesearch.store.vectors import query_vectors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient


class ClientStore:
    """A :class:`~scenesearch.core.protocols.Store` on a Qdrant server.

    Nothing is sent before the first call.

    Args:
        client_or_url: ``http://host:6333``, or a client, which stays the caller's to close.
        collection: 1 to 64 of ``a-z 0-9 _ -``, not ending in ``--meta``.
        api_key: for a URL; a given client has its own.
        timeout: seconds for each request, for a URL.
    """

    def __init__(
        self,
        client_or_url: QdrantClient | str,
        collection: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
    ) -> None:
        self._name = check_name(collection)
        if collection.endswith(META_SUFFIX):
            raise StoreError(
                f"bad collection name {collection!r}: names ending in {META_SUFFIX} are taken "
                "by what collections know about themselves"
            )
        url = client_or_url if isinstance(client_or_url, str) else None
        self._url, self._api_key, self._timeout = url, api_key, timeout
        self._given = None if isinstance(client_or_url, str) else client_or_url
        self._where = url or "the Qdrant client that was passed in"
        self._gate = RLock()
        self._client: Any = None
        self._local = False
        self._schema: CollectionSchema | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"ClientStore({self._url or self._given!r}, {self._name!r})"

    # --- the collection --------------------------------------------------------------------

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds now, or None where there is none yet."""
        self._connect()
        self._schema = self._meta().read_schema()
        return self._schema

    def create(self, schema: CollectionSchema) -> None:
        """See :meth:`scenesearch.core.protocols.Store.create`."""
        client = self._connect()
        check_schema(schema)
        with self._gate:
            existing = self.schema
            if existing is None:
                with client_errors(f"create {self._name!r}", self._where):
                    if client.collection_exists(self._name):
                        self._check_unfinished(client, schema)
                    else:
                        client.create_collection(self._name, vectors_config=vector_params(schema))
                self._index(schema.fields)
                # Last: a collection without its schema does not exist.
                self._meta().write_schema(schema)
                existing = self._schema = schema
            check_same_schema(self._name, existing, schema)

    def _check_unfinished(self, client: Any, schema: CollectionSchema) -> None:
        # Ours, from a run that was killed before it wrote the schema; or somebody else's.
        params = client.get_collection(self._name).config.params.vectors
        sizes = {k: v.size for k, v in params.items()} if isinstance(params, dict) else None
        if sizes != dict(schema.vectors) or client.count(self._name, exact=True).count:
            raise CollectionMismatchError(
                f"{self._where} has a collection {self._name!r} that scenesearch did not make "
                f"(vectors {sizes}, wanted {dict(schema.vectors)}); choose another name, or "
                "delete it on the server"
            )

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.add_fields`."""
        with self._gate:
            schema = self._require(fresh=True)
            new = check_new_fields(self._name, schema, fields)
            if not new:
                return
            requests, patches = self._requests(schema), retype_patches(self, new)
            with client_errors(f"rewrite fields of {self._name!r}", self._where):
                for patch, ids in patches:
                    chosen = requests.chosen(ids, None)
                    self._client.set_payload(self._name, patch, points=chosen, wait=True)
                for field in () if self._local else set(new) & set(schema.fields):
                    self._client.delete_payload_index(self._name, key_path(field), wait=True)
            self._index(new)
            self._schema = replace(schema, fields={**schema.fields, **new})
            self._meta().write_schema(self._schema)

    def _index(self, fields: Mapping[str, FieldType]) -> None:
        if self._local:
            # of all indexes, that mode knows the one of searches by words, and warns of others
            fields = {name: kind for name, kind in fields.items() if name == WORDS}
        with client_errors(f"index fields of {self._name!r}", self._where):
            for field, kind in fields.items():
                self._client.create_payload_index(
                    self._name, key_path(field), field_schema=field_schema(field, kind), wait=True
                )

    # --- points ----------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.upsert`."""
        # Read again for each write: another process may have added fields.
        schema = self._require(fresh=True)
        by_id, vectors, payloads = to_write(points, schema)
        if by_id:
            batch = self._requests(schema).points(list(by_id), vectors, payloads)
            with client_errors(f"write {len(by_id)} points to {self._name!r}", self._where):
                self._client.upsert(self._name, batch, wait=True)

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Store.set_payload`."""
        schema = self._require(fresh=True)
        chosen = self._requests(schema).chosen(ids, where)
        if patch := encode_patch(payload, schema.fields):
            with client_errors(f"set payloads in {self._name!r}", self._where):
                self._client.set_payload(self._name, patch, points=chosen, wait=True)

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """See :meth:`.Store.together`. The server keeps each write anyway."""
        self._require()
        yield

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.core.protocols.Store.delete`."""
        chosen = self._requests(self._require()).chosen(ids, where)
        with client_errors(f"delete points from {self._name!r}", self._where):
            self._client.delete(self._name, chosen, wait=True)

    # --- reading ---------------------------------------------------------------------------

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.core.protocols.Store.query`."""
        schema = self._require()
        requests = self._requests(schema)
        vectors = query_vectors(queries, schema)
        filters = {query.where: requests.where(query.where) for query in queries}
        selectors = {query.fields: requests.selector(query.fields) for query in queries}
        bools = {fields: bool_fields(schema.fields, fields) for fields in selectors}

        def request(i: int, limit: int) -> Any:
            query = queries[i]
            where, selector = filters[query.where], selectors[query.fields]
            if isinstance(query, TextQuery):
                return requests.text(query.text, limit, where, selector)
            return requests.nearest(vectors[i], query.space, limit, where, selector)

        def fetch(wanted: list[tuple[int, int]]) -> list[list[Hit]]:
            batch = [request(i, limit) for i, limit in wanted]
            with client_errors(f"search {self._name!r}", self._where):
                answers = self._client.query_batch_points(self._name, requests=batch)
            return [
                (to_hits if i in vectors else to_text_hits)(answer.points, bools[queries[i].fields])
                for (i, _), answer in zip(wanted, answers, strict=True)
            ]

        return settle([check_limit(query.limit) for query in queries], fetch)

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.core.protocols.Store.retrieve`."""
        schema = self._require()
        wanted = [canonical_id(i) for i in ids]
        names = check_spaces(spaces, schema)
        bools = bool_fields(schema.fields)
        with client_errors(f"read points of {self._name!r}", self._where):
            points = self._client.retrieve(
                self._name, wanted, with_payload=True, with_vectors=names or False
            )
        return in_order(points, wanted, bools)

    def scroll(
        self,
        *,
        where: Condition | None = None,
        limit: int = 1000,
        cursor: str | None = None,
        fields: Sequence[str] | None = None,
        spaces: Sequence[str] = (),
    ) -> Page:
        """See :meth:`scenesearch.core.protocols.Store.scroll`."""
        schema = self._require()
        requests = self._requests(schema)
        names = check_spaces(spaces, schema)
        start = None if cursor is None else check_cursor(cursor)
        check_limit(limit)
        selection = requests.where(where)
        bools = bool_fields(schema.fields, fields)
        with client_errors(f"read points of {self._name!r}", self._where):
            points, following = self._client.scroll(
                self._name,
                scroll_filter=selection,
                limit=limit,
                offset=start,
                with_payload=requests.selector(fields),
                with_vectors=names or False,
            )
        return to_page(points, following, bools)

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.core.protocols.Store.count`."""
        selection = self._requests(self._require()).where(where)
        with client_errors(f"count points of {self._name!r}", self._where):
            found = self._client.count(self._name, count_filter=selection, exact=True)
        return int(found.count)

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.core.protocols.Store.facet`."""
        schema = self._require()
        kind = check_facet(field, schema)
        selection = self._requests(schema).where(where)

        def fetch(asked: int) -> list[tuple[Any, int]]:
            with client_errors(f"count values of {field!r} in {self._name!r}", self._where):
                hits = self._client.facet(
                    self._name,
                    key=key_path(field),
                    limit=asked,
                    facet_filter=selection,
                    exact=True,
                ).hits
            return [(bool(h.value) if kind == "bool" else h.value, h.count) for h in hits]

        return settle_facet(check_limit(limit), fetch)

    # --- blobs and life --------------------------------------------------------------------

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.core.protocols.Store.read_blob`."""
        check_blob_name(name)
        self._require()
        return self._meta().read_blob(name)

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.core.protocols.Store.write_blob`."""
        check_blob_name(name)
        self._require()
        self._meta().write_blob(name, data)

    def optimize(self) -> None:
        """Nothing: servers optimize in the background."""
        self._require()

    def close(self) -> None:
        """Close the connection, unless the client was passed in."""
        with self._gate:
            self._closed = True
            client, self._client = self._client, None
            if client is not None and self._given is None:
                client.close()

    # --- pieces ----------------------------------------------------------------------------

    def _connect(self) -> Any:
        with self._gate:
            if self._closed:
                raise StoreError(f"the store of {self._name!r} is closed; make a new ClientStore")
            if self._client is None:
                self._client = self._given or self._new_client()
                self._local = is_local(self._client)
            return self._client

    def _new_client(self) -> Any:
        from qdrant_client import QdrantClient

        with client_errors("connect", self._where):
            # The version check is a request, and only warns.
            return QdrantClient(
                url=self._url,
                api_key=self._api_key,
                timeout=max(1, round(self._timeout)),
                check_compatibility=False,
            )

    def _meta(self) -> ClientMeta:
        return ClientMeta(self._client, self._name, self._where)

    def _requests(self, schema: CollectionSchema) -> ClientRequests:
        return ClientRequests(schema.fields, local=self._local)

    def _require(self, *, fresh: bool = False) -> CollectionSchema:
        self._connect()
        schema = self.schema if fresh or self._schema is None else self._schema
        if schema is None:
            raise StoreError(
                f"collection {self._name!r} does not exist in {self._where} yet; "
                "create it with create(schema), or check the name",
                code="no_collection",
            )
        return schema

"""The store on a Qdrant server, through qdrant-client; also its in-memory mode, for tests.

Sharding, replication and access rights are the server's. Each ``upsert`` is one request, which
the server logs as one operation; keep batches to a few thousand points, since servers refuse
requests above 32 MB.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from threading import RLock
from typing import TYPE_CHECKING, Any

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import DamagedError, StoreError, StoreUnavailableError
from scenesearch.core.protocols import WORDS, TextQuery, VectorQuery
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import (
    POINT_FIELDS,
    Census,
    CollectionSchema,
    FieldType,
    Hit,
    Page,
    Point,
    Record,
    Scalar,
    StoredPage,
)
from scenesearch.store.bm25 import (
    count_mean,
    has_words,
    lacks_words,
    payload_terms,
    stored_spaces,
    stored_terms,
)
from scenesearch.store.census import REPAIR
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
from scenesearch.store.records import in_order, retype_patches, to_page, to_stored, to_write
from scenesearch.store.schemas import (
    check_new_fields,
    check_quantization,
    check_same_schema,
    check_schema,
    new_schema,
)
from scenesearch.store.server.answers import FORBIDDEN, PARTS, POINT_GONE
from scenesearch.store.server.claim import claim
from scenesearch.store.server.client_meta import META_SUFFIX, NOT_FOUND, ClientMeta
from scenesearch.store.server.client_translate import (
    ClientRequests,
    ask_batch,
    batch_body,
    field_schema,
    of_type,
    scroll_body,
    to_hits,
    to_rows,
    unlike,
    vector_diffs,
    words_config,
)
from scenesearch.store.server.connection import CONSENSUS_S, Connection, Tls, Waits
from scenesearch.store.server.layout import Layout, Spread, companion, nodes_of, spread_of
from scenesearch.store.server.recent import RecentPoints
from scenesearch.store.server.revisions import Revisions
from scenesearch.store.server.writes import PAGE, PointWrites
from scenesearch.store.ties import BEYOND, settle, settle_facet
from scenesearch.store.translate import key_path
from scenesearch.store.vectors import query_vectors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

SPREAD_S = 5.0
"""Where a collection lies is known so long."""
RECORD_S = 1.0
"""Others may add fields to a collection, or make it anew: what is read of it is known so long."""
LOOK_S = 60.0
"""Whether a collection still is what its record says is looked at so often."""
ATTEMPTS = 5
"""Of setting words, where each time others delete some of those points meanwhile."""


class ClientStore:
    """A :class:`~scenesearch.core.protocols.Store` on a Qdrant server.

    Nothing is sent before the first call.

    Args:
        client_or_url: ``http://host:6333``, several of one cluster with commas between, or a
            client, which stays the caller's to close.
        collection: 1 to 64 of ``a-z 0-9 _ -``, not ending in ``--meta``.
        api_key: for a URL; a given client has its own.
        timeout: seconds for each request, for a URL.
        quantization: of a collection that ``create`` makes; one that is there keeps its own.
        on_disk: likewise.
        memory: likewise.
        layout: likewise.
        tls: certificates of a private authority, and of this client; for a URL.
        tenant_field: that says whose a point is.
    """

    def __init__(
        self,
        client_or_url: QdrantClient | str,
        collection: str,
        *,
        api_key: str | None = None,
        timeout: float = 10.0,
        quantization: Quantization = "none",
        on_disk: bool | None = None,
        memory: Memory | None = None,
        layout: Layout | None = None,
        tls: Tls | None = None,
        tenant_field: str | None = None,
    ) -> None:
        self._name = check_name(collection)
        if collection.endswith(META_SUFFIX):
            raise StoreError(
                f"bad collection name {collection!r}: names ending in {META_SUFFIX} are taken "
                "by what collections know about themselves"
            )
        self._server = Connection(client_or_url, api_key, timeout, tls)
        self._held: Any = {"quantization": quantization, "on_disk": on_disk, "memory": memory}
        self._layout = layout or Layout()
        self._tenant_field = tenant_field
        self._gate = RLock()
        self._schema: CollectionSchema | None = None
        self._read_at = 0.0
        self._looked_at = 0.0
        self._blobs: dict[str, tuple[str, bytes]] = {}
        self._absent: dict[str, float] = {}
        self._revisions = Revisions()
        self._writes = PointWrites(self._server, collection, self._revisions)
        self._recent = RecentPoints(RECORD_S)
        self._meta = ClientMeta(self._server, collection)
        self._in_bulk = False
        self._spread: tuple[float, Spread] | None = None

    def __repr__(self) -> str:
        return f"ClientStore({self._server.where!r}, {self._name!r})"

    # --- the collection --------------------------------------------------------------------

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet; at most a second old."""
        if self._schema is not None and time.monotonic() - self._read_at < RECORD_S:
            return self._schema
        return self._read_schema()

    def _read_schema(self) -> CollectionSchema | None:
        self._read_at = time.monotonic()
        try:
            return self._read_anew()
        except StoreUnavailableError:
            raise
        except StoreError:
            # what was known before is wrong
            self._schema = None
            raise

    def _read_anew(self) -> CollectionSchema | None:
        found = self._meta.read_schema()
        # the same object as long as nothing changes: what others know of it stays known
        changed = found is None or found != self._schema or found.made != self._schema.made
        if found is not None and (changed or self._read_at > self._looked_at + LOOK_S):
            self._server.ask(f"read about {self._name!r}", partial(self._look, found))
            self._looked_at = self._read_at
        if changed:
            self._schema = found
        if self._schema is None and (points := self._meta.count_points()):
            # points are written after the record: it came since, or it was lost
            self._schema = self._meta.read_schema()
            if self._schema is not None:
                return self._schema
            raise StoreError(
                f"{self._server.where} has a collection {self._name!r} of {points} points, and no "
                f"{self._name + META_SUFFIX!r} that says what they are. If that was lost, restore "
                "it from a snapshot, and leave the points as they are; if they are somebody "
                "else's, choose another --collection",
                code="record_lost",
            )
        return self._schema

    def _look(self, schema: CollectionSchema, client: Any) -> None:
        """Compare a collection with its record: somebody may have made it anew by hand."""
        from qdrant_client.http.exceptions import UnexpectedResponse

        try:
            wrong = unlike(schema, client.get_collection(self._name).config.params)
        except (UnexpectedResponse, ValueError) as error:
            # the in-memory mode has no status to tell by
            if getattr(error, "status_code", NOT_FOUND) != NOT_FOUND:
                raise
            wrong = ["it is gone"]
        if wrong:
            raise DamagedError(
                f"collection {self._name!r} in {self._server.where} is not what its record says: "
                f"{'; '.join(wrong)}. Restore it from a backup, or index into a new --collection "
                f"(photos that were embedded before are not embedded again); {REPAIR}"
            )

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """See :meth:`scenesearch.core.protocols.Store.create`.

        The server makes a collection once, so who has made it has the claim to all that belongs
        to it; the record comes last, and without it the collection does not exist.
        """
        wanted = new_schema(replace(schema, **self._held), blobs)
        with self._gate:
            existing = self._read_schema()
            if existing is None and self._claim(wanted):
                self._index(schema.fields)
                for name, data in (blobs or {}).items():
                    self._meta.write_blob(name, data)
                self._meta.write_schema(wanted)
                existing = self._schema = wanted
            existing = existing or self._require(fresh=True)
            check_same_schema(self._name, existing, schema)
            return existing.made == wanted.made

    def _claim(self, wanted: CollectionSchema) -> bool:
        nodes = 1
        if not self._server.local:
            try:
                nodes = self._server.ask("ask for the nodes", nodes_of)
            except StoreError as error:
                if error.code != FORBIDDEN:
                    raise
                # a key that may make collections and not know this: as the server likes it
        self._meta.layout = companion(nodes)
        return claim(self._server, self._name, wanted, self._read_schema, self._layout.on(nodes))

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.add_fields`."""
        with self._gate:
            schema = self._require(fresh=True)
            new = check_new_fields(self._name, schema, fields)
            if not new:
                return
            requests, patches = self._requests(schema), retype_patches(self, new)
            for patch, ids in patches:
                what = f"rewrite fields of {self._name!r}"
                self._writes.patch(what, requests.those(ids), patch, requests)
            for field in () if self._server.local else set(new) & set(schema.fields):
                self._server.ask(
                    f"index {field!r} of {self._name!r} anew",
                    partial(_forget_index, name=self._name, field=field),
                )
            self._index(new)
            self._meta.add_fields(new)
            self._read_schema()

    def _index(self, fields: Mapping[str, FieldType]) -> None:
        if self._server.local:
            return  # that mode has none, and warns

        def index(client: Any) -> None:
            for field, kind in fields.items():
                client.create_payload_index(
                    self._name,
                    key_path(field),
                    field_schema=field_schema(kind, tenant=field == self._tenant_field),
                    wait=True,
                    timeout=CONSENSUS_S,
                )

        self._server.ask(f"index fields of {self._name!r}", index)

    def quantize(
        self,
        quantization: Quantization,
        *,
        on_disk: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Change how the vectors of a collection are searched, and where they are held.

        The server makes the codes in the background, and answers meanwhile.

        Args:
            quantization: what is searched first.
            on_disk: see :class:`~scenesearch.core.types.CollectionSchema`.
            memory: likewise.

        Raises:
            StoreError: it is no quantization, or there is no collection.
        """
        with self._gate:
            checked = check_quantization(quantization)
            schema = check_schema(
                replace(
                    self._require(fresh=True),
                    quantization=checked,
                    on_disk=on_disk,
                    memory=memory,
                )
            )
            params = vector_diffs(schema)
            self._server.ask(
                f"quantize {self._name!r}",
                lambda c: c.update_collection(
                    self._name, vectors_config=params, timeout=CONSENSUS_S
                ),
            )
            self._meta.change_schema(schema)
            self._read_schema()

    def _add_words(self, schema: CollectionSchema) -> CollectionSchema:
        """Give points their vectors of words, in a collection made before there were any.

        Killed at any moment, or done by two at once, it comes to the same.
        """
        if not lacks_words(schema):
            return schema
        with self._gate:
            mean = count_mean(self)
            requests = self._requests(schema)
            what = f"add the vectors of words to {self._name!r}"
            self._server.ask(what, self._make_words)
            for batch in stored_terms(self, mean):
                self._server.ask(what, partial(self._set_words, requests.set_words(batch)))
            self._meta.change_schema(replace(schema, mean_words=mean))
            return self._read_schema() or schema

    def _make_words(self, client: Any) -> None:
        client.create_vector_name(self._name, WORDS, words_config(), timeout=CONSENSUS_S)

    def _set_words(self, operation: Any, client: Any) -> None:
        client.batch_update_points(self._name, [operation], wait=True)

    # --- points ----------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.upsert`."""
        # Read again for each write: another process may have added fields.
        schema = self._add_words(self._require(fresh=True))
        by_id, vectors, payloads = to_write(points, schema)
        if by_id:
            self._recent.forget()
            self._writes.upsert(list(by_id), vectors, payloads, self._requests(schema))

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Store.set_payload`."""
        schema = self._fields_of(payload)
        requests = self._requests(schema)
        selection = requests.selection(ids, where)
        patch = encode_patch(payload, schema.fields)
        if not patch:
            return
        what = f"set payloads in {self._name!r}"
        if WORDS not in patch or not has_words(schema):
            self._recent.forget()
            self._writes.patch(what, selection, patch, requests)
            return
        terms = payload_terms(patch, self._add_words(schema))
        known = self._recent.get(where)
        for attempt in range(1, ATTEMPTS + 1):
            worded: Sequence[str] = ()
            if terms is not None:
                worded = list(self._ids(selection)) if known is None else known
            self._recent.forget()
            try:
                self._writes.patch(what, selection, patch, requests, (worded, terms))
            except StoreError as error:
                if error.code != POINT_GONE or attempt == ATTEMPTS:
                    raise
                known = None
            else:
                return

    def _ids(self, selection: Any) -> Iterator[str]:
        following: Any = None
        while True:
            points, following = self._page(selection, PAGE, following, selector=False, names=[])
            yield from (str(point.id) for point in points)
            if following is None:
                return

    def _page(
        self,
        selection: Any,
        limit: int,
        offset: Any,
        *,
        selector: Any,
        names: list[str],
        spread: Spread | None = None,
    ) -> tuple[Sequence[Any], Any]:
        now = spread or Spread()
        # a copy may have gone away
        then = replace(now, active=False)
        what = f"read points of {self._name!r}"

        def scroll(size: int, *, bare: bool = False) -> tuple[Sequence[Any], Any]:
            shown, spaces = (False, []) if bare else (selector, names)
            if self._server.local:
                page: tuple[Sequence[Any], Any] = self._server.ask(
                    what,
                    lambda c: c.scroll(
                        self._name,
                        scroll_filter=selection,
                        limit=size,
                        offset=offset,
                        with_payload=shown,
                        with_vectors=spaces or False,
                    ),
                )
                return page
            path, ways = f"/collections/{self._name}/points/scroll", Spread() if bare else None
            found = self._server.post(
                what,
                path + (ways or now).query,
                scroll_body(selection, size, offset, shown, spaces),
                again=path + (ways or then).query,
            )
            return to_rows(found["points"]), found.get("next_page_offset")

        size = limit
        while True:
            points, following = scroll(size)
            if following is not None or not now.copies:
                return points, following
            # a page that copies differ on is short, and looks like the last one: go on from
            # its last point, or, where they have no other in common, look further
            if len(points) > 1:
                return points[:-1], points[-1].id
            if scroll(size, bare=True)[1] is None:
                return points, None
            size *= 4

    def _spread_now(self) -> Spread:
        """How the collection lies, at most some seconds old."""
        if self._server.local:
            return Spread()
        if self._spread is None or time.monotonic() > self._spread[0] + SPREAD_S:
            what = f"ask where {self._name!r} lies"
            found = self._server.ask(what, partial(spread_of, name=self._name))
            self._spread = time.monotonic(), found
        return self._spread[1]

    def at_once(self) -> AbstractContextManager[None]:
        """See :meth:`.Remote.at_once`."""
        return self._server.at_once()

    @contextmanager
    def in_bulk(self, wait_s: float, waits: Waits) -> Iterator[None]:
        """See :meth:`.Remote.in_bulk`."""
        before, self._in_bulk = self._in_bulk, True
        try:
            with self._server.patient(wait_s, waits):
                yield
        finally:
            self._in_bulk = before

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """See :meth:`.Store.together`. The server keeps each write anyway."""
        self._require()
        yield

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.core.protocols.Store.delete`."""
        requests = self._requests(self._require())
        self._recent.forget()
        self._writes.delete(requests.selection(ids, where), requests)

    # --- reading ---------------------------------------------------------------------------

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.core.protocols.Store.query`."""
        schema = self._require()
        if any(isinstance(query, TextQuery) for query in queries):
            schema = self._add_words(schema)
        requests = self._requests(schema)
        vectors = query_vectors(queries, schema)
        filters = {query.where: requests.where(query.where) for query in queries}
        selectors = {query.fields: requests.shown(query.fields) for query in queries}
        bools = {fields: bool_fields(schema.fields, fields) for fields in selectors}

        def request(i: int, limit: int) -> Any:
            query = queries[i]
            where, selector = filters[query.where], selectors[query.fields]
            if isinstance(query, TextQuery):
                return requests.text(query.text, limit, where, selector)
            return requests.nearest(vectors[i], query.space, limit, where, selector)

        def fetch(wanted: list[tuple[int, int]]) -> list[list[Hit]]:
            answers = self._ask_batch([request(i, limit) for i, limit in wanted])
            return [
                to_hits(answer, bools[queries[i].fields], cosines=i in vectors)
                for (i, _), answer in zip(wanted, answers, strict=True)
            ]

        limits = [check_limit(query.limit) for query in queries]
        return settle(limits, fetch, beyond=1 if self._server.local else BEYOND)

    def _ask_batch(self, batch: Sequence[Any]) -> list[list[Any]]:
        """In one request, or in as many as the server takes."""
        local = self._server.local
        what, path = f"search {self._name!r}", f"/collections/{self._name}/points/query/batch"
        try:
            if local:
                return self._server.ask(what, lambda c: ask_batch(c, self._name, batch))
            return [one["points"] for one in self._server.post(what, path, batch_body(batch))]
        except StoreError as error:
            if error.code not in PARTS or len(batch) == 1:
                raise
            half = len(batch) // 2
            return [*self._ask_batch(batch[:half]), *self._ask_batch(batch[half:])]

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.core.protocols.Store.retrieve`."""
        schema = self._require()
        wanted = [canonical_id(i) for i in ids]
        names = check_spaces(spaces, schema)
        bools = bool_fields(schema.fields)
        points = self._server.ask(
            f"read points of {self._name!r}",
            lambda c: c.retrieve(
                self._name, wanted, with_payload=True, with_vectors=names or False
            ),
        )
        return in_order(self._plain(points), wanted, bools)

    def _plain(self, points: Sequence[Any]) -> Sequence[Any]:
        """Points without their revisions, which are remembered."""
        for point in points:
            if point.payload:
                self._revisions.take(point.payload)
        return points

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
        selector = requests.selector(fields)
        # in bulk, what copies differ in has to be found
        spread = self._spread_now() if self._in_bulk else None
        points, following = self._page(
            selection, limit, start, selector=selector, names=names, spread=spread
        )
        if where is not None and cursor is None and following is None:
            self._recent.keep(where, [str(point.id) for point in points])
        return to_page(self._plain(points), following, bools)

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.core.protocols.Store.count`."""
        selection = self._requests(self._require()).where(where)
        found = self._server.ask(
            f"count points of {self._name!r}",
            lambda c: c.count(self._name, count_filter=selection, exact=True),
        )
        return int(found.count)

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.core.protocols.Store.facet`."""
        schema = self._require()
        kind = check_facet(field, schema)
        selection = self._requests(schema).where(where)

        def fetch(asked: int) -> list[tuple[Any, int]]:
            hits = self._server.ask(
                f"count values of {field!r} in {self._name!r}",
                lambda c: c.facet(
                    self._name,
                    key=key_path(field),
                    limit=asked,
                    facet_filter=selection,
                    exact=True,
                ),
            ).hits
            return [(bool(h.value) if kind == "bool" else h.value, h.count) for h in hits]

        # of what other nodes send, only so many are merged as were asked for: all have to be
        return settle_facet(check_limit(limit), fetch, every=self._spread_now().nodes)

    # --- for who checks it ------------------------------------------------------------------

    def census(self) -> Census:
        """See :meth:`scenesearch.core.protocols.Inspectable.census`."""
        schema = self._require(fresh=True)
        spaces = stored_spaces(schema)
        having = self._requests(schema).having

        def count(client: Any) -> Census:
            info = client.get_collection(self._name)
            return Census(
                int(client.count(self._name, exact=True).count),
                {
                    space: int(client.count(self._name, having(space), exact=True).count)
                    for space in spaces
                },
                # one of another type answers no filter
                {
                    name: int(index.points)
                    for field, index in (info.payload_schema or {}).items()
                    if (name := str(field).strip('"')) not in schema.fields
                    or of_type(index, schema.fields[name])
                },
            )

        return self._server.ask(f"count what is in {self._name!r}", count)

    def recorded_census(self) -> Census | None:
        """None: a server's collection is never closed."""
        return None

    def inspect(self, cursor: str | None = None, limit: int = PAGE) -> StoredPage:
        """See :meth:`scenesearch.core.protocols.Inspectable.inspect`."""
        schema = self._require()
        names = stored_spaces(schema)
        points, following = self._page(None, limit, cursor, selector=True, names=names)
        return StoredPage(
            tuple(to_stored(point) for point in points),
            None if following is None else str(following),
        )

    def reindex(self, fields: Sequence[str]) -> None:
        """See :meth:`scenesearch.core.protocols.Inspectable.reindex`."""
        schema = self._require(fresh=True)
        for field in () if self._server.local else fields:
            self._server.ask(
                f"index {field!r} of {self._name!r} anew",
                partial(_forget_index, name=self._name, field=field),
            )
        self._index({field: schema.fields[field] for field in fields if field in schema.fields})

    # --- blobs and life --------------------------------------------------------------------

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.core.protocols.Store.read_blob`."""
        check_blob_name(name)
        wanted = self._require().blobs.get(name)
        kept = self._blobs.get(name)
        # what a collection was made with stays as it is, and is read once
        if kept is not None and kept[0] == wanted:
            return kept[1]
        if wanted is None and time.monotonic() < self._absent.get(name, 0.0):
            return None
        data = self._meta.read_blob(name)
        if data is None:
            self._absent[name] = time.monotonic() + RECORD_S
        elif wanted == sha256(data).hexdigest():
            self._blobs[name] = wanted, data
        return data

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.core.protocols.Store.write_blob`."""
        check_blob_name(name)
        self._require()
        self._blobs.pop(name, None)
        self._absent.pop(name, None)
        self._meta.write_blob(name, data)

    def optimize(self) -> None:
        """Nothing: servers optimize in the background."""
        self._require()

    def close(self) -> None:
        """Close the connection, unless the client was passed in."""
        self._server.close()

    # --- pieces ----------------------------------------------------------------------------

    def _requests(self, schema: CollectionSchema) -> ClientRequests:
        return ClientRequests(schema, local=self._server.local)

    def _fields_of(self, payload: Mapping[str, Any]) -> CollectionSchema:
        """The schema, read again where it knows no field of that name: it may be new."""
        schema = self._require()
        known = schema.fields.keys() | POINT_FIELDS
        return schema if payload.keys() <= known else self._require(fresh=True)

    def _require(self, *, fresh: bool = False) -> CollectionSchema:
        self._server.refuse_closed()
        schema = self._read_schema() if fresh else self.schema
        if schema is None:
            raise StoreError(
                f"collection {self._name!r} does not exist in {self._server.where} yet; "
                "create it with create(schema), or check the name",
                code="no_collection",
            )
        return schema


def _forget_index(client: Any, *, name: str, field: str) -> None:
    client.delete_payload_index(name, key_path(field), wait=True, timeout=CONSENSUS_S)

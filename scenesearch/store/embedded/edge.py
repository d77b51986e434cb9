"""The embedded store: Qdrant's engine in this process, one directory a collection.

The engine logs each batch as one entry before it applies it, and replays the log on opening;
nothing is acknowledged before the log is on the disk (see ``edge_log``).
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import UUID

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import (
    DamagedError,
    NoSpaceError,
    StoreBrokeError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.protocols import WORDS, TextQuery, VectorQuery
from scenesearch.core.quantization import Memory, Quantization
from scenesearch.core.types import (
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
from scenesearch.store.census import REPAIR, differences
from scenesearch.store.checks import (
    canonical_id,
    check_cursor,
    check_facet,
    check_limit,
    check_spaces,
)
from scenesearch.store.embedded.edge_directory import EdgeDirectory, OpenShard
from scenesearch.store.embedded.edge_log import (
    CAN_SYNC,
    OPERATION_BYTES,
    REPLAYED_BYTES,
    EdgeLog,
)
from scenesearch.store.embedded.edge_translate import (
    EdgeRequests,
    engine_errors,
    field_index,
    no_field_index,
)
from scenesearch.store.embedded.payload_memo import PayloadMemo, ReadScores, cosines
from scenesearch.store.payloads import (
    bool_fields,
    decode_payload,
    encode_patch,
)
from scenesearch.store.records import in_order, retype_patches, to_page, to_stored, to_write
from scenesearch.store.schemas import (
    check_new_fields,
    check_quantization,
    check_same_schema,
    new_schema,
)
from scenesearch.store.ties import BEYOND, plain_scores, settle, settle_facet
from scenesearch.store.vectors import query_vectors
from scenesearch.system.disk import MIN_FREE_BYTES, check_free_space, tree_bytes, write_estimate
from scenesearch.system.whole_file import copy_sparse, write_whole

log = logging.getLogger(__name__)

PANICS = 2
"""So many of one store and the next calls will not do better."""
PAGE = 1000
"""Points of one change of words."""


class EdgeStore:
    """A :class:`~scenesearch.core.protocols.Store` in a directory, for one process at a time.

    The directory is opened, and locked, by the first call that needs the points. The store may
    be used from several threads, but the engine holds the GIL, so they take turns. It must be
    opened after a fork, never before.

    Args:
        path: directory of all collections; made by ``create``.
        collection: 1 to 64 of ``a-z 0-9 _ -``.
        min_free_bytes: writes are refused when less disk than this is free.
        search_threads: that search the segments of a collection side by side, which a query that
            is alone has its answer sooner by; as many as cores by default.
        quantization: of a collection that ``create`` makes; one that is there keeps its own.
        on_disk: likewise.
        memory: likewise.
        counted: refuse a collection that has more or less than when it was closed; not for who
            repairs it.
        tenant_field: that says whose a point is.
    """

    def __init__(
        self,
        path: str | Path,
        collection: str,
        *,
        min_free_bytes: int = MIN_FREE_BYTES,
        search_threads: int | None = None,
        quantization: Quantization = "none",
        on_disk: bool | None = None,
        memory: Memory | None = None,
        counted: bool = True,
        tenant_field: str | None = None,
    ) -> None:
        self._tenant_field = tenant_field
        self._directory = EdgeDirectory(
            Path(path), collection, search_threads, tenant_field=tenant_field
        )
        self._home = self._directory.home
        self._min_free = min_free_bytes
        self._held: Any = {"quantization": quantization, "on_disk": on_disk, "memory": memory}
        self._counted = counted
        self._gate = RLock()
        self._opened: OpenShard | None = None
        self._memo = PayloadMemo()
        self._holding = False
        self._log = EdgeLog(self._home / "shard")
        self._unsynced = False
        # Of operations that only the log holds. Full at first: what a crash left in the log is
        # flushed with the first write, so that many crashes do not make it longer and longer.
        self._logged = REPLAYED_BYTES
        self._closed = False
        self._panics = 0

    def __repr__(self) -> str:
        return f"EdgeStore({str(self._directory.root)!r}, {self._directory.name!r})"

    # --- the collection --------------------------------------------------------------------

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet. Takes no lock."""
        opened = self._opened
        return self._directory.read_schema() if opened is None else opened.schema

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """See :meth:`scenesearch.core.protocols.Store.create`."""
        with self._gate:
            self._refuse_closed()
            wanted = new_schema(replace(schema, **self._held), blobs)
            existing = self.schema
            if existing is None:
                size = sum(map(len, (blobs or {}).values()))
                check_free_space(self._home, size, self._min_free)
                existing = self._directory.make(wanted, blobs or {})
            check_same_schema(self._directory.name, existing, schema)
            return existing.made == wanted.made

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.add_fields`."""
        with self._gate:
            opened = self._open()
            new = check_new_fields(self._directory.name, opened.schema, fields)
            if not new:
                return
            check_free_space(self._home, 0, self._min_free)
            patches = retype_patches(self, new)
            self._changing(opened)
            with self._engine(f"rewrite the fields {', '.join(new)} of {self._home}"):
                for patch, ids in patches:
                    those = opened.requests.those(ids)
                    opened.shard.update(opened.requests.set_payload(those, patch))
            with self._engine(f"index the fields {', '.join(new)} of {self._home}"):
                for field, kind in new.items():
                    if field in opened.schema.fields:
                        opened.shard.update(no_field_index(field))
                    opened.shard.update(self._index(field, kind))
                opened.shard.flush()
            # Last: without it the indexes are there, unused, and are made again next time.
            self._record(opened, replace(opened.schema, fields={**opened.schema.fields, **new}))

    def _index(self, field: str, kind: FieldType) -> Any:
        return field_index(field, kind, tenant=field == self._tenant_field)

    def _record(self, opened: OpenShard, schema: CollectionSchema) -> None:
        with engine_errors(f"write the record of {self._home}"):
            self._directory.write_schema(schema)
        opened.schema = schema
        opened.requests = EdgeRequests(schema)

    def quantize(
        self,
        quantization: Quantization,
        *,
        on_disk: bool | None = None,
        memory: Memory | None = None,
    ) -> None:
        """Change how the vectors of a collection are searched; its segments are written anew.

        Where it is killed, the next ``optimize`` goes on.

        Args:
            quantization: what is searched first.
            on_disk: see :class:`~scenesearch.core.types.CollectionSchema`.
            memory: likewise.

        Raises:
            StoreError: it is no quantization, or the disk is too full.
            StoreUnavailableError: another store has the collection open.
        """
        with self._gate:
            self._refuse_closed()
            check_quantization(quantization)
            self._release()
            check_free_space(self._home, tree_bytes(self._home), self._min_free)
            self._directory.quantize(quantization, on_disk=on_disk, memory=memory)

    def _add_words(self, opened: OpenShard) -> None:
        """Give points their vectors of words, in a collection made before there were any.

        Killed at any moment, it is begun again; searches by words wait for it.
        """
        if not lacks_words(opened.schema):
            return
        with self._gate:
            if not lacks_words(opened.schema):
                return  # another thread was here first
            check_free_space(self._home, tree_bytes(self._home) // 10, self._min_free)
            mean = count_mean(self)
            self._changing(opened)
            with self._engine(f"add the vectors of words to {self._home}"):
                opened.shard.update(opened.requests.add_words())
                for batch in stored_terms(self, mean):
                    opened.shard.update(opened.requests.set_words(batch))
                opened.shard.flush()
            self._record(opened, replace(opened.schema, mean_words=mean))

    # --- points ----------------------------------------------------------------------------

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.upsert`."""
        with self._gate:
            opened = self._open()
            self._add_words(opened)
            by_id, vectors, payloads = to_write(points, opened.schema)
            if by_id:
                operation = opened.requests.upsert(list(by_id), vectors, payloads)
                size = write_estimate(list(by_id.values()), opened.schema)
                self._write(opened, operation, f"write {len(by_id)} points", size)

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Store.set_payload`."""
        with self._gate:
            opened = self._open()
            selection = opened.requests.selection(ids, where)
            patch = encode_patch(payload, opened.schema.fields)
            if not patch:
                return
            with self.batch_writes():
                if WORDS in patch and has_words(opened.schema):
                    # before the payload: what a kill leaves between the two, the same write mends
                    self._set_words(opened, patch, selection)
                self._write(opened, opened.requests.set_payload(selection, patch), "set payloads")

    def _set_words(self, opened: OpenShard, patch: Mapping[str, Any], selection: Any) -> None:
        self._add_words(opened)
        terms = payload_terms(patch, opened.schema)
        if terms is None:
            self._write(opened, opened.requests.remove_words(selection), "remove words")
            return
        cursor: str | None = None
        while True:
            request = opened.requests.scroll(cursor, PAGE, selection, False, [])
            with self._engine(f"read points of {self._home}"):
                points, cursor = opened.shard.scroll(request)
            if points:
                operation = opened.requests.set_words([(str(p.id), terms) for p in points])
                self._write(opened, operation, "set words")
            if cursor is None:
                return

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.core.protocols.Store.delete`."""
        with self._gate:
            opened = self._open()
            operation = opened.requests.delete(opened.requests.selection(ids, where))
            self._write(opened, operation, "delete points")

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """See :meth:`scenesearch.core.protocols.Store.together`. Other threads' writes wait."""
        with self._gate:
            opened = self._open()
            outer, self._holding = self._holding, True
            try:
                yield
            finally:
                self._holding = outer
                if not outer and self._opened is opened:
                    self._flush(opened)

    def _write(self, opened: OpenShard, operation: Any, what: str, size: int = 0) -> None:
        check_free_space(self._home, size, self._min_free)
        self._changing(opened)
        with self._engine(f"{what} in {self._home}"):
            opened.shard.update(operation)
        self._unsynced = True
        self._logged += max(size, OPERATION_BYTES)
        if not self._holding:
            self._flush(opened)

    def _changing(self, opened: OpenShard) -> None:
        """Before the first change since the collection was opened."""
        if not opened.changed:
            with engine_errors(f"write to {self._home}"):
                self._directory.forget_census()
            opened.changed = True

    def _flush(self, opened: OpenShard) -> None:
        # Only this reaches the disk; before it, a power cut could lose the write.
        if self._unsynced:
            with self._engine(f"write to the disk in {self._home}"):
                if CAN_SYNC and self._logged < REPLAYED_BYTES:
                    self._log.sync()
                else:
                    opened.shard.flush()
                    self._logged = 0
            self._unsynced = False

    # --- reading ---------------------------------------------------------------------------

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.core.protocols.Store.query`."""
        opened = self._open()
        if any(isinstance(query, TextQuery) for query in queries):
            self._add_words(opened)
        schema, requests = opened.schema, opened.requests
        vectors = query_vectors(queries, schema)
        # Queries of one photo share their filter and fields: translate each once.
        filters = {query.where: requests.where(query.where) for query in queries}
        stored = opened.shard.info().points_count

        def request(i: int, limit: int) -> Any:
            query = queries[i]
            if isinstance(query, TextQuery):
                return requests.text(query.text, limit, filters[query.where])
            where = filters[query.where]
            return requests.nearest(vectors[i], query.space, limit, where, stored=stored)

        def fetch(wanted: list[tuple[int, int]]) -> Sequence[Sequence[Any]]:
            batch = requests.batch([request(i, limit) for i, limit in wanted])
            with self._engine(f"search {self._home}"):
                answers: Sequence[Sequence[Any]] = opened.shard.query_batch(batch)
            return answers

        # BM25 has no upper bound
        scores = [cosines if i in vectors else plain_scores for i in range(len(queries))]
        limits = [check_limit(query.limit) for query in queries]
        found = settle(limits, fetch, scores.__getitem__, beyond=BEYOND)
        return self._hits(opened, queries, found, scores)

    def _hits(
        self,
        opened: OpenShard,
        queries: Sequence[VectorQuery | TextQuery],
        answers: Sequence[Any],
        scores: Sequence[ReadScores],
    ) -> list[list[Hit]]:
        hits: list[list[Hit]] = [[] for _ in answers]
        # The queries of a photo all ask for the same fields.
        for wanted in dict.fromkeys(query.fields for query in queries):
            chosen = [i for i, query in enumerate(queries) if query.fields == wanted]
            bools = bool_fields(opened.schema.fields, wanted)
            reader = partial(self._fields, opened, wanted, bools)
            found = self._memo.hits(
                [answers[i] for i in chosen],
                (wanted, bools),
                reader,
                [scores[i] for i in chosen],
            )
            for i, row in zip(chosen, found, strict=True):
                hits[i] = row
        return hits

    def _fields(
        self, opened: OpenShard, wanted: tuple[str, ...], bools: tuple[str, ...], ids: list[UUID]
    ) -> dict[int, dict[str, Any]]:
        if not wanted:
            return {point_id.int: {} for point_id in ids}
        with self._engine(f"read points of {self._home}"):
            points = opened.shard.retrieve(ids, opened.requests.selector(wanted), False)
        return {point.id.int: decode_payload(point.payload, bools) for point in points}

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.core.protocols.Store.retrieve`."""
        opened = self._open()
        wanted = [canonical_id(i) for i in ids]
        names = check_spaces(spaces, opened.schema)
        bools = bool_fields(opened.schema.fields)
        with self._engine(f"read points of {self._home}"):
            points = opened.shard.retrieve(wanted, True, names or False)
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
        opened = self._open()
        request = opened.requests.scroll(
            None if cursor is None else check_cursor(cursor),
            check_limit(limit),
            opened.requests.where(where),
            opened.requests.selector(fields),
            check_spaces(spaces, opened.schema),
        )
        bools = bool_fields(opened.schema.fields, fields)
        with self._engine(f"read points of {self._home}"):
            points, following = opened.shard.scroll(request)
        return to_page(points, following, bools)

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.core.protocols.Store.count`."""
        opened = self._open()
        request = opened.requests.count(opened.requests.where(where))
        with self._engine(f"count points of {self._home}"):
            return int(opened.shard.count(request))

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.core.protocols.Store.facet`."""
        opened = self._open()
        kind = check_facet(field, opened.schema)
        selection = opened.requests.where(where)

        def fetch(asked: int) -> list[tuple[Any, int]]:
            request = opened.requests.facet(field, asked, selection)
            with self._engine(f"count values of {field!r} in {self._home}"):
                hits = opened.shard.facet(request).hits
            return [(bool(h.value) if kind == "bool" else h.value, h.count) for h in hits]

        return settle_facet(check_limit(limit), fetch)

    # --- for who checks it ------------------------------------------------------------------

    def census(self) -> Census:
        """See :meth:`scenesearch.core.protocols.Inspectable.census`."""
        return self._census(self._open())

    def _census(self, opened: OpenShard) -> Census:
        spaces = stored_spaces(opened.schema)
        with self._engine(f"count what is in {self._home}"):
            info = opened.shard.info()
            return Census(
                int(info.points_count),
                {space: int(opened.shard.count(opened.requests.having(space))) for space in spaces},
                {
                    str(field).strip('"'): int(index.points)
                    for field, index in info.payload_schema.items()
                },
            )

    def recorded_census(self) -> Census | None:
        """See :meth:`scenesearch.core.protocols.Inspectable.recorded_census`."""
        return self._directory.read_census()

    def inspect(self, cursor: str | None = None, limit: int = PAGE) -> StoredPage:
        """See :meth:`scenesearch.core.protocols.Inspectable.inspect`."""
        opened = self._open()
        request = opened.requests.scroll(cursor, limit, None, True, stored_spaces(opened.schema))
        with self._engine(f"read points of {self._home}"):
            points, following = opened.shard.scroll(request)
            stored = tuple(to_stored(point) for point in points)
        return StoredPage(stored, None if following is None else str(following))

    def reindex(self, fields: Sequence[str]) -> None:
        """See :meth:`scenesearch.core.protocols.Inspectable.reindex`."""
        with self._gate:
            opened = self._open()
            check_free_space(self._home, 0, self._min_free)
            self._changing(opened)
            with self._engine(f"index fields of {self._home} anew"):
                for field in fields:
                    opened.shard.update(no_field_index(field))
                    if (kind := opened.schema.fields.get(field)) is not None:
                        opened.shard.update(self._index(field, kind))
                opened.shard.flush()

    # --- files and life --------------------------------------------------------------------

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.core.protocols.Store.read_blob`."""
        self._open()
        try:
            return self._directory.blob(name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(
                f"cannot read {self._directory.blob(name)}: {error}; check the disk and its "
                "permissions"
            ) from error

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.core.protocols.Store.write_blob`."""
        with self._gate:
            self._open()
            path = self._directory.blob(name)
            check_free_space(self._home, 2 * len(data), self._min_free)
            with engine_errors(f"keep {name} in {self._home}"):
                write_whole(path, bytes(data))

    def optimize(self) -> None:
        """See :meth:`scenesearch.core.protocols.Store.optimize`. Blocks the whole process."""
        with self._gate:
            opened = self._open()
            # Segments are rebuilt beside the old ones.
            check_free_space(self._home, tree_bytes(self._home), self._min_free)
            self._changing(opened)
            with self._engine(f"optimize {self._home}"):
                if opened.shard.optimize():
                    # Also frees the disk of the segments that were replaced.
                    opened.shard.flush()
                    self._logged = 0

    def copy_to(self, folder: Path) -> int:
        """See :meth:`scenesearch.core.protocols.Copyable.copy_to`. Other threads' calls wait."""
        with self._gate:
            opened = self._open()
            check_free_space(folder, tree_bytes(self._home), self._min_free)
            with engine_errors(f"write to the disk in {self._home}"):
                # what is copied replays nothing; and files that the engine maps are as it has them
                opened.shard.flush()
            self._unsynced, self._logged = False, 0
            try:
                shutil.copytree(self._home, folder, copy_function=copy_sparse)
            except (OSError, shutil.Error) as error:
                raise StoreError(f"cannot copy {self._home} to {folder}: {error}") from error
            return int(opened.shard.info().points_count)

    def close(self) -> None:
        """Give the directory back; the object cannot be used afterwards."""
        with self._gate:
            self._closed = True
            self._release()

    def _release(self) -> None:
        opened, self._opened = self._opened, None
        if opened is None:
            return
        try:
            if opened.pid == os.getpid():
                census = self._census(opened) if opened.changed else None
                with self._engine(f"close {self._home}"):
                    opened.shard.close()
                if census is not None:
                    try:
                        self._directory.write_census(census)
                    except OSError as error:  # the next opening then compares nothing
                        log.warning("%s: what it holds was not noted: %s", self._home, error)
        finally:
            opened.lock.release()

    def _open(self) -> OpenShard:
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened
        with self._gate:
            self._refuse_closed()
            if self._opened is None:
                with self._engine(f"open {self._home}"):
                    opened = self._directory.open()
                try:
                    self._count(opened)
                except BaseException:
                    opened.shard.close()
                    opened.lock.release()
                    raise
                self._opened = opened
            elif self._opened.pid != os.getpid():
                raise StoreUnavailableError(
                    f"{self._home} was opened in process {self._opened.pid}, before this one was "
                    "forked from it, and the engine does not survive that; make a new EdgeStore "
                    "in this process, or start it with the 'spawn' method"
                )
            return self._opened

    def _count(self, opened: OpenShard) -> None:
        """Compare what the engine has with what it had when the collection was closed.

        Raises:
            DamagedError: it is not the same.
        """
        if not self._counted:
            return
        recorded = self._directory.read_census()
        if recorded is None:
            opened.changed = True  # nobody counted yet, or who did was killed
        elif said := differences(recorded, self._census(opened)):
            raise DamagedError(
                f"{self._home} is damaged: since it was closed it has {'; '.join(said)}. {REPAIR}"
            )

    @contextmanager
    def _engine(self, what: str) -> Iterator[None]:
        """What the engine is asked to do, with its errors in words.

        After a panic the next call opens the collection anew: another one and it is not a moment's
        trouble. So it does after what was half done on a full disk.
        """
        try:
            with engine_errors(what):
                yield
        except NoSpaceError as error:
            if error.__cause__ is not None:
                self._break_off()
            raise
        except StoreBrokeError as error:
            with self._gate:
                self._panics += 1
                self._break_off()
            if self._panics < PANICS:
                raise
            raise DamagedError(
                f"cannot {what}: the engine gave up on it again: {error.__cause__}; "
                f"{self._home} is damaged: {REPAIR}"
            ) from error

    def _break_off(self) -> None:
        with self._gate:
            opened, self._opened = self._opened, None
            if opened is not None:
                with suppress(BaseException):
                    opened.shard.close()
                opened.lock.release()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StoreError(f"the store in {self._home} is closed; make a new EdgeStore")

"""The reference store: numpy and dictionaries, exact, gone when the process ends.

For tests, for small catalogues built on the fly, and as what the engines are compared with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from fakes.bm25 import bm25, tokens
from numpy.typing import NDArray

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import StoreError
from scenesearch.core.protocols import WORDS, TextQuery, VectorQuery
from scenesearch.core.types import (
    CollectionSchema,
    FieldType,
    Hit,
    Page,
    Point,
    Record,
    Scalar,
    Vector,
)
from scenesearch.filters.evaluate import matches
from scenesearch.filters.typed import check_condition
from scenesearch.store.bm25 import MEAN_WORDS, count_mean, lacks_words
from scenesearch.store.checks import (
    canonical_id,
    check_blob_name,
    check_cursor,
    check_facet,
    check_limit,
    check_selection,
    check_spaces,
    check_text_search,
)
from scenesearch.store.payloads import (
    bool_fields,
    decode_payload,
    encode_patch,
    encode_payload,
    retype_payload,
)
from scenesearch.store.schemas import check_new_fields, check_same_schema, new_schema
from scenesearch.store.vectors import unit_vector, unit_vectors


class _Stored(NamedTuple):
    payload: dict[str, Any]
    vectors: dict[str, NDArray[np.float32]]


class MemoryStore:
    """A :class:`~scenesearch.core.protocols.Store` in memory. Safe to use from several threads.

    Args:
        collection: a name for messages.
    """

    def __init__(self, collection: str = "memory") -> None:
        self._name = collection
        self._schema: CollectionSchema | None = None
        self._points: dict[str, _Stored] = {}
        self._blobs: dict[str, bytes] = {}
        self._rows: dict[str, tuple[list[str], NDArray[np.float32]]] = {}
        self._gate = RLock()
        self._closed = False

    @property
    def schema(self) -> CollectionSchema | None:
        """What the collection holds, or None where there is none yet."""
        return self._schema

    def create(self, schema: CollectionSchema, blobs: Mapping[str, bytes] | None = None) -> bool:
        """See :meth:`scenesearch.core.protocols.Store.create`."""
        self._open()
        with self._gate:
            wanted = new_schema(schema, blobs)
            if self._schema is not None:
                check_same_schema(self._name, self._schema, schema)
            else:
                self._blobs.update(blobs or {})
                self._schema = replace(
                    wanted,
                    vectors=dict(schema.vectors),
                    fields=dict(schema.fields),
                    metadata=dict(schema.metadata),
                )
            return self._schema.made == wanted.made

    def add_fields(self, fields: Mapping[str, FieldType]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.add_fields`."""
        with self._gate:
            schema = self._require()
            new = check_new_fields(self._name, schema, fields)
            changed = {}
            for point_id, point in self._points.items():
                patch = retype_payload(point.payload, new, point_id)
                changed[point_id] = point._replace(
                    payload=decode_payload(point.payload | patch, bool_fields(new))
                )
            self._points.update(changed)
            self._schema = replace(schema, fields={**schema.fields, **new})
            if lacks_words(self._schema):
                self._schema = replace(self._schema, mean_words=count_mean(self))

    def upsert(self, points: Sequence[Point]) -> None:
        """See :meth:`scenesearch.core.protocols.Store.upsert`."""
        with self._gate:
            schema = self._require()
            vectors = unit_vectors(points, schema)
            bools = bool_fields(schema.fields)
            stored = {}
            for point, rows in zip(points, vectors, strict=True):
                point_id = canonical_id(point.id)
                payload = encode_payload(point.payload, schema.fields, f"point {point_id}")
                stored[point_id] = _Stored(decode_payload(payload, bools), rows)
            self._points.update(stored)
            self._rows.clear()

    def query(self, queries: Sequence[VectorQuery | TextQuery]) -> list[list[Hit]]:
        """See :meth:`scenesearch.core.protocols.Store.query`."""
        with self._gate:
            schema = self._require()
            return [
                self._nearest(query, schema)
                if isinstance(query, VectorQuery)
                else self._with_words(query, schema)
                for query in queries
            ]

    def _nearest(self, query: VectorQuery, schema: CollectionSchema) -> list[Hit]:
        check_limit(query.limit)
        check_spaces([query.space], schema)
        vector = unit_vector(query.vector, schema.vectors[query.space], "the query vector")
        holds = self._test(query.where, schema)
        ids, rows = self._matrix(query.space, schema)
        # einsum sums every row in the same order, so equal rows have equal scores; a matrix
        # product may not.
        scores = np.clip(np.einsum("ij,j->i", rows, vector), -1.0, 1.0)
        hits = [
            Hit(ids[i], float(scores[i]), _select(self._points[ids[i]].payload, query.fields))
            for i in range(len(ids))
            if holds(self._points[ids[i]].payload)
        ]
        # ids are in order and the sort is stable, so equal scores stay ordered by id.
        return sorted(hits, key=lambda hit: -hit.score)[: query.limit]

    def _matrix(
        self, space: str, schema: CollectionSchema
    ) -> tuple[list[str], NDArray[np.float32]]:
        if space not in self._rows:
            ids = sorted(i for i, point in self._points.items() if space in point.vectors)
            rows = [self._points[i].vectors[space] for i in ids]
            matrix = np.stack(rows) if rows else np.zeros((0, schema.vectors[space]), np.float32)
            self._rows[space] = ids, matrix
        return self._rows[space]

    def _with_words(self, query: TextQuery, schema: CollectionSchema) -> list[Hit]:
        check_text_search(schema)
        check_limit(query.limit)
        holds = self._test(query.where, schema)
        texts = {i: _words(p.payload) for i, p in self._points.items()}
        scores = bm25(texts, query.text, schema.mean_words or MEAN_WORDS)
        hits = [
            Hit(i, score, _select(self._points[i].payload, query.fields))
            for i, score in scores.items()
            if holds(self._points[i].payload)
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.id))[: query.limit]

    def retrieve(self, ids: Sequence[str], *, spaces: Sequence[str] = ()) -> list[Record]:
        """See :meth:`scenesearch.core.protocols.Store.retrieve`."""
        with self._gate:
            wanted = check_spaces(spaces, self._require())
            known = [i for i in map(canonical_id, ids) if i in self._points]
            return [self._record(i, None, wanted) for i in known]

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
        with self._gate:
            schema = self._require()
            check_limit(limit)
            wanted = check_spaces(spaces, schema)
            start = "" if cursor is None else check_cursor(cursor)
            ids = [i for i in self._matching(where, schema) if i >= start]
            records = tuple(self._record(i, fields, wanted) for i in ids[:limit])
            return Page(records, ids[limit] if len(ids) > limit else None)

    def count(self, where: Condition | None = None) -> int:
        """See :meth:`scenesearch.core.protocols.Store.count`."""
        with self._gate:
            return len(self._matching(where, self._require()))

    def facet(
        self, field: str, *, where: Condition | None = None, limit: int = 50
    ) -> list[tuple[Scalar, int]]:
        """See :meth:`scenesearch.core.protocols.Store.facet`."""
        with self._gate:
            schema = self._require()
            check_facet(field, schema)
            check_limit(limit)
            counts: Counter[Scalar] = Counter()
            for point_id in self._matching(where, schema):
                value = self._points[point_id].payload.get(field, ())
                counts.update(set(value) if isinstance(value, list | tuple) else {value})
            ranked: list[tuple[Any, int]] = list(counts.items())
            return sorted(ranked, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def set_payload(
        self,
        payload: Mapping[str, Any],
        *,
        ids: Sequence[str] | None = None,
        where: Condition | None = None,
    ) -> None:
        """See :meth:`scenesearch.core.protocols.Store.set_payload`."""
        with self._gate:
            schema = self._require()
            patch = encode_patch(payload, schema.fields)
            bools = bool_fields(schema.fields)
            for point_id in self._selected(ids, where, schema):
                point = self._points[point_id]
                merged = decode_payload(point.payload | patch, bools)
                self._points[point_id] = point._replace(payload=merged)

    @contextmanager
    def batch_writes(self) -> Iterator[None]:
        """See :meth:`scenesearch.core.protocols.Store.together`."""
        self._require()
        yield

    def delete(self, *, ids: Sequence[str] | None = None, where: Condition | None = None) -> None:
        """See :meth:`scenesearch.core.protocols.Store.delete`."""
        with self._gate:
            for point_id in self._selected(ids, where, self._require()):
                del self._points[point_id]
            self._rows.clear()

    def read_blob(self, name: str) -> bytes | None:
        """See :meth:`scenesearch.core.protocols.Store.read_blob`."""
        self._require()
        return self._blobs.get(check_blob_name(name))

    def write_blob(self, name: str, data: bytes) -> None:
        """See :meth:`scenesearch.core.protocols.Store.write_blob`."""
        self._require()
        self._blobs[check_blob_name(name)] = bytes(data)

    def optimize(self) -> None:
        """Nothing: every query is exact."""
        self._require()

    def close(self) -> None:
        """Forget everything."""
        with self._gate:
            self._closed = True
            self._schema = None
            self._points, self._blobs, self._rows = {}, {}, {}

    # --- pieces ----------------------------------------------------------------------------

    def _open(self) -> None:
        if self._closed:
            raise StoreError(f"collection {self._name!r} is closed; make a new store")

    def _require(self) -> CollectionSchema:
        self._open()
        if self._schema is None:
            raise StoreError(
                f"collection {self._name!r} does not exist yet; create it with create(schema)",
                code="no_collection",
            )
        return self._schema

    @staticmethod
    def _test(
        where: Condition | None, schema: CollectionSchema
    ) -> Callable[[Mapping[str, Any]], bool]:
        if where is None:
            return lambda _: True
        condition = check_condition(where, schema.fields)
        return lambda payload: matches(condition, payload, schema.fields)

    def _matching(self, where: Condition | None, schema: CollectionSchema) -> list[str]:
        holds = self._test(where, schema)
        return sorted(i for i, point in self._points.items() if holds(point.payload))

    def _selected(
        self, ids: Sequence[str] | None, where: Condition | None, schema: CollectionSchema
    ) -> Iterable[str]:
        check_selection(ids, where)
        if ids is not None:
            return sorted({canonical_id(i) for i in ids} & self._points.keys())
        return self._matching(where, schema)

    def _record(self, point_id: str, fields: Sequence[str] | None, spaces: list[str]) -> Record:
        point = self._points[point_id]
        payload = dict(point.payload) if fields is None else _select(point.payload, fields)
        vectors: dict[str, Vector] = {
            space: point.vectors[space].copy() for space in spaces if space in point.vectors
        }
        return Record(point_id, payload, vectors)


def _select(payload: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    return {field: payload[field] for field in fields if field in payload}


def _words(payload: Mapping[str, Any]) -> list[str]:
    value = payload.get(WORDS, ())
    return [
        word for text in ([value] if isinstance(value, str) else value) for word in tokens(text)
    ]

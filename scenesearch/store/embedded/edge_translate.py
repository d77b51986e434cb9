"""Between this package's values and qdrant-edge's classes: the only file that imports them.

qdrant-edge 0.9 raises bare ``Exception`` for whatever goes wrong inside it; :func:`engine_errors`
turns that into this package's errors.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from cachetools import LRUCache, cachedmethod
from numpy.typing import NDArray

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import (
    NoSpaceError,
    SceneSearchError,
    StoreBrokeError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import POINT_FIELDS, CollectionSchema, FieldType
from scenesearch.store.bm25 import Terms, has_words, query_terms
from scenesearch.store.census import REPAIR
from scenesearch.store.embedded.edge_flags import check_flags
from scenesearch.store.records import Vectors
from scenesearch.store.schemas import OVERSAMPLING, SCANNED_DIM
from scenesearch.store.translate import Dialect, Requests, key_path
from scenesearch.system.disk import is_full

SEGMENT_KB = 64_000
"""Segments stop growing here (64,000 vectors of 256 dimensions): adding a few thousand points
never rebuilds more than one of them. The engine's own choice rebuilds everything."""
INDEX_KB = 32_000
"""Segments above this get an HNSW graph, or codes; scanning smaller ones is as fast, and exact.
More than half of a segment, so that two of them are never written anew as one: what that costs are
the payload indexes, for each of which the engine reads every payload again."""
EXACT_FLOATS = 16_000_000
"""Collections of at most this many numbers a space are scanned instead of searched: a batch of
queries shares one pass over memory, which costs about what HNSW costs, without its misses."""
MERGED_FLOATS, MERGED_LIMIT = 64_000_000, 64
"""In larger collections, the best by codes of all segments together are scored again by the
vectors, not the best of each, where at most so many hits are wanted: as fast, and a fraction of
the vectors' pages are read. For more hits that is slower, since the vectors are found by id."""
MIN_EF = 256
"""HNSW candidates a query; the engine's 100 misses several of the best 200."""


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Words for whatever the engine raises while it does ``what``."""
    try:
        yield
    except SceneSearchError:
        raise
    # The engine has no exception classes of its own, so there is nothing narrower to catch; and
    # its panics are none of Python's exceptions.
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"
        if is_full(error) and (panic or isinstance(error, Exception)):
            raise NoSpaceError(
                f"cannot {what}: the disk is full ({error}); what was acknowledged is kept: free "
                f"some space, or move the index"
            ) from error
        if panic:
            raise StoreBrokeError(
                f"cannot {what}: the engine gave up: {error}; it is opened anew, try again"
            ) from error
        if not isinstance(error, Exception):
            raise
        if "WouldBlock" in str(error):
            raise StoreUnavailableError(
                f"cannot {what}: another store has this directory open; close it, or run a "
                "Qdrant server for several processes"
            ) from error
        raise StoreError(
            f"cannot {what}: the engine said: {error}. If it persists, check the disk; {REPAIR}"
        ) from error


def create_shard(
    path: Path,
    schema: CollectionSchema,
    search_threads: int | None = None,
    *,
    tenant_field: str | None = None,
) -> Any:
    """A new, open shard in a directory that does not exist yet, payload indexes first."""
    import qdrant_edge as edge

    config = edge.EdgeConfig(
        vectors=_spaces(schema),
        sparse_vectors={WORDS: edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
        if has_words(schema)
        else None,
        hnsw_config=_graph(16),
        optimizers=edge.EdgeOptimizersConfig(
            max_segment_size=SEGMENT_KB, indexing_threshold=INDEX_KB
        ),
        max_search_threads=_threads(search_threads),
        wal_enabled=True,  # also what keeps a second process out
    )
    shard = edge.EdgeShard.create(str(path), config)
    for field, kind in schema.fields.items():
        shard.update(field_index(field, kind, tenant=field == tenant_field))
    return shard


def load_shard(path: Path, schema: CollectionSchema, search_threads: int | None = None) -> Any:
    """The shard in a directory, with what its log holds replayed.

    Args:
        path: of the shard.
        schema: what it holds.
        search_threads: that search its segments side by side; as many as cores by default, where
            the engine's own choice is eight of them, which on two cores stand in each other's way.

    Raises:
        DamagedError: its files would have the engine take all there is.
    """
    import qdrant_edge as edge

    check_flags(path)
    # what is not said stays as it is, such as the space of words; dense ones must be said with
    # anything else, and of them nothing that is not said holds
    config = edge.EdgeConfig(vectors=_spaces(schema), max_search_threads=_threads(search_threads))
    return edge.EdgeShard.load(str(path), config)


def _spaces(schema: CollectionSchema) -> dict[str, Any]:
    return {space: _space(dim, schema) for space, dim in schema.vectors.items()}


def _space(dim: int, schema: CollectionSchema) -> Any:
    import qdrant_edge as edge

    places = {
        "pinned": edge.Memory.Pinned,
        "cached": edge.Memory.Cached,
        "cold": edge.Memory.Cold,
    }
    place = None if schema.memory is None else places[schema.memory]
    held = place or edge.Memory.Pinned
    on_disk = schema.quantization != "none" if schema.on_disk is None else schema.on_disk
    codes: Any = None
    if dim <= SCANNED_DIM:
        pass
    elif schema.quantization == "int8":
        codes = edge.ScalarQuantizationConfig(edge.ScalarType.Int8, memory=held)
    elif schema.quantization == "binary":
        codes = edge.BinaryQuantizationConfig(memory=held)
    return edge.EdgeVectorParams(
        size=dim,
        distance=edge.Distance.Cosine,
        # codes are scanned: over segments of this size a graph is no faster, and finds less
        hnsw_config=_graph(0)
        if codes or dim <= SCANNED_DIM
        else None
        if place is None
        else _graph(16, place),
        quantization_config=codes,
        # of the vectors, only the best candidates are read
        memory=edge.Memory.Cold if on_disk else None,
    )


def _graph(m: int, place: Any = None) -> Any:
    import qdrant_edge as edge

    return edge.HnswIndexConfig(m=m, ef_construct=100, full_scan_threshold=10_000, memory=place)


def _threads(asked: int | None) -> int:
    return asked or os.cpu_count() or 1


def field_index(field: str, kind: FieldType, *, tenant: bool = False) -> Any:
    """The update that indexes a payload field. Bools are stored as integers.

    Texts, and keywords of our own (which have about as many values as there are points, and no
    facets), stay in their files: in memory they are most of what a point costs. The field that says
    whose a point is has the index for that, which keeps the points of one tenant together.
    """
    import qdrant_edge as edge

    types = edge.PayloadSchemaType
    cold = edge.Memory.Cold
    schemas: dict[FieldType, Any] = {
        "keyword": (
            edge.KeywordIndexParams(is_tenant=True)
            if tenant
            else edge.KeywordIndexParams(memory=cold)
            if field in POINT_FIELDS
            else types.Keyword
        ),
        "integer": types.Integer,
        "float": types.Float,
        "bool": types.Integer,
        "text": edge.TextIndexParams(
            tokenizer=edge.TokenizerType.Word, lowercase=True, memory=cold
        ),
    }
    return edge.UpdateOperation.create_field_index(key_path(field), schemas[kind])


def no_field_index(field: str) -> Any:
    """The update that forgets the index of a payload field."""
    import qdrant_edge as edge

    return edge.UpdateOperation.delete_field_index(key_path(field))


TRANSLATED = 64
"""Filters that are remembered as the engine takes them."""


class EdgeRequests(Requests):
    """Builds the engine's requests for one collection.

    Args:
        schema: what the collection holds.
    """

    def __init__(self, schema: CollectionSchema) -> None:
        import qdrant_edge as edge

        dialect = Dialect(edge, edge.RangeFloat, lambda ids: edge.HasIdCondition(set(ids)))
        super().__init__(schema.fields, dialect, edge.PayloadSelector.Include)
        self._edge: Any = edge
        oversampling = self._oversampling = OVERSAMPLING.get(schema.quantization)
        self._params: Any = edge.SearchParams
        # codes that are left from before the collection was to have none are no use
        self._codes = edge.QuantizationSearchParams(
            ignore=oversampling is None, rescore=True, oversampling=oversampling
        )
        self._codes_alone = edge.QuantizationSearchParams(rescore=False)
        self._translated: LRUCache[str, Any] = LRUCache(TRANSLATED)
        self._alone = Lock()

    # one search asks several times for the same hundreds of items; by their text, because
    # 1 and True are equal, and not the same in a filter
    @cachedmethod(
        lambda self: self._translated,
        key=lambda _, condition: repr(condition),
        lock=lambda self: self._alone,
    )
    def where(self, condition: Condition | None) -> Any:
        """A filter, or None."""
        return super().where(condition)

    def nearest(
        self,
        vector: NDArray[np.float32],
        space: str,
        limit: int,
        where: Any,
        *,
        stored: int,
    ) -> Any:
        """One query of a batch, without payload (see payload_memo.py).

        Args:
            vector: of length 1.
            space: its name.
            limit: hits that are wanted.
            where: a translated filter.
            stored: about how many points there are.
        """
        floats, query = stored * len(vector), self._edge.Query.Nearest(vector, space)
        if self._oversampling and floats > MERGED_FLOATS and limit <= MERGED_LIMIT:
            candidates = self._edge.Prefetch(
                limit=math.ceil(limit * self._oversampling),
                query=query,
                filter=where,
                params=self._params(quantization=self._codes_alone),
            )
            return self._edge.QueryRequest(
                limit=limit, query=query, prefetches=[candidates], params=self._params(exact=True)
            )
        params = self._params(
            hnsw_ef=max(MIN_EF, 2 * limit),
            exact=floats <= EXACT_FLOATS and not self._oversampling,
            quantization=self._codes,
        )
        return self._edge.QueryRequest(limit=limit, query=query, filter=where, params=params)

    def text(self, text: str, limit: int, where: Any) -> Any:
        """A search by BM25 in a batch, without payload (see payload_memo.py)."""
        return self._edge.QueryRequest(
            limit=limit,
            query=self._edge.Query.Nearest(self._sparse(query_terms(text)), WORDS),
            filter=where,
            with_payload=False,
        )

    def _sparse(self, terms: Terms) -> Any:
        return self._edge.SparseVector(*terms)

    def batch(self, requests: list[Any]) -> Any:
        """Several queries at once."""
        return self._edge.QueryBatchRequest(requests)

    def scroll(
        self, cursor: str | None, limit: int, where: Any, selector: Any, spaces: list[str]
    ) -> Any:
        """A page of points in the order of their ids."""
        return self._edge.ScrollRequest(
            offset=cursor,
            limit=limit,
            filter=where,
            with_payload=selector,
            with_vector=spaces or False,
        )

    def count(self, where: Any) -> Any:
        """An exact count."""
        return self._edge.CountRequest(exact=True, filter=where)

    def having(self, space: str) -> Any:
        """What the engine counts itself of the vectors of a space."""
        having = self._edge.Filter(must=[self._edge.HasVectorCondition(space)])
        return self._edge.CountRequest(exact=False, filter=having)

    def facet(self, field: str, limit: int, where: Any) -> Any:
        """Exact counts of values."""
        return self._edge.FacetRequest(key_path(field), limit=limit, exact=True, filter=where)

    def upsert(
        self,
        ids: Sequence[str],
        vectors: Sequence[Vectors],
        payloads: Sequence[dict[str, Any]],
    ) -> Any:
        """Writes all of the points, as one entry of the log."""
        point = self._edge.Point
        return self._edge.UpdateOperation.upsert_points(
            [
                # of an array each number would be an object of numpy's, at thrice the price
                point(
                    i,
                    {
                        space: self._sparse(row) if isinstance(row, Terms) else row.data
                        for space, row in rows.items()
                    },
                    payload,
                )
                for i, rows, payload in zip(ids, vectors, payloads, strict=True)
            ]
        )

    def add_words(self) -> Any:
        """Gives the collection its space of words; nothing where it has it."""
        idf = self._edge.Modifier.Idf
        return self._edge.UpdateOperation.create_sparse_vector(WORDS, modifier=idf)

    def set_words(self, terms: Sequence[tuple[str, Terms]]) -> Any:
        """Replaces what is searched by words, of points that are there."""
        return self._edge.UpdateOperation.update_vectors(
            [self._edge.PointVectors(i, {WORDS: self._sparse(one)}) for i, one in terms]
        )

    def remove_words(self, where: Any) -> Any:
        """The points of a filter are not found by words any more."""
        return self._edge.UpdateOperation.delete_vectors_by_filter(where, [WORDS])

    def set_payload(self, where: Any, patch: dict[str, Any]) -> Any:
        """Merges a patch into the points of a filter; a null removes the key."""
        return self._edge.UpdateOperation.set_payload_by_filter(where, patch)

    def delete(self, where: Any) -> Any:
        """Removes the points of a filter."""
        return self._edge.UpdateOperation.delete_points_by_filter(where)

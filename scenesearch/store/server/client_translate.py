"""Between this package's values and qdrant-client's classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.points import REVISION
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import CollectionSchema, FieldType, Hit
from scenesearch.store.bm25 import Terms, query_terms
from scenesearch.store.payloads import decode_payload
from scenesearch.store.records import Vectors
from scenesearch.store.schemas import OVERSAMPLING, SCANNED_DIM
from scenesearch.store.translate import Dialect, Requests

MIN_EF = 256
"""HNSW candidates a query; the server's 100 misses several of the best 200."""


class ClientRequests(Requests):
    """Builds the client's arguments for one collection.

    Args:
        schema: what the collection holds.
        local: for the in-memory mode.
    """

    def __init__(self, schema: CollectionSchema, *, local: bool) -> None:
        from qdrant_client import models

        dialect = Dialect(models, models.Range, lambda i: models.HasIdCondition(has_id=list(i)))
        super().__init__(
            schema.fields, dialect, lambda names: models.PayloadSelectorInclude(include=names)
        )
        # sent in any case: somebody may have quantised it by hand, and else it is ignored
        self._codes = models.QuantizationSearchParams(
            rescore=True, oversampling=OVERSAMPLING.get(schema.quantization)
        )
        self._models: Any = models
        self._local = local

    def shown(self, fields: Sequence[str]) -> Any:
        """Which payload comes back with a hit: these fields, and the revision."""
        return self.selector((*fields, REVISION)) if fields else False

    def no_newer(self, where: Any, revision: int) -> Any:
        """A filter, or none, without the points that were written to after a revision."""
        newer = self._models.FieldCondition(
            key=REVISION, range=self._models.Range(gt=float(revision))
        )
        return self._models.Filter(must=None if where is None else [where], must_not=[newer])

    def target(self, where: Any) -> Any:
        """The points of a filter, as the target of a write."""
        return self._models.FilterSelector(filter=where)

    def nearest(
        self, vector: NDArray[np.float32], space: str, limit: int, where: Any, selector: Any
    ) -> Any:
        """One query of a batch."""
        params = (
            None
            if self._local
            else self._models.SearchParams(hnsw_ef=max(MIN_EF, 2 * limit), quantization=self._codes)
        )
        return self._models.QueryRequest(
            query=vector.tolist(),
            using=space,
            limit=limit,
            filter=where,
            params=params,
            with_payload=selector,
        )

    def having(self, space: str) -> Any:
        """The points that have a vector in a space."""
        having = self._models.HasVectorCondition(has_vector=space)
        return self._models.Filter(must=[having])

    def text(self, text: str, limit: int, where: Any, selector: Any) -> Any:
        """A search by BM25 in a batch."""
        return self._models.QueryRequest(
            query=self._sparse(query_terms(text)),
            using=WORDS,
            limit=limit,
            filter=where,
            with_payload=selector,
        )

    def points(
        self,
        ids: Sequence[str],
        vectors: Sequence[Vectors],
        payloads: Sequence[dict[str, Any]],
        revision: int,
    ) -> list[Any]:
        """Points to write."""
        return [
            self._models.PointStruct(
                id=i,
                vector={
                    space: self._sparse(row) if isinstance(row, Terms) else row.tolist()
                    for space, row in rows.items()
                },
                payload={**payload, REVISION: revision},
            )
            for i, rows, payload in zip(ids, vectors, payloads, strict=True)
        ]

    def set_words(self, terms: Sequence[tuple[str, Terms]], only: Any = None) -> Any:
        """Replaces what is searched by words, of points that are there.

        Args:
            terms: by point.
            only: a filter that they must satisfy as well.
        """
        points = [
            self._models.PointVectors(id=i, vector={WORDS: self._sparse(one)}) for i, one in terms
        ]
        return self._models.UpdateVectorsOperation(
            update_vectors=self._models.UpdateVectors(points=points, update_filter=only)
        )

    def remove_words(self, where: Any) -> Any:
        """The points of a filter are not found by words any more."""
        return self._models.DeleteVectorsOperation(
            delete_vectors=self._models.DeleteVectors(filter=where, vector=[WORDS])
        )

    def set_payload(self, where: Any, patch: dict[str, Any]) -> Any:
        """Merges a patch into the points of a filter; a null removes the key."""
        return self._models.SetPayloadOperation(
            set_payload=self._models.SetPayload(payload=patch, filter=where)
        )

    def _sparse(self, terms: Terms) -> Any:
        return self._models.SparseVector(indices=terms.indices, values=terms.values)


def words_params() -> Any:
    """The space of words, of a new collection."""
    from qdrant_client import models

    return {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def words_config() -> Any:
    """The space of words, added to a collection."""
    from qdrant_client import models

    return models.SparseVectorNameConfig(
        sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF)
    )


def vector_params(schema: CollectionSchema) -> dict[str, Any]:
    """The vector spaces of a new collection."""
    from qdrant_client import models

    return {
        space: models.VectorParams(
            size=dim,
            distance=models.Distance.COSINE,
            quantization_config=_codes(dim, schema),
            # of the vectors, only the best candidates are read
            on_disk=(True if _codes(dim, schema) else None)
            if schema.on_disk is None
            else schema.on_disk,
            hnsw_config=_graph_placed(schema),
        )
        for space, dim in schema.vectors.items()
    }


def vector_diffs(schema: CollectionSchema) -> dict[str, Any]:
    """What changes the quantization of a collection that is there, and where it is held."""
    from qdrant_client import models

    return {
        space: models.VectorParamsDiff(
            quantization_config=_codes(dim, schema) or models.Disabled.DISABLED,
            on_disk=_codes(dim, schema) is not None if schema.on_disk is None else schema.on_disk,
            hnsw_config=models.HnswConfigDiff(on_disk=schema.memory == "cold"),
        )
        for space, dim in schema.vectors.items()
    }


def _graph_placed(schema: CollectionSchema) -> Any:
    """Of a new collection; None for the server's own choice."""
    from qdrant_client import models

    return models.HnswConfigDiff(on_disk=True) if schema.memory == "cold" else None


def _codes(dim: int, schema: CollectionSchema) -> Any:
    from qdrant_client import models

    # `memory` of a placement is newer than the oldest server that is taken; this they all know
    held = schema.memory in (None, "pinned")
    if schema.quantization == "none" or dim <= SCANNED_DIM:
        return None
    if schema.quantization == "binary":
        return models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=held))
    kind = models.ScalarType.INT8
    return models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=kind, always_ram=held)
    )


def field_schema(kind: FieldType, *, tenant: bool = False) -> Any:
    """The payload index of a field; one that says whose a point is keeps a tenant's together.

    Bools are stored as integers.
    """
    from qdrant_client import models

    if tenant:
        return models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    types = models.PayloadSchemaType
    schemas: dict[FieldType, Any] = {
        "keyword": types.KEYWORD,
        "integer": types.INTEGER,
        "float": types.FLOAT,
        "bool": types.INTEGER,
        "text": models.TextIndexParams(
            type=models.TextIndexType.TEXT,
            tokenizer=models.TokenizerType.WORD,
            lowercase=True,
        ),
    }
    return schemas[kind]


def of_type(index: Any, kind: FieldType) -> bool:
    """Whether a payload index that is there is one for a type of field."""
    wanted = field_schema(kind)
    return bool(index.data_type == getattr(wanted, "type", wanted))


def unlike(schema: CollectionSchema, params: Any) -> list[str]:
    """In what a collection differs from its record: spaces, their sizes and distances, in words.

    Spaces of words may be missing: they are added to collections that are older.
    """
    spaces = params.vectors if isinstance(params.vectors, dict) else {}
    said = []
    for space, dim in schema.vectors.items():
        found = spaces.get(space)
        if found is None:
            said.append(f"the space {space!r} is gone")
        elif (found.size, found.distance.value) != (dim, "Cosine"):
            lies = f"{found.size} numbers and distance {found.distance.value}"
            said.append(f"the space {space!r} has {lies}, expected {dim} and Cosine")
    if schema.mean_words is not None and WORDS not in (params.sparse_vectors or {}):
        said.append(f"the space {WORDS!r} is gone")
    return said


def batch_body(batch: Sequence[Any]) -> bytes:
    """A batch of queries as the server takes it."""
    from qdrant_client import models

    searches = models.QueryRequestBatch(searches=list(batch))
    return bytes(searches.model_dump_json(exclude_unset=True), "utf-8")


class Row(NamedTuple):
    """A point as JSON has it."""

    id: str
    payload: dict[str, Any] | None
    vector: dict[str, Any] | None


def scroll_body(where: Any, limit: int, offset: Any, selector: Any, names: Sequence[str]) -> bytes:
    """A page of points as the server takes the question."""
    from qdrant_client import models

    asked = models.ScrollRequest(
        filter=where,
        limit=limit,
        offset=offset,
        with_payload=selector,
        with_vector=list(names) or False,
    )
    return bytes(asked.model_dump_json(exclude_none=True), "utf-8")


def to_rows(points: Sequence[Any]) -> list[Row]:
    """The points of a page."""
    return [
        Row(str(point["id"]), point.get("payload"), _vectors(point.get("vector") or {}))
        for point in points
    ]


def _vectors(found: dict[str, Any]) -> dict[str, Any]:
    return {space: _terms(row) if isinstance(row, dict) else row for space, row in found.items()}


def _terms(sparse: dict[str, Any]) -> Terms:
    return Terms(sparse["indices"], sparse["values"])


def ask_batch(client: Any, name: str, batch: Sequence[Any]) -> list[list[Any]]:
    """What the in-memory mode answers to it: for each query, the points as JSON has them."""
    return [
        [{"id": p.id, "score": p.score, "payload": p.payload} for p in answer.points]
        for answer in client.query_batch_points(name, requests=batch)
    ]


def to_hits(points: Sequence[Any], bools: Collection[str], *, cosines: bool) -> list[Hit]:
    """Scored points as hits.

    Cosines are rounded to 6 decimals, the precision of float32: the in-memory mode gives equal
    vectors scores that differ in the last bits, from one call to the next.

    Args:
        points: as JSON has them.
        bools: names of the bool fields.
        cosines: whether scores have bounds; those of BM25 have none.
    """
    hits = []
    for point in points:
        payload, score, revision = point.get("payload"), point["score"], 0
        if payload:
            revision = payload.pop(REVISION, 0)
            if bools or None in payload.values():
                payload = decode_payload(payload, bools)
        if cosines:
            score = round(score, 6)
            if not -1 <= score <= 1:
                score = min(max(score, -1.0), 1.0)
        hits.append(Hit(str(point["id"]), score, payload or {}, revision))
    return hits

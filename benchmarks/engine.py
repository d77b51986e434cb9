"""The embedded engine's own words for a batch of queries, without anything of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import Hit
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.edge_translate import EXACT_FLOATS, MIN_EF


def raw_batch(store: EdgeStore, queries: Sequence[VectorQuery], field: str | None) -> int:
    """One ``query_batch`` of the store's own shard, every hit's id, score and field touched.

    Args:
        store: open already.
        queries: without filters.
        field: payload field to bring; None for ids and scores only.
    """
    import qdrant_edge as edge

    shard = store._open().shard
    points = shard.info().points_count
    requests = [
        edge.QueryRequest(
            limit=query.limit,
            # an array is taken as it is, whatever the stub says
            query=edge.Query.Nearest(query.vector, query.space),  # type: ignore[arg-type]
            params=edge.SearchParams(
                hnsw_ef=max(MIN_EF, 2 * query.limit),
                exact=points * len(query.vector) <= EXACT_FLOATS,
            ),
            with_payload=edge.PayloadSelector.Include([field]) if field else False,
        )
        for query in queries
    ]
    touched = 0
    for hits in shard.query_batch(edge.QueryBatchRequest(requests)):
        if field:
            touched += len([(hit.id, hit.score, hit.payload[field]) for hit in hits])
        else:
            touched += len([(hit.id, hit.score) for hit in hits])
    return touched


class Recorder:
    """A store that remembers the last batch of queries; everything else is the store's.

    Attributes:
        queries: of the last batch.
    """

    def __init__(self, store: EdgeStore) -> None:
        self._store = store
        self.queries: Sequence[VectorQuery] = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def query(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        """As the store."""
        self.queries = queries
        return self._store.query(queries)

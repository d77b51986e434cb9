"""A collection on several machines: run where QDRANT_URL names a cluster of two nodes or more.

Where it names several nodes of it, with commas between, each of them is asked.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest
from qdrant_client import models
from qdrant_proxy import client_of, collection, key, needs_server

from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Between
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.layout import Layout, nodes_of, spread_of

pytestmark = [pytest.mark.store, needs_server]
POINTS, VALUES = 3_000, 300


@pytest.fixture(scope="module")
def nodes() -> int:
    with client_of() as client:
        found = nodes_of(client)
    if found < 2:
        pytest.skip("QDRANT_URL names a server of one node")
    return found


@pytest.fixture
def name() -> Iterator[str]:
    with collection() as name:
        yield name


def opened(name: str, layout: Layout | None = None) -> ClientStore:
    return ClientStore(os.environ["QDRANT_URL"], name, api_key=key(), timeout=30, layout=layout)


def test_a_collection_is_made_for_the_nodes_there_are(nodes: int, name: str) -> None:
    store = opened(name)
    store.create(CollectionSchema({"cutout": 4}, {"item_id": "keyword"}))

    with client_of() as client:
        made = client.get_collection(name).config.params
        about = client.get_collection(f"{name}--meta").config.params
    copies = min(3, nodes)
    assert (made.shard_number, made.replication_factor) == (nodes, copies)
    assert made.write_consistency_factor == (2 if copies == 3 else 1)
    assert (about.shard_number, about.replication_factor) == (1, nodes)
    store.close()


def test_facets_are_exact_over_nodes(nodes: int, name: str) -> None:
    store = opened(name, Layout(shards=2 * nodes, replicas=1))
    fields = {"item_id": "keyword", "tag": "keyword", "price": "float"}
    store.create(CollectionSchema({"cutout": 4}, fields))  # type: ignore[arg-type]
    rng = np.random.default_rng(20)
    tags = [f"tag {n}" for n in rng.integers(0, VALUES, POINTS)]
    prices = rng.random(POINTS)
    for start in range(0, POINTS, 500):
        store.upsert(
            [
                Point(
                    str(uuid.uuid5(uuid.NAMESPACE_DNS, str(i))),
                    {"cutout": np.ones(4, np.float32)},
                    {"item_id": str(i), "tag": tags[i], "price": float(prices[i])},
                )
                for i in range(start, start + 500)
            ]
        )

    for low in (0.0, 0.5, 0.9):
        kept = Counter(tag for tag, price in zip(tags, prices, strict=True) if price >= low)
        wanted = sorted(kept.items(), key=lambda pair: (-pair[1], pair[0]))
        where = Between("price", gte=low)
        for limit in (10, 50, VALUES):
            assert store.facet("tag", where=where, limit=limit) == wanted[:limit]
    store.close()


def test_in_bulk_all_copies_are_read(nodes: int, name: str) -> None:
    store = opened(name, Layout(shards=1, replicas=2))
    store.create(CollectionSchema({"cutout": 4}, {"item_id": "keyword"}))
    vector = {"cutout": np.ones(4, np.float32)}
    ids = [str(uuid.uuid5(uuid.NAMESPACE_DNS, f"copy {n}")) for n in range(20)]
    store.upsert([Point(i, vector, {"item_id": i}) for i in ids])

    with client_of() as client:
        spread = spread_of(client, name)
    with store.in_bulk(5, lambda waited: None):
        found = [record.id for record in scroll_all(store, page=7)]

    assert (spread.nodes, spread.copies, spread.active) == (True, True, True)
    assert spread.consistency == models.ReadConsistencyType.ALL
    assert sorted(found) == sorted(ids)
    store.close()

"""Settings to stores on servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from scenesearch.config.settings import load_settings
from scenesearch.service.assemble import own_endpoints
from scenesearch.store.priced import unwrapped
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.connection import Tls
from scenesearch.store.server.layout import Layout
from scenesearch.wiring import build_store

NODES = "http://me:s3cret@a:6333, https://b:7333"


def test_what_is_set_of_a_server_reaches_its_store() -> None:
    chosen = {"shards": 6, "replicas": 3, "write_consistency": 2, "ca": "a.pem", "cert": "c.pem"}

    store = unwrapped(build_store(load_settings(store=chosen), NODES, "items"))

    assert isinstance(store, ClientStore)
    assert store._layout == Layout(6, 3, 2)
    assert store._server._tls == Tls(Path("a.pem"), Path("c.pem"), None)
    assert repr(store) == "ClientStore('http://a:6333, https://b:7333', 'items')"
    store.close()


def test_no_photo_is_fetched_from_any_node_of_the_store() -> None:
    assert {("a", 6333), ("b", 7333)} <= own_endpoints(load_settings(), NODES)


@pytest.mark.parametrize(
    ("nodes", "wanted"),
    [
        (1, {}),
        (2, {"shard_number": 2, "replication_factor": 2, "write_consistency_factor": 1}),
        (3, {"shard_number": 3, "replication_factor": 3, "write_consistency_factor": 2}),
        (6, {"shard_number": 6, "replication_factor": 3, "write_consistency_factor": 2}),
    ],
)
def test_a_collection_is_laid_out_for_its_nodes(nodes: int, wanted: dict[str, int]) -> None:
    assert Layout().on(nodes) == wanted

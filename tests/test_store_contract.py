"""Every store keeps the same promises."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.store import MemoryStore
from qdrant_proxy import collection, key, needs_server
from store_contract.contract import StoreContract
from store_contract.contract_base import OpenStore, fill
from store_contract.contract_data import SCHEMA
from thread_child import use_threads

from scenesearch.core.protocols import Store
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.layout import Layout


@pytest.fixture(scope="module")
def edge_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """For the tests that write nothing: opening one takes longer than most of them."""
    store = EdgeStore(tmp_path_factory.mktemp("edge") / "index", "items")
    store.create(SCHEMA)
    fill(store)
    yield store
    store.close()


@pytest.fixture(scope="module")
def client_store() -> Iterator[Store]:
    """For the tests that write nothing."""
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    fill(store)
    yield store
    store.close()
    client.close()


class TestMemoryStore(StoreContract):
    persistent = False

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return MemoryStore


class TestEdgeStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: EdgeStore(tmp_path / "index", "items")

    @pytest.fixture
    def answering(self, edge_store: Store) -> Store:
        return edge_store


@pytest.mark.store
class TestProcessStoreOverAThread(StoreContract):
    """What is said through the pipe; a process and its folder are in test_store_process.py."""

    persistent = False

    @pytest.fixture
    def open_store(self, monkeypatch: pytest.MonkeyPatch) -> OpenStore:
        use_threads(monkeypatch)
        return lambda: ProcessStore(MemoryStore)


@pytest.mark.store
class TestClientStoreInMemory(StoreContract):
    @pytest.fixture
    def open_store(self) -> Iterator[OpenStore]:
        from qdrant_client import QdrantClient

        client = QdrantClient(":memory:")
        yield lambda: ClientStore(client, "items")
        client.close()

    @pytest.fixture
    def answering(self, client_store: Store) -> Store:
        return client_store


class Server:
    """The Qdrant server of ``QDRANT_URL``."""

    def __init__(self, shards: int) -> None:
        self.shards = shards

    @contextmanager
    def opener(self) -> Iterator[OpenStore]:
        """Opens a collection that does not exist yet."""
        url, layout = os.environ["QDRANT_URL"], Layout(shards=self.shards)
        with collection() as name:
            yield lambda: ClientStore(url, name, api_key=key(), timeout=30, layout=layout)


@pytest.fixture(scope="module", params=[1, 6])
def server(request: pytest.FixtureRequest) -> Server:
    return Server(request.param)


@pytest.fixture(scope="module")
def server_store(server: Server) -> Iterator[Store]:
    """For the tests that write nothing."""
    with server.opener() as open_store:
        store = open_store()
        store.create(SCHEMA)
        fill(store)
        yield store
        store.close()


@pytest.mark.store
@needs_server
class TestClientStoreOnAServer(StoreContract):
    @pytest.fixture
    def counts_as_one(self, server: Server) -> bool:
        return server.shards == 1

    @pytest.fixture
    def open_store(self, server: Server) -> Iterator[OpenStore]:
        with server.opener() as open_store:
            yield open_store

    @pytest.fixture
    def answering(self, server_store: Store) -> Store:
        return server_store

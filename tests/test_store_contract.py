"""Every store keeps the same promises."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.store import MemoryStore
from store_contract.contract import StoreContract
from store_contract.contract_base import OpenStore, fill
from store_contract.contract_data import SCHEMA
from thread_child import use_threads

from scenesearch.core.protocols import Store
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.server.client import ClientStore


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


class TestProcessStoreOverAThread(StoreContract):
    """What is said through the pipe; a process and its folder are in test_store_process.py."""

    persistent = False

    @pytest.fixture
    def open_store(self, monkeypatch: pytest.MonkeyPatch) -> OpenStore:
        use_threads(monkeypatch)
        return lambda: ProcessStore(MemoryStore)


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


@pytest.mark.store
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
class TestClientStoreOnAServer(StoreContract):
    @pytest.fixture
    def open_store(self) -> Iterator[OpenStore]:
        from qdrant_client import QdrantClient

        url, key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY")
        name = f"contract-{uuid.uuid4().hex[:12]}"
        yield lambda: ClientStore(url, name, api_key=key, timeout=30)
        client = QdrantClient(url, api_key=key)
        for collection in (name, f"{name}--meta"):
            client.delete_collection(collection)
        client.close()

"""Every store keeps the same promises."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.store import MemoryStore
from store_contract.contract import StoreContract
from store_contract.contract_base import OpenStore, fill
from store_contract.contract_data import SCHEMA
from thread_child import use_threads

from scenesearch.core.protocols import Store
from scenesearch.core.types import CollectionSchema
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.client_translate import vector_params


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


class Server:
    """The Qdrant server of ``QDRANT_URL``."""

    def __init__(self, shards: int) -> None:
        from qdrant_client import QdrantClient

        self.url, self.key = os.environ["QDRANT_URL"], os.environ.get("QDRANT_API_KEY")
        self.shards = shards
        # as a header, because the client warns of a key over http
        headers = {"api-key": self.key} if self.key else None
        self._client = QdrantClient(self.url, headers=headers, check_compatibility=False)

    @contextmanager
    def opener(self) -> Iterator[OpenStore]:
        """Opens a collection that does not exist yet, of one shard or laid out by hand."""
        name = f"contract-{uuid.uuid4().hex[:12]}"
        made = False

        def open_store() -> Store:
            return ClientStore(self.url, name, api_key=self.key, timeout=30)

        def lay_out_and_open() -> Store:
            nonlocal made
            store = open_store()
            create = store.create

            def lay_out(schema: CollectionSchema) -> None:
                nonlocal made
                if not made:
                    made = True
                    self._client.create_collection(
                        name, vectors_config=vector_params(schema), shard_number=self.shards
                    )
                create(schema)

            store.create = lay_out  # type: ignore[method-assign]
            return store

        yield open_store if self.shards == 1 else lay_out_and_open
        for collection in (name, f"{name}--meta"):
            self._client.delete_collection(collection)

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="module", params=[1, 6])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    yield server
    server.close()


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
@pytest.mark.skipif("QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server")
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

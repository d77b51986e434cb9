"""Every store keeps the same promises."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.store import MemoryStore
from store_contract.contract import StoreContract
from store_contract.contract_base import OpenStore
from thread_child import use_threads

from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.server.client import ClientStore


class TestMemoryStore(StoreContract):
    persistent = False

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return MemoryStore


class TestEdgeStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: EdgeStore(tmp_path / "index", "items")


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

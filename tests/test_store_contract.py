"""Every store keeps the same promises."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    "store_contract.contract_reads",
    "store_contract.contract_writes",
    "store_contract.contract_life",
    "store_contract.contract_text",
)

from fakes.store import MemoryStore  # noqa: E402
from store_contract.contract import StoreContract  # noqa: E402
from store_contract.contract_base import OpenStore  # noqa: E402

from scenesearch.store.embedded.edge import EdgeStore  # noqa: E402
from scenesearch.store.process.store import ProcessStore  # noqa: E402
from scenesearch.store.server.client import ClientStore  # noqa: E402

pytestmark = pytest.mark.store


class TestMemoryStore(StoreContract):
    persistent = False

    @pytest.fixture
    def open_store(self) -> OpenStore:
        return MemoryStore


class TestEdgeStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: EdgeStore(tmp_path / "index", "items")


class TestProcessStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: ProcessStore(partial(EdgeStore, tmp_path / "index", "items"))


class TestClientStoreInMemory(StoreContract):
    @pytest.fixture
    def open_store(self) -> Iterator[OpenStore]:
        from qdrant_client import QdrantClient

        client = QdrantClient(":memory:")
        yield lambda: ClientStore(client, "items")
        client.close()


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

"""The server store: what it says when the server is not there, or not ours."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest
from store_contract.contract_data import SCHEMA, make_points

from scenesearch.core.conditions import Between, Equals
from scenesearch.core.errors import (
    CollectionMismatchError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import FieldType
from scenesearch.store.server import claim
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.client_meta import MAX_BLOB_BYTES
from scenesearch.store.server.connection import client_errors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

pytestmark = pytest.mark.store


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield client
    client.close()


def test_a_server_that_is_not_there_is_named_with_what_to_do() -> None:
    with socket.socket() as taken:  # bound but not listening: refuses connections
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        store = ClientStore(url, "items", timeout=2)

        with pytest.raises(StoreUnavailableError, match=rf"{url}.*check that a Qdrant server"):
            store.count()
        with pytest.raises(StoreUnavailableError, match=url):
            _ = store.schema
        store.close()


@pytest.mark.parametrize(
    ("status", "error", "fix"),
    [
        (401, StoreUnavailableError, "API key"),
        (403, StoreError, "one that may"),
        (413, StoreError, "smaller batches"),
        (404, StoreError, "check the collection"),
        (503, StoreUnavailableError, "server's log"),
    ],
)
def test_a_server_that_refuses_is_quoted(status: int, error: type[StoreError], fix: str) -> None:
    import httpx
    from qdrant_client.http.exceptions import UnexpectedResponse

    def refuse() -> None:
        with client_errors("write", "http://qdrant:6333"):
            raise UnexpectedResponse(status, "no", b'{"status": "why"}', httpx.Headers())

    with pytest.raises(error, match="http://qdrant:6333") as caught:
        refuse()

    assert str(status) in str(caught.value)
    assert fix in str(caught.value)
    assert type(caught.value) is error
    assert isinstance(caught.value.__cause__, UnexpectedResponse)


def test_a_collection_of_somebody_else_is_left_alone(client: QdrantClient) -> None:
    from qdrant_client import models

    other = models.VectorParams(size=4, distance=models.Distance.DOT)
    client.create_collection("items", vectors_config=other)

    with pytest.raises(CollectionMismatchError, match="did not make"):
        ClientStore(client, "items").create(SCHEMA)

    assert client.get_collection("items").config.params.vectors == other


def test_a_creation_that_was_cut_short_is_finished(
    client: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "DEAD_S", 0.3)
    ClientStore(client, "items").create(SCHEMA)
    client.delete_collection("items--meta")
    store = ClientStore(client, "items")
    assert store.schema is None

    store.create(SCHEMA)
    store.upsert(make_points(3))

    assert store.count() == 3


def test_a_lost_record_is_said_and_no_reason_to_delete_anything(client: QdrantClient) -> None:
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    store.upsert(make_points(3))
    client.delete_collection("items--meta")

    for ask in (ClientStore.count, lambda s: s.schema, lambda s: s.create(SCHEMA)):
        with pytest.raises(StoreError, match=r"3 points.*restore") as caught:
            ask(ClientStore(client, "items"))
        assert caught.value.code == "record_lost"

    assert client.count("items").count == 3


@pytest.mark.parametrize("makers", [2, 8])
def test_of_several_that_create_at_once_one_does_and_all_have_what_it_made(
    client: QdrantClient, makers: int
) -> None:
    stores = [ClientStore(client, "items") for _ in range(makers)]
    start = threading.Barrier(makers)

    def create(n: int) -> bool:
        start.wait()
        return stores[n].create(SCHEMA, {"projection.npz": bytes([n])})

    with ThreadPoolExecutor(makers) as pool:
        made = list(pool.map(create, range(makers)))

    assert sum(made) == 1
    assert {store.read_blob("projection.npz") for store in stores} == {bytes([made.index(True)])}
    assert len({store.schema.made for store in stores if store.schema}) == 1


def test_a_maker_that_died_is_followed_by_one_of_those_who_wait(
    client: QdrantClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "DEAD_S", 0.5)
    dead = ClientStore(client, "items")
    monkeypatch.setattr(dead, "_index", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dead.create(SCHEMA)
    stores = [ClientStore(client, "items") for _ in range(3)]

    with ThreadPoolExecutor(3) as pool:
        made = list(pool.map(lambda store: store.create(SCHEMA, {"a": b"1"}), stores))

    assert sum(made) == 1
    assert all(store.read_blob("a") == b"1" for store in stores)


def test_a_collection_that_measures_otherwise_is_left_alone(client: QdrantClient) -> None:
    from qdrant_client import models

    spaces = {
        name: models.VectorParams(size=dim, distance=models.Distance.EUCLID)
        for name, dim in SCHEMA.vectors.items()
    }
    client.create_collection("items", vectors_config=spaces)

    with pytest.raises(CollectionMismatchError, match=r"Euclid.*Cosine"):
        ClientStore(client, "items").create(SCHEMA)


def test_fields_that_two_add_at_once_are_both_there(client: QdrantClient) -> None:
    first, second = ClientStore(client, "items"), ClientStore(client, "items")
    first.create(SCHEMA)
    add = second._meta.add_fields

    def meanwhile(fields: Mapping[str, FieldType]) -> None:
        first.add_fields({"depth": "float"})
        add(fields)

    second._meta.add_fields = meanwhile  # type: ignore[method-assign]
    second.add_fields({"sale": "bool"})

    for store in (first, second, ClientStore(client, "items")):
        assert store._require(fresh=True).fields == {
            **SCHEMA.fields,
            "depth": "float",
            "sale": "bool",
        }


def test_fields_that_another_process_added_are_typed_at_the_next_write(
    client: QdrantClient,
) -> None:
    first, second = ClientStore(client, "items"), ClientStore(client, "items")
    first.create(SCHEMA)
    assert second.count() == 0
    first.add_fields({"sale": "bool"})

    point = make_points(1)[0]
    second.upsert([type(point)(point.id, point.vectors, {"sale": True})])

    assert first.count(Equals("sale", value=True)) == 1
    assert second.count(Equals("sale", value=True)) == 1


def test_closing_leaves_a_given_client_open(client: QdrantClient) -> None:
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    store.close()

    again = ClientStore(client, "items")

    assert again.schema == SCHEMA
    assert again.count(Between("price", lt=5)) == 0


def test_a_name_that_collides_with_the_companion_is_refused(client: QdrantClient) -> None:
    with pytest.raises(StoreError, match="--meta"):
        ClientStore(client, "items--meta")


def test_a_blob_that_no_request_can_carry_is_refused(client: QdrantClient) -> None:
    store = ClientStore(client, "items")
    store.create(SCHEMA)

    with pytest.raises(StoreError, match="at most"):
        store.write_blob("large", bytes(MAX_BLOB_BYTES + 1))

    assert store.read_blob("large") is None


def test_a_collection_deleted_on_the_server_is_a_store_error(client: QdrantClient) -> None:
    store = ClientStore(client, "items")
    store.create(SCHEMA)
    client.delete_collection("items")

    with pytest.raises(StoreError, match="items"):
        store.query([VectorQuery("cutout", np.ones(24, np.float32), 1)])

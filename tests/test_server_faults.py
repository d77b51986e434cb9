"""A way that breaks, a server that is away or refuses: run where QDRANT_URL names one."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qdrant_client import models
from qdrant_proxy import Fault, Proxy, client_of, collection, key, needs_server

from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Equals
from scenesearch.core.errors import StoreError, StoreUnavailableError
from scenesearch.core.protocols import TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.server import connection
from scenesearch.store.server.client import ClientStore

pytestmark = [pytest.mark.store, needs_server]
SCHEMA = CollectionSchema({"cutout": 4}, {"item_id": "keyword", "price": "float", "words": "text"})


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def name() -> Iterator[str]:
    with collection() as name:
        yield name


class Two:
    """The same collection over a way that breaks, and over one that does not."""

    def __init__(self, proxy: Proxy, other: Proxy, name: str) -> None:
        self.broken = ClientStore(proxy.url, name, api_key=key())
        self.sound = ClientStore(other.url, name, api_key=key())
        self.broken.create(SCHEMA)
        assert self.sound.schema is not None

    def prices(self) -> dict[str, Any]:
        return {str(r.payload["item_id"]): r.payload.get("price") for r in scroll_all(self.sound)}

    def close(self) -> None:
        self.broken.close()
        self.sound.close()


@pytest.fixture
def two(proxy: Proxy, name: str) -> Iterator[Two]:
    other = Proxy()
    two = Two(proxy, other, name)
    yield two
    two.close()
    other.close()


def point(item: str, price: float, words: str = "oak") -> Point:
    name = str(uuid.uuid5(uuid.NAMESPACE_DNS, item))
    vector = np.array([1, price, 0, 0], np.float32)
    return Point(name, {"cutout": vector}, {"item_id": item, "price": price, "words": words})


def once(fault: Fault, ending: str) -> Any:
    """The first request whose path ends so goes wrong."""
    left = [fault]

    def of(method: str, path: str) -> Fault:
        asked = path.partition("?")[0]
        writes = method == "PUT" or not ending.endswith("/points")
        return left.pop() if left and writes and asked.endswith(ending) else None

    return of


@pytest.mark.parametrize("fault", ["before", "after", 502, 503, 504])
def test_every_write_is_tried_again(two: Two, proxy: Proxy, fault: Fault) -> None:
    store = two.broken

    proxy.fault = once(fault, "/points")
    store.upsert([point("a", 1.0), point("b", 2.0)])
    proxy.fault = once(fault, "/points/batch")
    store.set_payload({"price": 3.0, "words": "brass"}, where=Equals("item_id", "a"))
    proxy.fault = once(fault, "/points/delete")
    store.delete(where=Equals("item_id", "b"))

    assert two.prices() == {"a": 3.0}
    assert len(two.sound.query([TextQuery("brass", 5)])[0]) == 1
    assert two.sound.query([TextQuery("oak", 5)]) == [[]]


@pytest.mark.parametrize("fault", ["before", "after", 502])
def test_a_collection_is_made_once(proxy: Proxy, name: str, fault: Fault) -> None:
    store = ClientStore(proxy.url, name, api_key=key())
    proxy.fault = once(fault, f"/collections/{name}")

    assert store.create(SCHEMA)
    store.upsert([point("a", 1.0)])

    assert store.count() == 1
    store.close()


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_patch_that_is_tried_again_undoes_no_newer_one(
    two: Two, proxy: Proxy, fault: Fault
) -> None:
    two.broken.upsert([point("a", 1.0), point("b", 1.0)])
    patch = {"price": 3.0, "words": "newer"}
    proxy.between = lambda: two.sound.set_payload(patch, where=Equals("item_id", "a"))
    proxy.fault = once(fault, "/points/batch")

    two.broken.set_payload({"price": 2.0, "words": "older"}, ids=[point("a", 0).id])

    assert two.prices() == {"a": 3.0, "b": 1.0}
    assert [len(two.sound.query([TextQuery(w, 5)])[0]) for w in ("newer", "older")] == [1, 0]


@pytest.mark.parametrize("fault", ["before", "after"])
def test_an_insert_that_is_tried_again_undoes_no_newer_one(
    two: Two, proxy: Proxy, fault: Fault
) -> None:
    proxy.between = lambda: two.sound.upsert([point("a", 5.0)])
    proxy.fault = once(fault, "/points")

    two.broken.upsert([point("a", 2.0), point("b", 2.0)])

    assert two.prices() == {"a": 5.0, "b": 2.0}
    nearest = two.sound.query([VectorQuery("cutout", point("a", 5.0).vectors["cutout"], 1)])[0]
    assert nearest[0].score == pytest.approx(1)


@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_deletion_that_is_tried_again_leaves_what_was_written_since(
    two: Two, proxy: Proxy, fault: Fault
) -> None:
    two.broken.upsert([point("a", 1.0), point("b", 1.0)])
    proxy.between = lambda: two.sound.upsert([point("a", 5.0)])
    proxy.fault = once(fault, "/points/delete")

    two.broken.delete(ids=[point("a", 0).id, point("b", 0).id])

    assert two.prices() == {"a": 5.0}


def test_who_read_what_another_wrote_has_the_last_word_however_wrong_the_clock(
    two: Two, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    two.sound.upsert([point("a", 1.0)])
    # a clock an hour slow: what this process writes looks older than what it has read
    slow = connection.time.time_ns() - 3600 * 10**9
    monkeypatch.setattr("scenesearch.store.server.revisions.time.time_ns", lambda: slow)
    assert two.broken.scroll(where=Equals("item_id", "a")).records[0].payload["price"] == 1.0
    proxy.fault = once("before", "/points/batch")

    two.broken.set_payload({"price": 2.0}, where=Equals("item_id", "a"))

    assert two.prices() == {"a": 2.0}


def test_payloads_say_nothing_of_revisions(two: Two) -> None:
    two.broken.upsert([point("a", 1.0)])

    record = two.broken.retrieve([point("a", 0).id])[0]
    hit = two.broken.query([VectorQuery("cutout", np.ones(4, np.float32), 1, None, ("price",))])

    assert record.payload == point("a", 1.0).payload
    assert hit[0][0].payload == {"price": 1.0}
    assert hit[0][0].revision > 0


def test_the_next_address_is_asked(proxy: Proxy, name: str) -> None:
    dead, other = Proxy(), Proxy()
    dead.close()
    store = ClientStore(f"{dead.url},{proxy.url},{other.url}", name, api_key=key())
    store.create(SCHEMA)
    store.upsert([point("a", 1.0)])
    assert other.take() == []

    proxy.fault = lambda method, path: "before"
    store.upsert([point("b", 1.0)])

    assert store.count() == 2
    assert other.take() != []
    store.close()
    other.close()


def test_a_batch_that_is_too_large_goes_in_halves(two: Two, name: str) -> None:
    with client_of() as client:
        client.update_collection(
            name,
            strict_mode_config=models.StrictModeConfig(
                enabled=True, upsert_max_batchsize=16, search_max_batchsize=2
            ),
        )
    points = [point(f"i{n}", float(n)) for n in range(50)]

    two.broken.upsert(points)
    found = two.broken.query([VectorQuery("cutout", p.vectors["cutout"], 1) for p in points[:5]])

    assert two.broken.count() == 50
    assert [hits[0].id for hits in found] == [p.id for p in points[:5]]


def test_a_limit_that_halves_do_not_keep_is_said_in_the_servers_words(two: Two, name: str) -> None:
    with client_of() as client:
        client.update_collection(
            name, strict_mode_config=models.StrictModeConfig(enabled=True, max_query_limit=10)
        )

    with pytest.raises(StoreError, match="Limit exceeded") as caught:
        two.broken.query([VectorQuery("cutout", np.ones(4, np.float32), 50)] * 2)

    assert caught.value.code == "store_limit"


def test_in_bulk_a_server_is_waited_for(
    two: Two, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "AGAIN_S", 0.2)
    two.broken.upsert([point("a", 1.0)])
    proxy.fault = lambda method, path: 503
    back = threading.Timer(1.5, lambda: setattr(proxy, "fault", lambda method, path: None))
    waited: list[float] = []

    with pytest.raises(StoreUnavailableError) as caught:
        two.broken.upsert([point("b", 1.0)])
    back.start()
    with two.broken.in_bulk(20, waited.append):
        two.broken.upsert([point("c", 1.0)])

    assert "run again" not in str(caught.value)
    assert two.prices().keys() == {"a", "c"}
    assert len(waited) > 1


def test_in_bulk_waiting_ends_and_says_to_run_again(two: Two, proxy: Proxy) -> None:
    proxy.fault = lambda method, path: 503

    with (
        pytest.raises(StoreUnavailableError, match="run again to go on"),
        two.broken.in_bulk(0.5, lambda waited: None),
    ):
        two.broken.upsert([point("b", 1.0)])


def test_what_waits_can_be_stopped(two: Two, proxy: Proxy) -> None:
    proxy.fault = lambda method, path: 503

    def stop(waited: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), two.broken.in_bulk(60, stop):
        two.broken.upsert([point("b", 1.0)])


def test_who_can_wait_gives_no_write_up_that_may_still_be_carried_out(
    two: Two, proxy: Proxy, name: str
) -> None:
    slow = ClientStore(proxy.url, name, api_key=key(), timeout=1)
    assert slow.schema is not None
    late = [2.5]  # the first insert is on its way for longer than that
    inserts = ("PUT", f"/collections/{name}/points")
    proxy.delay_s = lambda method, path: (
        late.pop() if late and (method, path.partition("?")[0]) == inserts else 0.0
    )

    with slow.in_bulk(20, lambda waited: None):
        slow.upsert([point("a", 1.0)])
        slow.delete(ids=[point("a", 1.0).id])
    time.sleep(3)

    assert late == []
    assert two.prices() == {}
    slow.close()


def test_who_only_asks_how_things_are_does_not_wait(two: Two, proxy: Proxy) -> None:
    proxy.fault = lambda method, path: 503
    start = time.monotonic()

    with pytest.raises(StoreUnavailableError), two.broken.at_once():
        two.broken.count()

    assert time.monotonic() - start < 1
    with pytest.raises(StoreUnavailableError):
        two.broken.count()
    assert time.monotonic() - start > 2

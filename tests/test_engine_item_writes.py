"""Items that are put at the same time: written together, answered each for itself."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic, sleep

import engine_child
import pytest

from scenesearch.core.errors import StoreError
from scenesearch.core.types import Point
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.tasks import GetItem, ItemRecord, PatchItem, Photo, PutItems
from scenesearch.store.embedded.edge import EdgeStore

CLIENTS = 12


class Counting(EdgeStore):
    """The embedded store; notes what is written, refuses items of one name."""

    refused = "refused"

    def __init__(self, *args, **options) -> None:
        super().__init__(*args, **options)
        self.written: list[list[str]] = []
        self.syncs = 0

    def upsert(self, points: Sequence[Point]) -> None:
        ids = [str(point.payload["item_id"]) for point in points]
        if self.refused in ids:
            raise StoreError("the store takes no such item")
        self.written.append(ids)
        super().upsert(points)

    def _flush(self, opened) -> None:
        self.syncs += self._unsynced
        super()._flush(opened)


class Clients:
    """Requests that all wait for the one before them."""

    def __init__(self, tasks: CatalogueTasks) -> None:
        self.tasks = tasks
        self.pool = ThreadPoolExecutor(CLIENTS)

    def at_once(self, *requests: PutItems) -> list[Future]:
        """Ask all of them, in order, before the first is written."""
        together = self.tasks._writes._together
        came = together.calls
        coming = []
        with self.tasks.lock:
            for request in requests:
                coming.append(self.pool.submit(self.tasks.put_items, request))
                came += 1
                late = monotonic() + 20
                while together.calls < came:
                    assert monotonic() < late
                    sleep(0.001)
        return coming

    def get(self, item_id: str):
        found = self.tasks.get_item(GetItem(item_id))
        return found and found["attributes"]


def put(item_id: str, photo: int | Photo = 0, *, items: bool = False, **attributes) -> PutItems:
    photo = engine_child.photo(photo) if isinstance(photo, int) else photo
    return PutItems((ItemRecord(item_id, (photo,), attributes),), items=items)


@pytest.fixture
def store(tmp_path):
    return Counting(tmp_path / "store", "items", min_free_bytes=0)


@pytest.fixture
def clients(tmp_path, store, clean_surroundings):
    tasks = engine_child.tasks_of(tmp_path, store)
    tasks.put_items(put("first", price=1.0, title="so that there is a collection"))
    store.written.clear()
    store.syncs = 0
    made = Clients(tasks)
    yield made
    made.pool.shutdown()
    tasks._opened.close()


def status(future: Future) -> str:
    return str(future.result(30)[0]["status"])


def test_what_waits_together_is_one_write_and_one_sync(clients, store):
    coming = clients.at_once(*(put(f"i{n}", n % 5, price=float(n)) for n in range(CLIENTS)))

    assert [status(one) for one in coming] == ["added"] * CLIENTS
    # the first found nobody waiting and is alone
    assert [len(ids) for ids in store.written] == [1, CLIENTS - 1]
    assert store.syncs == 2
    assert [clients.get(f"i{n}") for n in range(CLIENTS)] == [
        {"price": float(n)} for n in range(CLIENTS)
    ]


def test_each_is_answered_with_its_own_item(clients):
    coming = clients.at_once(*(put(f"i{n}", n, items=True, price=float(n)) for n in range(4)))

    answers = [one.result(30)[0] for one in coming]
    assert [one["id"] for one in answers] == [f"i{n}" for n in range(4)]
    for answer in answers:
        assert answer["item"] == clients.tasks.get_item(GetItem(answer["id"]))


def test_a_bad_one_fails_alone(clients):
    broken = Photo(b"\x89PNG\r\n\x1a\n and nothing else", "broken.png")
    coming = clients.at_once(
        put("a", 1, price=1.0),
        put("b", 2, price=2.0),
        put("no photo", broken, price=3.0),
        put("no number", 3, price="cheap"),
        put(Counting.refused, 4, price=5.0),
        put("c", 0, price=6.0),
    )

    assert [status(coming[n]) for n in (0, 1, 5)] == ["added"] * 3
    assert coming[2].result()[0]["error"]["code"] == "corrupt_image"
    assert coming[3].result()[0]["error"]["code"] == "bad_price"
    with pytest.raises(StoreError, match="takes no such item"):
        coming[4].result()
    assert [clients.get(one) is not None for one in ("a", "b", "c")] == [True] * 3
    assert [clients.get(one) for one in ("no photo", "no number", Counting.refused)] == [None] * 3


def test_writes_of_one_item_keep_their_order(clients, store):
    coming = clients.at_once(
        put("other", 1, price=0.0),
        put("same", 2, price=1.0),
        put("another", 3, price=0.0),
        put("same", 4, price=2.0),
        put("same", 4, price=3.0),
    )

    assert [status(one) for one in coming] == ["added", "added", "added", "changed", "changed"]
    assert clients.get("same") == {"price": 3.0}
    assert store.written == [["other"], ["same", "another"], ["same"]]


def test_a_field_that_an_earlier_one_brought_has_its_type_for_those_after_it(clients):
    coming = clients.at_once(
        put("a", 1, price=1.0),
        put("b", 2, width=30),
        put("c", 3, width="wide"),
    )

    assert [status(one) for one in coming] == ["added", "added", "failed"]
    assert clients.get("b") == {"width": 30}


def test_patches_between_them_are_kept(clients):
    """Threads that own an item each, among threads that write others."""
    wrong: list[str] = []

    def work(number: int) -> None:
        name = f"mine{number}"
        for turn in range(8):
            price = float(turn)
            clients.tasks.put_items(put(name, (number + turn) % 5, price=price))
            if turn % 2:
                price += 0.5
                clients.tasks.patch_item(PatchItem(name, {"price": price}))
            if (found := clients.get(name)) != {"price": price}:
                wrong.append(f"{name}: {found}, expected {price}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []


def test_a_photo_whose_embedding_is_kept_is_not_decoded_again(tmp_path, clean_surroundings):
    decoded: list[str] = []
    first = engine_child.tasks_of(tmp_path / "a")
    cache = first._opened.embeddings
    first.put_items(put("a", 1))
    other = engine_child.tasks_of(tmp_path / "b")
    other._opened.embeddings = cache
    other._writes._scenes._decode = lambda photo: decoded.append(photo.name)

    answer = other.put_items(put("b", 1))[0]
    assert (answer["status"], decoded) == ("added", [])
    other._opened.close()
    first._opened.store.close()


def test_nothing_of_a_request_is_held_after_it(clients):
    scenes = clients.tasks._writes._scenes
    room = scenes._room
    with clients.tasks.lock:
        coming = clients.pool.submit(clients.tasks.put_items, put("a", 1, price="no number"))
        also = clients.pool.submit(clients.tasks.put_items, put("b", 77, price=2))
        late = monotonic() + 20
        while not scenes._scenes:
            assert monotonic() < late
            sleep(0.001)
    assert status(coming) == "failed"
    assert status(also) == "added"

    assert scenes._scenes == {}
    assert scenes._room == room

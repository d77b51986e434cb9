"""A store in a process of its own: the same answers, and nothing lost when processes die.

The contract of stores runs here over processes, and in test_store_contract.py without.
"""

from __future__ import annotations

import gc
import importlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TypeVar

import numpy as np
import psutil
import pytest
from fakes.store import MemoryStore
from sparse import copy_tree
from store_contract.contract import StoreContract
from store_contract.contract_base import OpenStore
from store_contract.contract_data import DIMS, SCHEMA, make_points, point_id, unit

from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.errors import (
    DamagedError,
    InvalidVectorError,
    QueryError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Hit, Point
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.serve import serve_store
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.process.wire import HitPacker, HitUnpacker, Request
from scenesearch.system.messages import CLOSE, Asked, Failure, Ok
from scenesearch.system.turn import now, since, task_since

pytestmark = pytest.mark.process
PARENT = Path(__file__).with_name("process_parent.py")
Made = TypeVar("Made", bound=Store)


def gone(pid: int, within_s: float) -> bool:
    """Whether a process ends in time."""
    until = time.monotonic() + within_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def child_modules(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What processes import by name: they get the path of their parent."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("process_child")


def filled(made: Made) -> Made:
    made.create(SCHEMA)
    made.upsert(make_points(60))
    return made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "index"
    filled(ProcessStore(partial(EdgeStore, folder, "items"))).close()
    return folder


@pytest.fixture
def edge(template: Path, tmp_path: Path) -> Iterator[ProcessStore]:
    """The embedded store, with 60 points."""
    folder = copy_tree(template, tmp_path / "index")
    made = ProcessStore(partial(EdgeStore, folder, "items"))
    yield made
    made.close()


@pytest.fixture
def store() -> Iterator[ProcessStore]:
    """One that keeps nothing and is quick, for what does not hang on the engine."""
    made = filled(ProcessStore(MemoryStore))
    yield made
    made.close()


class TestProcessStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        return lambda: ProcessStore(partial(EdgeStore, tmp_path / "index", "items"))


@contextmanager
def held_up(store: ProcessStore) -> Iterator[None]:
    """Its process stands still in here, and what is asked waits in the pipe."""
    process = psutil.Process(store.pid)
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def under_way(store: ProcessStore) -> int:
    return len(store._worker._mail.pending)


def until(true: Callable[[], bool], within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


def nearest(limit: int = 10, *, seed: int = 0, dim: int = DIMS["cutout"]) -> VectorQuery:
    return VectorQuery("cutout", unit(np.random.default_rng(seed), dim), limit, None, ("item_id",))


def test_queries_of_many_threads_are_answered_as_those_of_one(store: ProcessStore) -> None:
    oracle = MemoryStore()
    oracle.create(SCHEMA)
    oracle.upsert(make_points(60))
    batches = [[nearest(5 + n % 4, seed=n), nearest(3, seed=n + 500)] for n in range(80)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(store.query, batches))

    for found, expected in zip(answers, map(oracle.query, batches), strict=True):
        assert [[hit.id for hit in hits] for hits in found] == [
            [hit.id for hit in hits] for hits in expected
        ]
        assert [[hit.payload for hit in hits] for hits in found] == [
            [hit.payload for hit in hits] for hits in expected
        ]


def test_the_request_of_the_oldest_task_is_answered_first_and_closing_last() -> None:
    ours, theirs = multiprocessing.Pipe()
    began = [30, 10, 20, 10, 40, 5]
    for number, at in enumerate(began):
        ours.send(Asked(at, number, Request("query", ([nearest(number + 1)],))))
    ours.send(Asked(50, 6, Request(CLOSE)))

    serve_store(theirs, lambda: filled(MemoryStore()))

    assert isinstance(ours.recv()[1], Ok), "it is up"
    replies = [ours.recv() for _ in range(7)]
    # two requests of one task keep their order
    assert [number for number, _ in replies] == [5, 1, 3, 2, 0, 4, 6]
    assert [reply.value.counts for _, reply in replies[:-1]] == [[6], [2], [4], [3], [1], [5]]


def test_what_comes_while_a_request_is_answered_may_still_go_before_those_that_wait() -> None:
    ours, theirs = multiprocessing.Pipe()
    for number in range(3):
        ours.send(Asked(10 + number, number, Request("count", (None,))))

    class Interrupted(MemoryStore):
        def count(self, where: Condition | None = None) -> int:
            if not came:
                came.append(True)
                ours.send(Asked(1, 3, Request("count", (None,))))
                ours.send(Asked(99, 4, Request(CLOSE)))
            return super().count(where)

    came: list[bool] = []

    def opened() -> MemoryStore:
        store = Interrupted()
        store.create(SCHEMA)
        return store

    serve_store(theirs, opened)

    ours.recv()
    assert [ours.recv()[0] for _ in range(5)] == [0, 3, 1, 2, 4]


def test_the_request_of_an_older_task_overtakes_those_of_younger_ones(
    child_modules: ModuleType,
) -> None:
    store = ProcessStore(child_modules.NumberingStore)
    store.start()
    start = now()

    def ask(began: int) -> int:
        with task_since(start + began):
            return store.count()

    with ThreadPoolExecutor(4) as pool:
        with held_up(store):
            asking = []
            for began in (2, 3, 1):
                asking.append(pool.submit(ask, began))
                until(lambda: under_way(store) == len(asking))
        outside = pool.submit(store.count)
        assert [one.result(10) for one in (*asking, outside)] == [2, 3, 1, 4]
    store.close()


def test_a_task_began_when_it_says_and_what_is_asked_outside_of_one_begins_now() -> None:
    with task_since(7):
        assert since() == 7
        with task_since(8):
            assert since() == 8
        assert since() == 7
    before = now()
    assert before <= since() <= now()


def test_a_bad_query_among_those_sent_together_spoils_no_other(store: ProcessStore) -> None:
    asked = {
        "good": [nearest()],
        "wrong size": [nearest(dim=3)],
        "no space": [VectorQuery("none", np.ones(3, np.float32), 1)],
        "unsendable": [nearest()._replace(where=lambda: None)],
        "also good": [nearest(4)],
    }
    with ThreadPoolExecutor(8) as pool:
        with held_up(store):
            found = {name: pool.submit(store.query, batch) for name, batch in asked.items()}
            until(lambda: under_way(store) == len(asked) - 1)
        errors = {name: one.exception(10) for name, one in found.items()}

    assert errors["good"] is None
    assert errors["also good"] is None
    assert isinstance(errors["wrong size"], InvalidVectorError)
    assert isinstance(errors["no space"], QueryError)
    assert errors["no space"].code == "unknown_space"
    assert isinstance(errors["unsendable"], StoreError)


@pytest.mark.skipif(sys.platform == "win32", reason="a thread cannot be sent a signal there")
@pytest.mark.parametrize("ahead", [0, 5])
def test_an_interrupted_caller_leaves_the_others_their_replies(
    store: ProcessStore, ahead: int, request: pytest.FixtureRequest
) -> None:
    pid, calling = store.pid, threading.get_ident()
    # a shell lets what it starts in the background ignore this signal
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    def interrupt() -> None:
        until(lambda: under_way(store) == ahead + 1)
        time.sleep(0.05)  # it waits for its reply now
        signal.pthread_kill(calling, signal.SIGINT)

    with ThreadPoolExecutor(9) as pool:
        with held_up(store):
            others = [pool.submit(store.query, [nearest(n + 1)]) for n in range(ahead)]
            until(lambda: under_way(store) == ahead)
            interrupter = pool.submit(interrupt)
            with pytest.raises(KeyboardInterrupt):
                store.scroll(limit=7)
            interrupter.result(10)
            others += [pool.submit(store.query, [nearest(n + 1)]) for n in range(ahead, 8)]
        found = [one.result(10) for one in others]

    assert [len(hits) for [hits] in found] == list(range(1, 9))
    assert store.count() == 60
    assert store.pid == pid, "and the process is the same"


def test_closing_waits_for_what_is_under_way(edge: ProcessStore) -> None:
    edge.count()
    with ThreadPoolExecutor(8) as pool:
        with held_up(edge):
            writing = pool.submit(edge.write_blob, "a", b"1")
            reading = [pool.submit(edge.query, [nearest()]) for _ in range(5)]
            until(lambda: under_way(edge) == 6)
            closing = pool.submit(edge.close)
            until(lambda: edge._closed)
            with pytest.raises(StoreError, match="closed"):
                edge.count()
        closing.result(10)
        writing.result(10)
        assert all(len(one.result(10)[0]) == 10 for one in reading)


def test_fields_that_are_new_are_seen_by_who_asked_before(store: ProcessStore) -> None:
    with ThreadPoolExecutor(2) as pool:
        store._forget_schema()
        with held_up(store):
            asking = pool.submit(lambda: store.schema)
            until(lambda: under_way(store) == 1)
            adding = pool.submit(store.add_fields, {"height": "float"})
            until(lambda: under_way(store) == 2)
        adding.result(10)
        asking.result(10)

    schema = store.schema
    assert schema is not None
    assert schema.fields["height"] == "float"


def test_a_store_that_nobody_holds_ends_its_process() -> None:
    made = filled(ProcessStore(MemoryStore))
    pid = made.pid
    assert pid is not None

    del made
    gc.collect()

    assert gone(pid, 10)


@pytest.mark.parametrize(
    ("call", "kind", "code"),
    [
        (lambda s: s.facet("nothing"), QueryError, "unknown_field"),
        (lambda s: s.query([nearest(0)]), ValueError, None),
        (lambda s: s.upsert([Point("no uuid", {}, {})]), ValueError, None),
        (lambda s: s.upsert([Point(point_id(1), {}, {"x": object})]), SceneSearchError, None),
        (lambda s: s.upsert([Point(point_id(1), {}, {"x": lambda: 0})]), StoreError, "not_plain"),
    ],
    ids=["no such field", "limit of 0", "no id", "a class in a payload", "not to be sent"],
)
def test_an_error_arrives_as_it_was_raised(
    store: ProcessStore, call: Callable[[ProcessStore], object], kind: type, code: str | None
) -> None:
    with pytest.raises(kind) as caught:
        call(store)

    assert code is None or caught.value.code == code
    assert store.count() == 60, "and the store goes on"


def test_every_error_of_the_tree_and_of_python_survives_the_way() -> None:
    def tree(kind: type[SceneSearchError]) -> Iterator[type[SceneSearchError]]:
        yield kind
        for below in kind.__subclasses__():
            yield from tree(below)

    for kind in tree(SceneSearchError):
        error = kind.__new__(kind, "said")
        error.args, error.code = ("said",), "some_code"
        again = Failure.of(error).error()
        assert (type(again), str(again), again.code) == (kind, "said", "some_code")
    for error, kind in [
        (KeyError("k"), KeyError),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), ValueError),
        (FileNotFoundError(2, "none"), OSError),
        (type("Odd", (Exception,), {})("odd"), RuntimeError),
    ]:
        again = Failure.of(error).error()
        assert type(again) is kind
        assert "In another process" in again.__notes__[0]


@pytest.mark.parametrize("limit", [0, 5, 1000])
def test_points_are_sent_once_until_they_change_or_too_many_are_known(limit: int) -> None:
    rng = random.Random(limit)
    packer, unpacker = HitPacker(limit), HitUnpacker()
    payloads = [MappingProxyType({"n": n}) for n in range(20)]
    sent = 0
    for _ in range(50):
        changed = rng.randrange(20)
        payloads[changed] = MappingProxyType({"n": rng.random()})
        answers = [
            [Hit(str(n), rng.random(), payloads[n]) for n in rng.choices(range(20), k=k)]
            for k in (0, 7, 3)
        ]
        packed = packer.pack(answers)
        hits = unpacker.learn(packed)
        sent += len(packed.ids)

        assert hits() == answers
        assert len(unpacker.ids) <= max(limit, 1) + 10

    assert sent <= 20 + 50 or limit < 1000


def test_writes_together_keep_other_writers_waiting_and_readers_not(store: ProcessStore) -> None:
    order = []

    def write() -> None:
        store.set_payload({"price": 1.0}, ids=[point_id(1)])
        order.append("other")

    with store.batch_writes():
        other = threading.Thread(target=write)
        other.start()
        store.upsert(make_points(70)[60:])
        with store.batch_writes():
            store.delete(ids=[point_id(0)])
        assert store.count() == 69
        order.append("together")
    other.join(10)

    assert order == ["together", "other"]
    assert store.count(Equals("price", 1.0)) >= 1


def test_a_killed_process_starts_again_and_has_lost_nothing(edge: ProcessStore) -> None:
    for number in range(3):
        edge.upsert([Point(point_id(1000 + number), {}, {"title": "x"})])
        first = edge.pid
        os.kill(first, signal.SIGKILL)
        if number == 1:
            psutil.Process(first).wait(5)  # known to be dead before the next call

        try:
            counted = edge.count()
        except StoreUnavailableError:  # the call was in flight
            counted = edge.count()

        assert counted == 61 + number
        assert edge.pid != first
        assert edge.schema == SCHEMA


def test_calls_in_flight_fail_when_the_process_is_killed(
    tmp_path: Path, edge: ProcessStore, child_modules: ModuleType
) -> None:
    edge.close()
    store = ProcessStore(partial(child_modules.StuckStore, tmp_path / "index", "items"))
    store.count()
    with ThreadPoolExecutor(2) as pool:
        building = pool.submit(store.optimize)
        until(lambda: under_way(store) == 1)
        time.sleep(0.05)
        waiting = pool.submit(store.query, [nearest()])
        until(lambda: under_way(store) == 2)
        os.kill(store.pid, signal.SIGKILL)

        with pytest.raises(StoreUnavailableError, match=r"was killed \(SIGKILL\).*try again"):
            building.result(10)
        assert len(waiting.result(10)[0]) == 10, "what only reads is asked of the next process"

    assert store.count() == 60
    store.close()


def test_writes_together_fail_when_the_process_died_meanwhile(edge: ProcessStore) -> None:
    with pytest.raises(StoreUnavailableError, match="together"), edge.batch_writes():  # noqa: PT012
        edge.upsert([Point(point_id(900), {}, {})])
        psutil.Process(edge.pid).kill()
        time.sleep(0.05)
        assert edge.count() >= 60  # reading starts it again
        with pytest.raises(StoreUnavailableError, match="together"):
            edge.upsert([Point(point_id(901), {}, {})])

    edge.upsert([Point(point_id(902), {}, {})])
    assert edge.retrieve([point_id(901)]) == []


def test_signals_of_a_terminal_are_not_for_it(store: ProcessStore) -> None:
    pid = store.pid
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)

    assert store.count() == 60
    assert store.pid == pid


def test_a_directory_that_another_store_holds_is_refused_with_its_holder(tmp_path: Path) -> None:
    with_it = EdgeStore(tmp_path / "index", "items")
    with_it.create(SCHEMA)
    with_it.count()
    store = ProcessStore(partial(EdgeStore, tmp_path / "index", "items"))

    with pytest.raises(StoreUnavailableError, match=f"process {os.getpid()}"):
        store.count()
    with_it.close()

    assert store.count() == 0
    store.close()


def test_closing_ends_the_process_and_lets_others_in(edge: ProcessStore, tmp_path: Path) -> None:
    assert edge.count() == 60
    pid = edge.pid
    edge.close()

    assert gone(pid, 0)
    again = EdgeStore(tmp_path / "index", "items")
    assert again.count() == 60
    again.close()


def test_a_store_that_cannot_be_made_is_an_error_and_no_hang() -> None:
    store = ProcessStore(partial(os._exit, 7), name="a broken store")

    with pytest.raises(StoreUnavailableError, match=r"a broken store .*exit code 7.*__main__"):
        store.count()

    store.close()


def test_what_making_the_store_raises_arrives_as_it_was_raised(tmp_path: Path) -> None:
    store = ProcessStore(partial(EdgeStore, tmp_path, "no such name!"))

    with pytest.raises(StoreError, match="no such name!"):
        store.count()

    assert store.pid is None
    store.close()


@pytest.mark.parametrize(
    "killed", [True, False], ids=["killed, while it holds the GIL", "just ends"]
)
def test_no_process_outlives_its_parent(tmp_path: Path, killed: bool) -> None:
    folder = tmp_path / "index"
    with subprocess.Popen(
        [sys.executable, str(PARENT), "store" if killed else "exit", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        if not killed:
            assert parent.stdout.readline() == "None\n"
        pid = int(parent.stdout.readline())
        if killed:
            parent.kill()
        assert parent.wait(5) == (-signal.SIGKILL if killed else 0)

    assert gone(pid, 1.0)
    until = time.monotonic() + 2.0
    while killed:
        store = EdgeStore(folder, "items")
        try:
            assert store.count() == 100
            break
        except StoreUnavailableError:
            # the system takes back what a killed process had a moment after it is gone
            if time.monotonic() > until:
                raise
            time.sleep(0.02)
        finally:
            store.close()


def test_a_process_that_dies_whenever_it_is_asked_is_given_up_for_a_while(
    tmp_path: Path, child_modules: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = filled(ProcessStore(partial(child_modules.DyingStore, tmp_path, "items")))
    mark = tmp_path / "die"
    mark.touch()
    with pytest.raises(StoreUnavailableError, match="was killed"):
        store.count()  # asks two processes
    for _ in range(2):
        with pytest.raises(DamagedError, match=r"died 3 times in a row.*scenesearch verify"):
            store.count()

    assert store.pid is None  # no other was started
    mark.unlink()
    clock = time.monotonic
    monkeypatch.setattr("scenesearch.store.process.store.time.monotonic", lambda: clock() + 3)
    assert store.count() == 60
    assert store.count() == 60
    store.close()

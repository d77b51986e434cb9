"""A store in a process of its own: the same answers, and nothing lost when processes die.

The contract of stores runs over it in test_store_contract.py.
"""

from __future__ import annotations

import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import MappingProxyType, ModuleType

import numpy as np
import psutil
import pytest

from scenesearch.conditions import Equals
from scenesearch.errors import (
    InvalidVectorError,
    QueryError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.protocols import VectorQuery
from scenesearch.store.contract_data import DIMS, SCHEMA, make_points, point_id, unit
from scenesearch.store.edge import EdgeStore
from scenesearch.store.memory import MemoryStore
from scenesearch.store.process import ProcessStore
from scenesearch.store.process_failure import Failure
from scenesearch.store.process_wire import HitPacker, KnownPoints, learn, unpack_hits
from scenesearch.types import Hit, Point

pytestmark = pytest.mark.store
PARENT = Path(__file__).with_name("process_parent.py")


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


def filled(made: ProcessStore) -> ProcessStore:
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
    folder = shutil.copytree(template, tmp_path / "index")
    made = ProcessStore(partial(EdgeStore, folder, "items"))
    yield made
    made.close()


@pytest.fixture
def store() -> Iterator[ProcessStore]:
    """One that keeps nothing and is quick, for what does not hang on the engine."""
    made = filled(ProcessStore(MemoryStore))
    yield made
    made.close()


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


def test_queries_that_wait_for_the_pipe_go_as_one_message(store: ProcessStore) -> None:
    messages = []
    exchange = store._exchange
    store._exchange = lambda request: (messages.append(request), exchange(request))[1]
    with store._turn, ThreadPoolExecutor(6) as pool:
        found = [pool.submit(store.query, [nearest(seed=n)]) for n in range(6)]
        while len(store._asked) < 6:
            time.sleep(0.001)
        store._turn.release()
        answers = [one.result(10) for one in found]
        store._turn.acquire()

    assert [len(request.args[0]) for request in messages] == [6]
    assert all(len(answer[0]) == 10 for answer in answers)


def test_a_bad_query_among_those_sent_together_spoils_no_other(store: ProcessStore) -> None:
    asked = {
        "good": [nearest()],
        "wrong size": [nearest(dim=3)],
        "no space": [VectorQuery("none", np.ones(3, np.float32), 1)],
        "unsendable": [nearest()._replace(where=lambda: None)],
        "also good": [nearest(4)],
    }
    with store._turn, ThreadPoolExecutor(8) as pool:
        found = {name: pool.submit(store.query, batch) for name, batch in asked.items()}
        while len(store._asked) < len(asked):
            time.sleep(0.001)
        store._turn.release()
        errors = {name: one.exception(10) for name, one in found.items()}
        store._turn.acquire()

    assert errors["good"] is None
    assert errors["also good"] is None
    assert isinstance(errors["wrong size"], InvalidVectorError)
    assert isinstance(errors["no space"], QueryError)
    assert errors["no space"].code == "unknown_space"
    assert isinstance(errors["unsendable"], StoreError)


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
    packer, known = HitPacker(limit), KnownPoints([], [])
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
        known = learn(known, packed)
        sent += len(packed.ids)

        assert unpack_hits(known, packed) == answers
        assert len(known.ids) <= max(limit, 1) + 10

    assert sent <= 20 + 50 or limit < 1000


def test_writes_together_keep_other_writers_waiting_and_readers_not(store: ProcessStore) -> None:
    order = []

    def write() -> None:
        store.set_payload({"price": 1.0}, ids=[point_id(1)])
        order.append("other")

    with store.together():
        other = threading.Thread(target=write)
        other.start()
        store.upsert(make_points(70)[60:])
        with store.together():
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
        while not store._turn.locked():
            time.sleep(0.001)
        time.sleep(0.05)
        waiting = pool.submit(store.query, [nearest()])
        os.kill(store.pid, signal.SIGKILL)

        with pytest.raises(StoreUnavailableError, match=r"was killed \(SIGKILL\).*try again"):
            building.result(10)
        assert len(waiting.result(10)[0]) == 10, "what only waited is asked of the next process"

    assert store.count() == 60
    store.close()


def test_writes_together_fail_when_the_process_died_meanwhile(edge: ProcessStore) -> None:
    with pytest.raises(StoreUnavailableError, match="together"), edge.together():  # noqa: PT012
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

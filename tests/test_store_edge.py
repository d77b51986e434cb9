"""The embedded store's directory: one owner, made whole, never overwritten; its engine's traps."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fakes.store import MemoryStore
from store_contract.contract_data import SCHEMA, make_points, point_id, unit

from scenesearch.core.conditions import Equals
from scenesearch.core.errors import DamagedError, NoSpaceError, StoreError, StoreUnavailableError
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.store.embedded import edge_directory, edge_translate
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.edge_translate import engine_errors

pytestmark = pytest.mark.store
_Usage = namedtuple("_Usage", "total used free")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EdgeStore]:
    store = EdgeStore(tmp_path / "index", "items")
    store.create(SCHEMA)
    yield store
    store.close()


def test_constructing_and_looking_touch_no_file(tmp_path: Path) -> None:
    store = EdgeStore(tmp_path / "index", "items")

    assert store.schema is None
    with pytest.raises(StoreError, match="does not exist"):
        store.count()

    assert list(tmp_path.iterdir()) == []


def test_as_many_threads_search_as_are_asked_for(store: EdgeStore, tmp_path: Path) -> None:
    config = tmp_path / "index" / "items" / "shard" / "edge_config.json"

    def threads() -> int:
        return int(json.loads(config.read_text())["max_search_threads"])

    assert threads() == os.cpu_count()
    for asked, expected in ((3, 3), (None, os.cpu_count())):
        other = EdgeStore(tmp_path / "index", "items", search_threads=asked)
        assert other.count() == 0
        other.close()
        assert threads() == expected


def test_a_second_store_is_told_who_has_the_directory(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert(make_points(5))
    second = EdgeStore(tmp_path / "index", "items")

    assert second.schema == SCHEMA
    second.create(SCHEMA)
    with pytest.raises(StoreUnavailableError, match=r"index/items is open in this process"):
        second.count()

    store.close()
    assert second.count() == 5
    second.close()


def test_a_second_process_is_told_the_pid_of_the_owner(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert(make_points(5))
    code = (
        "import sys; from scenesearch.store.embedded.edge import EdgeStore\n"
        "EdgeStore(sys.argv[1], 'items').count()"
    )

    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "index")],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert run.returncode == 1
    assert "StoreUnavailableError" in run.stderr
    assert f"is open in process {os.getpid()}; only one store at a time" in run.stderr


def test_collections_beside_each_other_do_not_meet(store: EdgeStore, tmp_path: Path) -> None:
    other = EdgeStore(tmp_path / "index", "scenes")
    other.create(CollectionSchema({"cutout": 3}))

    store.upsert(make_points(5))
    other.upsert([Point(point_id(0), {"cutout": np.ones(3, np.float32)}, {})])

    assert (store.count(), other.count()) == (5, 1)
    other.close()


def _count_in_a_fork(store: EdgeStore, sender: multiprocessing.connection.Connection) -> None:
    try:
        store.count()
    except StoreUnavailableError as error:
        sender.send(str(error))
    store.close()  # must not take the parent's lock away
    sender.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_gets_an_error_instead_of_hanging(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert(make_points(5))
    receiver, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(
        target=_count_in_a_fork, args=(store, sender)
    )
    child.start()

    assert receiver.poll(30)
    assert "forked" in receiver.recv()

    child.join(30)
    assert store.count() == 5
    with pytest.raises(StoreUnavailableError):
        EdgeStore(tmp_path / "index", "items").count()
    receiver.close()
    sender.close()


def test_what_a_killed_creation_left_is_replaced(tmp_path: Path) -> None:
    left = tmp_path / "index" / "items.new" / "shard"
    left.mkdir(parents=True)
    (left / "half").write_bytes(b"x")
    store = EdgeStore(tmp_path / "index", "items")
    assert store.schema is None

    store.create(SCHEMA)
    store.upsert(make_points(5))

    assert store.count() == 5
    assert sorted(path.name for path in (tmp_path / "index").iterdir()) == ["items", "items.lock"]
    store.close()


def test_a_creation_that_fails_leaves_no_collection_and_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = EdgeStore(tmp_path / "index", "items")

    def fail(path: Path, data: bytes) -> None:
        raise OSError("disk trouble")

    with monkeypatch.context() as patched:
        patched.setattr(edge_directory, "write_whole", fail)
        with pytest.raises(StoreError, match="disk trouble"):
            store.create(SCHEMA)
    assert store.schema is None

    store.create(SCHEMA)
    assert store.schema == SCHEMA
    store.close()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "items" / "thesis.tex"
    theirs.parent.mkdir()
    theirs.write_text("years of work")
    store = EdgeStore(tmp_path, "items")

    with pytest.raises(StoreError, match=r"is no collection.*move the directory away"):
        store.create(SCHEMA)

    assert theirs.read_text() == "years of work"


@pytest.mark.parametrize("text", ["", "{", json.dumps({"format": 99})])
def test_a_damaged_schema_is_an_error_and_not_a_new_collection(
    store: EdgeStore, tmp_path: Path, text: str
) -> None:
    store.upsert(make_points(5))
    store.close()
    file = tmp_path / "index" / "items" / "schema.json"
    good = file.read_text()
    file.write_text(text)

    damaged = EdgeStore(tmp_path / "index", "items")
    with pytest.raises(StoreError, match=r"schema\.json"):
        damaged.create(SCHEMA)
    with pytest.raises(StoreError, match=r"schema\.json"):
        damaged.count()

    file.write_text(good)
    assert damaged.count() == 5
    damaged.close()


def test_a_lost_shard_is_an_error_that_releases_the_directory(
    store: EdgeStore, tmp_path: Path
) -> None:
    store.close()
    shard, aside = tmp_path / "index/items/shard", tmp_path / "aside"
    shard.rename(aside)
    broken = EdgeStore(tmp_path / "index", "items")

    with pytest.raises(StoreError, match=r"cannot open.*scenesearch verify"):
        broken.count()

    aside.rename(shard)
    assert EdgeStore(tmp_path / "index", "items").count() == 0


def test_a_moved_collection_opens(store: EdgeStore, tmp_path: Path) -> None:
    store.upsert(make_points(5))
    store.close()
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "index/items", tmp_path / "elsewhere/renamed")

    moved = EdgeStore(tmp_path / "elsewhere", "renamed")

    assert moved.count() == 5
    moved.close()


def test_a_full_disk_refuses_every_write_and_no_read(
    store: EdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = make_points(5)
    store.upsert(points)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**12, 10**12, 2**20))

    for write in (
        lambda: store.upsert(make_points(6)),
        lambda: store.set_payload({"price": 1.0}, ids=[points[0].id]),
        lambda: store.delete(ids=[points[0].id]),
        lambda: store.add_fields({"new": "keyword"}),
        lambda: store.write_blob("blob", b"x"),
        store.optimize,
        lambda: EdgeStore(store._home.parent, "other").create(SCHEMA),
    ):
        with pytest.raises(NoSpaceError, match="1 MB free, 256 MB needed"):
            write()

    assert store.count() == 5
    assert store.schema == SCHEMA
    assert store.query([VectorQuery("cutout", points[0].vectors["cutout"], 1)])[0]


def test_the_reserve_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: _Usage(10**12, 10**12, 2**20))
    store = EdgeStore(tmp_path, "items", min_free_bytes=0)

    store.create(SCHEMA)
    store.upsert(make_points(3))

    assert store.count() == 3
    with pytest.raises(NoSpaceError):  # the write itself still has to fit
        store.upsert(make_points(300))
    store.close()


def test_threads_may_write_and_read_together(store: EdgeStore) -> None:
    points = make_points(160)
    query = [VectorQuery("cutout", points[0].vectors["cutout"], 10, None, ("item_id",))]

    def work(part: int) -> int:
        for start in range(part * 40, part * 40 + 40, 10):
            store.upsert(points[start : start + 10])
            assert len(store.query(query)[0]) == 10
        return store.count()

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))

    assert max(counts) == store.count() == 160


def test_an_indexed_and_filtered_search_finds_what_the_exact_one_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_translate, "INDEX_KB", 20)  # so that a small test has a graph
    monkeypatch.setattr("scenesearch.store.embedded.edge_translate.EXACT_FLOATS", 0)
    monkeypatch.setattr(edge_translate, "SCANNED_DIM", 8)
    dim, rng = 32, np.random.default_rng(0)
    schema = CollectionSchema({"cutout": dim}, {"category": "keyword"})
    centres = [unit(rng, dim) for _ in range(40)]
    points = [
        Point(
            point_id(n),
            {"cutout": unit(rng, dim) * np.float32(0.8) + centres[n % 40]},
            {"category": f"c{n % 4}"},
        )
        for n in range(2000)
    ]
    store, oracle = EdgeStore(tmp_path, "items"), MemoryStore()
    for each in (store, oracle):
        each.create(schema)
        each.upsert(points)
    store.optimize()
    assert store._open().shard.info().indexed_vectors_count > 0
    where = Equals("category", "c1")
    queries = [
        VectorQuery("cutout", unit(rng, dim) + centres[n], 20, where if n % 2 else None)
        for n in range(20)
    ]

    found, expected = store.query(queries), oracle.query(queries)

    shared = sum(
        len({hit.id for hit in a} & {hit.id for hit in b})
        for a, b in zip(found, expected, strict=True)
    )
    assert shared / 400 >= 0.98
    store.close()


class PanicException(BaseException):
    pass


def test_a_panic_of_the_engine_may_pass_once_and_then_the_store_needs_repair(
    store: EdgeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.upsert(make_points(3))
    store.close()
    opened = EdgeStore(tmp_path / "index", "items")

    def panic(*_: object) -> None:
        raise PanicException("index out of bounds")

    def break_it() -> None:
        shard = opened._open().shard
        opened._opened.shard = SimpleNamespace(count=panic, close=shard.close)  # type: ignore[union-attr]

    break_it()
    with pytest.raises(StoreUnavailableError, match="the engine gave up: index out of bounds"):
        opened.count()
    assert opened.count() == 3  # opened anew
    break_it()
    with pytest.raises(DamagedError, match=r"needs repair|is damaged: scenesearch verify"):
        opened.count()
    opened.close()


def test_an_interrupt_is_none_of_the_engine_s_errors(store: EdgeStore) -> None:
    with pytest.raises(KeyboardInterrupt), engine_errors("count"):
        raise KeyboardInterrupt

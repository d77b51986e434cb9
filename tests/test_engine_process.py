"""An engine in a process of its own: nothing accepted is dropped, nothing is orphaned."""

from __future__ import annotations

import asyncio
import importlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import wait
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import psutil
import pytest

from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ModelNotFoundError, QueryError, StoreUnavailableError
from scenesearch.core.types import CollectionSchema
from scenesearch.engine.remote.backend import BusyError, DeadlineError
from scenesearch.engine.remote.gated import EngineBackend, Figure
from scenesearch.engine.remote.process import INSERTERS, SceneSearchEngine
from scenesearch.engine.remote.remote import EngineDiedError, RemoteEngine
from scenesearch.engine.tasks import GetItem, ItemRecord, Photo, PutItems, TagTask
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.system.tuning import RANKING

pytestmark = pytest.mark.process

PARENT = Path(__file__).with_name("process_parent.py")


def light(words: str) -> GetItem:
    return GetItem(words)


def heavy(words: str) -> TagTask:
    return TagTask(Photo(words.encode()))


def insert(words: str) -> PutItems:
    return PutItems((ItemRecord(words, ()),))


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch, clean_surroundings: None) -> ModuleType:
    """What processes import by name: they get the path of their parent."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    return importlib.import_module("process_child")


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.touch()
    return path


@pytest.fixture
def engine(child: ModuleType, log: Path) -> Iterator[RemoteEngine]:
    made = RemoteEngine(child.Plan(log=str(log)), threads=2, light_threads=1, backoff_s=(0.05, 0.2))
    made.start()
    yield made
    made.stop(5.0)


def lines(log: Path, *wanted: str, within_s: float = 10.0) -> list[str]:
    """What the engine noted, once all of ``wanted`` is in it."""
    until = time.monotonic() + within_s
    while not set(wanted) <= set(found := log.read_text().splitlines()):
        assert time.monotonic() < until, f"{wanted} is not in {found}"
        time.sleep(0.005)
    return found


def ready(engine: RemoteEngine, within_s: float = 20.0) -> None:
    until = time.monotonic() + within_s
    while not engine.state().ready:
        assert time.monotonic() < until, engine.state()
        time.sleep(0.01)


def gone(pid: int, within_s: float = 2.0) -> bool:
    until = time.monotonic() + within_s
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def counted(folder: Path, within_s: float = 5.0) -> int:
    """The points of a store, as soon as nobody holds it."""
    until = time.monotonic() + within_s
    while True:
        store = EdgeStore(folder, "items")
        try:
            return store.count()
        except StoreUnavailableError:
            # the system takes back what a killed process had a moment after it is gone
            if time.monotonic() > until:
                raise
            time.sleep(0.05)
        finally:
            store.close()


def test_answers_and_errors_arrive_as_the_engine_gave_them(engine: RemoteEngine) -> None:
    def ask(words: str) -> Any:
        return engine.submit(light(words)).future.result(10).value

    assert ask("echo hello") == "hello"
    assert ask("large 1000000") == "x" * 1_000_000
    assert engine.submit(heavy("echo photo")).future.result(10).seconds == {"engine": 0.001}
    with pytest.raises(QueryError, match="cannot answer this") as caught:
        ask("refuse this")
    assert caught.value.code == "unknown_option"
    with pytest.raises(KeyError) as unforeseen:
        ask("crash x")
    assert "process_child.py" in unforeseen.value.__notes__[0]
    with pytest.raises((TypeError, AttributeError)):
        ask("unsendable")
    with pytest.raises((TypeError, AttributeError)):
        engine.submit(GetItem(lambda: None)).future.result(10)  # type: ignore[arg-type]
    assert ask("echo and goes on") == "and goes on"


def test_a_task_began_when_it_came_and_not_when_a_thread_was_free(engine: RemoteEngine) -> None:
    first = engine.submit(light("sleep 0.3"))
    second, third = (engine.submit(light("began")) for _ in range(2))

    first.future.result(10)
    (came, worked_on), (came_later, _) = (one.future.result(10).value for one in (second, third))
    assert worked_on - came > 0.2e9
    assert came < came_later


def test_light_tasks_do_not_wait_for_heavy_ones(engine: RemoteEngine) -> None:
    slow = [engine.submit(heavy("sleep 1")) for _ in range(3)]

    assert engine.submit(light("echo now")).future.result(0.9).value == "now"
    for one in slow:
        engine.cancel(one.number)


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no priorities here")
def test_the_store_goes_before_threads_that_rank(child: ModuleType, tmp_path: Path) -> None:
    EdgeStore(tmp_path, "items").create(CollectionSchema({"image": 4}, {}))
    engine = RemoteEngine(child.Plan(store=str(tmp_path)), threads=1, light_threads=1)
    engine.start()
    try:
        asked = [engine.submit(task) for task in (light("priority"), heavy("priority"))]
        ranking = [one.future.result(10).value for one in asked]
        store = psutil.Process(engine.submit(light("store")).future.result(10).value)
        ours = os.getpriority(os.PRIO_PROCESS, 0)

        assert store.nice() == ours
        assert ranking == [min(19, ours + RANKING)] * 2
    finally:
        engine.stop(5.0)


def test_a_cancelled_task_is_told_so_or_never_begun(engine: RemoteEngine, log: Path) -> None:
    running = [engine.submit(heavy(f"sleep 3{n}")) for n in range(2)]
    queued = engine.submit(heavy("sleep 99"))
    lines(log, "began sleep 30", "began sleep 31")
    for task in (queued, *running):
        engine.cancel(task.number)

    wait([running[0].future, running[1].future], 5)
    with pytest.raises(DeadlineError):
        queued.future.result(5)
    found = lines(log, "gave up sleep 30", "gave up sleep 31")
    assert "began sleep 99" not in found


def test_a_task_whose_deadline_passes_is_given_up_by_itself(
    engine: RemoteEngine, log: Path
) -> None:
    running = [engine.submit(heavy("sleep 30"), seconds=0.1) for _ in range(2)]
    late = engine.submit(heavy("echo late"), seconds=0.05)

    wait([one.future for one in running], 5)
    with pytest.raises(DeadlineError):
        late.future.result(5)
    assert "began echo late" not in lines(log, "gave up sleep 30")


def test_a_killed_engine_fails_what_it_did_and_starts_again(engine: RemoteEngine) -> None:
    running = [engine.submit(heavy("sleep 60")), engine.submit(heavy("die"))]

    for one in running:
        with pytest.raises(EngineDiedError, match="SIGKILL") as caught:
            one.future.result(10)
        assert caught.value.retry_after_s >= 1
    while engine.state().ready:
        time.sleep(0.001)
    if not engine.state().ready:
        with pytest.raises(EngineDiedError, match="no engine"):
            engine.submit(light("echo x"))
    ready(engine)
    assert engine.submit(light("echo x")).future.result(10).value == "x"
    assert engine.state().restarts == 1


def test_stopping_finishes_what_was_accepted_and_takes_no_more(
    engine: RemoteEngine, log: Path
) -> None:
    accepted = [engine.submit(heavy("sleep 0.15")) for _ in range(5)]
    pid = engine.state().pid
    stopping = threading.Thread(target=engine.stop, args=(10.0,))
    stopping.start()
    while engine.state().ready:
        time.sleep(0.001)

    with pytest.raises(EngineDiedError, match="stopping"):
        engine.submit(light("echo x"))
    stopping.join(10)

    assert [one.future.result(0).value for one in accepted] == ["0.15"] * 5
    assert lines(log)[-1] == "closed"
    assert gone(pid)


def test_a_task_that_never_ends_is_failed_when_the_grace_is_over(
    engine: RemoteEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scenesearch.engine.remote.remote.MIN_END_S", 0.1)
    endless = engine.submit(heavy("sleep 600"))

    engine.stop(0.1)

    with pytest.raises(EngineDiedError):
        endless.future.result(0)


@pytest.mark.parametrize(
    ("start", "kind", "said"),
    [
        ("missing", ModelNotFoundError, "fake.onnx"),
        ("die", EngineDiedError, "exit code 3"),
        ("hang", EngineDiedError, "within 0.5 s"),
    ],
)
def test_an_engine_that_does_not_start_says_why(
    child: ModuleType, start: str, kind: type, said: str
) -> None:
    patience = 0.5 if start == "hang" else 30.0
    engine = RemoteEngine(
        child.Plan(start=start), threads=1, light_threads=1, start_timeout_s=patience
    )

    with pytest.raises(kind, match=said):
        engine.start()

    assert engine.state().pid is None
    engine.stop(1.0)


def test_a_start_can_be_stopped(child: ModuleType) -> None:
    engine = RemoteEngine(child.Plan(start="hang"), threads=1, light_threads=1)
    caught: list[BaseException] = []

    def start() -> None:
        try:
            engine.start()
        except EngineDiedError as error:
            caught.append(error)

    starting = threading.Thread(target=start)
    starting.start()
    while (pid := engine.state().pid) is None:
        time.sleep(0.01)
    engine.stop(5.0)
    starting.join(5)

    assert caught
    assert gone(pid)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a collection and nothing in it."""
    path = tmp_path_factory.mktemp("index") / "index"
    store = EdgeStore(path, "items")
    store.create(CollectionSchema({"cutout": 8}))
    store.close()
    return path


def test_a_store_that_somebody_holds_keeps_the_engine_from_starting(
    child: ModuleType, folder: Path
) -> None:
    holder = EdgeStore(folder, "items")
    holder.count()
    engine = RemoteEngine(child.Plan(store=str(folder)), threads=1, light_threads=1)

    with pytest.raises(StoreUnavailableError, match=f"process {os.getpid()}"):
        engine.start()

    holder.close()
    engine.stop(1.0)


@pytest.mark.parametrize("killed", ["parent", "engine", "store", "nobody"])
def test_no_process_is_orphaned_whichever_is_killed(folder: Path, killed: str) -> None:
    what = "engine and exit" if killed == "nobody" else "engine"
    with subprocess.Popen(
        [sys.executable, str(PARENT), what, str(folder)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        engine, store = map(int, parent.stdout.readline().split())
        victim = {"parent": parent.pid, "engine": engine, "store": store}.get(killed)
        if victim is not None:
            os.kill(victim, signal.SIGKILL)
        if killed == "engine":
            assert gone(store)
        if killed != "nobody":
            parent.kill()
        parent.wait(10)

    assert gone(engine)
    assert gone(store)
    assert counted(folder) == 0


def test_progress_bars_of_libraries_leave_no_lock_behind_where_a_process_is_killed(
    folder: Path,
) -> None:
    done = subprocess.run(
        [sys.executable, str(PARENT), "bar, killed", str(folder)],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 0
    assert "leaked" not in done.stderr


def test_settings_travel_without_the_keys_of_the_service_and_are_not_shown() -> None:
    secret = "a-long-and-secret-key"
    settings = load_settings(
        service={"read_keys": [secret], "write_keys": [secret]}, qdrant_api_key=secret
    )
    backend = EngineBackend(settings, "store")
    sent: Any = backend._engine._open_engine

    assert isinstance(sent, SceneSearchEngine)
    assert sent.settings.service.read_keys == sent.settings.service.write_keys == ()
    assert sent.settings.qdrant_api_key == secret
    assert secret not in repr(sent)


# --- through the gate -------------------------------------------------------------------------


@asynccontextmanager
async def backend(child: ModuleType, log: Path, **service: Any) -> AsyncIterator[EngineBackend]:
    settings = load_settings(service={"threads": 2, "light_threads": 1, **service})
    made = EngineBackend(settings, open_engine=child.Plan(log=str(log)))
    await made.start()
    try:
        yield made
    finally:
        await made.close()


def test_many_requests_at_once_are_all_answered_or_refused(child: ModuleType, log: Path) -> None:
    async def run() -> list[Any]:
        async with backend(child, log, queue=20) as engine:
            tasks = [engine.run(heavy("sleep 0.01")) for _ in range(40)]
            lights = [engine.run(light(f"echo {n}")) for n in range(100)]
            found = await asyncio.gather(*tasks, *lights, return_exceptions=True)
            figures = engine.gauges()
            assert figures[Figure("queue_waiting", "heavy")] == 0
            assert figures[Figure("queue_running", "heavy")] == 0
            assert figures[Figure("queue_refused_total", "heavy", "busy")] == 20
            assert figures[Figure("engine_ready")] == 1
            return found

    found = asyncio.run(run())

    answered = [one.value for one in found[:40] if not isinstance(one, BaseException)]
    refused = [one for one in found[:40] if isinstance(one, BusyError)]
    assert len(answered) == len(refused) == 20
    assert [one.value for one in found[40:]] == [str(n) for n in range(100)]


def test_no_more_is_at_the_engine_than_it_works_on_and_one(child: ModuleType, log: Path) -> None:
    async def run() -> None:
        async with backend(child, log) as engine:
            tasks = [asyncio.ensure_future(engine.run(heavy("sleep 0.3"))) for _ in range(8)]
            await asyncio.sleep(0.1)
            assert engine._engine._under_way == 3
            assert engine.gauges()[Figure("queue_waiting", "heavy")] == 5
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert engine.gauges()[Figure("queue_waiting", "heavy")] == 0

    asyncio.run(run())
    assert lines(log).count("began sleep 0.3") == 2


def test_inserts_wait_for_each_other_alone_and_are_bounded(child: ModuleType, log: Path) -> None:
    async def run() -> None:
        async with backend(child, log, queue=INSERTERS + 5) as engine:
            looks = [asyncio.ensure_future(engine.run(heavy("sleep 59"))) for _ in range(4)]
            inserts = [
                asyncio.ensure_future(engine.run(insert(f"sleep {60 + n}")))
                for n in range(INSERTERS + 9)
            ]
            begun = [f"began sleep {60 + n}" for n in range(INSERTERS)]
            found = await asyncio.to_thread(lines, log, "began sleep 59", *begun)
            figures = engine.gauges()
            assert f"began sleep {60 + INSERTERS}" not in found
            assert figures[Figure("queue_running", "inserts")] == INSERTERS + 1
            assert figures[Figure("queue_waiting", "inserts")] == 4
            assert figures[Figure("queue_refused_total", "inserts", "busy")] == 4
            for task in (*looks, *inserts):
                task.cancel()
            await asyncio.gather(*looks, *inserts, return_exceptions=True)

    asyncio.run(run())


def test_a_client_that_leaves_gives_the_work_up(child: ModuleType, log: Path) -> None:
    async def run() -> None:
        async with backend(child, log) as engine:
            asking = asyncio.ensure_future(engine.run(heavy("sleep 60")))
            await asyncio.to_thread(lines, log, "began sleep 60")
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            await asyncio.to_thread(lines, log, "gave up sleep 60")

    asyncio.run(run())


def test_a_deadline_is_kept_while_the_engine_works(child: ModuleType, log: Path) -> None:
    async def run() -> float:
        async with backend(child, log) as engine:
            start = time.monotonic()
            with pytest.raises(DeadlineError, match=r"0\.2 s"):
                await engine.run(heavy("sleep 60"), deadline_s=0.2)
            return time.monotonic() - start

    assert asyncio.run(run()) < 2.0
    lines(log, "gave up sleep 60")


def test_closing_drops_nothing_that_was_accepted(child: ModuleType, log: Path) -> None:
    async def run() -> list[Any]:
        async with backend(child, log) as engine:
            accepted = [asyncio.ensure_future(engine.run(heavy("sleep 0.05"))) for _ in range(12)]
            await asyncio.sleep(0.01)
            closing = asyncio.ensure_future(engine.close())
            await asyncio.sleep(0)
            with pytest.raises(BusyError, match="stopping"):
                await engine.run(light("echo x"))
            await closing
            return await asyncio.gather(*accepted)

    assert [one.value for one in asyncio.run(run())] == ["0.05"] * 12
    assert lines(log)[-1] == "closed"


def test_large_answers_do_not_hold_up_the_event_loop(child: ModuleType, log: Path) -> None:
    async def run() -> int:
        async with backend(child, log) as engine:
            asking = asyncio.gather(*(engine.run(light("large 1000000")) for _ in range(20)))
            ticks = 0
            while not asking.done():
                await asyncio.sleep(0)
                ticks += 1
            assert all(len(one.value) == 1_000_000 for one in await asking)
            return ticks

    assert asyncio.run(run()) > 20

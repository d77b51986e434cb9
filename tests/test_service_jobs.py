"""Jobs: accepted whole, worked off beside the searches, and not lost or done twice."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import random
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import service_fakes as fakes

from scenesearch.config.fetch import FetchSettings
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import (
    CatalogError,
    DamagedError,
    ImageError,
    ModelNotFoundError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.engine.remote.backend import BusyError, DeadlineError
from scenesearch.engine.tasks import Answer, PutItems
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched, Fetcher
from scenesearch.schemas.photos import MAX_PHOTOS
from scenesearch.service.http.app import create_app
from scenesearch.service.jobs.manifests import read_manifest, suffix_of
from scenesearch.service.jobs.runner import JobRunner, Pace
from scenesearch.service.lifespan import lifespan
from scenesearch.service.state import State
from scenesearch.service.state.jobs import JobLimits
from scenesearch.service.state.records import JobRecord, Link

CHILD = Path(__file__).with_name("jobs_child.py")
FAST = Pace(wait_s=0.001, wait_max_s=0.01, attempts=3)
READ, WRITE = "a-read-key-0123456789", "a-write-key-0123456789"


class Shelf:
    """An engine that keeps items by id, and refuses as it is told.

    Attributes:
        items: what is stored, by id.
        batches: sizes of the batches that came.
        errors: raised one after the other, before anything is stored.
        poison: ids that fail whatever batch they are in.
        bad: ids whose outcome is a failure.
    """

    def __init__(self, *, errors=(), poison=(), bad=(), delay_s=0.0):
        self.items = {}
        self.batches = []
        self.errors = list(errors)
        self.poison = dict(poison)
        self.bad = set(bad)
        self.delay_s = delay_s
        self.now = self.most = 0
        self.closed = False

    async def run(self, task, *, deadline_s=None, client=None):
        assert not self.closed
        if not isinstance(task, PutItems):
            return Answer({})
        self.batches.append(len(task.records))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.now -= 1
        if self.errors:
            raise self.errors.pop(0)
        for record in task.records:
            if record.item_id in self.poison:
                raise self.poison[record.item_id]
        outcomes = []
        for record in task.records:
            error = None
            if record.item_id in self.bad:
                error = {"code": "unsupported_image", "detail": "not a photo"}
            else:
                self.items[record.item_id] = record
            status = "added" if error is None else "failed"
            outcomes.append({"id": record.item_id, "status": status, "error": error})
        return Answer(outcomes)

    async def close(self):
        self.closed = True


class Web:
    """Fetches from a table; errors are raised."""

    def __init__(self, table):
        self.table = table

    async def fetch(self, url):
        found = self.table[url]
        if isinstance(found, Exception):
            raise found
        return Fetched(found, url, "image/jpeg", 0)


def records(n):
    return [JobRecord(place, f"item {place}", (b"photo",), {"n": place}) for place in range(n)]


def worked(folder, given, shelf, *, web=None, pace=FAST, errors=()):
    """The job after the runner had its time, and its errors."""

    async def run():
        async with running(folder, shelf, web, pace) as (state, _):
            job, _ = state.jobs.add(given, errors)
            state.announce()
            return await ended(state, job), state.jobs.errors(job, 1000)

    return asyncio.run(run())


@asynccontextmanager
async def running(folder, shelf, web=None, pace=FAST):
    """A state whose jobs are being worked off."""
    state = State(folder, min_free_bytes=0)
    runner = JobRunner(state, shelf, web, pace)
    runner.start()
    try:
        yield state, runner
    finally:
        await runner.stop()
        state.close()


async def ended(state, job):
    """The job when it has ended."""
    async with asyncio.timeout(20):
        while not (found := state.jobs.get(job.id)).ended:
            await asyncio.sleep(0.005)
    return found


# --- the runner --------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 4, 5, 23])
def test_a_job_is_worked_off_in_small_batches_one_at_a_time(tmp_path, n) -> None:
    shelf = Shelf(delay_s=0.001)
    job, errors = worked(tmp_path, records(n), shelf)

    assert (job.status, job.done, job.failed, errors) == ("done", n, 0, [])
    assert sorted(shelf.items) == sorted(f"item {place}" for place in range(n))
    assert shelf.items["item 0"].attributes == {"n": 0}
    assert max(shelf.batches) <= FAST.records
    assert shelf.most == 1


def test_a_batch_holds_only_so_many_bytes(tmp_path) -> None:
    shelf = Shelf()
    pace = Pace(records=100, bytes=25_000)
    given = [JobRecord(place, str(place), (bytes([place]) * 10_000,)) for place in range(9)]
    worked(tmp_path, given, shelf, pace=pace)

    assert shelf.batches == [3, 3, 3]


def test_a_record_that_fails_costs_itself_only(tmp_path) -> None:
    job, errors = worked(tmp_path, records(10), Shelf(bad={"item 3", "item 8"}))

    assert (job.status, job.done, job.failed) == ("done", 8, 2)
    assert [(one.place, one.item_id, one.code) for one in errors] == [
        (3, "item 3", "unsupported_image"),
        (8, "item 8", "unsupported_image"),
    ]


@pytest.mark.parametrize(
    "error",
    [
        ImageError("bad", code="bad_image"),
        CatalogError("bad"),
        DeadlineError("slow", retry_after_s=1),
    ],
    ids=lambda error: error.code,
)
def test_a_record_that_breaks_its_batch_costs_itself_only(tmp_path, error) -> None:
    shelf = Shelf(poison={"item 2": error})
    job, errors = worked(tmp_path, records(9), shelf)

    assert (job.status, job.done, job.failed) == ("done", 8, 1)
    assert [(one.place, one.code) for one in errors] == [(2, error.code)]


def test_where_the_store_stands_is_not_said_to_callers(tmp_path) -> None:
    refused = StoreError("cannot write: http://me:s3cret@10.0.0.7:6333 answered 403: no")
    _, errors = worked(tmp_path, records(2), Shelf(poison={"item 1": refused}))

    assert [one.detail for one in errors] == ["cannot write: the server answered 403: no"]


def test_a_fault_that_nobody_foresaw_costs_its_record_only_and_is_logged(tmp_path, caplog) -> None:
    shelf = Shelf(poison={"item 2": ZeroDivisionError("secret")})
    job, errors = worked(tmp_path, records(9), shelf)

    assert (job.status, job.done, job.failed) == ("done", 8, 1)
    assert [(one.place, one.code) for one in errors] == [(2, "internal")]
    assert "secret" not in errors[0].detail
    assert "secret" in caplog.text


def test_a_fault_outside_any_record_ends_no_runner(tmp_path, caplog) -> None:
    async def run():
        async with running(tmp_path, Shelf()) as (state, _):
            settle, faults = state.jobs.settle, [ZeroDivisionError("once"), KeyError("twice")]

            def failing(*arguments):
                if faults:
                    raise faults.pop()
                return settle(*arguments)

            state.jobs.settle = failing
            job, _ = state.jobs.add(records(3), ())
            state.announce()
            return await ended(state, job)

    job = asyncio.run(run())

    assert (job.status, job.done, job.failed) == ("done", 3, 0)
    assert "once" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        BusyError("full", retry_after_s=1),
        StoreUnavailableError("away"),
        DamagedError("until somebody repairs it"),
        DeadlineError("slow", retry_after_s=1),
        ModelNotFoundError("gone for a moment"),
    ],
    ids=lambda error: error.code,
)
def test_what_passes_is_waited_for(tmp_path, error) -> None:
    shelf = Shelf(errors=[error, error])
    job, errors = worked(tmp_path, records(6), shelf)

    assert (job.status, job.done, errors) == ("done", 6, [])


def test_a_busy_engine_is_asked_again_for_as_long_as_it_takes(tmp_path) -> None:
    shelf = Shelf(errors=[BusyError("full", retry_after_s=1)] * 50)
    job, _ = worked(tmp_path, records(4), shelf)

    assert (job.status, job.done) == ("done", 4)
    assert len(shelf.batches) == 51


def test_an_engine_that_cannot_store_anything_fails_the_job_once(tmp_path) -> None:
    shelf = Shelf(errors=[ModelNotFoundError("no weights: put them there")] * 100)
    job, errors = worked(tmp_path, records(9), shelf)

    assert (job.status, job.code, job.detail) == (
        "failed",
        "model_not_found",
        "no weights: put them there",
    )
    assert errors == []


def test_photos_are_fetched_when_their_record_is_worked_on(tmp_path) -> None:
    web = Web(
        {
            "http://a.b/1": b"one",
            "http://a.b/2": FetchError("status 404", code="fetch_failed", upstream_status=404),
        }
    )
    given = [
        JobRecord(0, "good", (Link("http://a.b/1"), b"inline"), line=2),
        JobRecord(1, "bad", (Link("http://a.b/1"), Link("http://a.b/2")), line=3),
    ]
    shelf = Shelf()
    job, errors = worked(tmp_path, given, shelf, web=web)

    assert (job.done, job.failed) == (1, 1)
    assert [photo.data for photo in shelf.items["good"].photos] == [b"one", b"inline"]
    assert [(one.place, one.line, one.code) for one in errors] == [(1, 3, "fetch_failed")]


def test_photos_are_not_fetched_where_that_is_off(tmp_path) -> None:
    job, errors = worked(tmp_path, [JobRecord(0, "1", (Link("http://a.b/1"),))], Shelf())

    assert (job.status, job.failed, errors[0].code) == ("done", 1, "fetch_disabled")


def test_stopping_finishes_the_batch_and_the_next_start_goes_on(tmp_path) -> None:
    shelf = Shelf(delay_s=0.05)

    async def first():
        async with running(tmp_path, shelf) as (state, runner):
            job, _ = state.jobs.add(records(20))
            state.announce()
            while not shelf.items:
                await asyncio.sleep(0.005)
            await runner.stop()
            assert not runner.running
            return state.jobs.get(job.id), len(shelf.items)

    job, stored = asyncio.run(first())
    assert job.status == "running"
    assert job.done == stored < 20

    async def second():
        async with running(tmp_path, shelf) as (state, _):
            return await ended(state, job)

    job = asyncio.run(second())
    assert (job.status, job.done) == ("done", 20)
    assert sum(shelf.batches) == 20, "nothing was done twice"


def test_what_the_service_was_given_is_given_back_when_it_stops(tmp_path) -> None:
    shelf = Shelf()

    async def run():
        fetcher = Fetcher(FetchSettings(enabled=True))
        async with lifespan(shelf, State(tmp_path, min_free_bytes=0), fetcher):
            assert not shelf.closed
        with pytest.raises(RuntimeError, match="after shutdown"):
            await fetcher.fetch("http://example.com/photo.jpg")

    asyncio.run(run())
    assert shelf.closed
    # another may open it
    State(tmp_path, min_free_bytes=0).close()


def test_a_batch_that_does_not_end_is_given_up_when_the_service_stops(tmp_path) -> None:
    shelf = Shelf(delay_s=60)

    async def run():
        state = State(tmp_path, min_free_bytes=0)
        runner = JobRunner(state, shelf, None, FAST)
        job, _ = state.jobs.add(records(2))
        runner.start()
        while not shelf.batches:
            await asyncio.sleep(0.005)
        began = time.monotonic()
        await runner.stop(timeout_s=0.1)
        assert time.monotonic() - began < 5
        left = state.jobs.batch(job, 10)
        state.close()
        return left

    assert len(asyncio.run(run())) == 2


def test_a_cancelled_job_stops_after_its_batch(tmp_path) -> None:
    shelf = Shelf(delay_s=0.02)

    async def run():
        state = State(tmp_path, min_free_bytes=0)
        runner = JobRunner(state, shelf, None, FAST)
        job, _ = state.jobs.add(records(40))
        runner.start()
        while not shelf.items:
            await asyncio.sleep(0.005)
        state.jobs.cancel(job.id)
        after, _ = state.jobs.add([JobRecord(0, "next", (b"x",))])
        # the runner may have seen nothing left between the two, and waits to be told
        state.announce()
        while not state.jobs.get(after.id).ended:
            await asyncio.sleep(0.005)
        await runner.stop()
        found = state.jobs.get(job.id)
        state.close()
        return found

    job = asyncio.run(run())

    assert job.status == "cancelled"
    assert len(shelf.items) <= 13
    assert "next" in shelf.items


def test_a_cancelled_job_does_not_wait_for_a_busy_engine(tmp_path) -> None:
    async def run():
        state = State(tmp_path, min_free_bytes=0)
        shelf = Shelf(errors=[BusyError("full", retry_after_s=1)] * 10_000)
        runner = JobRunner(state, shelf, None, FAST)
        job, _ = state.jobs.add(records(4))
        runner.start()
        while not shelf.batches:
            await asyncio.sleep(0.005)
        state.jobs.cancel(job.id)
        shelf.errors.clear()
        after, _ = state.jobs.add([JobRecord(0, "next", (b"x",))])
        async with asyncio.timeout(10):
            while not state.jobs.get(after.id).ended:
                await asyncio.sleep(0.005)
        await runner.stop()
        state.close()

    asyncio.run(run())


@pytest.mark.process
def test_a_runner_that_is_killed_again_and_again_loses_nothing(disk_path) -> None:
    """Six SIGKILLs at random points; every item is stored once, every job is done."""
    state = State(disk_path, min_free_bytes=0)
    ids = [
        state.jobs.add(
            [JobRecord(place, f"{n}-{place}", (bytes([n, place]) * 250,)) for place in range(60)]
        )[0].id
        for n in range(4)
    ]
    state.close()
    rng = random.Random(20)
    for kill in itertools.count():
        child = subprocess.Popen(
            [sys.executable, str(CHILD), str(disk_path)], stdout=subprocess.PIPE, text=True
        )
        if kill < 6:
            for _ in range(rng.randint(1, 6)):
                child.stdout.readline()
            time.sleep(rng.random() * 0.01)
            child.send_signal(signal.SIGKILL)
        child.stdout.read()
        child.stdout.close()
        if child.wait(60) == 0:
            break
        assert kill < 6
    state = State(disk_path, min_free_bytes=0)
    jobs = [state.jobs.get(job_id) for job_id in ids]
    state.close()

    stored = (disk_path / "ids.txt").read_text().split()
    assert sorted(stored) == sorted(f"{n}-{place}" for n in range(4) for place in range(60))
    assert [(job.status, job.done, job.failed) for job in jobs] == [("done", 60, 0)] * 4


# --- manifests ---------------------------------------------------------------------------------

CSV = """id,image,price,tags
1,https://a.example.com/1.jpg,9.50,red
2,photos/2.jpg,1,
3,http://127.0.0.1:80/x|https://a.example.com/3.jpg,2,"[""a"", ""b""]"
4,http://localhost/x,3,
,https://a.example.com/5.jpg,4,
6,ftp://a.example.com/6.jpg,5,
7,,6,
8,https://a.example.com/ä.jpg?x=1,nope,
9,https://a.example.com/9.jpg|https://a.example.com/9b.jpg,7,
1,https://a.example.com/other.jpg,9.50,red
"""


def test_a_csv_gives_records_and_an_error_with_its_line_for_each_bad_row(tmp_path) -> None:
    path = tmp_path / "manifest.csv"
    path.write_text(CSV, encoding="utf-8-sig")
    found, errors = read_manifest(path)

    assert [(one.item_id, one.line) for one in found] == [("1", 2), ("3", 4), ("8", 9), ("9", 10)]
    assert found[0].photos == (Link("https://a.example.com/1.jpg"),)
    assert found[0].attributes["price"] == 9.5
    assert "price" not in found[2].attributes
    assert len(found[3].photos) == 2
    assert [(one.line, one.code) for one in errors] == [
        (3, "bad_url"),
        (5, "address_not_allowed"),
        (6, "empty_id"),
        (7, "bad_url"),
        (8, "missing_image"),
        (11, "duplicate_id"),
        (9, "bad_price"),
    ]
    assert sorted(one.place for one in [*found, *errors]) == list(range(11))


def test_a_jsonl_manifest_is_read_too(tmp_path) -> None:
    path = tmp_path / "manifest.jsonl"
    lines = [
        {"id": "1", "image": ["https://a.example.com/1.jpg"], "price": 1, "tags": ["x", "y"]},
        {"id": 2, "image": "https://a.example.com/2.jpg"},
        {"id": "3", "image": [f"https://a.example.com/{n}" for n in range(MAX_PHOTOS + 1)]},
    ]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n\n{broken\n")
    found, errors = read_manifest(path)

    assert [(one.item_id, one.line) for one in found] == [("1", 1), ("2", 2)]
    assert found[0].attributes["tags"] == ["x", "y"]
    assert [(one.line, one.code) for one in errors] == [(3, "too_many_photos"), (5, "bad_json")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.csv", b""),
        ("m.csv", b"a,b\n1,2\n"),
        ("m.csv", b"id,image\n"),
        ("m.csv", b"\xff\xfe\x00\xd8"),
        ("m.csv", b"id,image\n1,\xe9\xe8\n"),
        ("m.jsonl", b"[1, 2]"),
        ("m.jsonl", b"\x00" * 100),
    ],
)
def test_a_manifest_that_cannot_be_read_says_so_without_naming_a_path(tmp_path, name, data) -> None:
    path = tmp_path / name
    path.write_bytes(data)

    with pytest.raises(CatalogError) as caught:
        read_manifest(path)
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "suffix"), [("A.CSV", ".csv"), ("..\\x.tsv", ".tsv"), ("x.y.jsonl", ".jsonl")]
)
def test_a_name_says_the_format(name, suffix) -> None:
    assert suffix_of(name) == suffix


@pytest.mark.parametrize("name", ["x.parquet", "x", "x.zip", ".csv/passwd", "x.csv\0"])
def test_a_name_that_says_no_format_is_refused(name) -> None:
    with pytest.raises(CatalogError, match=r"expected \.csv, \.tsv or \.jsonl"):
        suffix_of(name)


# --- over HTTP ---------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def items(n: int) -> dict[str, object]:
    return {"records": [{"id": f"i{k}", "photos": [{"base64": b64(b"x%d" % k)}]} for k in range(n)]}


class Api:
    """A service of the test's own; jobs are worked off when :meth:`work` is called."""

    def __init__(self, client, state, shelf):
        self.client, self.state, self.shelf = client, state, shelf

    async def work(self):
        runner = JobRunner(self.state, self.shelf, None, FAST)
        runner.start()
        while any(not job.ended for job in self.state.jobs.page(100)):
            await asyncio.sleep(0.005)
        await runner.stop()


def asking(tmp_path, ask, *, shelf=None, key=None, limits=None, **service):
    """What ``ask`` gives of a service."""

    async def run():
        state = State(tmp_path, min_free_bytes=0, limits=limits)
        shelf_ = shelf or Shelf()
        app = create_app(load_settings(service=service), shelf_, state=state)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            async with fakes.client_of(app, **headers) as client:
                return await ask(Api(client, state, shelf_))
        finally:
            state.close()

    return asyncio.run(run())


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code
    return answer.json()


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/items/bulk"])
def test_a_job_is_accepted_and_can_be_followed(tmp_path, path) -> None:
    async def ask(api):
        accepted = await api.client.post(path, json=items(6))
        where = accepted.headers["location"]
        queued = await api.client.get(where)
        await api.work()
        done = await api.client.get(where)
        listed = await api.client.get("/v1/jobs")
        return accepted, where, queued.json(), done.json(), listed.json()

    accepted, where, queued, done, listed = asking(tmp_path, ask, shelf=Shelf(bad={"i2"}))

    assert accepted.status_code == 202
    assert where == f"/v1/jobs/{queued['id']}"
    assert accepted.json() == queued
    assert (queued["status"], queued["total"], queued["kind"]) == ("queued", 6, "index")
    assert queued["created"].endswith("Z")
    assert queued["started"] is None
    assert (done["status"], done["done"], done["failed"]) == ("done", 5, 1)
    assert listed == {"jobs": [done], "cursor": None}


def test_errors_of_records_come_in_pages(tmp_path) -> None:
    body = items(5)
    body["records"][1]["photos"] = [{"base64": "not base64!"}]
    body["records"][2]["photos"] = [{"base64": "data:image/png;base64,"}]
    body["records"].append(body["records"][0])

    async def ask(api):
        where = (await api.client.post("/v1/jobs", json=body)).headers["location"]
        await api.work()
        first = (await api.client.get(f"{where}/errors", params={"limit": 2})).json()
        params = {"limit": 2, "cursor": first["cursor"]}
        second = (await api.client.get(f"{where}/errors", params=params)).json()
        return first["errors"], second["errors"], second["cursor"]

    first, second, end = asking(tmp_path, ask, shelf=Shelf(bad={"i3"}))

    assert end is None
    assert [(one["record"], one["id"], one["code"]) for one in first + second] == [
        (1, "i1", "bad_base64"),
        (2, "i2", "empty_image"),
        (3, "i3", "unsupported_image"),
        (5, "i0", "duplicate_id"),
    ]
    assert all(one["line"] is None and one["detail"] for one in first + second)


def test_a_malformed_record_is_an_error_of_that_record(tmp_path) -> None:
    body = items(3)
    good = body["records"]
    body["records"] = [
        good[0],
        {"id": "no photos", "photos": []},
        None,
        {"id": 7, "photos": good[1]["photos"]},
        good[1],
        {**good[1], "id": "odd", "attributs": {"price": 3}},
        {**good[1], "id": "long", "attributes": {"price": "x" * 10_001}},
        good[2],
    ]

    async def ask(api):
        accepted = await api.client.post("/v1/jobs", json=body)
        await api.work()
        job = (await api.client.get(accepted.headers["location"])).json()
        return job, (await api.client.get(job["errors_url"])).json()["errors"]

    shelf = Shelf()
    job, errors = asking(tmp_path, ask, shelf=shelf)

    assert (job["status"], job["total"], job["done"], job["failed"]) == ("done", 8, 3, 5)
    assert set(shelf.items) == {"i0", "i1", "i2"}
    assert [(one["record"], one["id"], one["code"]) for one in errors] == [
        (1, "no photos", "validation"),
        (2, None, "validation"),
        (3, None, "validation"),
        (5, "odd", "validation"),
        (6, "long", "validation"),
    ]
    assert "attributs" in errors[3]["detail"]


def test_what_is_kept_is_counted_for_metrics(tmp_path) -> None:
    async def ask(api):
        await api.client.post("/v1/jobs", json=items(2))
        await api.client.post("/v1/feedback", json={"kind": "click", "item_id": "i0"})
        await api.client.post("/v1/feedback", json={"kind": "like", "item_id": "i0"})
        await api.work()
        await api.client.post("/v1/jobs", json=items(1))
        return (await api.client.get("/metrics")).text

    text = asking(tmp_path, ask)

    assert 'scenesearch_jobs{status="done"} 1.0' in text
    assert 'scenesearch_jobs{status="queued"} 1.0' in text
    assert "scenesearch_feedback 2.0" in text


def test_a_manifest_is_a_job(tmp_path) -> None:
    async def ask(api):
        files = {"manifest": ("../../my items.csv", CSV.encode())}
        accepted = await api.client.post("/v1/jobs", files=files)
        errors = await api.client.get(accepted.json()["errors_url"])
        again = await api.client.post(
            "/v1/jobs", files={"manifest": ("x.tsv", b"id\timage\n1\thttps://a.example.com/1\n")}
        )
        return accepted.json(), errors.json()["errors"], again.json()

    job, errors, tsv = asking(tmp_path, ask)

    assert (job["total"], job["failed"], job["status"]) == (11, 7, "queued")
    assert [one["line"] for one in errors] == [3, 5, 6, 7, 8, 11, 9]
    assert tsv["total"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("how", "status", "code"),
    [
        ({"json": {"records": []}}, 422, "validation"),
        ({"json": {"kind": "other", "records": []}}, 422, "validation"),
        ({"json": {"records": [1]}}, 422, "validation"),
        ({"json": {"records": {"id": "1"}}}, 422, "validation"),
        ({"json": {**items(1), "x": 1}}, 422, "validation"),
        ({"json": []}, 422, "validation"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "bad_json"),
        ({"content": b"x", "headers": {"content-type": "text/csv"}}, 415, "unsupported_media_type"),
        ({"json": items(1), "params": {"x": "1"}}, 422, "validation"),
        ({"json": items(1), "headers": {"Idempotency-Key": "x" * 201}}, 422, "validation"),
        ({"json": items(1), "headers": {"Idempotency-Key": "a b"}}, 422, "validation"),
        ({"files": {"other": ("x.csv", b"id,image\n1,x\n")}}, 422, "validation"),
        ({"files": {"manifest": ("x.csv", b"")}}, 422, "empty_catalog"),
        ({"files": {"manifest": ("x.exe", b"id,image\n")}}, 422, "unsupported_catalog"),
        ({"files": [("manifest", ("x.csv", b"1"))] * 2}, 400, "bad_multipart"),
        (
            {"content": b"--", "headers": {"content-type": "multipart/form-data"}},
            400,
            "bad_multipart",
        ),
    ],
    ids=lambda value: str(value)[:50],
)
def test_what_is_no_job_is_refused(tmp_path, how, status, code) -> None:
    async def ask(api):
        answer = await api.client.post("/v1/jobs", **how)
        return answer, api.state.jobs.page(10)

    answer, jobs = asking(tmp_path, ask)

    problem(answer, status, code)
    assert jobs == []


@pytest.mark.parametrize("kind", ["json", "form"])
def test_the_same_idempotency_key_is_one_job(tmp_path, kind) -> None:
    def body(n):
        if kind == "json":
            return {"json": items(n)}
        lines = "".join(f"{k},https://a.example.com/{k}.jpg\n" for k in range(n))
        return {"files": {"manifest": ("m.csv", f"id,image\n{lines}".encode())}}

    async def ask(api):
        headers = {"Idempotency-Key": "my-key"}
        first, second = await asyncio.gather(
            *(api.client.post("/v1/jobs", headers=headers, **body(3)) for _ in range(2))
        )
        await api.work()
        third = await api.client.post("/v1/jobs", headers=headers, **body(3))
        other = await api.client.post("/v1/jobs", headers=headers, **body(2))
        free = await api.client.post("/v1/jobs", **body(3))
        return first, second, third, other, free

    first, second, third, other, free = asking(tmp_path, ask)

    assert first.json()["id"] == second.json()["id"] == third.json()["id"] != free.json()["id"]
    assert {answer.status_code for answer in (first, second, third, free)} == {202}
    assert third.json()["status"] == "done"
    problem(other, 409, "idempotency_conflict")


def test_no_job_is_accepted_while_what_is_stored_needs_repair(tmp_path) -> None:
    async def ask(api):
        api.state.damaged = "/srv/store/items is damaged: scenesearch verify STORE"
        refused = await api.client.post("/v1/jobs", json=items(3))
        api.state.damaged = None
        return refused, await api.client.post("/v1/jobs", json=items(3))

    refused, accepted = asking(tmp_path, ask)

    said = problem(refused, 500, "needs_repair")
    assert "scenesearch verify" in said["detail"]
    assert "/srv/" not in said["detail"]
    assert accepted.status_code == 202


def test_a_damaged_store_keeps_its_jobs_waiting_and_is_known_by_them(tmp_path) -> None:
    async def run():
        shelf = Shelf(errors=[DamagedError("broken")] * 30)
        async with running(tmp_path, shelf, pace=Pace(wait_s=0.01, wait_max_s=0.01)) as (state, _):
            job, _ = state.jobs.add(records(3))
            state.announce()
            seen = set()
            while not (found := state.jobs.get(job.id)).ended:
                seen.add(state.damaged)
                await asyncio.sleep(0.005)
            return found, seen, state.damaged

    job, seen, after = asyncio.run(run())

    assert (job.status, job.done, job.failed) == ("done", 3, 0)
    assert "broken" in seen
    assert after is None


def test_a_job_can_be_cancelled(tmp_path) -> None:
    async def ask(api):
        where = (await api.client.post("/v1/jobs", json=items(3))).headers["location"]
        first = await api.client.post(f"{where}/cancel")
        second = await api.client.post(f"{where}/cancel")
        return first.json(), second.json(), (await api.client.get(where)).json()

    first, second, kept = asking(tmp_path, ask)

    assert first["status"] == "cancelled"
    assert first["finished"]
    assert second == kept == first


def test_a_job_can_be_cancelled_and_forgotten(tmp_path) -> None:
    async def ask(api):
        where = (await api.client.post("/v1/jobs", json=items(3))).headers["location"]
        return await api.client.delete(where), await api.client.get(where)

    last, after = asking(tmp_path, ask)

    assert (last.status_code, last.json()["status"]) == (200, "cancelled")
    problem(after, 404, "not_found")


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("job_id", ["0" * 32, "nothing", "..%2f..%2fetc", "%00", "ä"])
def test_a_job_that_is_not_there_is_not_found(tmp_path, method, job_id) -> None:
    async def ask(api):
        return await api.client.request(method, f"/v1/jobs/{job_id}")

    answer = asking(tmp_path, ask)

    assert answer.status_code in {404, 405}, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "params",
    [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"cursor": "-1"}, {"cursor": ""}, {"x": 1}],
    ids=str,
)
def test_a_bad_page_is_refused(tmp_path, params) -> None:
    async def ask(api):
        return await api.client.get("/v1/jobs", params=params)

    problem(asking(tmp_path, ask), 422, "validation")


def test_jobs_come_newest_first_in_pages(tmp_path) -> None:
    async def ask(api):
        ids = [(await api.client.post("/v1/jobs", json=items(1))).json()["id"] for _ in range(5)]
        found, cursor = [], None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await api.client.get("/v1/jobs", params=params)).json()
            found += [job["id"] for job in page["jobs"]]
            cursor = page["cursor"]
            if cursor is None:
                return ids, found

    ids, found = asking(tmp_path, ask)

    assert found == ids[::-1]


def test_too_many_waiting_jobs_are_refused_with_a_time_to_come_back(tmp_path) -> None:
    async def ask(api):
        return [await api.client.post("/v1/jobs", json=items(1)) for _ in range(3)]

    *accepted, refused = asking(tmp_path, ask, limits=JobLimits(waiting=2))

    assert {answer.status_code for answer in accepted} == {202}
    problem(refused, 503, "busy")
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("method", "path", "key", "status"),
    [
        ("POST", "/v1/jobs", READ, 403),
        ("POST", "/v1/items/bulk", READ, 403),
        ("DELETE", "/v1/jobs/x", READ, 403),
        ("POST", "/v1/jobs/x/cancel", READ, 403),
        ("GET", "/v1/jobs", READ, 200),
        ("GET", "/v1/jobs", "a-wrong-key-0123456789", 401),
        ("POST", "/v1/jobs", None, 401),
        ("POST", "/v1/jobs", WRITE, 202),
    ],
)
def test_adding_and_cancelling_need_a_write_key(tmp_path, method, path, key, status) -> None:
    async def ask(api):
        body = {"json": items(1)} if method == "POST" else {}
        return await api.client.request(method, path, **body)

    answer = asking(tmp_path, ask, key=key, read_keys=[READ], write_keys=[WRITE])

    assert answer.status_code == status, answer.text


def test_no_key_is_kept(tmp_path) -> None:
    async def ask(api):
        headers = {"Idempotency-Key": "my-key"}
        await api.client.post("/v1/jobs", json=items(1), headers=headers)

    asking(tmp_path, ask, key=WRITE, write_keys=[WRITE])

    left = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert WRITE.encode() not in left
    assert b"my-key" in left


def test_a_job_ends_in_the_catalogue_and_is_found(tmp_path) -> None:
    """With a real engine and store, and models that fake."""
    import service_app as served

    given = [
        JobRecord(0, "new/1", (served.product_photo("red"),), {"title": "Red thing", "price": 5.0}),
        JobRecord(1, "broken", (b"no photo at all",), {"title": "Broken"}),
        JobRecord(2, "new 2", (served.product_photo("blue"),), {"title": "Blue thing"}),
    ]
    with served.serving(tmp_path / "shop") as service:
        job, errors = worked(tmp_path / "state", given, service.backend)
        first = service.client.get("/v1/items/new/1")
        again, _ = worked(tmp_path / "state", given[:1], service.backend)
        listed = service.client.get("/v1/items", params={"where": "price = 5"})

    assert (job.status, job.done, job.failed) == ("done", 2, 1)
    assert [(one.item_id, one.code) for one in errors] == [("broken", "unsupported_image")]
    assert first.json()["attributes"]["title"] == "Red thing"
    assert again.status == "done"
    assert [item["id"] for item in listed.json()["items"]].count("new/1") == 1


def test_the_service_works_jobs_off_while_it_runs_and_stops_in_order(tmp_path) -> None:
    from starlette.testclient import TestClient

    shelf = Shelf(delay_s=0.01)
    state = State(tmp_path, min_free_bytes=0)
    app = create_app(load_settings(), shelf, state=state)
    with TestClient(app, base_url="http://localhost") as client:
        where = client.post("/v1/jobs", json=items(9)).headers["location"]
        ends = time.monotonic() + 20
        while client.get(where).json()["status"] != "done" and time.monotonic() < ends:
            time.sleep(0.01)
        assert client.get(where).json()["done"] == 9

    assert shelf.closed
    State(tmp_path).close()

"""The state of the service: jobs and feedback in one file that survives everything."""

from __future__ import annotations

import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from scenesearch.core.errors import DamagedError, NoSpaceError, StoreError, StoreUnavailableError
from scenesearch.engine.remote.backend import BusyError
from scenesearch.service.state import State
from scenesearch.service.state.jobs import WEEK_S, IdempotencyError, JobLimits, OnceKey
from scenesearch.service.state.records import JobRecord, Link, RecordError
from scenesearch.system.row_sums import Summed, teach

DRAWN = random.Random(0)
KEY = OnceKey("me", "once", "body")


class Clock:
    """Time that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def state(tmp_path, clock):
    opened = State(tmp_path, min_free_bytes=0, clock=clock)
    yield opened
    opened.close()


def records(n: int, *, start: int = 0) -> list[JobRecord]:
    return [
        JobRecord(
            place, f"item {place}", (b"photo %d" % (place % 2), Link("http://a.b/c")), {"n": 1}
        )
        for place in range(start, start + n)
    ]


def test_a_job_comes_back_as_it_was_given(state, clock) -> None:
    given = [
        JobRecord(0, "ä/1", (b"\x00\xff", Link("http://a.b/c")), {"price": 9.5, "tags": ["x"]}, 2),
        JobRecord(1, "2", (b"\x00\xff",), {}, 3),
    ]
    job, new = state.jobs.add(given, [RecordError(2, "bad_price", "no price", None, 4)])

    assert new
    assert (job.status, job.total, job.done, job.failed) == ("queued", 3, 0, 1)
    assert (job.created, job.started, job.finished) == (clock.now, None, None)
    assert state.jobs.next().status == "running"
    assert state.jobs.batch(job, 10) == given
    assert state.jobs.batch(job, 1) == given[:1]
    assert state.jobs.errors(job, 10) == [RecordError(2, "bad_price", "no price", None, 4)]


def test_a_batch_stays_until_its_outcome_is_written(state, clock) -> None:
    job, _ = state.jobs.add(records(5))
    state.jobs.next()
    first = state.jobs.batch(job, 3)

    assert state.jobs.batch(job, 3) == first
    clock.now += 1
    job = state.jobs.settle(job, [0, 2], [RecordError(1, "x", "y" * 900, "item 1")])
    assert (job.status, job.done, job.failed) == ("running", 2, 1)
    assert [one.place for one in state.jobs.batch(job, 3)] == [3, 4]
    assert len(state.jobs.errors(job, 5)[0].detail) == 500

    job = state.jobs.settle(job, [3, 4], [])
    assert (job.status, job.done, job.failed, job.finished) == ("done", 4, 1, clock.now)
    assert state.jobs.next() is None


def test_photos_are_gone_when_their_job_is_done(state, tmp_path) -> None:
    secret = DRAWN.randbytes(50_000)
    job, _ = state.jobs.add([JobRecord(0, "1", (secret,))])
    state.jobs.next()
    state.jobs.settle(job, [0], [])
    state.jobs.prune()

    left = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert secret[1000:1100] not in left
    assert (tmp_path / "service.sqlite").stat().st_size < 150_000


def test_the_same_photo_is_kept_once(state, tmp_path) -> None:
    photo = DRAWN.randbytes(200_000)
    state.jobs.add([JobRecord(place, str(place), (photo,)) for place in range(50)])

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_000_000


def test_a_job_in_which_every_record_was_bad_is_done_at_once(state) -> None:
    job, _ = state.jobs.add([], [RecordError(0, "x", "y")])

    assert (job.status, job.total, job.failed) == ("done", 1, 1)
    assert job.finished is not None
    assert state.jobs.next() is None


def test_jobs_are_worked_off_in_the_order_they_came(state) -> None:
    ids = [state.jobs.add(records(1))[0].id for _ in range(3)]
    order = []
    while (job := state.jobs.next()) is not None:
        order.append(job.id)
        state.jobs.settle(job, [0], [])

    assert order == ids


def test_a_cancelled_job_has_nothing_left_to_do(state) -> None:
    job, _ = state.jobs.add(records(5))
    state.jobs.next()
    held = state.jobs.batch(job, 2)
    cancelled = state.jobs.cancel(job.id)

    assert cancelled.status == "cancelled"
    assert state.jobs.next() is None
    assert state.jobs.batch(job, 2) == []
    after = state.jobs.settle(job, [held[0].place], [RecordError(1, "x", "y")])
    assert (after.status, after.done, after.failed) == ("cancelled", 1, 0)
    assert state.jobs.cancel(job.id) == after
    assert state.jobs.cancel("no such job") is None


def test_a_removed_job_is_forgotten_even_while_it_is_worked_on(state) -> None:
    job, _ = state.jobs.add(records(5), [RecordError(9, "x", "y")], once=OnceKey("me", "k", "b"))
    job = state.jobs.next()
    removed = state.jobs.remove(job.id)

    assert (removed.id, removed.status) == (job.id, "cancelled")
    assert state.jobs.get(job.id) is None
    assert state.jobs.errors(job, 10) == []
    assert state.jobs.batch(job, 10) == []
    assert state.jobs.settle(job, [0], []).status == "cancelled"
    state.jobs.fail(job, "x", "y")
    assert state.jobs.page(10) == []
    assert state.jobs.remove(job.id) is None
    assert state.jobs.add(records(1), once=OnceKey("me", "k", "other"))[1]


def test_a_job_can_fail_as_a_whole(state) -> None:
    job, _ = state.jobs.add(records(2))
    state.jobs.fail(job, "model_not_found", "no weights")
    failed = state.jobs.get(job.id)

    assert (failed.status, failed.code, failed.detail) == (
        "failed",
        "model_not_found",
        "no weights",
    )
    state.jobs.fail(failed, "x", "y")
    assert state.jobs.get(job.id) == failed
    assert state.jobs.next() is None


def test_jobs_and_errors_come_in_pages(state) -> None:
    ids = [state.jobs.add(records(1))[0].id for _ in range(5)]
    first = state.jobs.page(3)
    second = state.jobs.page(3, before=first[-1].seq)

    assert [job.id for job in first + second] == ids[::-1]
    job, _ = state.jobs.add([], [RecordError(place, "x", "y") for place in range(5)])
    pages = state.jobs.errors(job, 2), state.jobs.errors(job, 9, after=1)
    assert [[error.place for error in page] for page in pages] == [[0, 1], [2, 3, 4]]


# --- the same request again --------------------------------------------------------------------


def test_the_same_key_and_body_is_the_same_job(state) -> None:
    job, _ = state.jobs.add(records(1), once=OnceKey("me", "k", "body"))
    again, new = state.jobs.add(records(1), once=OnceKey("me", "k", "body"))

    assert (again.id, new) == (job.id, False)
    assert len(state.jobs.page(10)) == 1


def test_the_same_key_with_another_body_is_refused(state) -> None:
    state.jobs.add(records(1), once=OnceKey("me", "k", "body"))

    with pytest.raises(IdempotencyError, match="another body"):
        state.jobs.add(records(1), once=OnceKey("me", "k", "other"))
    assert len(state.jobs.page(10)) == 1


def test_a_key_belongs_to_its_caller(state) -> None:
    first, _ = state.jobs.add(records(1), once=OnceKey("me", "k", "body"))
    second, new = state.jobs.add(records(1), once=OnceKey("you", "k", "other"))

    assert new
    assert first.id != second.id


def test_one_job_comes_of_many_requests_at_once(state) -> None:
    found = []

    def add() -> None:
        found.append(state.jobs.add(records(20), once=OnceKey("me", "k", "body")))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len({job.id for job, _ in found}) == 1
    assert sum(new for _, new in found) == 1
    assert len(state.jobs.page(10)) == 1


# --- bounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limits", [JobLimits(waiting=2), JobLimits(waiting_bytes=45_000)], ids=["jobs", "bytes"]
)
def test_only_so_much_waits(tmp_path, limits) -> None:
    state = State(tmp_path, min_free_bytes=0, limits=limits)
    jobs = [state.jobs.add([JobRecord(0, "1", (DRAWN.randbytes(20_000),))])[0] for _ in range(2)]

    with pytest.raises(BusyError, match="are waiting") as caught:
        state.jobs.add([JobRecord(0, "1", (DRAWN.randbytes(20_000),))])
    assert caught.value.retry_after_s > 0
    state.jobs.cancel(jobs[0].id)
    state.jobs.add([JobRecord(0, "1", (DRAWN.randbytes(20_000),))])
    state.close()


def test_jobs_that_ended_are_forgotten_after_a_week(state, clock) -> None:
    old, _ = state.jobs.add([], [RecordError(0, "x", "y")], once=OnceKey("me", "k", "body"))
    waiting, _ = state.jobs.add(records(1))
    clock.now += WEEK_S + 1
    state.jobs.prune()

    assert state.jobs.get(old.id) is None
    assert state.jobs.get(waiting.id) is not None
    _, new = state.jobs.add(records(1), once=OnceKey("me", "k", "other"))
    assert new, "its key is forgotten with it"


def test_only_so_many_jobs_that_ended_are_kept(tmp_path) -> None:
    state = State(tmp_path, min_free_bytes=0, limits=JobLimits(ended=3))
    ids = [state.jobs.add([], [RecordError(0, "x", "y")])[0].id for _ in range(6)]

    assert [job.id for job in state.jobs.page(10)] == ids[:-4:-1]
    state.close()


def test_no_room_is_said_before_anything_is_written(tmp_path) -> None:
    state = State(tmp_path, min_free_bytes=0)
    state.close()
    state = State(tmp_path, min_free_bytes=10**18)

    with pytest.raises(NoSpaceError):
        state.jobs.add(records(1))
    with pytest.raises(NoSpaceError):
        state.feedback.add("me", "click", "1")
    assert state.jobs.page(1) == []
    state.close()


def test_a_full_file_keeps_what_was_there(tmp_path) -> None:
    state = State(tmp_path, min_free_bytes=0)
    kept, _ = state.jobs.add(records(1))
    pages = state._database.one("PRAGMA page_count")[0]
    state._database.one(f"PRAGMA max_page_count={pages + 5}")

    with pytest.raises(NoSpaceError, match="nothing of this was written"):
        state.jobs.add([JobRecord(0, "1", (DRAWN.randbytes(1_000_000),))])
    assert [job.id for job in state.jobs.page(10)] == [kept.id]
    state._database.one("PRAGMA max_page_count=1000000")
    state.jobs.add([JobRecord(0, "1", (DRAWN.randbytes(1_000_000),))])
    state.close()


def test_feedback_comes_in_order_and_the_oldest_goes(tmp_path, clock) -> None:
    from scenesearch.service.state.database import Database
    from scenesearch.service.state.feedback import FeedbackLog

    database = Database(tmp_path, min_free_bytes=0)
    log = FeedbackLog(database, rows=3, clock=clock)
    for n in range(5):
        clock.now = 100.0 + n
        log.add("me", "like", str(n), query_id="q", region=n, rank=None)

    assert [one.item_id for one in log.page(10)] == ["2", "3", "4"]
    assert [one.item_id for one in log.page(10, since=103.0)] == ["3", "4"]
    assert [one.item_id for one in log.page(1, after=log.page(1)[0].seq)] == ["3"]
    assert log.page(1)[0].region == 2
    database.close()


# --- the file ----------------------------------------------------------------------------------


def test_everything_is_there_again_after_opening(tmp_path) -> None:
    state = State(tmp_path, min_free_bytes=0)
    job, _ = state.jobs.add(records(3), once=OnceKey("me", "k", "body"))
    running = state.jobs.next()
    state.jobs.settle(job, [0], [])
    state.feedback.add("me", "click", "1")
    state.close()
    state = State(tmp_path, min_free_bytes=0)

    assert state.jobs.next().started == running.started
    assert [one.place for one in state.jobs.batch(job, 10)] == [1, 2]
    assert len(state.feedback.page(10)) == 1
    assert not state.jobs.add(records(3), once=OnceKey("me", "k", "body"))[1]
    state.close()


def test_a_second_service_is_told_who_has_it(state, tmp_path) -> None:
    with pytest.raises(StoreUnavailableError, match="is open in this process"):
        State(tmp_path)


def test_a_file_of_another_version_or_program_is_refused(tmp_path) -> None:
    State(tmp_path, min_free_bytes=0).close()
    with sqlite3.connect(tmp_path / "service.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StoreError, match="version 99"):
        State(tmp_path)

    other = tmp_path / "other"
    other.mkdir()
    with sqlite3.connect(other / "service.sqlite") as db:
        db.execute("CREATE TABLE x (y)")
    db.close()
    with pytest.raises(StoreError, match="something else"):
        State(other)


def test_a_damaged_file_is_said_and_left_alone(tmp_path) -> None:
    file = tmp_path / "service.sqlite"
    file.write_bytes(b"not a database at all " * 100)

    with pytest.raises(StoreError, match="is damaged"):
        State(tmp_path)
    assert file.read_bytes().startswith(b"not a database")
    file.unlink()
    State(tmp_path).close()


@pytest.mark.parametrize(
    ("table", "change", "read"),
    [
        ("jobs", "total = 9", lambda state, job: state.jobs.get(job.id)),
        ("jobs", "detail = 'x'", lambda state, job: state.jobs.page(10)),
        ("jobs", "created = created + 1", lambda state, job: state.jobs.next()),
        ("jobs", "done = 1", lambda state, job: state.jobs.settle(job, [0], [])),
        ("records", "item_id = 'other'", lambda state, job: state.jobs.batch(job, 10)),
        ("records", "attributes = '{}'", lambda state, job: state.jobs.batch(job, 10)),
        ("photos", "data = x'00'", lambda state, job: state.jobs.batch(job, 10)),
        ("errors", "code = 'other'", lambda state, job: state.jobs.errors(job, 10)),
        ("keys", "body = 'other'", lambda state, job: state.jobs.add([], once=KEY)),
        ("feedback", "item_id = 'other'", lambda state, job: state.feedback.page(10)),
    ],
)
def test_a_row_that_is_not_what_was_written_is_named(tmp_path, table, change, read) -> None:
    state = State(tmp_path, min_free_bytes=0)
    job, _ = state.jobs.add(records(2), [RecordError(2, "bad", "so")], once=KEY)
    state.feedback.add("me", "click", "a")
    state.close()
    with sqlite3.connect(tmp_path / "service.sqlite") as db:
        for (name,) in db.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", (table,)
        ).fetchall():
            db.execute(f"DROP TRIGGER {name}")
        db.execute(f"UPDATE {table} SET {change}")
    db.close()

    state = State(tmp_path, min_free_bytes=0)
    with pytest.raises(DamagedError, match=r"state is damaged.*scenesearch verify"):
        read(state, job)
    state.close()


def test_damage_that_sqlite_tells_of_in_bytes_that_are_no_text_is_named(tmp_path) -> None:
    State(tmp_path, min_free_bytes=0).close()
    file = tmp_path / "service.sqlite"
    data = file.read_bytes()
    assert data.count(b"indexfeedback_by_time") == 1
    data = data.replace(b"indexfeedback_by_time", b"indexfeed\xe2ack_by_time")
    file.write_bytes(data.replace(b"_by_time ON feedback", b"_by_time ON nothings"))

    with pytest.raises(DamagedError, match=r"state is damaged.*scenesearch verify"):
        State(tmp_path, min_free_bytes=0)


KILLED = """
import random, sys
from pathlib import Path
from scenesearch.service.state import State
from scenesearch.service.state.records import JobRecord

state, drawn = State(Path(sys.argv[1]), min_free_bytes=0), random.Random(0)
for n in range(1000):
    job, _ = state.jobs.add([JobRecord(i, f"{n}-{i}", (drawn.randbytes(3000),)) for i in range(3)])
    entry = state.feedback.add("me", "click", str(n))
    print(job.id, entry.seq, flush=True)
"""


@pytest.mark.process
def test_nothing_that_was_answered_is_lost_when_it_is_killed(disk_path) -> None:
    answered: list[tuple[str, int]] = []
    for after in (1, 7, 23):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(disk_path)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(after):
            job, seq = child.stdout.readline().split()
            answered.append((job, int(seq)))
        child.send_signal(signal.SIGKILL)
        for line in child.stdout.read().splitlines():
            job, seq = line.split()
            answered.append((job, int(seq)))
        child.wait()
        child.stdout.close()
    state = State(disk_path, min_free_bytes=0)

    assert len(answered) >= 31
    kept = {entry.seq for entry in state.feedback.page(10_000)}
    assert {seq for _, seq in answered} <= kept
    for job_id, _ in answered:
        job = state.jobs.get(job_id)
        assert [len(one.photos[0]) for one in state.jobs.batch(job, 9)] == [3000] * 3
    state.close()


def test_a_table_that_is_widened_keeps_what_is_damaged_so() -> None:
    before = Summed("t", ("id",), ("id", "text"))
    after = Summed("t", ("id",), ("id", "text", "tenant"))
    with contextlib.closing(teach(sqlite3.connect(":memory:", isolation_level=None))) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT, sum INTEGER)")
        db.executescript(before.triggers)
        db.executemany(before.insert(), [(1, "sound"), (2, "damaged")])
        db.execute("UPDATE t SET sum = sum + 1 WHERE id = 2")
        db.executescript(after.widening(before, "tenant TEXT NOT NULL DEFAULT ''"))
        db.execute("UPDATE t SET tenant = 'acme' WHERE id = 1")

        assert db.execute(after.select("id, tenant", "ORDER BY id")).fetchall() == [
            (1, 1, "acme"),
            (0, 2, ""),
        ]
        with pytest.raises(sqlite3.IntegrityError, match="not what was written"):
            db.execute("UPDATE t SET tenant = 'acme' WHERE id = 2")

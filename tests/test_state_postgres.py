"""The state in PostgreSQL: what holds of one file holds there, and of all who share it."""

from __future__ import annotations

import base64
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import postgres_server
import pytest
import service_app
import test_service_state as alone

from scenesearch.core.errors import StoreError, StoreUnavailableError
from scenesearch.engine.tasks import Photo
from scenesearch.service.state import State
from scenesearch.service.state.jobs import OnceKey
from scenesearch.service.state.records import JobRecord

pytestmark = [pytest.mark.process, postgres_server.needs_postgres]

# the same tests as of a file, over the fixture of this module
for _name in (
    "test_a_job_comes_back_as_it_was_given",
    "test_a_batch_stays_until_its_outcome_is_written",
    "test_a_job_in_which_every_record_was_bad_is_done_at_once",
    "test_jobs_are_worked_off_in_the_order_they_came",
    "test_a_cancelled_job_has_nothing_left_to_do",
):
    globals()[_name] = getattr(alone, _name)
clock = alone.clock


@pytest.fixture(scope="module")
def server():
    with postgres_server.running() as found:
        yield found


@pytest.fixture
def database(server):
    server.clean()
    return server


@pytest.fixture
def state(tmp_path, clock, database):
    opened = State(tmp_path, address=database.address, clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def two(tmp_path, database):
    opened = [State(tmp_path / name, address=database.address) for name in "ab"]
    yield opened
    for one in opened:
        one.close()


def records(n):
    return [JobRecord(place, f"item {place}", (b"photo",), {}) for place in range(n)]


def test_each_job_is_one_services_until_it_is_done(two):
    first, second = two
    ids = [first.jobs.add(records(2))[0].id for _ in range(3)]

    mine, others = first.jobs.next(), second.jobs.next()
    assert [mine.id, others.id] == ids[:2]
    assert first.jobs.next().id == ids[0], "what it has it goes on with"
    first.jobs.settle(mine, [0, 1], [])
    assert first.jobs.next().id == ids[2]
    second.jobs.settle(others, [0, 1], [])
    assert second.jobs.next() is None


def test_a_job_is_taken_over_when_its_service_is_gone(two):
    first, second = two
    job = first.jobs.add(records(4))[0]
    first.jobs.settle(first.jobs.next(), [0, 1], [])
    assert second.jobs.next() is None
    first.close()

    taken = second.jobs.next()
    assert (taken.id, taken.done) == (job.id, 2)
    assert [one.place for one in second.jobs.batch(taken, 9)] == [2, 3]


def test_what_two_services_did_is_counted_once(two):
    first, second = two
    job = first.jobs.add(records(3))[0]
    first.jobs.next()

    for one in two:
        one.jobs.settle(job, [0, 1], [])
    assert first.jobs.get(job.id).done == 2
    assert second.jobs.settle(job, [2], []).status == "done"


def test_a_job_that_is_sent_to_two_services_is_one(two):
    once, found = OnceKey("me", "once", "body"), []

    def add(one):
        found.append(one.jobs.add(records(1), once=once)[0].id)

    threads = [threading.Thread(target=add, args=(one,)) for one in two * 4]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_feedback_of_all_services_is_one_list_in_order(two):
    def add(one, name):
        for number in range(50):
            one.feedback.add("me", "click", f"{name} {number}")

    threads = [threading.Thread(target=add, args=(one, name)) for one in two for name in "xy"]
    for one in threads:
        one.start()
    seen, after = [], 0
    while len(seen) < 200:
        page = two[0].feedback.page(1000, after=after)
        seen += page
        after = page[-1].seq if page else after
    for one in threads:
        one.join()

    assert len({one.item_id for one in seen}) == 100
    assert [one.seq for one in seen] == sorted(one.seq for one in seen)
    assert two[1].feedback.count() == 200


def test_quotas_and_rates_hold_over_all_services(two):
    from scenesearch.service.state.usage import QuotaUsedError

    left = [two[n % 2].usage.take("key", {"photos": 1}, {"photos": 4}) for n in range(4)]
    assert [one["photos"] for one in left] == [3, 2, 1, 0]
    for one in two:
        with pytest.raises(QuotaUsedError):
            one.usage.take("key", {"photos": 1}, {"photos": 4})
    waits = [two[n % 2].rates.take("key", 6) for n in range(8)]
    assert waits[:6] == [0] * 6
    assert all(0 < one <= 10 for one in waits[6:])


def test_a_look_is_known_to_all_services_and_to_its_tenant(two):
    first, second = two
    first.queries.add("id", Photo(b"bytes", "a name"), "acme")

    assert second.queries.get("id", "acme") == Photo(b"bytes", "a name")
    assert second.queries.get("id", None) is None
    assert second.queries.get("other", "acme") is None


def test_the_least_used_looks_go_first(tmp_path, database):
    shared = State(tmp_path, address=database.address, query_megabytes=1)
    for number in range(32):
        shared.queries.add(str(number), Photo(bytes(100_000)), None)
    kept = [one for one in map(str, range(32)) if shared.queries.get(one, None)]
    shared.close()

    assert kept == [str(number) for number in range(22, 32)]


def test_a_server_that_comes_back_is_gone_on_with(two, database):
    first, _ = two
    job = first.jobs.add(records(2))[0]
    first.jobs.next()
    database.stop()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        first.jobs.get(job.id)
    database.start()

    assert first.jobs.get(job.id).status == "running"
    assert first.jobs.next().id == job.id
    assert first.feedback.add("me", "like", "x").seq


def test_no_password_is_in_a_message(tmp_path):
    with pytest.raises(StoreUnavailableError) as caught:
        State(tmp_path, address="postgresql://me:hidden-word@127.0.0.1:1/db")

    assert "hidden-word" not in str(caught.value)
    assert "127.0.0.1/db" in str(caught.value)


def test_a_later_version_is_refused(tmp_path, database):
    State(tmp_path, address=database.address).close()
    database.ask("UPDATE scenesearch.form SET version = 99 RETURNING version")

    with pytest.raises(StoreError, match="is of version 99, this scenesearch writes version 1"):
        State(tmp_path, address=database.address)


def test_services_that_start_at_once_make_the_tables_once(tmp_path, database):
    opened, errors = [], []

    def start():
        try:
            opened.append(State(tmp_path, address=database.address))
        except StoreError as error:
            errors.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for one in opened:
        one.close()
    assert (len(opened), errors) == (6, [])


CHILD = Path(__file__).with_name("jobs_child.py")


def work(folder, address):
    command = [sys.executable, str(CHILD), str(folder), address]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def test_jobs_under_kills_of_either_service_are_done_once(tmp_path, database):
    draws = random.Random(23)
    state = State(tmp_path / "asks", address=database.address)
    jobs = [
        state.jobs.add([JobRecord(p, f"{n}-{p}", (bytes(500),), {}) for p in range(20)])[0].id
        for n in range(40)
    ]
    homes = [tmp_path / name for name in "ab"]
    for home in homes:
        home.mkdir()
    working = [work(home, database.address) for home in homes]
    kills = 0
    try:
        until = time.monotonic() + 200
        while any(not state.jobs.get(one).ended for one in jobs) and time.monotonic() < until:
            time.sleep(draws.uniform(0.3, 0.9))
            which = draws.randrange(2)
            if kills < 8:
                working[which].send_signal(signal.SIGKILL)
                kills += 1
            if working[which].poll() is not None or kills <= 8:
                working[which].wait()
                working[which] = work(homes[which], database.address)
    finally:
        for one in working:
            one.kill()
            one.wait()
    ended = [state.jobs.get(one) for one in jobs]
    state.close()

    assert kills >= 1  # a fast machine is done before the next
    assert {(one.status, one.done, one.failed) for one in ended} == {("done", 20, 0)}
    stored = {line for home in homes for line in (home / "ids.txt").read_text().split()}
    assert len(stored) == 800


def test_a_frozen_service_loses_its_job_and_counts_nothing_twice(tmp_path, database, monkeypatch):
    from scenesearch.service.state import postgres

    monkeypatch.setattr(postgres, "FROZEN_S", 1)
    monkeypatch.setattr(postgres, "BEAT_S", 3600.0)
    first = State(tmp_path / "a", address=database.address)
    second = State(tmp_path / "b", address=database.address)
    job = first.jobs.add(records(2))[0]
    first.jobs.next()
    time.sleep(1.5)
    taken = second.jobs.next()
    second.jobs.settle(taken, [0], [])
    late = first.jobs.settle(job, [0], [])

    assert (taken.id, late.done) == (job.id, 1)
    assert first.jobs.next() is None, "it is another's now"
    first.close()
    second.close()


def test_a_refinement_works_on_either_service(tmp_path, database):
    photo = {"base64": base64.b64encode(service_app.room_photo()).decode()}
    with (
        service_app.serving(tmp_path / "a", address=database.address) as one,
        service_app.serving(tmp_path / "b", address=database.address) as other,
    ):
        looked = one.client.post("/v1/look", json={"photo": photo}).json()
        again = {"query_id": looked["query_id"]}
        answers = [
            (one, other)[number % 2].client.post("/v1/look", json=again).json()
            for number in range(6)
        ]
        boxed = other.client.post(
            "/v1/look",
            json={**again, "boxes": [[0.1, 0.1, 0.5, 0.9]], "box_format": "xyxy_norm"},
        )
        basket = other.client.post("/v1/basket", json={**again, "budget": 500})
        picture = other.client.get(f"/v1/look/{looked['query_id']}/photo")
        nobodys = other.client.post("/v1/look", json={"query_id": "x" * 32})

        def told(found):
            return [match["item_id"] for match in found["matches"]]

        assert {one["query_id"] for one in answers} == {looked["query_id"]}
        assert all(told(one) == told(looked) for one in answers)
        assert (boxed.status_code, basket.status_code, picture.status_code) == (200, 200, 200)
        assert (nobodys.status_code, nobodys.json()["code"]) == (410, "query_expired")


def test_a_service_goes_on_searching_without_its_database(tmp_path, database):
    photo = {"base64": base64.b64encode(service_app.room_photo()).decode()}
    key = {"key": "a-key-of-some-length", "per_minute": 1000}
    header = {"authorization": f"Bearer {key['key']}"}
    with service_app.serving(tmp_path, address=database.address, section={"keys": [key]}) as served:
        database.stop()
        try:
            looked = served.client.post("/v1/look", json={"photo": photo}, headers=header)
        finally:
            database.start()

    assert looked.status_code == 200
    assert looked.json()["matches"]


def test_the_address_may_lie_in_a_file(tmp_path, monkeypatch):
    from scenesearch.config.settings import load_settings

    file = tmp_path / "state"
    file.write_text("postgresql://me:hidden-word@db/scenes\n")
    monkeypatch.setenv("SCENESEARCH_SERVICE__STATE_FILE", str(file))
    found = load_settings()

    assert found.service.state.get_secret_value() == "postgresql://me:hidden-word@db/scenes"
    assert "hidden-word" not in repr(found)
    assert os.environ["SCENESEARCH_SERVICE__STATE_FILE"] == str(file)

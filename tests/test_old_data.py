"""Data of earlier builds: today's code opens them, or refuses them by name; nothing is lost.

How they were made is in ``data/make.py``, what they are asked in ``old_data.py``.
"""

from __future__ import annotations

import json
import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import old_data
import pytest
import service_app
import shop

from scenesearch import SceneSearch, load_settings
from scenesearch.core.errors import StoreError
from scenesearch.core.types import Item
from scenesearch.service.state import State
from scenesearch.service.state.records import Link

pytestmark = pytest.mark.usefixtures("clean_surroundings")

BUILDS = sorted(made.parent.name for made in old_data.DATA.glob("*/made.json"))


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(params=BUILDS)
def build(request):
    return request.param


@pytest.fixture
def expected(build):
    read = json.loads((old_data.DATA / build / "expected.json").read_text(encoding="utf-8"))
    # builds of before listed rooms that nothing spoke for: a green thing for a red one
    read["answers"]["scenes_of"].remove(["2.png", "by sight"])
    return read


@pytest.fixture
def home(build, clean_surroundings, monkeypatch, tmp_path):
    """The current folder, with the build's settings; archives are unpacked here."""
    monkeypatch.chdir(tmp_path)
    for name, value in old_data.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)

    def unpack(name, only=""):
        old_data.unpack(build, name, tmp_path, only)
        return tmp_path

    return unpack


def check(got, expected, where=""):
    """The same, numbers to single precision: another machine sums in another order.

    What today's build says beside it does not count.
    """
    if isinstance(expected, dict):
        assert expected.keys() <= got.keys(), where
        for key, value in expected.items():
            check(got[key], value, f"{where}.{key}")
    elif isinstance(expected, list):
        assert isinstance(got, list | tuple)
        assert len(got) == len(expected), where
        for n, value in enumerate(expected):
            check(got[n], value, f"{where}[{n}]")
    elif isinstance(expected, float):
        assert got == pytest.approx(expected, abs=1e-5), where
    else:
        assert got == expected, where


def outcome(report):
    return report.added, report.changed, report.unchanged, report.embedded, report.from_cache


def test_there_are_data_of_earlier_builds():
    assert "a1e3309" in BUILDS


def test_a_collection_answers_as_the_build_did_that_made_it(home, expected):
    home("store")

    with SceneSearch("store") as front:
        answers = old_data.answers(front)

    check(answers, expected["answers"])


def test_indexing_again_embeds_nothing(home, parts):
    home("store")

    with SceneSearch("store") as front:
        plan = front.index("catalog.csv", dry_run=True).plan
        # the data lie in another folder than when they were made, and nothing else is new
        assert [one for one in plan.items if one.write or one.stale or one.patch] == []
        assert len(plan.items) == 12
        moved = front.index("catalog.csv").report
        again = front.index("catalog.csv")

    assert outcome(moved) == (0, 12, 0, 0, 0)
    assert (again.plan.items, again.plan.unchanged) == ((), 12)
    assert outcome(again.report) == (0, 0, 12, 0, 0)
    assert parts.made[-1].embedder.embedded == 0


def test_a_changed_attribute_is_patched_without_embedding(home, parts):
    home("store")
    catalog = Path("catalog.csv")
    text = catalog.read_text(encoding="utf-8")
    catalog.write_text(text.replace(",10.5,", ",99.5,"), encoding="utf-8")

    with SceneSearch("store") as front:
        done = front.index(catalog)
        item = front.get("red-square")

    assert [one.item.id for one in done.plan.items if one.patch] == ["red-square"]
    assert outcome(done.report) == (0, 12, 0, 0, 0)
    assert item.attributes["price"] == 99.5
    assert parts.made[-1].embedder.embedded == 0


@pytest.mark.store
def test_what_was_removed_comes_back_from_the_embedding_cache(home, parts, expected):
    home("store")

    with SceneSearch("store") as front:
        front.delete(where="price > 0")
        assert front.count() == 0
        report = front.index("catalog.csv").report
        assert parts.made[-1].embedder.embedded == 0
        answers = old_data.answers(front)

    assert outcome(report) == (12, 0, 0, 0, 24)
    check(answers, expected["answers"])


def test_a_tagging_run_goes_on_where_it_was_stopped(home, parts, expected):
    from scenesearch.tagging.run import RunOptions

    home("ledger")
    out = Path("tags/rooms.jsonl")
    assert not out.exists()

    with SceneSearch("store") as front:
        summary = front.tag_to(out, "rooms", run=RunOptions(batch=3, workers=1))

    # of eight photos three were done, and one is no photo
    assert (summary.skipped, summary.done, summary.failed) == (3, 4, 1)
    assert parts.made[-1].detector.scenes == 4
    lines = out.read_text(encoding="utf-8").splitlines()
    check([json.loads(line) for line in lines], expected["rows"])


def test_the_state_of_a_service_has_its_jobs_and_its_feedback(home, expected):
    folder = home("service") / "store"
    known = expected["state"]
    with closing(sqlite3.connect(folder / "service.sqlite")) as db:
        (made,) = db.execute("SELECT max(created) FROM jobs").fetchone()

    # jobs that are done are kept for a week
    state = State(folder, min_free_bytes=0, clock=lambda: made + 60)
    try:
        queued, done = state.jobs.page(10)
        errors = state.jobs.errors(done, 10)
        feedback = state.feedback.page(10)
        first, second = state.jobs.batch(queued, 10)
    finally:
        state.close()

    assert (queued.id, queued.status, queued.total) == (known["queued"], "queued", 2)
    assert (done.id, done.status) == (known["done"]["id"], "done")
    assert (done.total, done.done, done.failed) == (3, 1, 2)
    assert [(one.place, one.item_id, one.code, one.detail) for one in errors] == [
        (one["record"], one["id"], one["code"], one["detail"]) for one in known["errors"]["errors"]
    ]
    assert [(one.kind, one.item_id, one.query_id, one.rank) for one in feedback] == [
        (one["kind"], one["item_id"], one["query_id"], one["rank"])
        for one in known["feedback"]["feedback"]
    ]
    assert first.photos == (shop.png(shop.product("purple", "tall")),)
    assert (first.item_id, dict(first.attributes)) == (
        "purple-tall",
        {"price": 7.5, "tags": ["new"]},
    )
    assert second.photos == (Link("http://a.example.com/b.png"),)


@pytest.mark.store
def test_a_service_does_the_job_that_was_queued(home, expected):
    folder = home("service")
    known = expected["state"]

    with service_app.serving(folder, indexed=False) as service:
        client, deadline = service.client, time.monotonic() + 60
        while (job := client.get(f"/v1/jobs/{known['queued']}").json())["status"] != "done":
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        items = [client.get(f"/v1/items/{name}").json() for name in ("pink-wide", "purple-tall")]
        feedback = client.get("/v1/feedback").json()

    # the second record is a link, and nothing is fetched
    assert (job["done"], job["failed"]) == (1, 1)
    assert items[1]["attributes"]["price"] == 7.5
    assert [one["id"] for one in items] == ["pink-wide", "purple-tall"]
    check(feedback, known["feedback"])


def test_a_profile_says_what_it_said(build, expected, monkeypatch):
    monkeypatch.delenv("SCENESEARCH_CACHE_DIR")

    settings = load_settings(old_data.DATA / build / "settings.yaml")

    check(settings.model_dump(mode="json"), expected["settings"])
    assert settings.service.read_keys[0].get_secret_value() == "read-read-read-read-1"


def test_an_environment_says_what_it_said(build, expected, monkeypatch):
    text = (old_data.DATA / build / "environment.json").read_text(encoding="utf-8")
    for name, value in json.loads(text).items():
        monkeypatch.setenv(name, value)

    check(load_settings().model_dump(mode="json"), expected["settings"])


def later(path):
    """The file as a later build might write it."""
    if path.suffix == ".json":
        found = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**found, "format": 99}), encoding="utf-8")
        return
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=99")


def put_a_photo(front):
    front.put([Item("new", (shop.save(shop.noise(1), Path("new.png")),))])


@pytest.mark.parametrize(
    ("archive", "file", "use", "helps"),
    [
        ("store", "store/items/schema.json", SceneSearch.count, "index again"),
        ("store", "store/embeddings.sqlite", put_a_photo, "move the file away"),
        (
            *("ledger", "tags/rooms.jsonl.ledger"),
            lambda front: front.tag_to("tags/rooms.jsonl", __file__),
            "give another --out",
        ),
        (
            *("service", "store/service.sqlite"),
            lambda _: State("store", min_free_bytes=0),
            "run the version that wrote it",
        ),
    ],
    ids=["collection", "embedding cache", "ledger", "state"],
)
def test_a_later_version_is_refused_by_name_and_left_alone(home, archive, file, use, helps):
    path = home(archive, file) / file
    later(path)
    before = path.read_bytes()

    with SceneSearch("store") as front, pytest.raises(StoreError) as caught:
        use(front)

    said = str(caught.value)
    assert path.name in said
    assert "99" in said
    assert re.search(r"(writes version|reads|at most) [1-3]\b", said)
    assert helps in said
    assert path.read_bytes() == before

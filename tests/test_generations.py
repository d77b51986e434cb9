"""Generations of a collection: built beside the one that answers, switched whole, followed."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import shop

from scenesearch.api import SceneSearch, generations
from scenesearch.api.generations import GenerationTasks
from scenesearch.api.opened import Opened
from scenesearch.cli.main import main
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.errors import ConfigError, DamagedError, StoreError
from scenesearch.core.points import PROJECTION_BLOB
from scenesearch.engine import tasks
from scenesearch.engine.engine import Engine
from scenesearch.engine.tasks import (
    DeleteItems,
    ItemRecord,
    LookTask,
    PatchItem,
    Photo,
    PutItems,
    SearchTask,
)
from scenesearch.store.generations import (
    Generation,
    Generations,
    dump_generations,
    load_generations,
    name_of,
    split_name,
)

WHITEN = 6
"""Dimensions of a projection that 24 photos are enough for."""


def settings(folder: Path, **more) -> Settings:
    return load_settings(
        None,
        cache_dir=folder / "cache",
        min_free_megabytes=0,
        service={"decoders": 1},
        **{"embedder": {"whiten": WHITEN}, **more},
    )


def wait_for(what, seconds=20.0):
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.02)


def plain(store):
    """Everything stored but vectors, by id."""
    return {one: payload for one, (payload, _) in shop.contents(store).items()}


@pytest.fixture
def folder(tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    return tmp_path


@pytest.fixture
def raw(folder):
    """A collection that began with three items, and has 24 by now."""
    items = shop.colour_shop(folder)
    with SceneSearch(folder / "store", config=settings(folder)) as front:
        report = front.index(shop.write_catalog(folder, items[:3])).report
        assert "cold start" in report.notes[0]
        front.index(shop.write_catalog(folder, items))
        assert PROJECTION_BLOB not in front.store.schema.blobs
    return folder


def opened_at(folder: Path, **more) -> Opened:
    return Opened(folder / "store", settings(folder, **more))


# --- the record ----------------------------------------------------------------------------


def test_a_record_is_read_as_it_was_written():
    found = Generations(2, 3, 1, (Generation(1, {"a": 1}, True), Generation(2, {}, True, "now")))

    assert load_generations(dump_generations(found), "here") == found


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1, "active": 1}'])
def test_what_is_no_record_is_damage(text):
    with pytest.raises(DamagedError, match="which generation answers"):
        load_generations(text, "here")


def test_a_record_of_a_later_version_is_refused_by_name():
    with pytest.raises(StoreError, match="of version 9"):
        load_generations('{"version": 9}', "here")


def test_only_a_whole_generation_answers():
    found = Generations(1, 2, None, (Generation(1, {}, True), Generation(2, {})))

    with pytest.raises(StoreError, match="not built to its end"):
        found.switched(2)
    with pytest.raises(StoreError, match="no generation 7"):
        found.switched(7)
    whole = found.having(Generation(2, {}, True)).switched(2)
    assert (whole.active, whole.previous) == (2, 1)
    assert whole.without(1).previous is None


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("items", ("items", 1)),
        ("items--g2", ("items", 2)),
        ("a--g1", ("a--g1", 1)),
        ("--g2", ("--g2", 1)),
        ("a--gx", ("a--gx", 1)),
        ("a--g2--g3", ("a--g2", 3)),
    ],
)
def test_names_of_generations(name, parts):
    assert split_name(name) == parts
    if parts[1] > 1:
        assert name_of(*parts) == name


# --- a new projection ----------------------------------------------------------------------


def test_a_collection_that_began_raw_is_projected_without_embedding(raw):
    with closing(opened_at(raw)) as before:
        old = plain(before.store)
    with closing(opened_at(raw)) as opened:
        done = generations.do(opened, "reproject", {})

    assert (done["embedded"], done["number"]) == (0, 2)
    assert not done["failures"]
    with closing(opened_at(raw)) as opened:
        assert opened.stored_as == "items--g2"
        assert PROJECTION_BLOB in opened.store.schema.blobs
        assert opened.store.schema.vectors["cutout"] == WHITEN
        assert plain(opened.store) == old
        assert [one["generation"] for one in generations.do(opened, "list", {})] == [2]
    assert not (raw / "store" / "items").exists()
    with SceneSearch(raw / "store", config=settings(raw)) as front:
        match = front.search(photos=shop.product("blue", "tall")).matches[0]
    assert match.item_id == "blue-tall"
    assert match.score == pytest.approx(1.0, abs=1e-4)


def test_it_equals_a_collection_that_was_indexed_at_once(raw):
    items = shop.colour_shop(raw)
    with closing(opened_at(raw)) as opened:
        generations.do(opened, "reproject", {})
    with SceneSearch(raw / "fresh", config=settings(raw)) as fresh:
        fresh.index(shop.write_catalog(raw, items))
        wanted = shop.contents(fresh.store)
    with closing(opened_at(raw)) as opened:
        assert shop.contents(opened.store) == wanted


def test_a_projection_can_be_fitted_again_and_again(raw):
    with closing(opened_at(raw)) as opened:
        generations.do(opened, "reproject", {})
        generations.do(opened, "reproject", {})
        assert opened.stored_as == "items--g3"
    assert sorted(one.name for one in (raw / "store").iterdir() if one.is_dir()) == ["items--g3"]


def test_too_few_photos_or_no_projection_asked_for_change_nothing(folder):
    with SceneSearch(folder / "store", config=settings(folder)) as front:
        front.index(shop.write_catalog(folder, shop.colour_shop(folder)[:3]))
    with closing(opened_at(folder)) as opened, pytest.raises(StoreError, match="needs 18"):
        generations.do(opened, "reproject", {})
    none = {"embedder": {"whiten": 0}}
    with closing(opened_at(folder, **none)) as opened, pytest.raises(ConfigError, match="whiten"):
        generations.do(opened, "reproject", {})
    assert not (folder / "store" / "items.generations.json").exists()


@pytest.mark.parametrize("died", ["_made_like", "_switched", "drop"])
def test_killed_at_any_moment_it_is_done_again(raw, monkeypatch, died):
    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with closing(opened_at(raw)) as opened:
        job = GenerationTasks(lambda: opened, opened.rest)
        monkeypatch.setattr(job, died, die)
        with pytest.raises(Killed):
            job.reproject()
    with closing(opened_at(raw)) as opened:
        answer = opened.store.count()
        assert answer == 24
        done = generations.do(opened, "reproject", {})
        assert (done["points"], done["embedded"]) == (24, 0)
        assert PROJECTION_BLOB in opened.store.schema.blobs


def test_the_command(raw, monkeypatch, capsys):
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(raw / "cache"))
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", str(WHITEN))
    monkeypatch.setattr(
        "sys.argv", ["scenesearch", "reproject", "-s", str(raw / "store"), "--json"]
    )

    assert main() == 0
    assert json.loads(capsys.readouterr().out)["points"] == 24


# --- behind a service ----------------------------------------------------------------------


@pytest.fixture
def engine(raw):
    made = Engine(opened_at(raw))
    made.load()
    made.opened.store.count()  # it has the collection open from here on
    yield made
    made.close()


def record(item_id, image, **attributes):
    return ItemRecord(item_id, (Photo(shop.png(image), "photo.png"),), attributes)


def first(engine, image):
    """The best match of a photo, its score, and how many dimensions it was searched in."""
    answer = json.loads(engine.run(SearchTask(photos=((Photo(shop.png(image)), 1.0),))).value)
    return answer["matches"][0]["item_id"], answer["matches"][0]["score"]


def test_a_command_behind_a_service_is_done_by_the_service(raw, engine):
    assert first(engine, shop.product("red"))[0] == "red-square"
    with closing(opened_at(raw)) as other:
        done = generations.do(other, "reproject", {})

    assert done["points"] == 24
    wait_for(lambda: engine.opened.stored_as == "items--g2")
    assert first(engine, shop.product("red")) == ("red-square", pytest.approx(1.0, abs=1e-4))
    assert not (raw / "store" / "items").exists()


def test_a_service_that_had_nothing_open_follows_as_well(raw):
    made = Engine(opened_at(raw))
    made.load()
    with closing(opened_at(raw)) as other:
        generations.do(other, "reproject", {})
    wait_for(lambda: made.opened.stored_as == "items--g2")
    assert first(made, shop.product("red"))[0] == "red-square"
    made.close()


def test_nobody_sees_a_mixture_and_no_write_is_lost(raw, engine):
    """Readers and writers while the projection changes three times."""
    stop, wrong, asked = threading.Event(), [], [0]
    acknowledged: dict[str, int] = {}

    def read(colour):
        while not stop.is_set():
            try:
                found = first(engine, shop.product(colour, "wide"))
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))
                return
            asked[0] += 1
            if found[0] != f"{colour}-wide" or abs(found[1] - 1) > 1e-3:
                wrong.append(found)

    def write(number):
        place = 0
        while not stop.is_set():
            name = f"new-{number}-{place}"
            image = shop.noise(1000 * number + place % 20)
            try:
                said = engine.run(PutItems((record(name, image, price=float(place)),))).value
                assert said[0]["status"] == "added", said
                engine.run(PatchItem(name, {"price": float(place + 1)}))
                acknowledged[name] = place + 1
                if place % 3 == 2:
                    engine.run(DeleteItems((f"new-{number}-{place - 1}",)))
                    acknowledged.pop(f"new-{number}-{place - 1}")
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))
                return
            place += 1

    workers = [threading.Thread(target=read, args=(one,)) for one in ("red", "blue")]
    workers += [threading.Thread(target=write, args=(one,)) for one in (1, 2)]
    for one in workers:
        one.start()
    for _ in range(3):
        with closing(opened_at(raw)) as other:
            generations.do(other, "reproject", {})
    stop.set()
    for one in workers:
        one.join()

    assert not wrong
    assert asked[0] > 3
    there = {
        one["id"]: one["attributes"]["price"]
        for one in engine.run(tasks.ListItems(limit=1000)).value["items"]
        if one["id"].startswith("new")
    }
    assert there == acknowledged


def test_a_kept_photo_is_looked_at_again_by_other_models(raw, engine):
    photo = Photo(shop.png(shop.room(("red", "square"))))
    before = json.loads(engine.run(LookTask(photo=photo)).value)
    with closing(opened_at(raw)) as other:
        generations.do(other, "reproject", {})
    wait_for(lambda: engine.opened.stored_as == "items--g2")
    after = json.loads(engine.run(LookTask(query_id=before["query_id"])).value)
    fresh = json.loads(engine.run(LookTask(photo=photo)).value)

    assert after["matches"] == fresh["matches"]

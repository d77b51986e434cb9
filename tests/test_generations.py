"""Generations of a collection: built beside the one that answers, switched whole, followed."""

from __future__ import annotations

import json
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import shop
from fakes.models import FakeEmbedder

from scenesearch import wiring
from scenesearch.api import SceneSearch, generations, indexing
from scenesearch.api.generations import GenerationTasks
from scenesearch.api.opened import Opened
from scenesearch.api.verifying import verify_store
from scenesearch.cli.main import main
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.errors import CollectionMismatchError, ConfigError, DamagedError, StoreError
from scenesearch.core.points import PROJECTION_BLOB
from scenesearch.engine import generations as live
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
from scenesearch.models.encode import Encoder
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


@pytest.mark.store
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


@pytest.mark.store
def test_it_equals_a_collection_that_was_indexed_at_once(raw):
    items = shop.colour_shop(raw)
    with closing(opened_at(raw)) as opened:
        generations.do(opened, "reproject", {})
    with SceneSearch(raw / "fresh", config=settings(raw)) as fresh:
        fresh.index(shop.write_catalog(raw, items))
        wanted = shop.contents(fresh.store)
    with closing(opened_at(raw)) as opened:
        assert shop.contents(opened.store) == wanted


@pytest.mark.store
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
@pytest.mark.store
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


@pytest.mark.store
def test_the_command(raw, monkeypatch, capsys):
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(raw / "cache"))
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", str(WHITEN))
    monkeypatch.setattr(
        "sys.argv", ["scenesearch", "reproject", "-s", str(raw / "store"), "--json"]
    )

    assert main() == 0
    assert json.loads(capsys.readouterr().out)["points"] == 24


# --- behind a service ----------------------------------------------------------------------


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.process)])
def engine(raw, request):
    """As a service has it, but for the process of its own that the store is in there."""
    made = Engine(Opened(raw / "store", settings(raw), process=request.param))
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


@pytest.mark.store
def test_a_command_behind_a_service_is_done_by_the_service(raw, engine):
    assert first(engine, shop.product("red"))[0] == "red-square"
    with closing(opened_at(raw)) as other:
        done = generations.do(other, "reproject", {})

    assert done["points"] == 24
    wait_for(lambda: engine.opened.stored_as == "items--g2")
    assert first(engine, shop.product("red")) == ("red-square", pytest.approx(1.0, abs=1e-4))
    assert not (raw / "store" / "items").exists()


@pytest.mark.store
def test_a_service_that_had_nothing_open_follows_as_well(raw):
    made = Engine(opened_at(raw))
    made.load()
    with closing(opened_at(raw)) as other:
        generations.do(other, "reproject", {})
    wait_for(lambda: made.opened.stored_as == "items--g2")
    assert first(made, shop.product("red"))[0] == "red-square"
    made.close()


@pytest.mark.process
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


@pytest.mark.store
def test_a_collection_that_grows_by_inserts_gets_its_projection_by_itself(folder):
    made = Engine(Opened(folder / "store", settings(folder)))
    made.load()
    try:
        for number in range(17):
            made.run(PutItems((record(f"n{number}", shop.noise(number), price=1.0),)))
        time.sleep(2 * live.POLL_S)
        assert made.opened.generation.number == 1
        made.run(PutItems((record("n17", shop.noise(17), price=1.0),)))
        wait_for(lambda: made.opened.generation.number == 2)
        assert made.opened.store.schema.vectors["cutout"] == WHITEN
        made.run(PutItems((record("n18", shop.noise(18), price=1.0),)))
        for number in range(19):
            assert first(made, shop.noise(number)) == (f"n{number}", pytest.approx(1, abs=1e-3))
    finally:
        made.close()


@pytest.mark.store
def test_nothing_is_lost_where_a_photo_is_neither_cached_nor_there(raw):
    (raw / "store" / "embeddings.sqlite").unlink()
    (raw / "red-tall.png").unlink()
    with closing(opened_at(raw)) as opened, pytest.raises(StoreError, match="neither in the embed"):
        generations.do(opened, "reproject", {})
    with closing(opened_at(raw)) as opened:
        assert (opened.stored_as, opened.store.count()) == ("items", 24)
    assert not (raw / "store" / "items--g2").exists()


@pytest.mark.store
def test_a_kept_photo_is_looked_at_again_by_other_models(raw, engine):
    photo = Photo(shop.png(shop.room(("red", "square"))))
    before = json.loads(engine.run(LookTask(photo=photo)).value)
    with closing(opened_at(raw)) as other:
        generations.do(other, "reproject", {})
    wait_for(lambda: engine.opened.stored_as == "items--g2")
    after = json.loads(engine.run(LookTask(query_id=before["query_id"])).value)
    fresh = json.loads(engine.run(LookTask(photo=photo)).value)

    assert after["matches"] == fresh["matches"]


# --- another model -------------------------------------------------------------------------


class OtherParts(shop.FakeParts):
    """Another size of its input is another model."""

    def __init__(self, settings):
        super().__init__(settings)
        seed = settings.embedder.image_size
        self.embedder = FakeEmbedder(48 if seed == 96 else 64, has_text=True, seed=seed)
        self.encoder = Encoder(self.embedder, self.encoder.describer, self.encoder.rules)


OLD = {"embedder": {"image_size": 224}}
NEW = {"embedder": {"image_size": 96}}


@pytest.fixture
def two(tmp_path, monkeypatch, clean_surroundings):
    """24 items made with one model; another one is known."""
    monkeypatch.setattr("scenesearch.wiring.Parts", OtherParts)
    with SceneSearch(tmp_path / "store", config=settings(tmp_path, **OLD)) as front:
        front.index(shop.write_catalog(tmp_path, shop.colour_shop(tmp_path)))
    return tmp_path


def config_of(folder, **more):
    return {"config": wiring.config_of(settings(folder, **more))}


def do(folder, what, values=None, **more):
    with closing(opened_at(folder, **(more or OLD))) as opened:
        return generations.do(opened, what, values or {})


def best(folder, **more):
    with SceneSearch(folder / "store", config=settings(folder, **(more or OLD))) as front:
        match = front.search(photos=shop.product("green", "wide")).matches[0]
        return match.item_id, round(match.score, 3)


def test_there_and_back_and_dropped(two):
    built = do(two, "build", config_of(two, **NEW))
    assert (built["number"], built["points"], built["embedded"]) == (2, 24, 24)
    assert best(two) == ("green-wide", 1.0), "it does not answer yet"
    assert do(two, "switch", {"generation": 2}) == {"generation": 2, "before": 1}
    # whatever profile a command is given: a generation knows its own
    assert best(two, **OLD) == best(two, **NEW) == ("green-wide", 1.0)
    with closing(opened_at(two)) as opened:
        assert opened.store.schema.vectors["cutout"] == 48
        assert opened.settings.embedder.image_size == 96
    found = do(two, "list")
    assert [(one["generation"], one["answers"]) for one in found] == [(1, False), (2, True)]

    assert do(two, "back")["generation"] == 1
    assert best(two, **NEW) == ("green-wide", 1.0)
    do(two, "drop", {"generation": 2})
    assert not (two / "store" / "items--g2").exists()
    assert do(two, "build", config_of(two, **NEW))["number"] == 3, "a number is never used again"


@pytest.mark.store
def test_what_makes_no_sense_is_refused_and_changes_nothing(two):
    with pytest.raises(StoreError, match="has one generation"):
        do(two, "back")
    do(two, "build", config_of(two, **NEW))
    for what, values, said in (
        ("drop", {"generation": 1}, "is the one that answers"),
        ("drop", {"generation": 9}, "no generation 9"),
        ("switch", {"generation": 9}, "no generation 9"),
        ("build", config_of(two, embedder={"image_size": 128}), "drop it first"),
        ("back", {}, "no generation answered before"),
    ):
        with pytest.raises(StoreError, match=said):
            do(two, what, values)
    do(two, "drop", {"generation": 2})
    (two / "store" / "items.generations.json").unlink()
    with pytest.raises(CollectionMismatchError):
        do(two, "build", config_of(two, **OLD), **NEW)
    assert best(two) == ("green-wide", 1.0)


@pytest.mark.store
def test_index_and_deletions_go_to_both(two):
    do(two, "build", config_of(two, **NEW))
    items = shop.colour_shop(two)
    changed = [replace(items[0], attributes={**items[0].attributes, "price": 1.5}), *items[2:]]
    with SceneSearch(two / "store", config=settings(two, **OLD)) as front:
        front.index(shop.write_catalog(two, changed), prune=True)
        front.delete(where="group = 'blue'")
        old = plain(front.store)
    with closing(opened_at(two)) as opened:
        (other,) = opened.others()
        assert plain(other.store) == old
        assert len(old) == 20


@pytest.mark.store
def test_a_tenant_that_is_removed_is_in_no_generation(two, monkeypatch, capsys):
    do(two, "build", config_of(two, **NEW))
    monkeypatch.setenv("SCENESEARCH_STORE__TENANT_FIELD", "group")
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__IMAGE_SIZE", "224")
    where = ("--store", str(two / "store"), "--json")
    monkeypatch.setattr("sys.argv", ["scenesearch", "tenants", "remove", "blue", *where])
    capsys.readouterr()

    assert main() == 0
    assert json.loads(capsys.readouterr().out) == {"items": 3, "points": 3}
    with closing(opened_at(two)) as opened:
        (other,) = opened.others()
        assert len(plain(other.store)) == 21


@pytest.mark.store
def test_who_has_a_dropped_generation_open_makes_no_collection_of_it(two):
    with closing(opened_at(two, **OLD)) as opened:
        assert opened.generation.number == 1
        do(two, "build", config_of(two, **NEW))
        do(two, "switch", {"generation": 2})
        do(two, "drop", {"generation": 1})
        item = shop.colour_shop(two)[0]
        with pytest.raises(StoreError, match="was dropped, and generation 2 answers"):
            indexing.put(opened, [item])
    assert not (two / "store" / "items").exists()


@pytest.mark.store
def test_a_photo_that_is_gone_is_told_and_the_rest_is_built(two):
    (two / "red-tall.png").unlink()
    built = do(two, "build", config_of(two, **NEW))

    assert built["points"] == 23
    assert "red-tall.png" in built["failures"][0]
    do(two, "switch", {"generation": 2})
    assert best(two) == ("green-wide", 1.0)


@pytest.mark.store
def test_building_goes_on_where_it_was_stopped(two, monkeypatch):
    class Killed(BaseException):
        pass

    def die(stage, done, total):
        if stage == "store" and done:
            raise Killed

    with closing(opened_at(two, **OLD)) as opened, pytest.raises(Killed):
        generations.do(opened, "build", config_of(two, **NEW), die)
    with pytest.raises(StoreError, match="not built to its end"):
        do(two, "switch", {"generation": 2})
    built = do(two, "build", config_of(two, **NEW))
    assert (built["number"], built["points"], built["embedded"]) == (2, 24, 0)


@pytest.mark.store
def test_a_collection_is_dropped_with_all_of_its_generations(two):
    do(two, "build", config_of(two, **NEW))
    do(two, "switch", {"generation": 2})
    given = settings(two)
    assert wiring.describe_collection(given, two / "store", "items")["vectors"]["cutout"] == 48
    wiring.drop_collection(given, two / "store", "items")

    assert wiring.list_collections(given, two / "store") == []
    assert not (two / "store" / "items.generations.json").exists()


@pytest.mark.store
def test_what_is_checked_and_backed_up_is_what_answers(two):
    do(two, "build", config_of(two, **NEW))
    do(two, "switch", {"generation": 2})
    with closing(opened_at(two)) as opened:
        assert verify_store(opened, deep=True).sound
    engine = Engine(opened_at(two))
    engine.load()
    engine.run(tasks.BackUp(str(two / "backup")))
    engine.close()
    schema = json.loads((two / "backup" / "collections" / "items" / "schema.json").read_text())
    assert schema["vectors"]["cutout"] == 48


@pytest.mark.store
def test_a_service_answers_with_the_models_of_the_generation(two):
    engine = Engine(opened_at(two, **OLD))
    engine.load()
    engine.opened.store.count()
    done = do(two, "build", config_of(two, **NEW))
    engine.run(PutItems((record("late", shop.noise(7), price=3.0),)))
    do(two, "switch", {"generation": done["number"]})
    wait_for(lambda: engine.opened.generation.number == 2)
    try:
        assert engine.opened.parts.settings.embedder.image_size == 96
        assert first(engine, shop.noise(7)) == ("late", pytest.approx(1.0, abs=1e-3))
        assert first(engine, shop.product("red")) == ("red-square", pytest.approx(1.0, abs=1e-3))
        do(two, "back")
        wait_for(lambda: engine.opened.generation.number == 1)
        assert first(engine, shop.noise(7)) == ("late", pytest.approx(1.0, abs=1e-3))
        do(two, "drop", {"generation": 2})
        assert first(engine, shop.product("red"))[0] == "red-square"
    finally:
        engine.close()


@pytest.mark.store
def test_two_generations_are_compared_by_overlap_and_by_truth(two):
    do(two, "build", config_of(two, **NEW))
    truth = two / "truth.jsonl"
    shop.save(shop.product("red", "wide"), two / "asked.png")
    truth.write_text(json.dumps({"image": "asked.png", "items": ["red-wide"]}) + "\n")
    found = do(two, "compare", {"truth": str(truth), "sample": 10})

    assert (found["generations"], found["items"], found["only_in_one"]) == ([1, 2], 10, 0)
    assert 0 < found["overlap@10"] <= 1
    assert [one["overlap"] for one in found["most_different"]] == sorted(
        one["overlap"] for one in found["most_different"]
    )
    assert {one["metric"]: one["new"] for one in found["truth"]["metrics"]}["hit@1"] == 1.0
    same = do(two, "compare", {"generation": 2, "sample": 5})
    assert same["truth"] is None
    with pytest.raises(StoreError, match="give the generation"):
        do(two, "compare", {"generation": 1, "sample": 5})


@pytest.mark.store
def test_the_commands(two, monkeypatch, capsys):
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(two / "cache"))
    profile = two / "new.yaml"
    profile.write_text("embedder: {image_size: 96, whiten: 6}\n")
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", str(WHITEN))

    def command(*arguments):
        monkeypatch.setattr(
            "sys.argv",
            ["scenesearch", "generation", *map(str, arguments), "--store", str(two / "store")],
        )
        code = main()
        return code, capsys.readouterr().out

    assert "24 points" in command("build", "--config", profile)[1]
    code, said = command("compare", "--save", two / "lists.html")
    assert code == 0
    assert "the same" in said
    page = (two / "lists.html").read_text()
    assert page.count("data:image/jpeg") >= 20
    assert "generation 1, which answers" in page
    assert command("switch", 2) == (0, "generation 2 answers now\n")
    assert "2: answers" in command("list")[1]
    assert command("back") == (0, "generation 1 answers again\n")
    assert command("drop", 2) == (0, "dropped generation 2\n")
    assert command("drop", 1)[0] == 5

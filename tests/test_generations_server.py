"""Generations on a Qdrant server: run where QDRANT_URL names one."""

from __future__ import annotations

import json
import os
import threading
import time
from contextlib import closing
from unittest.mock import Mock

import pytest
import shop
from qdrant_proxy import collection, key, needs_server

from scenesearch import wiring
from scenesearch.api import SceneSearch, generations
from scenesearch.api.opened import Opened
from scenesearch.config.settings import load_settings
from scenesearch.core.errors import StoreUnavailableError
from scenesearch.core.points import PROJECTION_BLOB
from scenesearch.engine import tasks
from scenesearch.engine.engine import Engine
from scenesearch.engine.tasks import DeleteItems, ItemRecord, PatchItem, Photo, PutItems, SearchTask
from scenesearch.wiring import list_collections

pytestmark = [pytest.mark.store, needs_server]
WHITEN = 6


@pytest.fixture(params=["raw"])
def place(request, tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    settings = load_settings(
        None,
        cache_dir=tmp_path / "cache",
        qdrant_api_key=key(),
        service={"decoders": 1, "state_dir": tmp_path / "state"},
        embedder={"whiten": WHITEN},
    )
    with collection() as name:

        def opened():
            return Opened(os.environ["QDRANT_URL"], settings, collection=name, scenes=f"{name}-sc")

        with SceneSearch(os.environ["QDRANT_URL"], collection=name, config=settings) as front:
            items = shop.colour_shop(tmp_path)
            if request.param == "raw":
                front.index(shop.write_catalog(tmp_path, items[:3]))
            front.index(shop.write_catalog(tmp_path, items))
        yield opened, settings, name


def match(engine, image):
    answer = json.loads(engine.run(SearchTask(photos=((Photo(shop.png(image)), 1.0),))).value)
    return answer["matches"][0]["item_id"], answer["matches"][0]["score"]


def test_a_raw_collection_is_projected_and_the_old_one_is_gone(place):
    make, settings, name = place
    with closing(make()) as opened:
        wanted = {one: payload for one, (payload, _) in shop.contents(opened.store).items()}
        done = generations.do(opened, "reproject", {})
    assert (done["points"], done["embedded"]) == (24, 0)
    with closing(make()) as opened:
        assert opened.stored_as == f"{name}--g2"
        assert PROJECTION_BLOB in opened.store.schema.blobs
        found = {one: payload for one, (payload, _) in shop.contents(opened.store).items()}
        assert found == wanted
    names = list_collections(settings, os.environ["QDRANT_URL"])
    assert name not in names
    assert f"{name}--g2" in names


@pytest.mark.parametrize("place", ["projected"], indirect=True)
def test_two_services_follow_and_lose_nothing(place):
    make, settings, _ = place
    engines = [Engine(make()) for _ in range(2)]
    for one in engines:
        one.load()
    stop, wrong, asked = threading.Event(), [], [0]
    acknowledged = {}

    def read(engine, colour):
        while not stop.is_set():
            try:
                found = match(engine, shop.product(colour, "wide"))
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))
                return
            asked[0] += 1
            if found[0] != f"{colour}-wide" or abs(found[1] - 1) > 1e-3:
                wrong.append(found)

    def write(engine, number):
        place = 0
        while not stop.is_set():
            item = f"new-{number}-{place}"
            photo = Photo(shop.png(shop.noise(1000 * number + place % 20)), "photo.png")
            try:
                engine.run(PutItems((ItemRecord(item, (photo,), {"price": float(place)}),)))
                engine.run(PatchItem(item, {"price": place + 1.0}))
                acknowledged[item] = place + 1.0
                if place % 3 == 2:
                    engine.run(DeleteItems((f"new-{number}-{place - 1}",)))
                    acknowledged.pop(f"new-{number}-{place - 1}")
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))
                return
            place += 1

    workers = [
        *(threading.Thread(target=read, args=(one, "red")) for one in engines),
        *(threading.Thread(target=write, args=(one, n)) for n, one in enumerate(engines)),
    ]
    for one in workers:
        one.start()
    with closing(make()) as opened:
        number = generations.do(opened, "build", {"config": wiring.config_of(settings)})["number"]
    seconds = []
    for turn in range(4):
        with closing(make()) as opened:
            wanted = number if turn % 2 == 0 else 1
            generations.do(opened, "switch", {"generation": wanted})
        since = time.monotonic()
        while any(one.opened.generation.number != wanted for one in engines):
            assert time.monotonic() < since + 20
            time.sleep(0.01)
        seconds.append(time.monotonic() - since)
    stop.set()
    for one in workers:
        one.join()
    try:
        assert not wrong
        assert asked[0] > 4
        assert sorted(seconds)[2] < 1.0, seconds
        for engine in engines:
            there = {
                one["id"]: one["attributes"]["price"]
                for one in engine.run(tasks.ListItems(limit=1000)).value["items"]
                if one["id"].startswith("new")
            }
            assert there == acknowledged
    finally:
        for one in engines:
            one.close()


def test_a_service_that_starts_before_its_server_answers_with_the_right_one(place, monkeypatch):
    make, _, _ = place
    with closing(make()) as opened:
        generations.do(opened, "reproject", {})
    opened = make()
    away = StoreUnavailableError("no answer")
    with monkeypatch.context() as patch:
        patch.setattr(opened.record, "read", Mock(side_effect=away))
        engine = Engine(opened)
    try:
        engine.load()
        assert match(engine, shop.product("red", "wide"))[0] == "red-wide"
        assert engine.opened.generation.number == 2
    finally:
        engine.close()

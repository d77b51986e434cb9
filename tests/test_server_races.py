"""What several do at once on a Qdrant server, over the fakes: run where QDRANT_URL names one."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
import shop
from qdrant_proxy import collection, key, needs_server

from scenesearch import SceneSearch
from scenesearch.core.conditions import Equals, Not
from scenesearch.core.errors import StoreUnavailableError
from scenesearch.core.protocols import TextQuery
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.images import load_scene
from scenesearch.search.query import Query
from scenesearch.search.searcher import Searcher
from scenesearch.store.server.client import ClientStore

pytestmark = [pytest.mark.store, needs_server]
RACES = int(os.environ.get("SCENESEARCH_RACES", "5"))


@pytest.fixture
def name() -> Iterator[str]:
    with collection() as name:
        yield name


def opened(name: str) -> ClientStore:
    return ClientStore(os.environ["QDRANT_URL"], name, api_key=key(), timeout=30)


@pytest.mark.parametrize("race", range(RACES))
def test_two_first_runs_at_once_end_in_one_space(tmp_path: Any, name: str, race: int) -> None:
    items = shop.pattern_items(tmp_path, 60)
    # the second half too few to fit a projection in every other race
    halves = (items[:30], items[30:] if race % 2 else items[30:40])
    runs = [shop.Shop(opened(name), whiten=8) for _ in halves]
    start = Barrier(2)

    def index(n: int) -> None:
        start.wait()
        runs[n].index(halves[n])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(index, range(2)))

    searcher = Searcher(runs[0].store, runs[0].encoder)
    for item in (*halves[0], *halves[1]):
        match = searcher.look(Query(products=((load_scene(item.photos[0]), 1.0),))).matches[0]
        assert match.item_id == item.id
        assert match.parts["similarity"] == pytest.approx(1, abs=1e-3)
    for run in runs:
        run.store.close()


@pytest.mark.parametrize("race", range(RACES))
def test_an_insert_during_a_first_index_is_in_its_space(
    tmp_path: Path,
    name: str,
    race: int,
    clean_surroundings: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop.use_fakes(monkeypatch)
    monkeypatch.setenv("SCENESEARCH_EMBEDDER__WHITEN", "8")
    monkeypatch.setenv("SCENESEARCH_QDRANT_API_KEY", key() or "")
    items = shop.pattern_items(tmp_path, 41)
    manifest = shop.write_catalog(tmp_path, items[:40])
    fronts = [SceneSearch(os.environ["QDRANT_URL"], collection=name) for _ in range(2)]
    # from before anything is embedded to after all is written
    pause_s = float(np.random.default_rng(race).uniform(0, 1))
    begun = Event()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(fronts[0].index, manifest, progress=lambda *_: begun.set())
        assert begun.wait(60)
        time.sleep(pause_s)
        while True:
            try:
                fronts[1].put(items[40:], settle=True)
                break
            except StoreUnavailableError:
                time.sleep(0.05)  # until the run has made the collection
        assert first.result().report is not None

    store = opened(name)
    assert store.schema is not None
    assert store.schema.vectors["cutout"] == 8
    for item in items:
        match = fronts[1].search(photos=item.photos[0]).matches[0]
        assert match.item_id == item.id
        assert match.parts["similarity"] == pytest.approx(1, abs=1e-3)
    for one in (*fronts, store):
        one.close()


@pytest.mark.timeout(60 * RACES)
def test_fields_that_two_add_at_once_are_all_there_and_filtered_by(name: str) -> None:
    stores = [opened(name) for _ in range(2)]
    stores[0].create(CollectionSchema({"cutout": 4}, {"item_id": "keyword"}))
    pairs = 10 * RACES
    start = Barrier(2)

    def add(side: int) -> None:
        for pair in range(pairs):
            start.wait()
            field = f"f{pair}-{side}"
            stores[side].add_fields({field: "integer"})
            point = Point(str(uuid.uuid4()), {}, {field: pair})
            stores[side].upsert([point])

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(add, range(2)))

    last = opened(name)
    assert last.schema is not None
    assert len(last.schema.fields) == 1 + 2 * pairs
    for pair in range(pairs):
        assert [last.count(Equals(f"f{pair}-{side}", pair)) for side in (0, 1)] == [1, 1]
    for store in (*stores, last):
        store.close()


def test_words_are_set_while_others_delete(name: str) -> None:
    words = CollectionSchema({"cutout": 4}, {"item_id": "keyword", "words": "text"})
    stores = [opened(name) for _ in range(2)]
    stores[0].create(words)
    items = [f"item {n}" for n in range(60)]
    stores[0].upsert(
        [
            Point(str(uuid.uuid4()), {}, {"item_id": item, "words": "oak"})
            for item in items
            for _ in range(4)
        ]
    )
    start = Barrier(2)

    def write(side: int) -> None:
        for item in items[:50]:
            start.wait()
            if side:
                stores[1].delete(where=Equals("item_id", item))
            else:
                stores[0].set_payload({"words": "brass"}, where=Equals("item_id", item))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    stores[0].set_payload({"words": "brass"}, where=Not(Equals("item_id", items[0])))

    assert len(stores[0].query([TextQuery("brass", 500)])[0]) == 40
    assert stores[0].query([TextQuery("oak", 500)]) == [[]]
    for store in stores:
        store.close()

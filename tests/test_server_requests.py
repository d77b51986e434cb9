"""How often a Qdrant server is asked: run where QDRANT_URL names one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import shop
from qdrant_proxy import Proxy, collection, key, needs_server
from test_engine_items import Engine, pattern, record

import scenesearch.store.server.client
from scenesearch.config.settings import Settings
from scenesearch.images import load_scene
from scenesearch.search.query import Query
from scenesearch.store.server.client import ClientStore

pytestmark = [pytest.mark.store, needs_server]
ITEMS = 40


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    proxy = Proxy()
    yield proxy
    proxy.close()


@pytest.fixture
def engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_surroundings: None, proxy: Proxy
) -> Iterator[Engine]:
    shop.use_fakes(monkeypatch)
    # the record is read once a second: how often that is depends on how slow the test is
    monkeypatch.setattr(scenesearch.store.server.client, "RECORD_S", 600.0)
    with collection() as name:
        made = Engine(
            tmp_path, ClientStore(proxy.url, name, api_key=key()), Settings(min_free_megabytes=0)
        )
        made.put(
            *[record(f"i{n}", pattern(n), title=f"Thing {n}", price=float(n)) for n in range(ITEMS)]
        )
        # what a collection is asked once, or once a minute while it is small
        made.put(record("first", pattern(ITEMS), title="First", price=1.0))
        made.opened.searcher.open().centres.now()
        yield made
        made.front.close()


def asked(proxy: Proxy, call: Callable[[], Any]) -> list[str]:
    proxy.take()
    call()
    return proxy.take()


def test_an_insert_takes_at_most_four_requests(engine: Engine, proxy: Proxy) -> None:
    new = record("new", pattern(100), title="New thing", price=3.0)
    other = record("new", pattern(101), title="Newer thing", price=4.0)

    assert len(asked(proxy, lambda: engine.put(new))) <= 3
    assert len(asked(proxy, lambda: engine.put(other))) <= 4  # removes the photo it had
    assert engine.get("new")["attributes"]["title"] == "Newer thing"


@pytest.mark.parametrize("change", [{"price": 7.5}, {"title": "Other words"}, {"price": None}])
def test_a_patch_takes_two_requests_and_answers_what_is_stored(
    engine: Engine, proxy: Proxy, change: dict[str, Any]
) -> None:
    answers = []

    assert len(asked(proxy, lambda: answers.append(engine.patch("i3", **change)))) == 2
    assert answers == [engine.get("i3")]


def test_a_new_title_is_searched_by_its_words(engine: Engine) -> None:
    engine.patch("i3", title="Marble")
    searcher = engine.opened.searcher

    assert [m.item_id for m in searcher.look(Query(words="marble")).matches][:1] == ["i3"]


def test_a_deletion_takes_two_requests(engine: Engine, proxy: Proxy) -> None:
    gone = []

    assert len(asked(proxy, lambda: gone.append(engine.delete("i1", "i2")))) == 2
    assert gone == [{"items": 2, "points": 2}]


def test_a_search_by_an_item_takes_two_requests_once_its_matches_were_shown(
    engine: Engine, proxy: Proxy
) -> None:
    searcher, query = engine.opened.searcher, Query(items=(("i3", 1.0),))

    assert len(asked(proxy, lambda: searcher.look(query))) == 3
    assert len(asked(proxy, lambda: searcher.look(query))) == 2


def test_a_look_takes_one_request_once_its_matches_were_shown(engine: Engine, proxy: Proxy) -> None:
    searcher = engine.opened.searcher
    query = Query(scene=load_scene(shop.noise(3)))

    assert len(asked(proxy, lambda: searcher.look(query))) == 2
    assert len(asked(proxy, lambda: searcher.look(query))) == 1


def test_what_was_written_meanwhile_is_shown(engine: Engine, proxy: Proxy) -> None:
    searcher, query = engine.opened.searcher, Query(items=(("i3", 1.0),))
    before = searcher.look(query).matches
    item = before[0].item_id

    engine.patch(item, price=99.0)
    after = searcher.look(query).matches

    assert {m.item_id: m.attributes["price"] for m in after}[item] == 99.0
    assert [m.item_id for m in after] == [m.item_id for m in before]


def test_connections_are_kept_alive(engine: Engine, proxy: Proxy) -> None:
    for _ in range(5):
        engine.get("i3")

    assert proxy.connections == 1

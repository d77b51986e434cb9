"""Inserts while a catalogue is indexed for the first time: they wait for its projection."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest
import shop

from scenesearch import SceneSearch, load_settings
from scenesearch.api import indexing
from scenesearch.core.errors import StoreUnavailableError
from scenesearch.core.points import PROJECTION_BLOB
from scenesearch.core.types import Item
from scenesearch.store.embedded.edge import EdgeStore

SETTINGS = load_settings(None, embedder={"whiten": 8})
pytestmark = pytest.mark.usefixtures("clean_surroundings")


@pytest.fixture(autouse=True)
def parts(monkeypatch):
    monkeypatch.setattr(indexing, "INSERT_S", 0.05)
    return shop.use_fakes(monkeypatch)


def an_item(folder, n=1):
    return Item(f"new{n}", (shop.save(shop.noise(n), folder / f"new{n}.png"),), {"title": "new"})


def projected(folder):
    with closing(EdgeStore(folder, "items")) as store:
        return PROJECTION_BLOB in store.schema.blobs, store.count()


def catalogue(folder):
    return shop.write_catalog(folder, shop.colour_shop(folder))


def test_an_insert_waits_for_the_projection_of_a_first_run(tmp_path):
    path, refused, began = catalogue(tmp_path), [], threading.Event()

    def insert():
        began.wait(10)
        with SceneSearch(tmp_path / "store", config=SETTINGS) as other:
            for n in range(3):
                try:
                    other.put([an_item(tmp_path, n)])
                except StoreUnavailableError as error:
                    refused.append(error)
        done.set()

    done = threading.Event()
    thread = threading.Thread(target=insert)
    thread.start()

    def progress(stage, count, total):
        if stage == "embed" and not done.is_set():
            began.set()
            assert done.wait(20)

    with SceneSearch(tmp_path / "store", config=SETTINGS) as front:
        report = front.index(path, progress=progress).report
    thread.join()

    assert report.added == 24
    assert not any("raw" in note for note in report.notes)
    assert len(refused) == 3
    assert refused[0].retry_after_s == indexing.RETRY_S
    with SceneSearch(tmp_path / "store", config=SETTINGS) as other:
        other.put([an_item(tmp_path)])
    assert projected(tmp_path / "store") == (True, 25)


def test_a_shop_that_begins_with_a_few_inserts_is_raw_as_before(tmp_path):
    with SceneSearch(tmp_path / "store", config=SETTINGS) as front:
        front.put([an_item(tmp_path, 1)])
        front.put([an_item(tmp_path, 2)])

    assert projected(tmp_path / "store") == (False, 2)


def test_a_first_run_that_died_leaves_nobody_waiting(tmp_path, parts):
    class Died(Exception):
        pass

    def die(stage, count, total):
        raise Died

    with SceneSearch(tmp_path / "store", config=SETTINGS) as front, pytest.raises(Died):
        front.index(catalogue(tmp_path), progress=die)
    with SceneSearch(tmp_path / "store", config=SETTINGS) as front:
        front.put([an_item(tmp_path)])

    assert projected(tmp_path / "store")[1] == 1

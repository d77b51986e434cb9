"""The front door for photos: rows, a collection of photos, and the scenes of an item; on fakes."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest
import shop

from scenesearch import SceneSearch, load_settings
from scenesearch.cli.main import main
from scenesearch.core.errors import QueryError, StoreError
from scenesearch.system.ray_cluster import RayOptions
from scenesearch.tagging.ledger import recorded_rows
from scenesearch.tagging.run import RunOptions

HERE = Path(__file__).parent
ONE = RunOptions(workers=1)


@pytest.fixture(scope="module", autouse=True)
def parts(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in [name for name in os.environ if name.startswith("SCENESEARCH_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    shop.save(shop.room(("red", "square"), ("blue", "tall")), folder / "a.png")
    shop.save(shop.room(("red", "wide")), folder / "b.png")
    (folder / "c.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    catalog = shop.write_catalog(folder, shop.colour_shop(folder / "photos")[:6])
    with SceneSearch(folder / "store", config=load_settings()) as opened:
        opened.index(catalog)
        yield opened


@pytest.mark.store
def test_photos_are_tagged_one_row_each_and_a_broken_one_is_an_error_row(front, photos):
    rows = {Path(row.source).stem: row for row in front.tag(photos, run=ONE)}

    assert sorted(one.label for one in rows["a"].objects) == ["blue", "red"]
    assert [one.label for one in rows["b"].objects] == ["red"]
    assert rows["c"].error == "unsupported_image"


def test_a_run_that_fills_the_collection_gives_rows_and_photos_that_can_be_found(
    front, photos, tmp_path
):
    out = tmp_path / "tags.jsonl"

    done = front.tag_to(out, photos, run=ONE, fill=True)
    again = front.tag_to(out, photos, run=ONE, fill=True)

    assert (done.photos, done.done, done.failed) == (3, 2, 1)
    assert (again.done, again.skipped) == (0, 2)
    found = front.scenes().find("red and blue")
    assert [Path(match.photo).stem for match in found.matches] == ["a"]
    assert front.scenes().find("red").total == 2


@pytest.mark.store
def test_photos_whose_rows_are_only_streamed_can_fill_the_collection_too(tmp_path, photos):
    with SceneSearch(tmp_path / "store", scenes="rooms", config=load_settings()) as opened:
        rows = list(opened.tag(photos, run=ONE, fill=True))

        assert [row.error for row in rows] == [None, None, "unsupported_image"]
        assert opened.count_scenes() == 2
        assert opened.forget_scenes(photos=[rows[0].source]) == 1
        assert (tmp_path / "store" / "rooms").is_dir()


def test_the_worker_of_a_cluster_tags_as_this_process_does(front, photos, tmp_path, monkeypatch):
    made = []

    def on_ray(sources, tagger, make_tagger, out, *, cluster, **_):
        with pickle.loads(pickle.dumps(make_tagger))() as there:
            made.append((there.fingerprint == tagger.fingerprint, cluster.cpus_per_worker))

    monkeypatch.setattr("scenesearch.tagging.ray_runner.run_tagging_on_ray", on_ray)
    front.tag_to(tmp_path / "tags.jsonl", photos, run=ONE, cluster=RayOptions("auto"))

    assert made == [(True, front.settings.threads or 1)]


@pytest.mark.store
def test_rows_recorded_without_the_collection_do_not_count_as_filled(front, photos, tmp_path):
    out = tmp_path / "tags.jsonl"
    front.tag_to(out, photos, run=ONE)

    done = front.tag_to(out, photos, run=ONE, fill=True)

    assert done.done == 2
    assert len([row for row in recorded_rows(out) if row.error is None]) == 2


def test_the_scenes_of_an_item_are_the_known_ones_and_those_that_show_it(front, photos, tmp_path):
    front.tag_to(tmp_path / "tags.jsonl", photos, run=ONE, fill=True)
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"image": "elsewhere.png", "items": ["red-square", "orange-tall"]}\n')
    front.learn_scenes(truth)

    found = front.scenes_of("red-square")

    assert Path(found[0].image).stem == "elsewhere"
    assert found[0].source == "known"
    by_sight = [scene for scene in found if scene.source == "by sight"]
    assert Path(by_sight[0].image).stem == "a"
    assert 0 < by_sight[0].score <= 1


def test_what_goes_with_the_scene_of_a_photo_is_not_in_it(front):
    answer = front.complete(photo=shop.room(("red", "square")), limit=5)

    assert answer.anchors
    assert answer.suggestions
    assert not set(answer.anchors) & {one.item_id for one in answer.suggestions}


def test_completing_wants_items_or_a_photo(front):
    with pytest.raises(QueryError, match="items or a photo"):
        front.complete()
    with pytest.raises(QueryError, match="not both"):
        front.complete("red-square", photo=shop.room(("red", "square")))


def test_without_photos_there_is_nothing_to_search_and_the_error_says_how_to_index(tmp_path):
    opened = SceneSearch(tmp_path / "empty", config=load_settings())

    with opened, pytest.raises(StoreError, match="scenesearch scenes index"):
        opened.scenes()


@pytest.mark.store
def test_the_command_fills_a_store_on_the_way(photos, tmp_path, monkeypatch, capsys):
    out, store = tmp_path / "tags.jsonl", tmp_path / "store"
    arguments = ["tag", photos, "--out", out, "--scenes", store, "--workers", 1, "--json"]
    monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments)])

    assert main() == 3

    capsys.readouterr()
    monkeypatch.setattr(
        sys, "argv", ["scenesearch", "scenes", "count", "--store", str(store), "--json"]
    )
    assert main() == 0
    assert '"photos": 2' in capsys.readouterr().out

"""What the engine does to photos of scenes: add, find, count, remove and show them."""

from __future__ import annotations

import hashlib
import io
from types import SimpleNamespace

import pytest
import shop
from fakes.models import FakeEmbedder
from fakes.store import MemoryStore
from PIL import Image

from scenesearch.api.opened import Opened
from scenesearch.config.settings import Settings
from scenesearch.core.errors import QueryError, StoreError
from scenesearch.engine.catalogue import CatalogueTasks
from scenesearch.engine.media import sweep_media
from scenesearch.engine.scenes import SceneTasks
from scenesearch.engine.tasks import (
    AddScenes,
    DeleteItems,
    DeleteScenes,
    FindScenes,
    ItemRecord,
    Photo,
    PutItems,
    SceneFacets,
    ScenePhoto,
)
from scenesearch.images import load_scene
from scenesearch.images.media_folder import MediaFolder
from scenesearch.store.embedded.edge import EdgeStore


def png(image) -> Photo:
    return Photo(shop.png(image), "../room.png")


RED_BLUE = png(shop.room(("red", "square"), ("blue", "tall")))
RED = png(shop.room(("red", "wide")))
GREEN = png(shop.room(("green", "square"), ("green", "tall")))


def id_of(photo):
    return hashlib.sha256(photo.data).hexdigest()


def make(folder, *, edge=False):
    opened = Opened(folder / "store", Settings(min_free_megabytes=0))
    opened.store = MemoryStore()
    opened.photos = (
        EdgeStore(folder / "store", "scenes", min_free_bytes=0) if edge else MemoryStore()
    )
    # without words, whose vectors take the fake longer than everything else
    opened.parts.encoder.embedder = FakeEmbedder(64)
    media = MediaFolder(folder / "media", min_free_bytes=0)

    def decode(photo):
        return load_scene(photo.data, name=photo.name)

    return SimpleNamespace(
        opened=opened,
        media=media,
        scenes=SceneTasks(opened, media, decode),
        items=CatalogueTasks(opened, media, decode),
    )


@pytest.fixture
def engine(tmp_path, monkeypatch, clean_surroundings):
    shop.use_fakes(monkeypatch)
    made = make(tmp_path)
    yield made
    made.opened.close()


@pytest.fixture
def filled(engine):
    engine.scenes.add_scenes(AddScenes((RED_BLUE, RED, GREEN)))
    return engine


def ids(answer):
    return [scene["id"] for scene in answer["scenes"]]


@pytest.mark.parametrize("edge", [False, True], ids=["memory", "edge"])
def test_what_was_added_is_found_by_words_and_by_likeness_and_can_be_removed(
    tmp_path, monkeypatch, clean_surroundings, edge
):
    shop.use_fakes(monkeypatch)
    engine = make(tmp_path, edge=edge)
    bad = Photo(b"no photo", "x")
    done = engine.scenes.add_scenes(AddScenes((RED_BLUE, bad, RED)))

    assert [one["status"] for one in done] == ["added", "failed", "added"]
    assert [one["id"] for one in done] == [id_of(RED_BLUE), id_of(bad), id_of(RED)]
    assert done[1]["error"]["code"] == "unsupported_image"
    assert ids(engine.scenes.find_scenes(FindScenes(text="red and blue"))) == [id_of(RED_BLUE)]
    assert ids(engine.scenes.find_scenes(FindScenes(photo=RED)))[0] == id_of(RED)
    removed = engine.scenes.delete_scenes(DeleteScenes((id_of(RED), "nothing", id_of(GREEN))))
    assert removed == {"scenes": 1}
    assert ids(engine.scenes.find_scenes(FindScenes(text="red"))) == [id_of(RED_BLUE)]
    engine.opened.close()


def test_a_scene_says_what_is_in_it_and_names_no_file(filled):
    answer = filled.scenes.find_scenes(FindScenes(text="blue"))

    (scene,) = answer["scenes"]
    assert scene["photo_url"] == f"/v1/scenes/{id_of(RED_BLUE)}/photo?width=320"
    assert (scene["width"], scene["height"]) == (240, 240)
    assert sorted(one["label"] for one in scene["objects"]) == ["blue", "red"]
    for one in scene["objects"]:
        assert len(one["box"]) == 4
        assert 0 < one["confidence"] <= 1
    assert scene["labels"] == {"red": 1, "blue": 1}
    assert answer["understood"]["understood"] == "blue"
    assert answer["total"] == 1
    assert str(filled.media.root) not in repr(answer)


def test_the_same_photo_again_is_unchanged_and_runs_no_model(filled):
    embedded = filled.opened.parts.encoder.embedder.embedded

    done = filled.scenes.add_scenes(AddScenes((RED, RED)))
    assert [one["status"] for one in done] == ["unchanged", "unchanged"]
    assert filled.opened.parts.encoder.embedder.embedded == embedded


def test_a_product_is_found_in_the_scenes_that_have_something_like_it(filled):
    thing = png(shop.product("red", "wide"))
    filled.items.put_items(PutItems((ItemRecord("wide", (thing,), {}),)))

    answer = filled.scenes.find_scenes(FindScenes(item_id="wide"))
    best = answer["scenes"][0]
    assert best["id"] == id_of(RED)
    assert best["match"]["label"] == "red"
    with pytest.raises(QueryError, match="No item"):
        filled.scenes.find_scenes(FindScenes(item_id="nobody"))


def test_facets_count_scenes_and_not_objects(filled):
    found = filled.scenes.scene_facets(SceneFacets())

    labels = {one["value"]: one["count"] for one in found["facets"]["labels"]}
    assert labels == {"red": 2, "blue": 1, "green": 1}
    assert found["scenes"] == 3
    assert "folder" not in found["facets"]
    some = filled.scenes.scene_facets(SceneFacets("blue"))
    assert some["scenes"] == 1


def test_before_the_first_scene_everything_is_empty(engine):
    assert engine.scenes.find_scenes(FindScenes(text="red"))["scenes"] == []
    assert engine.scenes.scene_facets(SceneFacets())["scenes"] == 0
    assert engine.scenes.delete_scenes(DeleteScenes((id_of(RED),))) == {"scenes": 0}
    assert engine.scenes.scene_photo(ScenePhoto(id_of(RED))) is None


@pytest.mark.parametrize(
    "task",
    [
        FindScenes(),
        FindScenes(text="red", item_id="a"),
        FindScenes(text="red", limit=0),
        FindScenes(text="red", limit=201),
        FindScenes(text="zyzzyva"),
        FindScenes(text="red and"),
    ],
    ids=["nothing", "two things", "no scene", "too many", "an unknown word", "half a query"],
)
def test_what_makes_no_sense_is_refused(filled, task):
    with pytest.raises(QueryError):
        filled.scenes.find_scenes(task)


def test_the_photo_of_a_scene_is_shown_small_until_the_scene_is_removed(filled):
    data = filled.scenes.scene_photo(ScenePhoto(id_of(RED), width=64))

    assert Image.open(io.BytesIO(data)).size == (64, 64)
    filled.scenes.delete_scenes(DeleteScenes((id_of(RED),)))
    assert filled.scenes.scene_photo(ScenePhoto(id_of(RED), width=64)) is None
    assert filled.scenes.scene_photo(ScenePhoto("../../etc/passwd")) is None


def test_sweeping_leaves_what_an_item_or_a_scene_uses(filled):
    both, alone = RED, png(shop.product("pink"))
    filled.items.put_items(PutItems((ItemRecord("a", (both,), {}), ItemRecord("b", (alone,), {}))))
    filled.items.delete_items(DeleteItems(("a", "b")))
    filled.scenes.delete_scenes(DeleteScenes((id_of(GREEN),)))

    assert sweep_media(filled.opened, filled.media) == 0, "young files stay"
    assert sweep_media(filled.opened, filled.media, young_s=-1) == 2
    assert filled.media.find(id_of(alone)) is None
    assert filled.media.find(id_of(GREEN)) is None
    assert sweep_media(filled.opened, filled.media, young_s=-1) == 0
    assert filled.media.find(id_of(RED)) is not None
    assert filled.scenes.scene_photo(ScenePhoto(id_of(RED))) is not None


def test_nothing_is_swept_when_a_collection_cannot_be_read(filled, monkeypatch):
    filled.items.put_items(PutItems((ItemRecord("a", (RED,), {}),)))

    def fail(**_):
        raise StoreError("the disk is gone")

    monkeypatch.setattr(filled.opened.photos, "scroll", fail)
    with pytest.raises(StoreError):
        sweep_media(filled.opened, filled.media, young_s=-1)
    assert filled.media.find(id_of(GREEN)) is not None

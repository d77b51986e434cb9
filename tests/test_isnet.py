"""IS-Net: masks of real photos, and errors instead of downloads."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from scenesearch.core.errors import ModelLoadError
from scenesearch.core.protocols import Remover
from scenesearch.images import load_scene
from scenesearch.models.cutout.composite import tight_box, usable_mask
from scenesearch.models.cutout.cutter import CutRules, cut_product
from scenesearch.models.cutout.isnet import IsNetRemover
from scenesearch.models.weights import WeightFinder, Weights

MODEL = "isnet-general-use"


def test_constructing_reads_nothing_and_the_fingerprint_names_model_and_weights(tmp_path):
    gone = Weights(tmp_path / "gone.onnx", "ab" * 32)
    remover = IsNetRemover(gone)

    assert isinstance(remover, Remover)
    assert remover.fingerprint == "rembg:isnet-general-use:gone@abababababab"
    remover.close()


@pytest.mark.parametrize("data", [b"", b"not a model", None], ids=["empty", "text", "missing"])
def test_a_file_that_cannot_be_used_is_one_line_that_names_it(tmp_path, data):
    path = tmp_path / "m.onnx"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelLoadError, match=r"expected the \.onnx of IS-Net") as caught:
        IsNetRemover(Weights(path, "0" * 64)).load()

    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert path.exists() == (data is not None)


@pytest.fixture(scope="module")
def remover(real_models):
    return IsNetRemover(WeightFinder(real_models).find(MODEL))


@pytest.fixture(scope="module")
def clothes(shared_data):
    """Photos of clothes lying on floors and hanging on doors."""
    with (shared_data / "clothing" / "catalog.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    picked = np.random.default_rng(3).choice(len(rows), 4, replace=False)
    return [load_scene(shared_data / "clothing" / rows[i]["image"]).image for i in picked]


@pytest.mark.models
def test_clothes_are_separated_from_what_they_lie_on(remover, clothes):
    for image in clothes:
        alpha = remover.matte(image)
        mask = alpha >= 128
        height, width = image.shape[:2]

        assert alpha.dtype == np.uint8
        assert alpha.shape == (height, width)
        assert usable_mask(mask) == ""
        # nearly all of a matte is decided, and the middle of these photos is the product
        assert np.mean((alpha < 30) | (alpha > 225)) > 0.8
        middle = mask[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
        assert middle.mean() > 0.6


@pytest.mark.models
def test_a_product_photo_is_cropped_to_its_matte(remover, clothes):
    cutout, box = cut_product(clothes[0], CutRules(), remover)

    assert cutout.method in {"matting", "plain_background"}
    assert cutout.image.shape[:2] == (box[3] - box[1], box[2] - box[0])
    assert tight_box(cutout.mask) == (0, 0, box[2] - box[0], box[3] - box[1])
    assert (cutout.image[~cutout.mask] == 255).all()


@pytest.mark.models
def test_the_matte_is_that_of_rembg(remover, clothes):
    """Where rembg is installed; nothing of the product needs it."""
    pytest.importorskip("rembg", exc_type=ImportError)
    from rembg.sessions.dis_general_use import DisSession

    theirs = DisSession.__new__(DisSession)
    theirs.inner_session = remover._ready()
    for image in clothes[:2]:
        expected = np.asarray(theirs.predict(Image.fromarray(image))[0])
        assert np.array_equal(remover.matte(image), expected)


@pytest.mark.models
@pytest.mark.parametrize(
    "image",
    [
        np.full((64, 64, 3), 200, np.uint8),
        np.zeros((40, 80, 3), np.uint8),
        np.full((1, 1, 3), 255, np.uint8),
        np.full((16, 900, 3), 77, np.uint8),
    ],
    ids=["grey", "black", "pixel", "sliver"],
)
def test_a_flat_picture_gives_some_matte_and_no_warning(remover, image):
    alpha = remover.matte(image)

    assert alpha.dtype == np.uint8
    assert alpha.shape == image.shape[:2]


@pytest.mark.models
def test_read_only_pictures_stay_as_they_are_and_threads_may_share(remover, clothes):
    small = [np.ascontiguousarray(image[:200, :200]) for image in clothes[:2]]
    before = [image.copy() for image in small]
    for image in small:
        image.flags.writeable = False
    expected = [remover.matte(image) for image in small]
    remover.close()
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(remover.matte, small))

    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(small, before, strict=True))


MEMORY = """
import resource, sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
import numpy as np
from scenesearch.models.cutout.isnet import IsNetRemover
from scenesearch.models.weights import WeightFinder
weights = WeightFinder(Path(sys.argv[1])).find("isnet-general-use")
remover = IsNetRemover(weights)
remover.load()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with ThreadPoolExecutor(3) as pool:
    list(pool.map(remover.matte, [np.full((90, 70, 3), 99, np.uint8)] * 3))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.models
@pytest.mark.skipif(sys.platform != "linux", reason="getrusage counts in other units here")
def test_photos_of_several_threads_take_the_memory_of_one(real_models):
    found = subprocess.run(
        [sys.executable, "-c", MEMORY, str(real_models.resolve())],
        capture_output=True,
        text=True,
        check=True,
    )

    # 880 MB for one; 3,700 where the runtime plans its memory, for three at once
    assert int(found.stdout) < 1300


SCRIPT = """
import sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise RuntimeError(f"{event} {args}")
sys.addaudithook(watch)
import numpy as np
from pathlib import Path
from scenesearch.models.cutout.isnet import IsNetRemover
from scenesearch.models.weights import WeightFinder
found = WeightFinder(Path(sys.argv[1])).find("isnet-general-use")
print(IsNetRemover(found).matte(np.zeros((9, 7, 3), np.uint8)).shape)
"""


@pytest.mark.models
def test_a_first_run_touches_no_network_and_writes_nothing(real_models, tmp_path):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    # ONNX Runtime sends nothing on a build server of its own accord
    own = ("U2NET_", "XDG_", "ORT_", "CI", "GITHUB_", "NUMBA_")
    plain = {k: v for k, v in os.environ.items() if not k.startswith(own)}
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(real_models.resolve())],
        cwd=work,
        env={**plain, "HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.stdout.strip() == "(9, 7)", result.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []

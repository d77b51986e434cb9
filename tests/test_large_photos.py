"""Photos of 50 and 108 megapixels are read, scaled as they are decoded, within the memory set."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image, ImageDraw

from scenesearch.config.settings import load_settings
from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.images import load_scene


def drawn(width: int, height: int, mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (width, height), "#d8c8b0")
    draw = ImageDraw.Draw(picture)
    draw.rectangle((width // 4, height // 4, width // 2, 3 * height // 4), fill="#803020")
    draw.ellipse(
        (width // 2, height // 3, width - width // 8, height - height // 8), fill="#204080"
    )
    return picture.convert(mode)


def jpeg(picture: Image.Image, **options: object) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=85, **options)
    return stream.getvalue()


def size_of(data: bytes, limits: ImageLimits) -> tuple[int, int]:
    return load_scene(data, limits=limits).size


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("share", [1.0, 0.99, 0.5, 0.26, 0.25])
def test_a_jpeg_of_up_to_four_times_the_limit_is_scaled_to_fit(share: float, mode: str) -> None:
    width, height = 403, 301
    limits = ImageLimits(max_pixels=int(np.ceil(width * height * share)))
    scene = load_scene(jpeg(drawn(width, height, mode)), limits=limits)
    scale = 1 if share == 1 else 2 if share >= 0.26 else 4

    assert scene.size == (-(-width // scale), -(-height // scale))
    assert scene.size[0] * scene.size[1] <= limits.max_pixels
    said = [text for text in scene.warnings if "403 x 301" in text]
    assert bool(said) == (scale > 1)


def test_more_than_that_is_refused_before_anything_is_decoded() -> None:
    data = jpeg(drawn(400, 300))
    with pytest.raises(ImageError, match="expected at most 119,996 in all") as caught:
        load_scene(data, limits=ImageLimits(max_pixels=29_999))

    assert caught.value.code == "too_many_pixels"


def test_a_progressive_one_may_have_twice_the_limit() -> None:
    data = jpeg(drawn(400, 300), progressive=True)

    assert size_of(data, ImageLimits(max_pixels=60_000)) == (200, 150)
    with pytest.raises(ImageError, match="expected at most 119,998"):
        load_scene(data, limits=ImageLimits(max_pixels=59_999))


def test_what_is_scaled_looks_as_the_whole_does() -> None:
    picture = drawn(640, 480)
    scaled = load_scene(jpeg(picture), limits=ImageLimits(max_pixels=320 * 240)).image
    whole = np.asarray(Image.open(io.BytesIO(jpeg(picture))).reduce(2))

    assert scaled.shape == whole.shape
    assert np.abs(scaled.astype(int) - whole).mean() < 1.5


def test_it_turns_by_exif_after_it_was_scaled() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = jpeg(drawn(400, 300), exif=exif)

    assert size_of(data, ImageLimits(max_pixels=200 * 150)) == (150, 200)


def test_one_that_was_cut_off_is_scaled_too() -> None:
    data = jpeg(drawn(400, 300))
    limits = ImageLimits(max_pixels=200 * 150, allow_truncated=True)

    assert size_of(data[: len(data) // 2], limits) == (200, 150)
    with pytest.raises(ImageError, match="cut off"):
        load_scene(data[: len(data) // 2], limits=ImageLimits(max_pixels=200 * 150))


@pytest.mark.e2e
def test_a_photo_of_a_50_megapixel_phone_is_read_whatever_it_is_saved_as() -> None:
    picture = Image.new("L", (8160, 6144), 120)
    stream = io.BytesIO()
    picture.save(stream, "PNG", compress_level=1)

    assert size_of(stream.getvalue(), ImageLimits()) == (8160, 6144)
    assert size_of(jpeg(picture, progressive=True), ImageLimits()) == (8160, 6144)


CHILD = """
import resource, sys
from scenesearch.images import load_scene
import numpy
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
scene = load_scene(sys.argv[1])
print(*scene.size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.process
def test_108_megapixels_are_read_in_the_memory_of_fifty(tmp_path: Path) -> None:
    path = tmp_path / "large.jpg"
    Image.new("L", (12032, 9024), 120).save(path, quality=85)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True
    )
    width, height, kilobytes = map(int, done.stdout.split())

    assert (width, height) == (6016, 4512)
    assert kilobytes * 1024 < 3 * ImageLimits().max_pixels * 2


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        (ImageLimits(max_pixels=1000), (400, 300)),
        (ImageLimits(max_side=200, max_aspect=9), (400, 300)),
        (ImageLimits(max_aspect=1.2), (400, 300)),
        (ImageLimits(max_bytes=500), (400, 300)),
    ],
    ids=["pixels", "side", "aspect", "bytes"],
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_the_message_names_the_setting_as_it_is_written_and_that_helps(
    limits: ImageLimits, size: tuple[int, int], kind: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    stream = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), np.uint8)).save(stream, kind)
    with pytest.raises(ImageError) as caught:
        load_scene(stream.getvalue(), limits=limits)
    found = re.search(r"images: \{[a-z_]+: [0-9.]+\}", str(caught.value))
    assert found, str(caught.value)
    profile = tmp_path / "profile.yaml"
    ours = {
        name: getattr(limits, name)
        for name in ("max_pixels", "max_side", "max_aspect", "max_bytes")
    }
    ours |= yaml.safe_load(found[0])["images"]
    profile.write_text(yaml.safe_dump({"images": ours}))

    assert load_scene(stream.getvalue(), limits=load_settings(profile).images).size

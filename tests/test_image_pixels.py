"""The pixels of load_scene: colours, transparency, orientation, cut files, threads and cost."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import struct
import sys
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bad_images
import numpy as np
import pytest
from PIL import Image, ImageFile, features

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Scene
from scenesearch.images import load_scene

encoded, picture = bad_images.encoded, bad_images.picture

RNG = np.random.default_rng(7)
PHOTO: Image.Image = picture(RNG, (160, 120))
PIXELS = np.asarray(PHOTO)


def difference(scene: Scene, expected: Any = PIXELS) -> float:
    """Mean absolute difference in levels of 0 to 255."""
    wanted = np.asarray(expected)
    assert scene.image.shape == wanted.shape
    return float(np.abs(scene.image.astype(int) - wanted.astype(int)).mean())


def refusal(source: Any, **options: Any) -> ImageError:
    with pytest.raises(ImageError) as caught:
        load_scene(source, **options)
    return caught.value


def photo_in(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) * 257)
    if mode == "LAB":
        from PIL import ImageCms

        rgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        return ImageCms.profileToProfile(PHOTO, rgb, lab, outputMode="LAB")
    if mode == "RGBa":
        return PHOTO.convert("RGBA").convert("RGBa")
    return PHOTO.convert("L").convert(mode) if mode in ("I", "F") else PHOTO.convert(mode)


@pytest.mark.parametrize(
    ("mode", "tolerance"),
    [
        *(("RGB", 0), ("RGBA", 0), ("RGBa", 0), ("RGBX", 0), ("CMYK", 1), ("YCbCr", 2)),
        *(("HSV", 4), ("LAB", 3), ("P", 20)),
        *(("L", 0), ("LA", 0), ("I;16", 0), ("I", 0), ("F", 0)),
    ],
)
def test_the_same_picture_in_any_mode_gives_nearly_the_same_rgb(mode: str, tolerance: int) -> None:
    grey = mode in ("L", "LA", "I;16", "I", "F")
    expected = PHOTO.convert("L").convert("RGB") if grey else PHOTO

    assert difference(load_scene(photo_in(mode)), expected) <= tolerance


def test_grey_of_16_bits_is_scaled_in_every_file_format() -> None:
    deep = photo_in("I;16")
    expected = PHOTO.convert("L").convert("RGB")

    assert difference(load_scene(encoded(deep, "PNG")), expected) == 0
    assert difference(load_scene(encoded(deep, "TIFF")), expected) == 0
    floats = Image.fromarray(np.asarray(deep).astype(np.float32) / 65535)
    assert difference(load_scene(encoded(floats, "TIFF")), expected) < 0.01


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "RGBa", "PA", "P", "L", "RGB"])
def test_transparency_is_put_over_white(mode: str) -> None:
    half = Image.new("LA", (40, 30), (10, 255))
    half.paste((10, 0), (0, 0, 20, 30))
    if mode in ("P", "L", "RGB"):
        image = Image.new("L", (40, 30), 10)
        image.paste(77, (0, 0, 20, 30))
        image = image.convert(mode)
        key = (77, 77, 77) if mode == "RGB" else 77
        source: Any = encoded(image, "PNG", transparency=key)
    elif mode in ("La", "RGBa"):
        source = half.convert("LA" if mode == "La" else "RGBA").convert(mode)
    elif mode == "PA":
        source = Image.new("P", half.size, 10)
        source.putpalette([10] * 768)
        source.putalpha(half.getchannel("A"))
    else:
        source = half.convert(mode)
    pixels = load_scene(source).image

    assert (pixels[:, :20] == 255).all()
    assert (pixels[:, 20:] == 10).all()


def test_cmyk_and_ycck_jpegs_of_photoshop_keep_their_colours() -> None:
    cmyk = PHOTO.convert("CMYK")
    data = encoded(cmyk, "JPEG", quality=95)
    # Adobe's YCCK is CMYK with the first three inks coded as if they were RGB, and a marker.
    inks = Image.fromarray(np.asarray(cmyk)[:, :, :3].copy())
    ycc = np.asarray(inks.convert("YCbCr"))
    stored = np.dstack([255 - ycc, np.asarray(cmyk)[:, :, 3]])
    ycck = bytearray(encoded(Image.fromarray(stored, "CMYK"), "JPEG", quality=95))
    adobe = ycck.index(b"Adobe")
    ycck[adobe + 11] = 2

    assert difference(load_scene(data)) < 3
    assert difference(load_scene(bytes(ycck))) < 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WebP", "JPEG", "AVIF"])
def test_every_exif_orientation_is_applied_exactly_once(kind: str) -> None:
    if not features.check("avif") and kind == "AVIF":
        pytest.skip("this Pillow has no AVIF")
    lossless = kind in ("PNG", "TIFF", "WebP")
    options = {"lossless": True} if kind == "WebP" else {} if lossless else {"quality": 95}
    for order, orientation in [("<", 6), *((">", value) for value in range(1, 9))]:
        exif = bad_images.exif_block(struct.pack(order + "H", orientation), order=order)
        stored = bad_images.turned_back(PHOTO, orientation)
        data = encoded(stored, kind, exif=exif, **options)

        assert difference(load_scene(data)) <= (0 if lossless else 3), orientation
        # The same photo opened by the caller: a Pillow image still carries its orientation.
        assert difference(load_scene(Image.open(io.BytesIO(data)))) <= (0 if lossless else 3)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "BMP"])
def test_a_truncated_photo_is_used_as_far_as_it_goes_when_that_is_allowed(kind: str) -> None:
    data = encoded(PHOTO, kind, **({"interlace": 0} if kind == "GIF" else {}))
    whole, cut = load_scene(data).image, data[: int(len(data) * 0.8)]
    scene = load_scene(cut, limits=ImageLimits(allow_truncated=True))
    kept = np.s_[-16:] if kind == "BMP" else np.s_[:16]  # a BMP starts with its last row

    assert refusal(cut).code == "truncated_image"
    assert scene.image.shape == whole.shape
    assert (scene.image[kept] == whole[kept]).all()
    assert not (scene.image == whole).all()
    assert scene.warnings == ("it was cut off, a part of the picture is missing",)


def test_a_png_without_its_last_chunk_is_whole_and_says_so() -> None:
    scene = load_scene(encoded(PHOTO, "PNG")[:-12])

    assert difference(scene) == 0
    assert scene.warnings == ("the file ends early, after the last pixel",)


@pytest.mark.skipif(importlib.util.find_spec("pillow_heif") is not None, reason="it is installed")
@pytest.mark.parametrize(("channels", "kind"), [(3, "f4"), (1, "f8"), (3, "f8")])
def test_a_tiff_of_floats_that_is_not_read_is_named(channels: int, kind: str) -> None:
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).random((16, 16, channels)).astype(kind)
    _, data = cv2.imencode(".tif", values)
    error = refusal(data.tobytes())

    assert error.code == "unsupported_image"
    assert f"a TIFF of floats ({channels} channel(s) of {int(kind[1]) * 8} bits)" in str(error)


def test_a_tiff_of_grey_floats_is_read() -> None:
    cv2 = pytest.importorskip("cv2")
    _, data = cv2.imencode(".tif", np.linspace(0, 1, 256, dtype="f4").reshape(16, 16))

    assert np.ptp(load_scene(data.tobytes()).image) == 255


def test_heic_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    error = refusal(b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic" + bytes(64))

    assert error.code == "unsupported_image"
    assert "pip install 'scenesearch[heif]'" in str(error)


def test_heic_is_read_and_turned_with_its_package() -> None:
    heif = pytest.importorskip("pillow_heif", reason="needs the extra scenesearch[heif]")
    for orientation in (1, 6, 8):
        stored = bad_images.turned_back(PHOTO, orientation)
        exif = bad_images.exif_block(struct.pack("<H", orientation))
        buffer = io.BytesIO()
        heif.from_pillow(stored).save(buffer, quality=95, exif=exif)

        # The encoder writes the orientation as a property that libheif applies.
        assert sorted(load_scene(buffer.getvalue()).size) == sorted(PHOTO.size)
        assert refusal(buffer.getvalue()[:-50]).code == "truncated_image"


def test_threads_share_no_state_and_no_global_setting_changes() -> None:
    good = [encoded(PHOTO, kind) for kind in ("JPEG", "PNG", "WebP", "TIFF", "GIF")]
    sources = [data[:cut] for data in good for cut in (len(data), len(data) // 2)] * 10
    before = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)

    def digest(data: bytes) -> str:
        try:
            return hashlib.sha256(load_scene(data).image.tobytes()).hexdigest()
        except ImageError as error:
            return error.code

    alone = [digest(data) for data in sources]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(digest, sources)) == alone
    after = (list(warnings.filters), Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)
    assert after == before


def test_real_photos_decode_as_pillow_decodes_them(shared_data: Path) -> None:
    paths = sorted(shared_data.rglob("*.jpg"))[::400][:12]

    assert paths
    for path in paths:
        with Image.open(path) as opened:
            assert difference(load_scene(path), np.asarray(opened.convert("RGB"))) == 0


@pytest.mark.process
def test_a_photo_costs_hardly_more_than_plain_pillow() -> None:
    noise = RNG.normal(0, 12, (700, 1000, 3))
    pixels = np.clip(np.asarray(picture(RNG, (1000, 700))) + noise, 0, 255).astype(np.uint8)
    data = encoded(Image.fromarray(pixels), "JPEG", quality=88)
    ours, plain = [], []
    for _ in range(25):  # the fastest of interleaved runs, so that a busy machine hurts both
        start = time.perf_counter()
        np.asarray(Image.open(io.BytesIO(data)))
        middle = time.perf_counter()
        load_scene(data)
        plain.append(middle - start)
        ours.append(time.perf_counter() - middle)

    assert min(ours) < 1.4 * min(plain)

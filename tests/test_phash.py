"""The perceptual hash stays with the picture, and tells pictures apart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as PILImage
from PIL import ImageFilter

from scenesearch.attributes.phash import phash


def picture(seed, size=(320, 240)):
    """Soft random blobs: the spectrum of a photo, without a photo."""
    rng = np.random.default_rng(seed)
    coarse = PILImage.fromarray(rng.integers(0, 256, (9, 12, 3)).astype(np.uint8))
    fine = rng.normal(0, 6, (size[1], size[0], 3))
    soft = np.asarray(coarse.resize(size, PILImage.Resampling.BICUBIC), float) + fine
    return soft.clip(0, 255).astype(np.uint8)


def jpeg(image, quality):
    buffer = io.BytesIO()
    PILImage.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(PILImage.open(buffer).convert("RGB"))


def hamming(first, second):
    return (int(first, 16) ^ int(second, 16)).bit_count()


def resized(image, size):
    return np.asarray(PILImage.fromarray(image).resize(size))


def blurred(image):
    return np.asarray(PILImage.fromarray(image).filter(ImageFilter.GaussianBlur(1.5)))


@pytest.mark.parametrize(
    "change",
    [
        lambda image: jpeg(image, 40),
        lambda image: resized(image, (113, 85)),
        lambda image: resized(image, (900, 500)),
        blurred,
        lambda image: (image * 0.85 + 12).astype(np.uint8),
        lambda image: jpeg(resized(image, (160, 120)), 60),
    ],
    ids=["jpeg40", "smaller", "stretched", "blurred", "dimmer", "smaller_jpeg"],
)
@pytest.mark.parametrize("seed", range(5))
def test_the_same_picture_encoded_otherwise_is_within_six_bits(change, seed):
    image = picture(seed)

    assert hamming(phash(image), phash(change(image))) <= 6


def test_different_pictures_differ_in_many_bits():
    hashes = [phash(picture(seed)) for seed in range(30)]
    distances = [hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]

    assert min(distances) > 12
    assert 26 < np.mean(distances) < 38


def test_a_hash_is_sixteen_hexadecimal_digits():
    text = phash(picture(0))

    assert len(text) == 16
    assert int(text, 16) >= 0
    assert text == text.lower()


def test_the_transform_is_the_discrete_cosine_transform():
    from scipy.fft import dctn

    image = picture(1)
    grey = np.asarray(
        PILImage.fromarray(image).convert("L").resize((32, 32), PILImage.Resampling.BOX)
    )
    low = dctn(grey.astype(float), norm="ortho")[:8, :8].ravel()
    bits = low > np.median(low[1:])

    assert phash(image) == np.packbits(bits).tobytes().hex()


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_picture_is_all_zeros_whatever_its_colour(value):
    assert phash(np.full((50, 70, 3), value, np.uint8)) == "0" * 16


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (5, 3)], ids=str)
def test_tiny_pictures_have_a_hash(shape):
    assert len(phash(np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8))) == 16


def test_real_products_are_told_apart_and_found_again(shared_data):
    photos = sorted((shared_data / "clothing" / "images").iterdir())[:40]
    images = []
    for photo in photos:
        with PILImage.open(photo) as opened:
            images.append(np.asarray(opened.convert("RGB")))
    hashes = [phash(image) for image in images]
    again = [phash(jpeg(resized(image, (200, 260)), 70)) for image in images]

    assert all(hamming(a, b) <= 6 for a, b in zip(hashes, again, strict=True))
    assert np.median([hamming(a, b) for i, a in enumerate(hashes) for b in hashes[:i]]) > 20

"""Compositing, and the separation of plain backgrounds."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from PIL import Image as PILImage
from scipy import ndimage

from scenesearch.models.cutout.background import background_mask, plain_background, separate
from scenesearch.models.cutout.composite import composite, tight_box, usable_mask

WHITE = (255, 255, 255)


def studio(subject, *, size=300, background=250, noise=1.5, seed=0):
    """A photo of ``{(top, bottom, left, right): rgb}`` rectangles, and the mask of them."""
    rng = np.random.default_rng(seed)
    image = np.ones((size, size, 3)) * background
    mask = np.zeros((size, size), bool)
    for (top, bottom, left, right), rgb in subject.items():
        image[top:bottom, left:right] = rgb
        mask[top:bottom, left:right] = True
    return (image + rng.normal(0, noise, image.shape)).clip(0, 255).astype(np.uint8), mask


def jpeg(image, quality=80):
    buffer = io.BytesIO()
    PILImage.fromarray(image).save(buffer, "JPEG", quality=quality)
    return np.asarray(PILImage.open(buffer).convert("RGB"))


def overlap(first, second):
    return np.count_nonzero(first & second) / np.count_nonzero(first | second)


def test_composite_keeps_masked_pixels_and_paints_the_rest():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    mask = np.array([[True, False], [False, True]])
    result = composite(image, mask, (7, 8, 9))

    assert result.dtype == np.uint8
    assert result.tolist() == [[[0, 1, 2], [7, 8, 9]], [[7, 8, 9], [9, 10, 11]]]
    assert image[0, 1].tolist() == [3, 4, 5]
    assert composite(image[:0], mask[:0], WHITE).shape == (0, 2, 3)


def test_composite_refuses_a_mask_of_another_size():
    with pytest.raises(ValueError, match="height and width"):
        composite(np.zeros((2, 3, 3), np.uint8), np.ones((3, 2), bool), WHITE)


@pytest.mark.parametrize(
    ("share", "reason"),
    [
        (0.0, "empty"),
        (0.03, "less than 5%"),
        (0.05, ""),
        (0.5, ""),
        (0.98, ""),
        (0.99, "more than"),
    ],
)
def test_a_mask_is_usable_or_the_reason_is_given(share, reason):
    mask = np.arange(100).reshape(10, 10) < round(share * 100)
    answer = usable_mask(mask)

    assert (answer == "") == (reason == "")
    assert reason in answer


def test_a_mask_without_pixels_is_empty():
    assert usable_mask(np.zeros((0, 5), bool)) == "the mask is empty"


def test_tight_box_is_half_open_and_none_when_empty():
    mask = np.zeros((20, 30), bool)
    assert tight_box(mask) is None

    mask[3:8, 10] = mask[5, 4] = True
    assert tight_box(mask) == (4, 3, 11, 8)


@pytest.mark.parametrize("background", [255, 250, 200, 60, 0])
@pytest.mark.parametrize("size", [300, 1400], ids=["small", "large"])
def test_a_product_on_a_plain_background_is_cut_out_to_the_pixel(background, size):
    k = size // 100
    image, truth = studio(
        {(20 * k, 70 * k, 30 * k, 80 * k): (170, 40, 90)}, size=size, background=background
    )
    found = separate(image)

    assert found.reason == ""
    assert overlap(found.mask, truth) > 0.99
    assert found.box == pytest.approx((30 * k, 20 * k, 80 * k, 70 * k), abs=2)


def test_a_coloured_backdrop_is_plain_too():
    image, truth = studio({(60, 210, 90, 240): (240, 220, 30)}, background=(40, 80, 200))
    found = separate(image)

    assert found.background is not None
    assert found.background.colour == pytest.approx((40, 80, 200), abs=2)
    assert overlap(found.mask, truth) > 0.99


def test_jpeg_noise_does_not_become_foreground():
    image, truth = studio({(60, 210, 90, 240): (20, 20, 20)}, background=255, noise=0)

    assert overlap(separate(jpeg(image, 60)).mask, truth) > 0.95


def test_a_nearly_white_product_keeps_its_shape_on_white():
    image, truth = studio({(60, 210, 90, 240): (243, 243, 243)}, background=255, noise=0)

    assert overlap(separate(jpeg(image, 92)).mask, truth) > 0.97


def test_white_parts_inside_the_product_stay():
    image, truth = studio(
        {(50, 250, 50, 250): (190, 30, 30), (120, 180, 120, 180): (246, 244, 240)},
        background=255,
        noise=1.0,
    )

    assert overlap(separate(image).mask, truth) > 0.99


def test_a_gap_that_shows_the_background_is_removed():
    image, truth = studio({(50, 250, 50, 250): (90, 60, 30)}, background=255, noise=0)
    image[100:220, 80:220] = 255
    truth[100:220, 80:220] = False

    assert overlap(separate(jpeg(image, 92)).mask, truth) > 0.97


def test_a_soft_shadow_is_not_part_of_the_product():
    size = 400
    rows, columns = np.indices((size, size))
    ellipse = ((columns - 210) / 130) ** 2 + ((rows - 308) / 24) ** 2 < 1
    shadow = 45 * ndimage.gaussian_filter(ellipse.astype(float), 10)
    truth = (columns > 110) & (columns < 290) & (rows > 90) & (rows < 312)
    image = np.repeat((248 - shadow)[:, :, None], 3, axis=2)
    image[truth] = (140, 30, 30)
    image += np.random.default_rng(0).normal(0, 1.2, image.shape)
    found = separate(image.clip(0, 255).astype(np.uint8))

    assert overlap(found.mask, truth) > 0.97


def test_a_light_part_of_a_dark_product_is_no_shadow():
    """A white basin on a dark cabinet: light, smooth and neutral, but with a hard rim."""
    image, truth = studio(
        {(60, 110, 60, 240): (225, 225, 225), (110, 260, 60, 240): (40, 30, 25)}, background=255
    )

    assert overlap(separate(image).mask, truth) > 0.99


def test_specks_of_dust_are_dropped():
    image, truth = studio({(60, 210, 90, 240): (20, 90, 20)}, noise=0)
    image[10:12, 10:13] = image[280:283, 200:202] = 0

    assert overlap(separate(image).mask, truth) == 1


def test_a_product_that_runs_out_of_the_picture_is_still_separated():
    image, truth = studio({(220, 300, 130, 180): (20, 90, 20)})

    assert overlap(separate(image).mask, truth) > 0.99


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.random.default_rng(0).integers(0, 256, (90, 90, 3)).astype(np.uint8), "not of one"),
        (np.full((90, 90, 3), 255, np.uint8), "only 0.0%"),
        (np.full((1, 1, 3), 9, np.uint8), "only 0.0%"),
    ],
    ids=["busy", "blank", "pixel"],
)
def test_what_cannot_be_separated_says_why(image, reason):
    found = separate(image)

    assert reason in found.reason
    assert not found.mask.any()
    assert found.mask.shape == image.shape[:2]
    assert found.box is None


def test_a_gradient_backdrop_is_not_plain():
    ramp = np.linspace(120, 255, 200).astype(np.uint8)
    image = np.repeat(np.tile(ramp, (200, 1))[:, :, None], 3, axis=2)

    assert plain_background(image) is None


def test_a_wider_tolerance_takes_more_away():
    image, _ = studio({(60, 210, 90, 240): (235, 235, 235)}, background=255, noise=0)
    background = plain_background(image)

    assert background is not None
    assert background_mask(image, background).any()
    assert not background_mask(image, background, tolerance=25).any()


def test_read_only_pictures_are_fine():
    image, _ = studio({(60, 210, 90, 240): (20, 20, 20)})
    image.flags.writeable = False

    assert separate(image).reason == ""


@pytest.mark.e2e
def test_nearly_every_catalogue_photo_has_a_plain_background(shared_data):
    """2,187 of 2,187 when this was written, all of them with a subject."""
    with (shared_data / "ikea" / "catalog.csv").open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    picked = np.random.default_rng(1).choice(len(rows), 60, replace=False)
    shares = []
    for index in picked:
        with PILImage.open(shared_data / "ikea" / rows[index]["image"]) as photo:
            shares.append(float(separate(np.asarray(photo.convert("RGB"))).mask.mean()))

    assert np.mean(np.array(shares) > 0) >= 0.98
    assert 0.2 < np.median(shares) < 0.6


def test_photos_of_streets_and_rooms_have_none(shared_data):
    photos = sorted((shared_data / "coco" / "images").rglob("*.jpg"))[:60]
    plain = 0
    for photo in photos:
        with PILImage.open(photo) as opened:
            plain += plain_background(np.asarray(opened.convert("RGB"))) is not None

    assert photos
    assert plain <= 0.05 * len(photos)

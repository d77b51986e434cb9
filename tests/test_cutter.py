"""Which mask a cutout gets, and when it gets none."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.core.types import Region, Scene
from scenesearch.images import load_scene
from scenesearch.models.cutout.cutter import CutRules, context_crop, cut_product, cut_region

RULES = CutRules(background=(1, 2, 3))
RED = (200, 30, 40)


class Remover:
    """Answers with a prepared alpha, and remembers what it was asked."""

    fingerprint = "prepared"

    def __init__(self, alpha):
        self.alpha = alpha
        self.asked = []

    def load(self):
        pass

    def close(self):
        pass

    def matte(self, image):
        self.asked.append(image.shape)
        return self.alpha


def noise(width=60, height=40, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def scene(image=None):
    return Scene(noise() if image is None else image, "0" * 64, "x")


def disc(height, width, share=0.5):
    rows, columns = np.indices((height, width))
    radius = np.hypot((rows - height / 2) / height, (columns - width / 2) / width)
    return radius < np.sqrt(share / np.pi)


def product(size=120):
    """A red square on white, and the box of it."""
    image = np.full((size, size, 3), 255, np.uint8)
    image[30:90, 20:100] = RED
    return image, (20, 30, 100, 90)


def test_a_region_is_cut_out_by_the_detectors_own_mask():
    photo = scene()
    mask = disc(20, 30)
    region = Region("object:0", "object", (10.2, 5.0, 39.5, 24.7), mask=mask)
    cutout = cut_region(photo, region, RULES)

    assert (cutout.method, cutout.reason) == ("detector", "")
    assert cutout.background == (1, 2, 3)
    assert np.array_equal(cutout.mask, mask)
    assert np.array_equal(cutout.image[mask], photo.image[5:25, 10:40][mask])
    assert (cutout.image[~mask] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (None, "the detector gave no mask"),
        (np.zeros((20, 30), bool), "the mask is empty"),
        (np.ones((20, 30), bool), "more than 98%"),
        (np.arange(600).reshape(20, 30) < 12, "less than 5%"),
    ],
    ids=["none", "empty", "everything", "speck"],
)
def test_a_region_without_a_usable_mask_is_a_plain_crop_that_says_why(mask, reason):
    photo = scene()
    region = Region("object:0", "object", (10, 5, 40, 25), mask=mask)
    cutout = cut_region(photo, region, RULES)

    assert cutout.method == "plain"
    assert reason in cutout.reason
    assert np.array_equal(cutout.image, photo.image[5:25, 10:40])
    assert cutout.mask.shape == (20, 30)
    assert cutout.mask.all()


def test_the_rules_decide_which_masks_are_usable():
    mask = np.arange(600).reshape(20, 30) < 60  # 10 %
    region = Region("object:0", "object", (10, 5, 40, 25), mask=mask)

    assert cut_region(scene(), region, CutRules(min_share=0.05)).method == "detector"
    assert cut_region(scene(), region, CutRules(min_share=0.2)).method == "plain"
    assert cut_region(scene(), region, CutRules(max_share=0.05)).method == "plain"


def test_a_mask_that_is_not_of_the_box_is_a_programmers_error():
    region = Region("object:0", "object", (10, 5, 40, 25), mask=disc(10, 10))

    with pytest.raises(ValueError, match=r"\(20, 30\).*\(10, 10\)"):
        cut_region(scene(), region, RULES)


@pytest.mark.parametrize(
    ("box", "shape"),
    [
        ((-5, -5, 999, 999), (40, 60)),
        ((59.9, 39.9, 60, 40), (1, 1)),
        ((0.5, 0.5, 0.6, 0.6), (1, 1)),
    ],
    ids=["beyond_the_photo", "last_pixel", "less_than_a_pixel"],
)
def test_a_box_of_any_size_gives_a_picture(box, shape):
    assert cut_region(scene(), Region("object:0", "object", box), RULES).image.shape[:2] == shape


@pytest.mark.parametrize(
    ("box", "padding", "shape"),
    [
        ((20, 10, 40, 30), 0.0, (20, 20)),
        ((20, 10, 40, 30), 0.25, (30, 30)),
        ((20, 10, 40, 30), 1.0, (40, 60)),
        ((0, 0, 10, 10), 0.5, (15, 15)),
    ],
    ids=["box", "quarter", "whole_photo", "corner"],
)
def test_the_context_is_the_box_grown_with_its_background(box, padding, shape):
    photo = scene()
    crop = context_crop(photo, box, CutRules(context_padding=padding))

    assert crop.shape[:2] == shape
    x1 = max(round(box[0] - padding * (box[2] - box[0])), 0)
    y1 = max(round(box[1] - padding * (box[3] - box[1])), 0)
    assert np.array_equal(crop, photo.image[y1 : y1 + shape[0], x1 : x1 + shape[1]])


def test_a_product_on_a_plain_background_is_masked_and_cropped_without_a_model():
    image, truth = product()
    remover = Remover(None)
    cutout, box = cut_product(image, RULES, remover)

    assert cutout.method == "plain_background"
    assert box == pytest.approx(truth, abs=2)
    assert cutout.image.shape[:2] == cutout.mask.shape == (box[3] - box[1], box[2] - box[0])
    assert (cutout.image[cutout.mask] == RED).mean() > 0.95
    assert (cutout.image[~cutout.mask] == (1, 2, 3)).all()
    assert remover.asked == []


def test_a_product_on_a_busy_background_goes_to_the_remover():
    image = noise(120, 100)
    alpha = np.zeros((100, 120), np.uint8)
    alpha[20:60, 30:110] = 255
    alpha[60:70] = 127  # half transparent: background
    remover = Remover(alpha)
    cutout, box = cut_product(image, RULES, remover)

    assert cutout.method == "matting"
    assert box == (30, 20, 110, 60)
    assert cutout.mask.all()
    assert np.array_equal(cutout.image, image[20:60, 30:110])
    assert remover.asked == [(100, 120, 3)]


@pytest.mark.parametrize(
    ("alpha", "reason"),
    [
        (np.zeros((100, 120), np.uint8), "empty"),
        (np.full((100, 120), 255, np.uint8), "more than 98%"),
        (np.eye(100, 120, dtype=np.uint8) * 255, "less than 5%"),
    ],
    ids=["nothing", "everything", "a_line"],
)
def test_a_matte_that_says_nothing_leaves_the_photo_as_it_is(alpha, reason):
    image = noise(120, 100)
    cutout, box = cut_product(image, RULES, Remover(alpha))

    assert cutout.method == "plain"
    assert reason in cutout.reason
    assert box == (0, 0, 120, 100)
    assert np.array_equal(cutout.image, image)


def test_without_a_remover_a_busy_photo_stays_whole_and_says_why():
    cutout, box = cut_product(noise(120, 100), RULES, None)

    assert cutout.method == "plain"
    assert cutout.reason
    assert box == (0, 0, 120, 100)


def test_a_blank_photo_is_not_sent_to_the_remover():
    remover = Remover(None)
    cutout, box = cut_product(np.full((50, 70, 3), 255, np.uint8), RULES, remover)

    assert cutout.method == "plain"
    assert box == (0, 0, 70, 50)
    assert remover.asked == []


def test_cutting_changes_no_input():
    image, _ = product()
    busy = noise(120, 100)
    before = image.copy(), busy.copy()
    for picture in (image, busy):
        picture.flags.writeable = False
    cut_product(image, RULES, None)
    cut_product(busy, RULES, Remover(disc(100, 120).astype(np.uint8) * 255))

    assert np.array_equal(image, before[0])
    assert np.array_equal(busy, before[1])


@pytest.mark.parametrize(
    "change",
    [
        {"background": (0, 0, 0)},
        {"min_share": 0.1},
        {"max_share": 0.9},
        {"context_padding": 0.3},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_rule_changes_the_fingerprint(change):
    assert CutRules(**change).fingerprint != CutRules().fingerprint
    assert CutRules().fingerprint == "255-255-255:0.05:0.98:0.15"


def test_real_objects_keep_their_size_and_place(shared_data):
    """Boxes drawn by people, many of them at the edge of the photo."""
    labels = sorted((shared_data / "coco" / "object_detection").rglob("*.txt"))[:10]
    seen = 0
    for label in labels:
        photo = next((shared_data / "coco" / "images").rglob(f"{label.stem}.jpg"), None)
        if photo is None:
            continue
        real = load_scene(photo)
        width, height = real.size
        for line in label.read_text().splitlines():
            _, cx, cy, w, h = (float(part) for part in line.split()[:5])
            box = (
                (cx - w / 2) * width,
                (cy - h / 2) * height,
                (cx + w / 2) * width,
                (cy + h / 2) * height,
            )
            cutout = cut_region(real, Region("object:0", "object", box), RULES)
            rows, columns = cutout.image.shape[:2]
            assert abs(rows - h * height) <= 2
            assert abs(columns - w * width) <= 2
            seen += 1
    assert seen > 10

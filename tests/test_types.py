"""The values that travel: validated, read-only, and independent of each other."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from scenesearch.core.types import Detections, Hit, Item, Page, Record, Scene


def detections(n):
    boxes = np.arange(4 * n, dtype=np.float64).reshape(n, 4)
    return Detections(
        boxes,
        np.linspace(1, 0.5, n),
        tuple(f"label {i}" for i in range(n)),
        tuple(np.ones((1, 1), bool) if i % 2 else None for i in range(n)),
    )


def test_a_scene_knows_its_width_before_its_height():
    assert Scene(np.zeros((3, 7, 3), np.uint8), "0" * 64, "x.jpg").size == (7, 3)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((3, 7), np.uint8),
        np.zeros((3, 7, 4), np.uint8),
        np.zeros((3, 7, 3), np.float32),
        np.zeros((0, 7, 3), np.uint8),
        np.zeros((3, 0, 3), np.uint8),
    ],
    ids=["grey", "alpha", "float", "no_rows", "no_columns"],
)
def test_a_scene_is_rgb_uint8_or_an_error_that_says_what_it_got(image):
    with pytest.raises(ValueError, match=r"uint8 of shape \(height, width, 3\), got") as caught:
        Scene(image, "0" * 64, "x.jpg")

    assert str(image.shape) in str(caught.value)


def test_a_scene_cannot_be_changed_through_its_image():
    scene = Scene(np.zeros((3, 7, 3), np.uint8), "0" * 64, "x.jpg")

    with pytest.raises(ValueError, match="read-only"):
        scene.image[0, 0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        scene.source = "y.jpg"


def test_reading_an_array_into_a_scene_does_not_lock_the_callers_array():
    image = np.zeros((3, 7, 3), np.uint8)
    Scene(image, "0" * 64, "x.jpg")
    image[0, 0] = 1

    assert image.flags.writeable


def test_detections_become_read_only_float32():
    found = detections(3)

    assert len(found) == 3
    assert found.boxes.dtype == found.confidences.dtype == np.float32
    assert not found.boxes.flags.writeable
    assert not found.confidences.flags.writeable


def test_no_detections_are_a_value_too():
    empty = Detections.empty()

    assert len(empty) == 0
    assert empty.boxes.shape == (0, 4)
    assert len(empty.take([])) == 0
    assert len(detections(2).take([])) == 0


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": np.zeros((2, 4), np.float32)},
        {"boxes": np.zeros((3, 5), np.float32)},
        {"confidences": np.zeros((3, 1), np.float32)},
        {"labels": ("one",)},
        {"masks": (None,)},
    ],
    ids=["too_few_boxes", "box_of_five", "confidences_2d", "labels", "masks"],
)
def test_detections_of_unequal_parts_are_refused_with_all_their_shapes(change):
    good = detections(3)
    parts = {f.name: getattr(good, f.name) for f in dataclasses.fields(good)}

    with pytest.raises(ValueError, match=r"must have boxes .* got"):
        Detections(**{**parts, **change})


def test_take_reorders_every_part_alike():
    found = detections(4)
    taken = found.take([3, 0])

    assert taken.labels == ("label 3", "label 0")
    assert taken.boxes.tolist() == found.boxes[[3, 0]].tolist()
    assert taken.confidences.tolist() == found.confidences[[3, 0]].tolist()
    assert taken.masks == (found.masks[3], None)


def test_a_page_is_its_records():
    records = (Record("a", {}, {}), Record("b", {"x": 1}, {}))

    assert tuple(Page(records, None)) == records


def test_hits_and_items_compare_by_value():
    assert Hit("a", 0.5, {"x": 1}) == Hit("a", 0.5, {"x": 1})
    assert Item("1", ("a.jpg",)) == Item("1", ("a.jpg",), {})

"""Boxes as numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.images.geometry import areas, intersections, iou, pad_box, pixel_box

SIZES = st.tuples(st.integers(1, 500), st.integers(1, 500))
ANY_BOX = st.tuples(*[st.floats(-1e4, 1e4, allow_nan=False) for _ in range(4)])


@st.composite
def whole_boxes(draw, count=6, side=40):
    """Boxes with whole corners, so that areas can be counted pixel by pixel."""
    boxes = []
    for _ in range(draw(st.integers(1, count))):
        x1, y1 = draw(st.integers(0, side - 1)), draw(st.integers(0, side - 1))
        boxes.append((x1, y1, draw(st.integers(x1, side)), draw(st.integers(y1, side))))
    return np.array(boxes, np.float32)


def painted(box, side=40):
    x1, y1, x2, y2 = (int(v) for v in box)
    canvas = np.zeros((side, side), bool)
    canvas[y1:y2, x1:x2] = True
    return canvas


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ((1.2, 0.0, 3.5, 2.0), (4, 4), (1, 0, 4, 2)),
        ((1, 1, 3, 3), (4, 4), (1, 1, 3, 3)),
        ((-5, -5, 99, 99), (4, 3), (0, 0, 4, 3)),
        ((2.4, 2.4, 2.4, 2.4), (4, 4), (2, 2, 3, 3)),
        ((3, 3, 1, 1), (4, 4), (3, 3, 4, 4)),
        ((50, 50, 60, 60), (4, 4), (3, 3, 4, 4)),
        ((-9, -9, -1, -1), (4, 4), (0, 0, 1, 1)),
        ((0, 0, 0, 0), (1, 1), (0, 0, 1, 1)),
    ],
    ids=["rounds_outwards", "whole", "clipped", "point", "inverted", "beyond", "before", "pixel"],
)
def test_pixel_box_is_whole_clipped_and_never_empty(box, size, expected):
    assert pixel_box(box, size) == expected


@settings(deadline=None)
@given(box=ANY_BOX, size=SIZES)
def test_pixel_box_of_anything_lies_in_the_image(box, size):
    x1, y1, x2, y2 = pixel_box(box, size)

    assert 0 <= x1 < x2 <= size[0]
    assert 0 <= y1 < y2 <= size[1]


def test_pixel_box_takes_rows_of_float32_arrays():
    result = pixel_box(np.array([0.5, 0.5, 2.5, 2.5], np.float32), (10, 10))

    assert result == (0, 0, 3, 3)
    assert all(type(side) is int for side in result)


def test_areas_of_inverted_boxes_are_zero():
    boxes = np.array([[0, 0, 2, 3], [2, 3, 0, 0], [1, 1, 1, 9], [3, 0, 1, 4]], np.float32)

    assert areas(boxes).tolist() == [6, 0, 0, 0]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 0, 2, 2), (0, 0, 2, 2), 1),
        ((0, 0, 2, 2), (2, 0, 4, 2), 0),
        ((0, 0, 2, 2), (1, 1, 3, 3), 1 / 7),
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),
        ((0, 0, 2, 2), (3, 3, 1, 1), 0),
    ],
    ids=["same", "touching", "corner", "inside", "empty", "inverted"],
)
def test_iou_by_hand(a, b, expected):
    value = iou(np.array([a], np.float32), np.array([b], np.float32))

    assert value.shape == (1, 1)
    assert value[0, 0] == pytest.approx(expected)


@settings(deadline=None)
@given(a=whole_boxes(), b=whole_boxes())
def test_intersections_and_iou_equal_counted_pixels(a, b):
    shared = [[np.count_nonzero(painted(x) & painted(y)) for y in b] for x in a]
    union = [[np.count_nonzero(painted(x) | painted(y)) for y in b] for x in a]

    assert intersections(a, b).tolist() == shared
    assert np.allclose(iou(a, b), np.array(shared) / np.maximum(union, 1))
    assert np.array_equal(iou(a, b), iou(b, a).T)


def test_iou_of_no_boxes_has_the_shape_of_both():
    some, none = np.ones((3, 4), np.float32), np.zeros((0, 4), np.float32)

    assert iou(some, none).shape == (3, 0)
    assert iou(none, some).shape == (0, 3)


@pytest.mark.parametrize(
    ("box", "share", "expected"),
    [
        ((10, 20, 30, 60), 0.0, (10, 20, 30, 60)),
        ((10, 20, 30, 60), 0.5, (0, 0, 40, 80)),
        ((0, 0, 100, 100), 0.1, (0, 0, 100, 100)),
        ((80, 80, 100, 100), 0.25, (75, 75, 100, 100)),
    ],
    ids=["nothing", "half_its_sides", "whole_image", "at_the_edge"],
)
def test_pad_box_grows_by_its_own_sides_and_stays_inside(box, share, expected):
    assert pad_box(box, share, (100, 100)) == expected

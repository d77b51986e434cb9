"""From detections, boxes and taps to the regions that are searched."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.core.errors import QueryError
from scenesearch.core.types import Detections, Region
from scenesearch.models.detect.regions import (
    given_regions,
    object_regions,
    region_at,
    tile_regions,
    whole_region,
)

SIZE = (200, 100)


def detections(boxes):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.linspace(0.9, 0.5, n).astype(np.float32),
        tuple(f"thing {i}" for i in range(n)),
        tuple(np.ones((1, 1), bool) if i == 0 else None for i in range(n)),
    )


def test_the_whole_photo_is_a_region_without_label():
    region = whole_region(SIZE)

    assert (region.key, region.kind, region.box) == ("whole", "whole", (0, 0, 200, 100))
    assert region.label is None


def test_objects_are_large_enough_not_twice_and_numbered_without_gaps():
    found = detections(
        [(0, 0, 100, 100), (0, 0, 2, 2), (1, 0, 100, 100), (150, 0, 200, 50), (150, 50, 200, 100)]
    )
    regions = object_regions(found, SIZE, limit=10, min_area=0.01, overlap=0.7)

    assert [(r.key, r.label) for r in regions] == [
        ("object:0", "thing 0"),
        ("object:1", "thing 3"),
        ("object:2", "thing 4"),
    ]
    assert regions[0].mask is found.masks[0]
    assert regions[1].confidence == pytest.approx(0.6)
    assert all(type(side) is float for side in regions[0].box)


@pytest.mark.parametrize(("limit", "count"), [(1, 1), (2, 2), (9, 2)])
def test_the_limit_keeps_the_first_objects(limit, count):
    found = detections([(0, 0, 50, 50), (100, 0, 150, 50)])
    regions = object_regions(found, SIZE, limit=limit, min_area=0, overlap=0.7)

    assert [r.label for r in regions] == ["thing 0", "thing 1"][:count]


def test_nothing_detected_is_no_region():
    assert object_regions(Detections.empty(), SIZE, limit=5, min_area=0, overlap=0.7) == []


@pytest.mark.parametrize(("across", "count"), [(1, 1), (2, 9), (3, 25)])
def test_tiles_cover_the_photo_half_overlapping(across, count):
    tiles = tile_regions(SIZE, across=across)
    covered = np.zeros((100, 200), int)
    for tile in tiles:
        x1, y1, x2, y2 = (round(side) for side in tile.box)
        covered[y1:y2, x1:x2] += 1

    assert len({tile.key for tile in tiles}) == len(tiles) == count
    assert all(tile.kind == "tile" for tile in tiles)
    assert covered.min() == 1
    assert covered.max() == (1 if across == 1 else 4)


def test_tiles_of_two_across_by_hand():
    boxes = [tile.box for tile in tile_regions((40, 20))]

    assert boxes[:3] == [(0, 0, 20, 10), (10, 0, 30, 10), (20, 0, 40, 10)]
    assert boxes[-1] == (20, 10, 40, 20)


def test_the_callers_boxes_are_clipped_and_keep_their_order():
    regions = given_regions([(-10, -10, 50, 50), (100, 20, 999, 40)], SIZE)

    assert [r.box for r in regions] == [(0, 0, 50, 50), (100, 20, 200, 40)]
    assert [r.key for r in regions] == ["object:0", "object:1"]
    assert all(r.confidence == 1 and r.mask is None for r in regions)


@pytest.mark.parametrize(
    ("box", "says"),
    [
        ((10, 10, 10, 20), "x1 < x2"),
        ((20, 10, 10, 20), "x1 < x2"),
        ((0, 20, 10, 10), "y1 < y2"),
        ((0, 0, math.nan, 10), "finite"),
        ((0, 0, math.inf, 10), "finite"),
        ((200, 0, 210, 10), "outside the photo of 200 x 100"),
        ((0, 100, 10, 110), "outside"),
        ((-10, 0, 0, 10), "outside"),
    ],
    ids=["no_width", "inverted", "upside_down", "nan", "inf", "right_of", "below", "left_of"],
)
def test_a_senseless_box_is_refused_by_number(box, says):
    with pytest.raises(QueryError, match="Box 1") as caught:
        given_regions([(0, 0, 5, 5), box], SIZE)

    assert says in str(caught.value)
    assert caught.value.code == "bad_box"


OBJECTS = [
    Region("object:0", "object", (0, 0, 100, 100), "sofa"),
    Region("object:1", "object", (20, 20, 40, 40), "cushion"),
    Region("object:2", "object", (30, 20, 50, 40), "cushion"),
    Region("tile:0", "tile", (0, 0, 10, 10)),
    Region("whole", "whole", (0, 0, 200, 100)),
]


@pytest.mark.parametrize(
    ("point", "key"),
    [
        ((5, 5), "object:0"),
        ((25, 25), "object:1"),
        ((35, 30), "object:1"),
        ((45, 30), "object:2"),
        ((40, 20), "object:2"),
        ((0, 0), "object:0"),
        ((99.9, 99.9), "object:0"),
    ],
    ids=["only_one", "smallest", "tie_by_key", "second", "half_open", "corner", "far_corner"],
)
def test_a_tap_finds_the_smallest_object_under_it(point, key):
    assert region_at(point, OBJECTS, SIZE).key == key


@settings(deadline=None)
@given(x=st.floats(0, 200, exclude_max=True), y=st.floats(0, 100, exclude_max=True))
def test_a_tap_on_nothing_opens_a_window_around_it_inside_the_photo(x, y):
    x1, y1, x2, y2 = region_at((x, y), [OBJECTS[-1]], SIZE).box

    assert x1 >= 0
    assert y1 >= 0
    assert x2 <= 200 + 1e-6
    assert y2 <= 100 + 1e-6
    assert x1 <= x <= x2
    assert y1 <= y <= y2
    assert x2 - x1 == pytest.approx(30) == y2 - y1


@pytest.mark.parametrize(
    "point", [(-1, 5), (200, 5), (5, 100), (math.nan, 5)], ids=["left", "right", "below", "nan"]
)
def test_a_tap_beside_the_photo_is_refused(point):
    with pytest.raises(QueryError, match="outside the photo of 200 x 100") as caught:
        region_at(point, OBJECTS, SIZE)

    assert caught.value.code == "bad_point"

"""Size and position of a box in its scene."""

from __future__ import annotations

import pytest

from scenesearch.attributes.placement import placement


@pytest.mark.parametrize(
    ("box", "position"),
    [
        ((90, 40, 110, 60), "centre"),
        ((0, 0, 20, 20), "top left"),
        ((180, 80, 200, 100), "bottom right"),
        ((180, 0, 200, 20), "top right"),
        ((0, 80, 20, 100), "bottom left"),
        ((90, 0, 110, 10), "top"),
        ((90, 90, 110, 100), "bottom"),
        ((0, 45, 20, 55), "left"),
        ((180, 45, 200, 55), "right"),
        ((0, 0, 200, 100), "centre"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_third_that_the_centre_is_in_gives_the_word(box, position):
    assert placement(box, (200, 100)).position == position


@pytest.mark.parametrize(
    ("box", "share", "word"),
    [
        ((0, 0, 10, 10), 0.005, "small"),
        ((0, 0, 40, 10), 0.02, "medium"),
        ((0, 0, 100, 50), 0.25, "large"),
        ((0, 0, 200, 100), 1.0, "large"),
    ],
)
def test_the_share_of_the_area_gives_the_size(box, share, word):
    value = placement(box, (200, 100))

    assert value.area_share == pytest.approx(share)
    assert value.size == word


def test_what_is_outside_the_scene_does_not_count():
    value = placement((-100, -50, 100, 50), (200, 100))

    assert value.area_share == pytest.approx(0.25)
    assert value.position == "top left"


def test_a_box_wholly_outside_has_no_area():
    assert placement((300, 10, 400, 20), (200, 100)).area_share == 0


@pytest.mark.parametrize(
    ("box", "size", "message"),
    [((0, 0, 1, 1), (0, 10), "size of a scene"), ((5, 0, 1, 1), (10, 10), "x1 <= x2")],
    ids=["no_scene", "inverted"],
)
def test_impossible_geometry_is_refused(box, size, message):
    with pytest.raises(ValueError, match=message):
        placement(box, size)

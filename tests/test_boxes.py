"""Boxes and points that people give: what is refused, and what becomes of the others."""

import numpy as np
import pytest

from scenesearch.core.boxes import check_box, check_point, pixel_boxes, pixel_point
from scenesearch.core.errors import QueryError
from scenesearch.models.detect.regions import given_regions
from scenesearch.schemas.look import check_places

NAN, INF = float("nan"), float("inf")


def refusal(call, *asked):
    with pytest.raises(QueryError) as caught:
        call(*asked)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize(
    ("box", "box_format", "says"),
    [
        ((9, 0, 3, 9), "xyxy_px", "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2"),
        ((0, 9, 3, 9), "xyxy_px", "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2"),
        ((0.5, 0, 0.5, 1), "xyxy_norm", "expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2"),
        ((NAN, 0, 9, 9), "xyxy_px", "expected finite numbers"),
        ((0, 0, INF, 9), "xyxy_norm", "expected finite numbers"),
        (
            (0, 0, 9, 9),
            "xyxy_norm",
            "beyond 1; expected 0 to 1 for box_format xyxy_norm, or box_format xyxy_px",
        ),
        (
            (-0.1, 0, 0.5, 0.5),
            "xyxy_norm",
            "below 0; expected 0 to 1 for box_format xyxy_norm, or box_format xyxy_px",
        ),
    ],
    ids=["inverted", "no height", "no width", "nan", "inf", "pixels as shares", "negative share"],
)
def test_what_is_wrong_with_a_box_is_said_in_one_way(box, box_format, says) -> None:
    assert refusal(check_box, "It", box, box_format) == ("bad_box", f"It is {box}, {says}")
    asked = refusal(check_places, [list(box)], None, box_format)
    assert asked == ("bad_box", f"boxes[0] is {list(box)}, {says}")
    given = refusal(pixel_boxes, [(0, 0, 1, 1), box], box_format, (100, 100))
    assert given == ("bad_box", f"Box 1 is {box}, {says}")
    if box_format == "xyxy_px":
        assert refusal(given_regions, [(0, 0, 1, 1), box], (100, 100)) == given


@pytest.mark.parametrize(
    ("point", "box_format", "says"),
    [
        ((NAN, 3), "xyxy_px", "finite numbers"),
        ((1.5, 0.5), "xyxy_norm", "beyond 1; expected 0 to 1"),
    ],
)
def test_what_is_wrong_with_a_point_is_said_in_one_way(point, box_format, says) -> None:
    for call, asked in (
        (check_point, ("It", point, box_format)),
        (check_places, ([], point, box_format)),
        (pixel_point, (point, box_format, (9, 9))),
    ):
        code, text = refusal(call, *asked)
        assert code == "bad_point"
        assert says in text


def test_boxes_and_a_point_at_once_are_refused() -> None:
    assert refusal(check_places, [[0, 0, 1, 1]], [1, 1], "xyxy_px")[0] == "two_places"


def test_boxes_and_points_in_pixels_stay_as_they_are() -> None:
    assert pixel_boxes([(1, 2, 3, 4)], "xyxy_px", (10, 10)) == ((1, 2, 3, 4),)
    assert pixel_point((1, 2), "xyxy_px", (10, 10)) == (1, 2)
    assert pixel_point(None, "xyxy_px", (10, 10)) is None


def test_shares_become_pixels_and_the_far_edge_is_part_of_the_photo() -> None:
    assert pixel_boxes([(0.5, 0.25, 1, 1)], "xyxy_norm", (10, 20)) == ((5, 5, 10, 20),)
    assert pixel_point((1, 1), "xyxy_norm", (10, 20)) == (9.5, 19.5)


def test_numbers_of_numpy_become_pythons() -> None:
    (box,) = pixel_boxes([np.array([1, 2, 3, 4], np.float32)], "xyxy_px", (10, 10))

    assert [type(side) for side in box] == [float] * 4

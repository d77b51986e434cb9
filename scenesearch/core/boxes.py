"""Places in a photo as people give them: what is wrong with one, and its pixels.

Takes boxes and points in pixels of the upright photo, or as shares of its width and height.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from scenesearch.core.errors import QueryError

if TYPE_CHECKING:
    from scenesearch.core.types import BoxTuple

BoxFormat = Literal["xyxy_px", "xyxy_norm"]
"""Pixels, or shares of 0 to 1."""


def box_tuple(sides: Iterable[Any]) -> BoxTuple:
    """Four numbers, however they are written, as a box.

    Raises:
        ValueError: they are not four, or not numbers.
    """
    x1, y1, x2, y2 = (float(side) for side in sides)
    return x1, y1, x2, y2


def check_box(name: str, box: Sequence[float], box_format: str = "xyxy_px") -> None:
    """Refuse a box that is none; whether it lies in the photo is said by who cuts it out.

    Args:
        name: of the box, for the message.
        box: x1, y1, x2, y2.
        box_format: one of :data:`BoxFormat`.

    Raises:
        QueryError: ``bad_box``: a side is not finite, the box has no area, or its shares are
            beyond 0 to 1.
    """
    _check_numbers(name, box, box_format, "bad_box")
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        raise QueryError(
            f"{name} is {box}, expected [x1, y1, x2, y2] with x1 < x2 and y1 < y2", code="bad_box"
        )


def check_point(name: str, point: Sequence[float], box_format: str = "xyxy_px") -> None:
    """Refuse a point that is none.

    Args:
        name: of the point, for the message.
        point: x, y.
        box_format: one of :data:`BoxFormat`.

    Raises:
        QueryError: ``bad_point``: it is not finite, or its shares are beyond 0 to 1.
    """
    _check_numbers(name, point, box_format, "bad_point")


def pixel_boxes(
    boxes: Sequence[BoxTuple], box_format: str, size: tuple[int, int]
) -> tuple[BoxTuple, ...]:
    """Boxes in pixels of the upright photo.

    Args:
        boxes: in ``box_format``.
        box_format: one of :data:`BoxFormat`.
        size: (width, height) of the photo.

    Raises:
        QueryError: as :func:`check_box` says.
    """
    width, height = size if box_format == "xyxy_norm" else (1, 1)
    for number, box in enumerate(boxes):
        check_box(f"Box {number}", box, box_format)
    return tuple(
        (float(x1) * width, float(y1) * height, float(x2) * width, float(y2) * height)
        for x1, y1, x2, y2 in boxes
    )


def pixel_point(
    point: tuple[float, float] | None, box_format: str, size: tuple[int, int]
) -> tuple[float, float] | None:
    """A point in pixels of the upright photo; the far edge belongs to the photo.

    Args:
        point: in ``box_format``.
        box_format: one of :data:`BoxFormat`.
        size: (width, height) of the photo.

    Raises:
        QueryError: as :func:`check_point` says.
    """
    if point is None:
        return None
    check_point("The point", point, box_format)
    x, y = float(point[0]), float(point[1])
    if box_format == "xyxy_px":
        return x, y
    width, height = size
    return min(x * width, width - 0.5), min(y * height, height - 0.5)


def _check_numbers(name: str, place: Sequence[float], box_format: str, code: str) -> None:
    if not all(math.isfinite(side) for side in place):
        raise QueryError(f"{name} is {place}, expected finite numbers", code=code)
    if box_format == "xyxy_norm" and not all(0 <= side <= 1 for side in place):
        raise QueryError(
            f"{name} is {place}, {'below 0' if min(place) < 0 else 'beyond 1'}; expected 0 to 1 "
            f"for box_format xyxy_norm, or box_format xyxy_px",
            code=code,
        )

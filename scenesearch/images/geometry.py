"""Boxes as numbers: pure numpy, no library of any stage.

Boxes are pixels, xyxy, half-open; sizes are (width, height).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import BoxTuple


def pixel_box(
    box: BoxTuple | NDArray[np.float32], size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """The whole pixels that a box touches, clipped to the image and never empty.

    Args:
        box: xyxy, any float values.
        size: (width, height) of the image.

    Returns:
        (x1, y1, x2, y2) with 0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height.

    >>> pixel_box((1.2, 0.0, 3.5, 2.0), (4, 4))
    (1, 0, 4, 2)
    """
    width, height = size
    x1 = min(max(math.floor(box[0]), 0), width - 1)
    y1 = min(max(math.floor(box[1]), 0), height - 1)
    x2 = min(max(math.ceil(box[2]), x1 + 1), width)
    y2 = min(max(math.ceil(box[3]), y1 + 1), height)
    return x1, y1, x2, y2


def areas(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Areas in square pixels of boxes of shape (n, 4); an inverted box has area 0."""
    sides = np.clip(boxes[:, 2:] - boxes[:, :2], 0, None)
    result: NDArray[np.float32] = sides[:, 0] * sides[:, 1]
    return result


def intersections(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Shared areas, shape (len(a), len(b))."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.clip(bottom_right - top_left, 0, None)
    result: NDArray[np.float32] = sides[..., 0] * sides[..., 1]
    return result


def iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union, shape (len(a), len(b)), 0 to 1."""
    shared = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None, :] - shared
    result: NDArray[np.float32] = shared / np.maximum(union, 1e-9)
    return result


def pad_box(box: BoxTuple, share: float, size: tuple[int, int]) -> BoxTuple:
    """A box grown by ``share`` of its own sides on every side, clipped to the image."""
    x1, y1, x2, y2 = box
    dx, dy = (x2 - x1) * share, (y2 - y1) * share
    width, height = size
    return (
        max(x1 - dx, 0.0),
        max(y1 - dy, 0.0),
        min(x2 + dx, float(width)),
        min(y2 + dy, float(height)),
    )

"""Masks of whole photos as run lengths: their area and their outline."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.tagging.masks import decode_mask

_TOLERANCE_PX = 1.0
"""How far the outline may be from the mask's edge; each photo has hundreds of steps otherwise."""


def mask_area(mask: Mapping[str, Any]) -> float:
    """Pixels of a mask in COCO's compressed run lengths."""
    from pycocotools import mask as run_lengths

    return float(run_lengths.area(dict(mask)))


def outline(mask: Mapping[str, Any]) -> NDArray[np.float32] | None:
    """The outline of the largest part of a mask.

    The points are the centres of the outermost pixels, simplified by Douglas and Peucker's
    method (1973), which OpenCV brings.

    Args:
        mask: COCO's compressed run lengths of the whole photo.

    Returns:
        Shape (n, 2), x and y in pixels, n at least 3; None where the mask is too small to have
        an outline.
    """
    import cv2

    with warnings.catch_warnings():
        # pycocotools 2.0.11 is behind numpy's array protocol; the pixels are right
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        pixels = decode_mask(mask)
    parts, _ = cv2.findContours(pixels.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not parts:
        return None
    largest = max(parts, key=cv2.contourArea)
    points = cv2.approxPolyDP(largest, _TOLERANCE_PX, True)[:, 0, :]
    if len(points) < 3:
        return None
    # pixel 3 covers 3 to 4, as boxes do
    return points.astype(np.float32) + np.float32(0.5)

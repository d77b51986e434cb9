"""Masks as COCO's compressed run lengths: the form that rows and exports carry, and outlines."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import BoxTuple, Mask
from scenesearch.images.geometry import pixel_box

_TOLERANCE_PX = 1.0
"""How far the outline may be from the mask's edge; each photo has hundreds of steps otherwise."""


def encode_mask(mask: Mask, box: BoxTuple, size: tuple[int, int]) -> dict[str, Any]:
    """The mask of a region as run lengths of its whole photo.

    Args:
        mask: shape (h, w) of the box's whole pixels (``geometry.pixel_box``).
        box: pixels, xyxy.
        size: (width, height) of the photo.

    Returns:
        ``{"size": [height, width], "counts": text}`` as pycocotools and COCO's result files have
        it, with the counts as text rather than bytes, so that it is JSON.

    Raises:
        ValueError: the mask does not have the shape of its box.
    """
    from pycocotools import mask as coco

    x1, y1, x2, y2 = pixel_box(box, size)
    if mask.shape != (y2 - y1, x2 - x1):
        raise ValueError(
            f"a mask of the box {tuple(box)} in a photo of {size[0]} x {size[1]} pixels has "
            f"shape {(y2 - y1, x2 - x1)}, got {mask.shape}"
        )
    width, height = size
    # runs go down the columns; memory in that order is not copied again
    whole = np.zeros((height, width), np.uint8, order="F")
    whole[y1:y2, x1:x2] = mask
    counts: bytes = coco.encode(whole)["counts"]
    return {"size": [height, width], "counts": counts.decode("ascii")}


def decode_mask(runs: Mapping[str, Any]) -> Mask:
    """The mask of a whole photo that :func:`encode_mask` wrote.

    Returns:
        Shape (height, width).

    Raises:
        ValueError: these are not compressed run lengths.
    """
    from pycocotools import mask as coco

    size, counts = runs.get("size"), runs.get("counts")
    if (
        not isinstance(counts, str | bytes)
        or not isinstance(size, list | tuple)
        or len(size) != 2
        or not all(isinstance(side, int) and side > 0 for side in size)
    ):
        raise ValueError(
            f"expected run lengths as {{'size': [height, width], 'counts': text}}, got {runs!r}"
        )
    text = counts.encode("ascii") if isinstance(counts, str) else counts
    with warnings.catch_warnings():
        # of pycocotools 2.0.11 under numpy 2, about its own array type
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        return np.asarray(coco.decode({"size": list(size), "counts": text}), np.bool_)


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

    parts, _ = cv2.findContours(
        decode_mask(mask).view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    if not parts:
        return None
    largest = max(parts, key=cv2.contourArea)
    points = cv2.approxPolyDP(largest, _TOLERANCE_PX, True)[:, 0, :]
    if len(points) < 3:
        return None
    # pixel 3 covers 3 to 4, as boxes do
    return points.astype(np.float32) + np.float32(0.5)

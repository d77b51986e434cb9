"""Put a cut-out region on a stated background. Pure code, numpy and OpenCV.

Takes an image and a mask of its shape; knows nothing about where masks come from.
"""

from __future__ import annotations

import numpy as np

from scenesearch.core.types import Image, Mask


def composite(image: Image, mask: Mask, background: tuple[int, int, int]) -> Image:
    """The picture where the mask is True, the background colour elsewhere.

    Args:
        image: shape (height, width, 3).
        mask: shape (height, width).
        background: RGB, 0 to 255.

    Returns:
        A new image of the same shape.

    Raises:
        ValueError: the mask is not of the image's height and width.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            f"the mask must have the image's height and width {image.shape[:2]}, got {mask.shape}"
        )
    import cv2

    # a fifth of the time of any way with numpy
    height, width = mask.shape
    result: Image = np.empty(image.shape, np.uint8)
    result.reshape(height, 3 * width)[:] = np.tile(np.array(background, np.uint8), width)
    if mask.any():
        cv2.copyTo(image, mask.view(np.uint8), result)
    return result


def usable_mask(mask: Mask, *, min_share: float = 0.05, max_share: float = 0.98) -> str:
    """Why a mask cannot be used to cut a region out; empty when it can.

    A matting model stretches even an empty picture to a full range, and a mask over the whole
    region says no more than the plain crop: both are better not used.

    Args:
        mask: shape (height, width) of the region.
        min_share: of the region that the mask must cover.
        max_share: of the region that the mask may cover.

    Returns:
        The reason, or an empty string.

    >>> usable_mask(np.zeros((4, 4), bool))
    'the mask is empty'
    """
    covered = int(np.count_nonzero(mask))
    if covered == 0:
        return "the mask is empty"
    share = covered / mask.size
    if share < min_share:
        return f"the mask covers {share:.1%} of the region, less than {min_share:.0%}"
    if share > max_share:
        return f"the mask covers {share:.1%} of the region, more than {max_share:.0%}"
    return ""


def tight_box(mask: Mask) -> tuple[int, int, int, int] | None:
    """The smallest box around the True pixels: (x1, y1, x2, y2), half-open; None when empty.

    >>> tight_box(np.array([[False, False], [False, True]]))
    (1, 1, 2, 2)
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if rows.size == 0:
        return None
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

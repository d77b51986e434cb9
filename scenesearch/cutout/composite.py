"""Put a cut-out region on a stated background, and fit pictures to a square. Pure code.

Takes an image and a mask of its shape; knows nothing about where masks come from.
"""

from __future__ import annotations

import numpy as np
from PIL import Image as PILImage

from scenesearch.types import Image, Mask


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
    # Rows of interleaved bytes: several times faster than broadcasting over an axis of three.
    height, width = mask.shape
    kept = np.repeat(mask, 3, axis=1)
    painted = np.tile(np.array(background, np.uint8), width)
    result: Image = np.where(kept, image.reshape(height, 3 * width), painted).reshape(image.shape)
    return result


def letterbox(image: Image, side: int, colour: tuple[int, int, int] = (255, 255, 255)) -> Image:
    """The whole picture, aspect kept, centred on a square.

    Shrinking averages the pixels that fall together (antialiasing), so thin patterns do not turn
    into noise. Enlarging is bicubic.

    Args:
        image: shape (height, width, 3).
        side: of the square, in pixels, at least 1.
        colour: RGB of what is left over.

    Returns:
        Shape (side, side, 3).

    Raises:
        ValueError: ``side`` is below 1.
    """
    if side < 1:
        raise ValueError(f"the side of the square must be at least 1 pixel, got {side}")
    height, width = image.shape[:2]
    scale = side / max(height, width)
    # A very thin picture must keep at least one pixel.
    new_width = max(1, round(width * scale))
    new_height = max(1, round(height * scale))
    if (new_width, new_height) == (width, height):
        resized = image
    else:
        # reducing_gap first shrinks by a whole factor, which is several times faster for large
        # pictures and cannot be told from the full filter at a gap of 2.
        resized = np.asarray(
            PILImage.fromarray(image).resize(
                (new_width, new_height), PILImage.Resampling.BICUBIC, reducing_gap=2.0
            )
        )
    left, top = (side - new_width) // 2, (side - new_height) // 2
    result: Image = np.empty((side, side, 3), np.uint8)
    result[:] = np.array(colour, np.uint8)
    result[top : top + new_height, left : left + new_width] = resized
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

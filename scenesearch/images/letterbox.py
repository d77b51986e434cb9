"""Fitting pictures to a square: shared by the stages, pure numpy and Pillow."""

from __future__ import annotations

import numpy as np
from PIL import Image as PILImage

from scenesearch.core.types import Image


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


def stretch(image: Image, side: int) -> Image:
    """The whole picture as a square, aspect lost; bicubic, and antialiased where it shrinks.

    Args:
        image: shape (height, width, 3).
        side: of the square, in pixels, at least 1.

    Returns:
        Shape (side, side, 3).

    Raises:
        ValueError: ``side`` is below 1.
    """
    if side < 1:
        raise ValueError(f"the side of the square must be at least 1 pixel, got {side}")
    resized = PILImage.fromarray(image).resize((side, side), PILImage.Resampling.BICUBIC)
    return np.asarray(resized)

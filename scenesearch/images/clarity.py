"""Whether there is anything to see in a photo: is it empty, dark, blurred."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from scenesearch.core.types import Image

EMPTY: Final = "nothing is seen in the photo"
DARK: Final = "the photo is too dark to see much in it"
BLURRED: Final = "the photo is blurred, so that things may not be recognised"

_SMALL, _LARGE = 128, 384
"""Pixels of the longer side at which outlines, and at which sharpness is measured."""
_OUTLINES = 12.0
"""Steps of brightness, 0 to 255, that two pixels in a thousand have. Of 64 photos of rooms,
products, clothes and streets the least had 32; paper with shade and noise has 3 to 5."""
_LIGHT = 25.0
"""Brightness of the lightest twentieth. Of the same photos the least had 108."""
_SHARP = 0.5
"""The same photos have 0.12 to 0.35; blurred by 1 % of their width 0.56 to 0.83."""
_WINDOW = 11

Grey = NDArray[np.float32]


def clarity_faults(image: Image) -> tuple[str, ...]:
    """What keeps one from seeing things in a photo, worst first; empty for most photos.

    Args:
        image: shape (height, width, 3), uint8, RGB.
    """
    picture = PillowImage.fromarray(image)
    grey = _grey(picture, _SMALL)
    across, down = np.abs(np.diff(grey, axis=1))[:-1], np.abs(np.diff(grey, axis=0))[:, :-1]
    if not across.size or np.percentile(np.hypot(across, down), 99.8) < _OUTLINES:
        return (EMPTY,)
    if np.percentile(grey, 95) < _LIGHT:
        return (DARK,)
    return (BLURRED,) if blur(_grey(picture, _LARGE)) > _SHARP else ()


def blur(grey: Grey) -> float:
    """How blurred a picture is, 0 to 1: how little it loses when it is blurred once more.

    Crete, Dolmiere, Ladret and Nicolas, "The blur effect: perception and estimation with a new
    no-reference perceptual blur metric" (SPIE 6492, 2007).

    Args:
        grey: brightness, shape (height, width).
    """
    return max(_along(grey), _along(grey.T))


def _along(grey: Grey) -> float:
    """Of the rows, from top to bottom."""
    half = _WINDOW // 2
    padded = np.pad(grey, ((half + 1, half), (0, 0)), mode="edge").astype(np.float64)
    sums = padded.cumsum(axis=0)
    again = (sums[_WINDOW:] - sums[:-_WINDOW]) / _WINDOW
    steps = np.abs(np.diff(grey, axis=0))
    lost = np.maximum(0, steps - np.abs(np.diff(again, axis=0)))
    return float(1 - lost.sum() / max(float(steps.sum()), 1e-6))


def _grey(picture: PillowImage.Image, side: int) -> Grey:
    """Brightness of a picture, its longer side made at most so many pixels by means of blocks."""
    factor = -(-max(picture.size) // side)
    return np.asarray(picture.reduce(factor).convert("L"), np.float32)

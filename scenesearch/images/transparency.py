"""Transparent pictures: what the transparency says of the product, and what it is put over.

Takes RGB and alpha, gives RGB and, where the alpha is a cutout, its mask. Pure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Image, Mask, OwnMask

BACKDROPS: Final = ((255, 255, 255), (208, 208, 208), (64, 64, 64))
"""What a transparent picture is put over: the first that its product stands out from."""

_SOLID: Final = 128
_MIN_SHARE, _MAX_SHARE = 0.002, 0.98
_MAX_SOFT: Final = 0.3  # of what is not transparent: glass, smoke and watermarks are no cutouts
_NEAR: Final = 24  # in 0..255 of the channel that differs most: what does not stand out
_MOST: Final = 0.6
_SIDE: Final = 256  # pixels a side that are looked at


def flatten(rgb: Image, alpha: NDArray[np.uint8]) -> tuple[Image, OwnMask | None]:
    """Put a transparent picture over a backdrop that its product stands out from.

    Args:
        rgb: shape (height, width, 3).
        alpha: shape (height, width), 0 where nothing is seen.

    Returns:
        The picture; and the mask of its product on its backdrop, or None where the alpha is no
        cutout: all of it opaque, nothing of it, or much of it half transparent.
    """
    solid = alpha >= _SOLID
    share = float(solid.mean())
    seen = float((alpha > 15).mean())
    soft = float(((alpha > 15) & (alpha < 240)).mean())
    backdrop = _backdrop(rgb, solid)
    picture = _over(rgb, alpha, backdrop)
    if not _MIN_SHARE <= share <= _MAX_SHARE or soft > _MAX_SOFT * seen:
        return picture, None
    return picture, OwnMask(solid, backdrop)


def is_flat(image: Image) -> bool:
    """Whether a picture is of one colour, as far as every n-th pixel shows."""
    # a few pixels tell that most pictures are not
    for side in (16, _SIDE):
        step = -(-max(image.shape[:2]) // side)
        some = image[::step, ::step].reshape(-1, 3)
        if (some.max(axis=0).astype(np.int16) - some.min(axis=0) > 2).any():
            return False
    return True


def _backdrop(rgb: Image, solid: Mask) -> tuple[int, int, int]:
    step = -(-max(solid.shape) // _SIDE)
    pixels = rgb[::step, ::step][solid[::step, ::step]].astype(np.int16)
    if not len(pixels):
        return BACKDROPS[0]
    shares = [
        float((np.abs(pixels - np.array(colour)).max(axis=1) <= _NEAR).mean())
        for colour in BACKDROPS
    ]
    good = (colour for colour, near in zip(BACKDROPS, shares, strict=True) if near <= _MOST)
    return next(good, BACKDROPS[shares.index(min(shares))])


def _over(rgb: Image, alpha: NDArray[np.uint8], backdrop: tuple[int, int, int]) -> Image:
    weight = alpha.astype(np.uint16)[:, :, None]
    below = np.array(backdrop, np.uint16) * (255 - weight)
    return ((rgb * weight + below + 127) // 255).astype(np.uint8)

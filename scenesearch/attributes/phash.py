"""A 64-bit perceptual hash: near-duplicate pictures have nearly the same bits.

The DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions"
(2010), section 3.2, as made popular by pHash: grey picture of 32 x 32, two-dimensional DCT-II, the
8 x 8 lowest frequencies, each bit says whether a coefficient is above their median.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from scenesearch.core.types import Image

_SIDE, _KEPT = 32, 8


@cache
def _basis() -> NDArray[np.float64]:
    """The first 8 orthonormal DCT-II vectors of length 32, shape (8, 32)."""
    frequencies, positions = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None, :]
    basis = np.cos(np.pi * frequencies * (2 * positions + 1) / (2 * _SIDE))
    basis *= np.sqrt(2 / _SIDE)
    basis[0] /= np.sqrt(2)
    return basis


def phash(image: Image) -> str:
    """The perceptual hash of a picture.

    Re-encoding and resizing change a few of the 64 bits (usually fewer than 6), other pictures
    about half of them. It is not invariant to mirroring, rotation or cropping.

    Args:
        image: shape (height, width, 3).

    Returns:
        16 hexadecimal digits, lower case. A picture of one flat colour is all zeros.
    """
    grey = PILImage.fromarray(image).convert("L")
    small = grey.resize((_SIDE, _SIDE), PILImage.Resampling.BOX, reducing_gap=None)
    pixels = np.asarray(small, dtype=np.float64)
    coefficients = (_basis() @ pixels @ _basis().T).ravel()
    # The first coefficient is the mean brightness, which is far above all others: leaving it out
    # of the median is Zauner's advice; its own bit is 1 for every picture that is not flat.
    # Rounding keeps a flat picture's float dust from becoming random bits.
    coefficients = coefficients.round(6)
    if not coefficients[1:].any():
        return "0" * 16
    bits = coefficients > np.median(coefficients[1:])
    return np.packbits(bits).tobytes().hex()

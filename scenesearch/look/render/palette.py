"""Colours of region numbers and of dominant-colour swatches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scenesearch.attributes.lab import lab_to_rgb

RGB = tuple[int, int, int]

REGION_COLOURS: tuple[RGB, ...] = (
    (0, 114, 178),  # blue
    (230, 159, 0),  # orange
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (213, 94, 0),  # vermilion
    (86, 180, 233),  # sky blue
    (240, 228, 66),  # yellow
)
"""Distinguishable with every common colour blindness: Okabe & Ito (2008), black left out.

https://jfly.uni-koeln.de/color/
"""

_BLACK: RGB = (0, 0, 0)
_WHITE: RGB = (255, 255, 255)


def region_colour(index: int) -> RGB:
    """The colour of a region by its index from 0; the numbers tell repeats apart.

    >>> region_colour(7) == region_colour(0)
    True
    """
    return REGION_COLOURS[index % len(REGION_COLOURS)]


def ink_on(background: RGB) -> RGB:
    """Black or white, whichever contrasts more with ``background`` (WCAG 2.1, 1.4.3).

    >>> ink_on((240, 228, 66))
    (0, 0, 0)
    """
    codes = np.asarray(background, dtype=np.float64) / 255
    linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    luminance = float(linear @ (0.2126, 0.7152, 0.0722))
    return _WHITE if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else _BLACK


def css(colour: RGB) -> str:
    """``#rrggbb``.

    >>> css((0, 114, 178))
    '#0072b2'
    """
    return "#{:02x}{:02x}{:02x}".format(*colour)


def swatch(lab: Sequence[float]) -> RGB:
    """The sRGB colour of CIELAB values; what is not a number becomes mid grey."""
    if not np.isfinite(lab).all():
        return (128, 128, 128)
    red, green, blue = (int(code) for code in lab_to_rgb(lab))
    return red, green, blue

"""sRGB pixels to CIELAB and back, and the distance between two colours. Pure numpy.

CIELAB is used with the D65 white of sRGB and the 2° observer, so neutral pixels have a = b = 0.
L is 0 (black) to 100 (white); a (green to red) and b (blue to yellow) are about -128 to 127.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Linear sRGB to XYZ, IEC 61966-2-1:1999, rows X, Y, Z. The white is the sum of the columns, so
# that (255, 255, 255) is exactly L = 100, a = b = 0.
_RGB_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _RGB_TO_XYZ.sum(axis=1)
_EPSILON = 216 / 24389  # CIE 15:2004, 8.2.1.1: below this the cube root is a straight line
_KAPPA = 24389 / 27


@cache
def _linear_table() -> NDArray[np.float32]:
    """Linear light, 0 to 1, of each of the 256 sRGB codes (IEC 61966-2-1, 5.2)."""
    codes = np.arange(256) / 255
    linear = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    return linear.astype(np.float32)


def rgb_to_lab(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """CIELAB of sRGB pixels.

    Follows IEC 61966-2-1 (sRGB to XYZ) and CIE 15:2004 (XYZ to CIELAB, D65).

    Args:
        rgb: shape (..., 3), uint8.

    Returns:
        Shape (..., 3), float32: L 0 to 100, a and b about -128 to 127.

    Raises:
        ValueError: ``rgb`` is not uint8, or its last axis is not 3.

    >>> rgb_to_lab(np.array([255, 0, 0], np.uint8)).round(1).tolist()
    [53.20000076293945, 80.0999984741211, 67.19999694824219]
    """
    if rgb.dtype != np.uint8 or rgb.shape[-1:] != (3,):
        raise ValueError(
            f"pixels must be uint8 of shape (..., 3), got {rgb.dtype} of shape {rgb.shape}; "
            f"convert the picture to RGB first"
        )
    to_relative_xyz = (_RGB_TO_XYZ / _WHITE[:, None]).T.astype(np.float32)
    # (..., 3), the white is (1, 1, 1)
    xyz: NDArray[np.float32] = _linear_table()[rgb] @ to_relative_xyz
    f = np.where(xyz > _EPSILON, np.cbrt(xyz), (_KAPPA * xyz + 16) / 116)
    lab = np.empty_like(xyz)
    lab[..., 0] = 116 * f[..., 1] - 16
    lab[..., 1] = 500 * (f[..., 0] - f[..., 1])
    lab[..., 2] = 200 * (f[..., 1] - f[..., 2])
    return lab


def lab_to_rgb(lab: ArrayLike) -> NDArray[np.uint8]:
    """The nearest sRGB pixels of CIELAB colours; colours outside sRGB are clipped per channel.

    Args:
        lab: shape (..., 3).

    Returns:
        Shape (..., 3), uint8.

    Raises:
        ValueError: the last axis is not 3.

    >>> lab_to_rgb((100, 0, 0)).tolist()
    [255, 255, 255]
    """
    values = np.asarray(lab, dtype=np.float64)
    if values.shape[-1:] != (3,):
        raise ValueError(f"lab must have shape (..., 3), got {values.shape}")
    fy = (values[..., 0] + 16) / 116
    f = np.stack([fy + values[..., 1] / 500, fy, fy - values[..., 2] / 200], axis=-1)
    xyz = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA) * _WHITE
    linear = np.clip(xyz @ np.linalg.inv(_RGB_TO_XYZ).T, 0, 1)
    codes = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(codes * 255), np.uint8)


def ciede2000(first: ArrayLike, second: ArrayLike) -> NDArray[np.float64]:
    """Perceived difference of colours, CIEDE2000 with kL = kC = kH = 1.

    About 1 is just noticeable, 10 is plainly another shade, above 40 is another colour.
    Formulas and names of the terms are those of Sharma, Wu and Dalal, "The CIEDE2000
    color-difference formula: implementation notes, supplementary test data, and mathematical
    observations", Color Research & Application 30(1), 2005.

    Args:
        first: CIELAB of shape (..., 3).
        second: CIELAB of a shape that broadcasts with ``first``.

    Returns:
        The broadcast shape without its last axis, 0 and up.

    >>> float(ciede2000((50, 2.6772, -79.7751), (50, 0, -82.7485)).round(4))
    2.0425
    """
    # not broadcast yet: what hangs on one colour alone is worked out once for each
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    l1, a1, b1 = one[..., 0], one[..., 1], one[..., 2]
    l2, a2, b2 = two[..., 0], two[..., 1], two[..., 2]
    g = 0.5 * (1 - _seventh((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1)) % 360, np.degrees(np.arctan2(b2, a2)) % 360
    neutral = c1 * c2 == 0  # a grey has no hue, so there is no hue difference either

    turn = h2 - h1
    far = np.abs(turn) > 180
    turn = np.where(far, turn - np.copysign(360, turn), turn)
    delta_h = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(np.where(neutral, 0, turn)) / 2)

    total = h1 + h2
    wrapped = np.where(total < 360, total + 360, total - 360)
    mean_h = np.where(far, wrapped, total) / 2
    mean_h = np.where(neutral, total, mean_h)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2

    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.20 * np.cos(np.radians(4 * mean_h - 63))
    )
    s_l = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    s_c, s_h = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rotation = (
        -2 * _seventh(mean_c) * np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2))))
    )
    dl, dc, dh = (l2 - l1) / s_l, (c2 - c1) / s_c, delta_h / s_h
    return np.asarray(np.sqrt(np.maximum(dl**2 + dc**2 + dh**2 + rotation * dc * dh, 0)))


def _seventh(chroma: NDArray[np.float64]) -> Any:
    """sqrt(C^7 / (C^7 + 25^7)), the weight that the formula gives to saturated colours."""
    power = chroma**7
    return np.sqrt(power / (power + 25.0**7))

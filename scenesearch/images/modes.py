"""Pixels of any kind to RGB: Pillow's modes, and arrays as people pass them.

Takes decoded pixels, gives uint8 of shape (height, width, 3). Transparency is put over white;
grey of more than 8 bits is scaled, not clipped; nothing is colour managed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Image

_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}
_ARRAYS_TAKEN: Final = "a numpy array of dtype uint8 and shape (height, width, 3), RGB"


def to_rgb(picture: PillowImage.Image) -> Image:
    """The pixels of a Pillow image of any mode.

    Args:
        picture: decoded, or ready to be.

    Returns:
        Shape (height, width, 3), uint8, in memory of its own; may be read-only.

    Raises:
        ValueError: Pillow cannot convert the mode.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        return _deep_grey_to_rgb(picture)
    if picture.has_transparency_data:
        picture = _over_white(picture)
    elif picture.mode != "RGB":
        picture = picture.convert("RGB")
    return np.asarray(picture)


def _over_white(picture: PillowImage.Image) -> PillowImage.Image:
    straight = _PREMULTIPLIED.get(picture.mode)
    rgba = (picture if straight is None else picture.convert(straight)).convert("RGBA")
    alpha = rgba.getchannel("A")
    rgb = rgba.convert("RGB")
    if alpha.getextrema()[0] == 255:
        return rgb
    canvas = PillowImage.new("RGB", rgba.size, "white")
    canvas.paste(rgb, mask=alpha)
    return canvas


def _deep_grey_to_rgb(picture: PillowImage.Image) -> Image:
    """Modes I, I;16 and F: values that say nothing of their range.

    ``I;16`` is the full 16 bits. The others are taken as 0..1 (floats only), 0..255 or 0..65535,
    whichever is the smallest that holds them, and stretched from their minimum to their maximum
    where none does. Values that are not finite are black.
    """
    values: NDArray[Any] = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        grey = (values >> 8).astype(np.uint8)
        key = picture.info.get("transparency")
        if isinstance(key, int):
            grey[values == key] = 255
    else:
        numbers = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(numbers.min()), float(numbers.max())
        tops = (1.0, 255.0, 65535.0) if picture.mode == "F" else (255.0, 65535.0)
        top = next((top for top in tops if low >= 0 and high <= top), None)
        if top is None:
            numbers, top = numbers - low, high - low
        grey = np.rint(numbers * (255.0 / top)).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def copied_array(array: NDArray[Any]) -> Image:
    """A copy of an array that is a picture.

    Args:
        array: any strides; must be uint8 of shape (height, width, 3), RGB.

    Returns:
        Contiguous, shape (height, width, 3), uint8.

    Raises:
        ImageError: ``bad_array``, naming what is wrong and how to change it.
    """
    problem = _array_problem(array)
    if problem:
        what, fix = problem
        raise ImageError(
            f"the array is {what} (dtype {array.dtype}, shape {array.shape}), "
            f"expected {_ARRAYS_TAKEN}; {fix}",
            code="bad_array",
        )
    return np.array(array, dtype=np.uint8, order="C", subok=False)


def _array_problem(array: NDArray[Any]) -> tuple[str, str] | None:
    if isinstance(array, np.ma.MaskedArray):
        return "masked", "fill the masked pixels with array.filled(value)"
    if array.ndim == 0:
        return "0-dimensional, not a picture", "pass the array itself, not an object around it"
    if array.dtype == np.bool_:
        return "boolean, a mask", "pass the picture the mask belongs to"
    if np.issubdtype(array.dtype, np.floating):
        return _float_problem(array)
    if array.dtype != np.uint8:
        return "not of bytes", "convert it to 0..255 and use array.astype(np.uint8)"
    if array.ndim == 2:
        return "grey, of two dimensions", "use np.repeat(array[:, :, None], 3, axis=2)"
    if array.ndim == 4:
        return "a batch of pictures", "pass them one by one"
    if array.ndim != 3:
        return f"of {array.ndim} dimension(s)", "reshape it"
    if array.size == 0:
        return "empty", "pass at least one pixel"
    if array.shape[2] == 3:
        return None
    if array.shape[0] in (1, 3, 4) and array.shape[2] > 4:
        return "in channels-first order", "use array.transpose(1, 2, 0)"
    if array.shape[2] == 4:
        return (
            "of 4 channels",
            "drop the alpha channel with array[:, :, :3], or pass a Pillow image",
        )
    if array.shape[2] == 1:
        return "grey, of one channel", "use np.repeat(array, 3, axis=2)"
    return f"of {array.shape[2]} channels", "keep red, green and blue"


def _float_problem(array: NDArray[Any]) -> tuple[str, str]:
    if not np.isfinite(array).all():
        return "of floats with NaN or infinite values", "find out where they come from"
    if array.size and array.max() <= 1:
        return "of floats from 0 to 1", "use (array * 255).round().astype(np.uint8)"
    return "of floats", "use array.round().clip(0, 255).astype(np.uint8)"

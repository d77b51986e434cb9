"""Pixels of any kind to RGB: Pillow's modes, and arrays as people pass them.

Takes decoded pixels, gives uint8 of shape (height, width, 3). Transparency is put over a backdrop
that the product stands out from, white where that will do;
grey of more than 8 bits is scaled, not clipped; nothing is colour managed.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Image, OwnMask
from scenesearch.images.transparency import flatten

_PREMULTIPLIED: Final = {"La": "LA", "RGBa": "RGBA"}
_ARRAYS_TAKEN: Final = "a numpy array of dtype uint8 and shape (height, width, 3), RGB"


def to_rgb(picture: PillowImage.Image) -> tuple[Image, OwnMask | None]:
    """The pixels of a Pillow image of any mode, and its product where it is a cutout.

    Args:
        picture: decoded, or ready to be.

    Returns:
        Shape (height, width, 3), uint8, in memory of its own; may be read-only. The mask has the
        same height and width.

    Raises:
        ValueError: Pillow cannot convert the mode.
    """
    if picture.mode.startswith("I") or picture.mode == "F":
        return _deep_grey_to_rgb(picture), None
    if picture.has_transparency_data:
        return _flattened(picture)
    if picture.mode != "RGB":
        picture = picture.convert("RGB")
    return np.asarray(picture), None


def _flattened(picture: PillowImage.Image) -> tuple[Image, OwnMask | None]:
    straight = _PREMULTIPLIED.get(picture.mode)
    rgba = (picture if straight is None else picture.convert(straight)).convert("RGBA")
    alpha = rgba.getchannel("A")
    rgb = rgba.convert("RGB")
    if alpha.getextrema()[0] == 255:
        return np.asarray(rgb), None
    return flatten(np.asarray(rgb), np.asarray(alpha))


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
    is_float = np.issubdtype(array.dtype, np.floating)
    rows, channels = (array.shape[0], array.shape[2]) if array.ndim == 3 else (0, 0)
    # the first that holds is said
    problems = (
        (
            isinstance(array, np.ma.MaskedArray),
            "masked",
            "fill the masked pixels with array.filled(value)",
        ),
        (
            array.ndim == 0,
            "0-dimensional, not a picture",
            "pass the array itself, not an object around it",
        ),
        (array.dtype == np.bool_, "boolean, a mask", "pass the picture the mask belongs to"),
        (is_float, *(_float_problem(array) if is_float else ("", ""))),
        (
            array.dtype != np.uint8,
            "not of bytes",
            "convert it to 0..255 and use array.astype(np.uint8)",
        ),
        (array.ndim == 2, "grey, of two dimensions", "use np.repeat(array[:, :, None], 3, axis=2)"),
        (array.ndim == 4, "a batch of pictures", "pass them one by one"),
        (array.ndim != 3, f"of {array.ndim} dimension(s)", "reshape it"),
        (array.size == 0, "empty", "pass at least one pixel"),
        (
            rows in (1, 3, 4) and channels > 4,
            "in channels-first order",
            "use array.transpose(1, 2, 0)",
        ),
        (
            channels == 4,
            "of 4 channels",
            "drop the alpha channel with array[:, :, :3], or pass a Pillow image",
        ),
        (channels == 1, "grey, of one channel", "use np.repeat(array, 3, axis=2)"),
        (channels != 3, f"of {channels} channels", "keep red, green and blue"),
    )
    return next(((what, fix) for wrong, what, fix in problems if wrong), None)


def _float_problem(array: NDArray[Any]) -> tuple[str, str]:
    if not np.isfinite(array).all():
        return "of floats with NaN or infinite values", "find out where they come from"
    if array.size and array.max() <= 1:
        return "of floats from 0 to 1", "use (array * 255).round().astype(np.uint8)"
    return "of floats", "use array.round().clip(0, 255).astype(np.uint8)"

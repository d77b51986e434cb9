"""What a photo may cost, what is known of it before it is decoded, and how it is refused.

Takes sizes and lengths, gives errors. Knows nothing of Pillow or of where the bytes came from;
errors raised here do not name the photo, :func:`scenesearch.images.load_scene` adds that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from scenesearch.core.errors import ImageError
from scenesearch.core.limits import ImageLimits

MAX_STEPS: Final = 20_000
"""Chunks, blocks or markers of one file that are looked at; real photos have a few thousand."""


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a photo before it is decoded.

    Attributes:
        size: (width, height) as stored, before orientation; already within the limits.
        clean: the file as the decoder gets it.
        orientation: EXIF orientation, 1 to 8.
        further: what else is in the file and is not used (``2 further frames``), or empty.
        ends_early: the file stops before its format says it ends.
    """

    size: tuple[int, int]
    clean: bytes
    orientation: int = 1
    further: str = ""
    ends_early: bool = False


def broken(what: str) -> ImageError:
    """A file whose data makes no sense; ``what`` completes the sentence."""
    return ImageError(
        f"its data is broken: {what}; open it in an image editor and export it again",
        code="corrupt_image",
    )


def cut_off(where: str = "inside its header") -> ImageError:
    """A file that ends before it should."""
    return ImageError(
        f"it was cut off {where}; copy or download it again",
        code="truncated_image",
    )


def setting(name: str, value: float) -> str:
    """How a limit is written in a configuration: ``images: {max_pixels: 60000000}``."""
    return f"images: {{{name}: {value:g}}}" if value < 1e5 else f"images: {{{name}: {value:.0f}}}"


def check_size(size: tuple[int, int], limits: ImageLimits, *, times: int = 1) -> None:
    """Refuse a picture by its size alone.

    Args:
        size: (width, height) in pixels, as the header states it.
        limits: what is accepted.
        times: how many times ``max_pixels`` it may have, because it is scaled as it is decoded.

    Raises:
        ImageError: ``corrupt_image`` for an empty side, ``too_many_pixels``,
            ``image_too_small`` or ``aspect``.
    """
    width, height = size
    longer, shorter = max(size), min(size)
    too_narrow = longer > shorter * limits.max_aspect
    shown = f"{width} x {height} pixels"
    most = times * limits.max_pixels
    enough = -(-width * height // times)
    # the first that holds is said
    problems = (
        (
            shorter < 1,
            "corrupt_image",
            f"its header says {shown}; expected both sides to be at least {limits.min_side}; "
            f"export the photo again",
        ),
        (
            width * height > most,
            "too_many_pixels",
            f"it has {shown}, expected at most {most:,} in all; scale it down, or set "
            f"{setting('max_pixels', enough)}",
        ),
        (
            longer > limits.max_side and not too_narrow,
            "too_many_pixels",
            f"it has {shown}, expected sides of at most {limits.max_side}; "
            f"scale it down, or set {setting('max_side', longer)}",
        ),
        (
            shorter < limits.min_side and longer <= limits.max_side,
            "image_too_small",
            f"it has {shown}, expected sides of at least {limits.min_side}; "
            f"use a larger version of the photo",
        ),
        (
            too_narrow,
            "aspect",
            f"it has {shown}, expected the longer side to be at most {limits.max_aspect:g} "
            f"times the shorter one; crop it, or set "
            f"{setting('max_aspect', -(-longer // max(shorter, 1)))}",
        ),
    )
    for wrong, code, message in problems:
        if wrong:
            raise ImageError(message, code=code)


def check_length(length: int, limits: ImageLimits, *, at_least: bool = False) -> None:
    """Refuse a file by its length alone.

    Args:
        length: bytes.
        limits: what is accepted.
        at_least: the file was not read to its end, so ``length`` is a lower bound.

    Raises:
        ImageError: ``empty_image`` or ``too_many_bytes``.
    """
    if length == 0:
        raise ImageError(
            "the file is empty (0 bytes); expected a photo; copy or download it again",
            code="empty_image",
        )
    if length > limits.max_bytes:
        raise ImageError(
            f"it has {'at least ' if at_least else ''}{length:,} bytes, expected at most "
            f"{limits.max_bytes:,}; save it smaller, or set {setting('max_bytes', length)}",
            code="too_many_bytes",
        )

"""The fonts of the pictures."""

from __future__ import annotations

from functools import cache
from typing import Any

from PIL import ImageFont

from scenesearch.system.resources import resource_dir


@cache
def font(size: int, *, bold: bool = False) -> Any:
    """A Pillow font of ``size`` pixels.

    DejaVu Sans, which comes with the package: Pillow's own default has ASCII only, and catalogues
    have é, €, я. A character that DejaVu lacks too is drawn as a box.
    """
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(resource_dir("fonts") / name), size)


def fitted(text: str, width: float, size: int, *, bold: bool = False) -> str:
    """``text``, cut with an ellipsis so that it is at most ``width`` pixels wide."""
    face = font(size, bold=bold)
    if face.getlength(text) <= width:
        return text
    # Binary search: the width grows with the number of characters.
    shortest, longest = 0, len(text)
    while shortest < longest:
        middle = (shortest + longest + 1) // 2
        if face.getlength(text[:middle].rstrip() + "…") <= width:
            shortest = middle
        else:
            longest = middle - 1
    return text[:shortest].rstrip() + "…" if shortest else ""


def wrapped(text: str, width: float, size: int, most: int) -> list[str]:
    """``text`` as at most ``most`` lines of at most ``width`` pixels, broken at spaces."""
    lines: list[str] = []
    rest = text.split()
    while rest and len(lines) < most:
        n = len(rest) if len(lines) == most - 1 else 1
        while n < len(rest) and font(size).getlength(" ".join(rest[: n + 1])) <= width:
            n += 1
        lines.append(fitted(" ".join(rest[:n]), width, size))
        rest = rest[n:]
    return lines

"""The fonts of the pictures."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from PIL import ImageFont


@cache
def font(size: int, *, bold: bool = False) -> Any:
    """A Pillow font of ``size`` pixels.

    DejaVu Sans as matplotlib ships it: Pillow's own default has ASCII only, and catalogues have
    é, €, я. A character that DejaVu lacks too is drawn as a box.
    """
    # find_spec looks for the folder; importing matplotlib for a file name would cost 0.2 s.
    spec = importlib.util.find_spec("matplotlib")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
        path = Path(folder) / "mpl-data" / "fonts" / "ttf" / name
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size=size)


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

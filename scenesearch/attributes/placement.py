"""Where in its scene a region is, and how much of it it takes. Pure arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from scenesearch.core.types import BoxTuple


@dataclass(frozen=True, slots=True)
class Placement:
    """Size and position of a box in its scene.

    Attributes:
        area_share: of the scene's area that the box covers, 0 to 1.
        size: ``small`` (below 2 % of the scene), ``medium``, ``large`` (25 % and more).
        position: ``centre``, ``top``, ``bottom``, ``left``, ``right``, ``top left``, ... by the
            third of the scene that the box's centre is in.
    """

    area_share: float
    size: str
    position: str


def placement(box: BoxTuple, size: tuple[int, int]) -> Placement:
    """Size and position of a box; the part outside the scene does not count.

    Args:
        box: pixels, xyxy.
        size: (width, height) of the scene in pixels.

    Raises:
        ValueError: the scene has no area, or the box is inverted.

    >>> placement((0, 0, 50, 20), (200, 100)).position
    'top left'
    """
    width, height = size
    if width <= 0 or height <= 0:
        raise ValueError(f"the size of a scene must be above 0, got {width} x {height}")
    if box[2] < box[0] or box[3] < box[1]:
        raise ValueError(f"a box is (x1, y1, x2, y2) with x1 <= x2 and y1 <= y2, got {box}")
    x1, x2 = _clip(box[0] / width), _clip(box[2] / width)
    y1, y2 = _clip(box[1] / height), _clip(box[3] / height)
    area, x, y = (x2 - x1) * (y2 - y1), (x1 + x2) / 2, (y1 + y2) / 2
    vertical = _third(y, ("top", "", "bottom"))
    horizontal = _third(x, ("left", "", "right"))
    return Placement(
        area_share=area,
        size="small" if area < 0.02 else "medium" if area < 0.25 else "large",
        position=" ".join(word for word in (vertical, horizontal) if word) or "centre",
    )


def _clip(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)


def _third(value: float, words: tuple[str, str, str]) -> str:
    return words[0] if value < 1 / 3 else words[1] if value <= 2 / 3 else words[2]

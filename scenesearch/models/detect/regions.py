"""From detections to the regions of a photo that are searched. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence

from scenesearch.core.boxes import box_tuple, check_box
from scenesearch.core.errors import QueryError
from scenesearch.core.types import BoxTuple, Detections, Region
from scenesearch.models.detect.boxes import keep_large, suppress


def whole_region(size: tuple[int, int]) -> Region:
    """The photo itself."""
    return Region("whole", "whole", (0.0, 0.0, float(size[0]), float(size[1])))


def object_regions(
    detections: Detections,
    size: tuple[int, int],
    *,
    limit: int,
    min_area: float,
    overlap: float,
) -> list[Region]:
    """The objects worth searching: large enough, not twice, the first ``limit``.

    Args:
        detections: best first (``MergedDetector`` puts the more trusted detector first).
        size: of the photo.
        limit: the largest number of regions.
        min_area: smallest share of the photo's area.
        overlap: intersection over union above which two boxes are one object.
    """
    kept = suppress(keep_large(detections, min_area, size), overlap)
    return [
        Region(
            f"object:{i}",
            "object",
            box_tuple(kept.boxes[i]),
            kept.labels[i],
            float(kept.confidences[i]),
            kept.masks[i],
        )
        for i in range(min(len(kept), limit))
    ]


def tile_regions(size: tuple[int, int], *, across: int = 2) -> list[Region]:
    """Half-overlapping windows over the photo, for what no detector has a class for.

    Args:
        size: of the photo.
        across: windows that would lie side by side without overlap; ``2 * across - 1`` are made
            along each side.
    """
    width, height = size[0] / across, size[1] / across
    steps = range(2 * across - 1)
    boxes = [
        (x * width / 2, y * height / 2, x * width / 2 + width, y * height / 2 + height)
        for y in steps
        for x in steps
    ]
    return [Region(f"tile:{i}", "tile", box, confidence=0.5) for i, box in enumerate(boxes)]


def given_regions(boxes: Sequence[BoxTuple], size: tuple[int, int]) -> list[Region]:
    """The caller's own boxes as regions, clipped to the photo.

    Raises:
        QueryError: a box is not finite, is inverted, or lies outside the photo.
    """
    regions = []
    width, height = size
    for i, box in enumerate(boxes):
        x1, y1, x2, y2 = box_tuple(box)
        check_box(f"Box {i}", tuple(box))
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            raise QueryError(
                f"Box {i} is {tuple(box)}, outside the photo of {width} x {height} pixels",
                code="bad_box",
            )
        clipped = (max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height)))
        regions.append(Region(f"object:{i}", "object", clipped))
    return regions


def region_at(
    point: tuple[float, float], regions: Sequence[Region], size: tuple[int, int]
) -> Region:
    """The smallest object under a tapped point, or a window around it where there is none.

    Raises:
        QueryError: the point is outside the photo.
    """
    x, y = float(point[0]), float(point[1])
    width, height = size
    if not (0 <= x < width and 0 <= y < height):
        raise QueryError(
            f"The point ({x:g}, {y:g}) is outside the photo of {width} x {height} pixels",
            code="bad_point",
        )
    under = [
        r
        for r in regions
        if r.kind == "object" and r.box[0] <= x < r.box[2] and r.box[1] <= y < r.box[3]
    ]
    if under:
        return min(under, key=lambda r: (_area(r.box), r.key))
    side = 0.3 * min(width, height)
    left = min(max(x - side / 2, 0.0), width - side)
    top = min(max(y - side / 2, 0.0), height - side)
    return Region("object:0", "object", (left, top, left + side, top + side))


def _area(box: BoxTuple) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])

"""Where the numbers of the regions go on the photo. Pure geometry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from scenesearch.core.types import BoxTuple

Point = tuple[float, float]


def place_badges(boxes: Sequence[BoxTuple], size: tuple[int, int], radius: float) -> list[Point]:
    """Centres of one circle a box: inside the photo, on its box, and apart from each other.

    Boxes are served from the smallest to the largest, because a large one has more room to give.
    Where a photo is too crowded, the place with the most room is taken.

    Args:
        boxes: pixels, xyxy.
        size: (width, height) of the photo.
        radius: of the circles, in pixels of the photo.

    Returns:
        (x, y) for each box, in the order of ``boxes``.

    >>> place_badges([(10, 10, 90, 90)], (100, 100), 5)
    [(15.0, 15.0)]
    """
    order = sorted(range(len(boxes)), key=lambda i: (_area(boxes[i]), i))
    placed: dict[int, Point] = {}
    for i in order:
        best, best_room = (0.0, 0.0), -1.0
        for point in _candidates(boxes[i], size, radius):
            room = min((_distance(point, other) for other in placed.values()), default=4 * radius)
            if room >= 2 * radius:
                best = point
                break
            if room > best_room:
                best, best_room = point, room
        placed[i] = best
    return [placed[i] for i in range(len(boxes))]


def _candidates(box: BoxTuple, size: tuple[int, int], radius: float) -> Iterator[Point]:
    x1, y1, x2, y2 = box
    left, top, right, bottom = x1 + radius, y1 + radius, x2 - radius, y2 - radius
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    inside = [
        *((left, top), (right, top), (left, bottom), (right, bottom)),
        *((middle_x, top), (left, middle_y), (right, middle_y), (middle_x, bottom)),
        (middle_x, middle_y),
    ]
    # Rings around the first corner, for boxes whose own places are all taken.
    step = 2.1 * radius
    around = [
        (left + dx * step, top + dy * step)
        for ring in range(1, 6)
        for dy in range(-ring, ring + 1)
        for dx in range(-ring, ring + 1)
        if max(abs(dx), abs(dy)) == ring
    ]
    for x, y in (*inside, *around):
        yield _clamp(x, radius, size[0]), _clamp(y, radius, size[1])


def _clamp(value: float, radius: float, side: int) -> float:
    return side / 2 if side < 2 * radius else float(min(max(value, radius), side - radius))


def _area(box: BoxTuple) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)

"""Boxes and numbers on the photo: where the numbers go, and how both are drawn to be legible."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

from scenesearch.core.types import BoxTuple
from scenesearch.look.render.fonts import font
from scenesearch.look.render.palette import ink_on, region_colour
from scenesearch.look.render.pictures import mask_layer
from scenesearch.look.values import LookData

Point = tuple[float, float]

_SMOOTH = 4
"""Circles are drawn this many times larger and reduced: Pillow does not smooth them."""


def annotate(picture: Picture, look: LookData, *, radius: int, line: int) -> Picture:
    """The scene's picture with every region's outline, box and number.

    Args:
        picture: the look's scene, scaled to what is wanted.
        look: its regions are drawn; the whole photo gets a number and no box.
        radius: of the numbers' circles, in pixels.
        line: width of the boxes, in pixels.
    """
    picture = picture.copy()
    boxes = scaled_boxes(look, picture.size)
    layer = mask_layer(look, picture.size, line)
    if layer is not None:
        picture.paste(layer, (0, 0), layer)
    draw = ImageDraw.Draw(picture)
    # Large boxes first, so that they do not run over small ones.
    order = sorted(range(len(boxes)), key=lambda i: -_area(boxes[i]))
    for i in order:
        region = look.regions[i].region
        if region.kind != "whole":
            # Where there is a mask the outline says it better; a tile is no object: both step back.
            thin = region.mask is not None or region.kind == "tile"
            _draw_box(draw, boxes[i], i, max(1, line // 2) if thin else line)
    for i, centre in enumerate(place_badges(boxes, picture.size, radius + 1)):
        paste_badge(picture, centre, radius, i)
    return picture


def scaled_boxes(look: LookData, size: tuple[int, int]) -> list[BoxTuple]:
    """The regions' boxes, clipped to the scene, in pixels of a picture of ``size``.

    >>> scaled_boxes(Look(None, (), ()), (10, 10))
    []
    """
    if look.scene is None:
        return []
    width, height = look.scene.size
    boxes = []
    for found in look.regions:
        x1, y1, x2, y2 = found.region.box
        x1, x2 = sorted((min(max(x1, 0), width), min(max(x2, 0), width)))
        y1, y2 = sorted((min(max(y1, 0), height), min(max(y2, 0), height)))
        sx, sy = size[0] / width, size[1] / height
        boxes.append((x1 * sx, y1 * sy, x2 * sx, y2 * sy))
    return boxes


def paste_badge(picture: Picture, centre: Point, radius: int, index: int) -> None:
    """Draw the number of region ``index`` in a filled circle with a white and a dark ring."""
    colour = region_colour(index)
    side = 2 * radius * _SMOOTH
    badge = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(badge)
    ring = max(1.0, radius * 0.07) * _SMOOTH
    for inset, fill in ((0, (0, 0, 0)), (ring, (255, 255, 255)), (3 * ring, colour)):
        draw.ellipse((inset, inset, side - 1 - inset, side - 1 - inset), fill=(*fill, 255))
    text = str(index + 1)
    size = round(radius * (1.1 if len(text) < 3 else 0.75)) * _SMOOTH
    # Digits have no descenders: centred by their own ink, they sit exactly in the middle.
    left, top, right, bottom = font(size, bold=True).getbbox(text)
    corner = ((side - left - right) / 2, (side - top - bottom) / 2)
    draw.text(corner, text, fill=(*ink_on(colour), 255), font=font(size, bold=True))
    badge = badge.resize((2 * radius, 2 * radius), Image.Resampling.LANCZOS)
    picture.paste(badge, (round(centre[0] - radius), round(centre[1] - radius)), badge)


def _draw_box(draw: Any, box: BoxTuple, index: int, line: int) -> None:
    x1, y1, x2, y2 = (round(side) for side in box)
    # From outside in: dark, the colour, light. Two of the three show on any photo.
    for inset, width, colour in (
        (0, line + 2, (0, 0, 0)),
        (1, line + 1, (255, 255, 255)),
        (1, line, region_colour(index)),
    ):
        left, top = x1 + inset, y1 + inset
        right, bottom = max(x2 - 1 - inset, left), max(y2 - 1 - inset, top)
        draw.rectangle((left, top, right, bottom), outline=colour, width=width)


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

    def room(point: Point) -> float:
        return min((_distance(point, other) for other in placed.values()), default=4 * radius)

    for i in order:
        places = list(_candidates(boxes[i], size, radius))
        free = (place for place in places if room(place) >= 2 * radius)
        placed[i] = next(free, None) or max(places, key=room)
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


def _distance(a: Point, b: Point) -> float:
    return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)


def _area(box: BoxTuple) -> float:
    return max(box[2] - box[0], 0) * max(box[3] - box[1], 0)

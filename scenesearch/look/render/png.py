"""A look as one picture: the photo left, a row for each region right, the fused list below.

The fused list stands under the photo where the rows beside it leave the room, and in a strip at
the bottom otherwise.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw
from PIL.Image import Image as Picture

from scenesearch.core.types import Scene
from scenesearch.look.render import words
from scenesearch.look.render.fonts import fitted, font, wrapped
from scenesearch.look.render.marks import annotate, paste_badge
from scenesearch.look.render.palette import RGB, region_colour, swatch
from scenesearch.look.render.pictures import crop, fit, letterboxed, photo, scene_picture
from scenesearch.look.values import LookData, Match, RegionMatches

MAX_WIDTH = 2400
MAX_ROWS = 20
"""Regions drawn at most; a picture of a hundred rows is no overview."""

THUMB = 160
GAP = 16
TILE_HEIGHT = THUMB + 66
INK: RGB = (24, 24, 27)
MUTED: RGB = (105, 105, 112)

_FRAME: RGB = (222, 222, 222)
_EMPTY: RGB = (238, 238, 240)
_MOST_SWATCHES = 3
_MOST_BADGES = 5

_MARGIN = 32
_INFO = 244
_TOP = _MARGIN + 44
_TITLE = 40
_ROW = TILE_HEIGHT + 18
_PHOTO_WIDTH = (560, 1000)
_NOTES = 4
_ENOUGH = 10
"""Fused matches that must fit under the photo for the list to stand there."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things go; all in pixels.

    Attributes:
        photo: size the scene is shown at, or None without a scene.
        rows: regions drawn.
        columns: matches drawn for each of them.
        left: x of the rows.
        body: height of photo and rows.
        fused: upper left corner of the fused list, its title included.
        grid: (columns, rows) of the fused list.
        size: of the whole picture.
    """

    photo: tuple[int, int] | None
    rows: int
    columns: int
    left: int
    body: int
    fused: tuple[int, int]
    grid: tuple[int, int]
    size: tuple[int, int]


def png_bytes(look: LookData, *, per_region: int = 5) -> bytes:
    """:func:`render_png`, encoded."""
    buffer = io.BytesIO()
    render_png(look, per_region=per_region).save(buffer, "PNG")
    return buffer.getvalue()


def render_png(look: LookData, *, per_region: int = 5) -> Picture:
    """Draw the look.

    Args:
        look: what to draw.
        per_region: matches shown for each region, as far as they fit into 2400 pixels.

    Returns:
        An RGB picture, at most 2400 pixels wide, as high as its content.

    Raises:
        ValueError: ``per_region`` is below 1.
    """
    if per_region < 1:
        raise ValueError(f"per_region must be at least 1, got {per_region}")
    layout = _layout(look, per_region)
    page = Image.new("RGB", layout.size, "white")
    draw = ImageDraw.Draw(page)
    width = layout.size[0] - 2 * _MARGIN
    summary = words.summary(look)
    summary_left = layout.size[0] - _MARGIN - int(font(17).getlength(summary))
    name = fitted(words.heading(look), summary_left - _MARGIN - GAP, 22, bold=True)
    draw.text((_MARGIN, _MARGIN + 22), name, INK, font(22, bold=True), anchor="ls")
    draw.text((summary_left, _MARGIN + 22), summary, MUTED, font(17), anchor="ls")

    if look.scene is not None and layout.photo is not None:
        picture = scene_picture(look.scene, layout.photo, enlarge=8)
        page.paste(annotate(picture, look, radius=17, line=4), (_MARGIN, _TOP))
    _draw_rows(page, look, layout)
    _draw_fused(page, look, layout)
    for i, note in enumerate(reversed(look.notes[:_NOTES])):
        text = fitted(words.clean(note), width, 15)
        draw.text((_MARGIN, layout.size[1] - 24 - i * 22), text, MUTED, font(15), anchor="ls")
    return page


def _draw_rows(page: Picture, look: LookData, layout: _Layout) -> None:
    draw = ImageDraw.Draw(page)
    for row, found in enumerate(look.regions[: layout.rows]):
        x, y = layout.left, _TOP + row * _ROW
        if row:
            draw.line((x, y - 10, layout.size[0] - _MARGIN, y - 10), _FRAME)
        draw_info(page, (x, y), found, row, _INFO - GAP)
        x += _INFO
        if look.scene is not None:
            draw_crop(page, (x, y), look.scene, found, row)
            x += THUMB + 2 * GAP
        if not found.matches:
            draw.text((x, y + THUMB // 2), "no good match", MUTED, font(17), anchor="lm")
        for match in found.matches[: layout.columns]:
            draw_match(page, (x, y), match)
            x += THUMB + GAP
    hidden = len(look.regions) - layout.rows
    if hidden > 0:
        corner = (layout.left, _TOP + layout.rows * _ROW + 12)
        draw.text(corner, f"and {hidden} more regions", MUTED, font(15), anchor="ls")


def _draw_fused(page: Picture, look: LookData, layout: _Layout) -> None:
    draw = ImageDraw.Draw(page)
    x, y = layout.fused
    columns, rows = layout.grid
    if look.regions:
        end = x + columns * (THUMB + GAP) - GAP if y < _TOP + layout.body else layout.size[0] - x
        draw.line((x, y, end, y), _FRAME)
        draw.text((x, y + 30), "All regions together", INK, font(19, bold=True), anchor="ls")
        y += _TITLE
    if not look.matches:
        draw.text((x, y + 24), "no good match", MUTED, font(17), anchor="ls")
    for i, match in enumerate(look.matches[: columns * rows]):
        corner = (x + i % columns * (THUMB + GAP), y + i // columns * _ROW)
        draw_match(page, corner, match, earned_by=regions_of(match))


def _layout(look: LookData, per_region: int) -> _Layout:
    shown = look.regions[:MAX_ROWS]
    rows = len(shown)
    inner = MAX_WIDTH - 2 * _MARGIN
    fixed = _INFO + (THUMB + 2 * GAP if look.scene is not None else 0)
    reserved = _PHOTO_WIDTH[0] + _MARGIN if look.scene is not None else 0
    fitting = (inner - reserved - fixed + GAP) // (THUMB + GAP)
    # At least two columns wide, so that "no good match" has a place.
    columns = max(2, min(per_region, fitting, max((len(f.matches) for f in shown), default=0)))
    right = fixed + columns * (THUMB + GAP) - GAP if rows else 0

    scene_size = None
    if look.scene is not None:
        widest = min(_PHOTO_WIDTH[1], inner - right - _MARGIN if rows else inner)
        # As high as the rows beside it, within reason, so that neither side is left empty.
        highest = min(max(rows * _ROW - 20, 620), 1100)
        scene_size = fit(look.scene.size, (widest, highest), enlarge=8)
    photo_column = 0 if scene_size is None else max(scene_size[0], 240)
    left = _MARGIN + photo_column + (_MARGIN if photo_column and rows else 0)
    more = 30 if len(look.regions) > rows else 0
    under_photo = scene_size[1] + 20 if scene_size else 0
    body = max(rows * _ROW + more, under_photo)
    width = max(left - _MARGIN + right, 4 * (THUMB + GAP) - GAP)
    if not rows:
        width = min(max(width, min(len(look.matches), 8) * (THUMB + GAP) - GAP), inner)

    title = _TITLE if rows else 0
    in_column = (photo_column + GAP) // (THUMB + GAP)
    room = in_column * max(0, (body - under_photo - title) // _ROW)
    if look.matches and room >= min(len(look.matches), _ENOUGH):
        fused, grid = (_MARGIN, _TOP + under_photo), (in_column, room // in_column)
        below = 0
    else:
        columns_below = (width + GAP) // (THUMB + GAP)
        needed = -(-len(look.matches) // columns_below)
        fused, grid = (_MARGIN, _TOP + body), (columns_below, min(needed, 2 if rows else 4))
        below = title + (grid[1] * _ROW if look.matches else 40)
    height = _TOP + body + below + 22 * min(len(look.notes), _NOTES) + 16
    return _Layout(
        scene_size, rows, columns, left, body, fused, grid, (width + 2 * _MARGIN, height)
    )


def draw_info(
    page: Picture, corner: tuple[int, int], found: RegionMatches, index: int, width: int
) -> None:
    """Number, name, confidence and colours of a region, in ``width`` x 160 pixels."""
    x, y = corner
    draw = ImageDraw.Draw(page)
    paste_badge(page, (x + 17, y + 17), 17, index)
    name = fitted(words.region_name(found), width - 44, 17, bold=True)
    draw.text((x + 44, y + 24), name, INK, font(17, bold=True), anchor="ls")
    y += 58
    for line in (words.certainty(found), *wrapped(words.cutout_note(found), width, 14, 2)):
        if line:
            draw.text((x, y), line, MUTED, font(14), anchor="ls")
            y += 20
    y += 2
    for colour in found.colours[:_MOST_SWATCHES]:
        draw.rectangle((x, y - 10, x + 18, y + 8), swatch(colour.lab), outline=(150, 150, 150))
        text = fitted(words.colour(colour), width - 28, 14)
        draw.text((x + 28, y + 4), text, INK, font(14), anchor="ls")
        y += 25


def draw_crop(
    page: Picture, corner: tuple[int, int], scene: Scene, found: RegionMatches, index: int
) -> None:
    """What was searched, framed in the region's colour."""
    x, y = corner
    part = crop(scene, found.region, (THUMB, THUMB))
    page.paste(letterboxed(part, THUMB, _EMPTY), corner)
    frame = (x - 3, y - 3, x + THUMB + 2, y + THUMB + 2)
    ImageDraw.Draw(page).rectangle(frame, outline=region_colour(index), width=3)


def draw_match(
    page: Picture, corner: tuple[int, int], match: Match, *, earned_by: Sequence[int] = ()
) -> None:
    """A product's photo with title, category, price and score under it.

    Args:
        page: drawn on.
        corner: upper left, (x, y).
        match: the product.
        earned_by: region indices whose numbers are put on the photo.
    """
    x, y = corner
    draw = ImageDraw.Draw(page)
    picture = photo(match.photo)
    if picture is None:
        draw.rectangle((x, y, x + THUMB - 1, y + THUMB - 1), _EMPTY)
        text = fitted(words.clean(match.item_id), THUMB - 16, 14)
        middle = (x + THUMB // 2, y + THUMB // 2)
        draw.text((middle[0], middle[1] - 10), text, MUTED, font(14), anchor="mm")
        draw.text((middle[0], middle[1] + 12), "no photo", MUTED, font(13), anchor="mm")
    else:
        page.paste(letterboxed(picture, THUMB), corner)
    draw.rectangle((x, y, x + THUMB - 1, y + THUMB - 1), outline=_FRAME)
    for place, index in enumerate(earned_by[:_MOST_BADGES]):
        paste_badge(page, (x + 16 + place * 26, y + THUMB - 16), 12, index)

    title = fitted(words.title(match), THUMB, 14, bold=True)
    draw.text((x, y + THUMB + 19), title, INK, font(14, bold=True), anchor="ls")
    subtitle = fitted(words.subtitle(match), THUMB, 13)
    draw.text((x, y + THUMB + 37), subtitle, MUTED, font(13), anchor="ls")
    score = words.score(match.score)
    room = THUMB - font(13).getlength(score) - 8
    draw.text((x, y + THUMB + 55), fitted(words.price(match), room, 13), INK, font(13), anchor="ls")
    draw.text((x + THUMB, y + THUMB + 55), score, MUTED, font(13), anchor="rs")


def regions_of(match: Match) -> list[int]:
    """The regions that earned a match, each once, in the order of its evidence."""
    return list(dict.fromkeys(e.region for e in match.evidence if e.region is not None))

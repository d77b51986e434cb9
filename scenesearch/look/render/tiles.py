"""The small parts of the picture: what a region is, its crop, a product with its caption."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import ImageDraw
from PIL.Image import Image as Picture

from scenesearch.core.types import Scene
from scenesearch.look.render import words
from scenesearch.look.render.fonts import fitted, font, wrapped
from scenesearch.look.render.marks import paste_badge
from scenesearch.look.render.palette import RGB, region_colour, swatch
from scenesearch.look.render.pictures import crop, letterboxed, photo
from scenesearch.look.values import Match, RegionMatches

THUMB = 160
GAP = 16
TILE_HEIGHT = THUMB + 66
INK: RGB = (24, 24, 27)
MUTED: RGB = (105, 105, 112)

_FRAME: RGB = (222, 222, 222)
_EMPTY: RGB = (238, 238, 240)
_MOST_SWATCHES = 3
_MOST_BADGES = 5


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

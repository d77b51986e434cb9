"""A look as a matplotlib figure, for notebooks and papers."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from scenesearch.core.extras import extra
from scenesearch.core.types import Scene
from scenesearch.look.render import words
from scenesearch.look.render.marks import place_badges, scaled_boxes
from scenesearch.look.render.palette import css, ink_on, region_colour
from scenesearch.look.render.pictures import letterboxed, mask_layer, photo, scene_picture
from scenesearch.look.values import LookData, Match

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAX_ROWS = 20
"""Regions drawn at most."""

_THUMB = 160
_CELL = 1.35
"""Inches a product takes, caption included."""

_SCENE_WIDTH = 6.0
"""Inches."""

_SCENE_SIDE = 1000
_MUTED = "#5f5f68"


def render_figure(look: LookData, *, per_region: int = 5) -> Figure:
    """Draw the photo with its regions, each region's best matches, and the fused list.

    The figure belongs to no window and not to pyplot, so it needs no display and no closing.

    Args:
        look: what to draw.
        per_region: matches shown for each region; the fused list shows as many as fill its row.

    Returns:
        A figure; ``savefig`` works on it.

    Raises:
        ValueError: ``per_region`` is below 1.
    """
    with extra("figures", "A figure"):
        from matplotlib.figure import Figure

    if per_region < 1:
        raise ValueError(f"per_region must be at least 1, got {per_region}")
    shown = look.regions[:MAX_ROWS]
    # One row a region and one for the fused list; the photo takes the left of them all.
    rows = len(shown) + 1
    longest = max(len(look.matches), *(len(found.matches) for found in shown), 1)
    columns = min(per_region, longest) + 1
    height = max(rows * _CELL * 1.3, 4.0 if look.scene is not None else 0) + 0.5
    widths = [_SCENE_WIDTH, max(columns - 0.3, 2) * _CELL][0 if look.scene is not None else 1 :]
    figure = Figure(figsize=(sum(widths), height), layout="constrained")
    parts = figure.subfigures(1, len(widths), squeeze=False, width_ratios=widths)[0]
    if look.scene is not None:
        _draw_scene(parts[0].add_subplot(), look, look.scene)
    figure.suptitle(_text(words.heading(look)), parse_math=False)
    grid = parts[-1].subplots(rows, columns, squeeze=False)
    lists = [
        (f"{i + 1}  {words.region_name(found)}", css(region_colour(i)), found.matches)
        for i, found in enumerate(shown)
    ]
    lists.append(("all regions" if look.regions else "matches", "#000000", look.matches))
    for axes, (name, colour, matches) in zip(grid, lists, strict=True):
        for axis in axes:
            axis.set_axis_off()
        _label(axes[0], name, colour, empty=not matches)
        for axis, match in zip(axes[1:], matches, strict=False):
            _draw_match(axis, match)
    return figure


def _draw_scene(axis: Any, look: LookData, scene: Scene) -> None:
    from matplotlib.patches import Rectangle

    picture = scene_picture(scene, (_SCENE_SIDE, _SCENE_SIDE))
    axis.imshow(np.asarray(picture))
    axis.set_axis_off()
    axis.set_anchor("N")
    layer = mask_layer(look, picture.size, 3)
    if layer is not None:
        axis.imshow(np.asarray(layer))
    boxes = scaled_boxes(look, picture.size)
    radius = 0.03 * max(picture.size)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        if look.regions[i].region.kind == "whole":
            continue
        faint = look.regions[i].region.mask is not None
        for colour, width in (("black", 3.5), (css(region_colour(i)), 2.0)):
            axis.add_patch(
                Rectangle(
                    (x1 - 0.5, y1 - 0.5),
                    *(x2 - x1, y2 - y1),
                    fill=False,
                    edgecolor=colour,
                    linewidth=width / 2 if faint else width,
                )
            )
    for i, (x, y) in enumerate(place_badges(boxes, picture.size, radius)):
        fill = region_colour(i)
        axis.text(
            *(x, y, str(i + 1)),
            color=css(ink_on(fill)),
            fontsize=8,
            fontweight="bold",
            ha="center",
            va="center",
            bbox={"boxstyle": "circle", "facecolor": css(fill), "edgecolor": "white"},
        )


def _label(axis: Any, name: str, colour: str, *, empty: bool) -> None:
    # Text takes no part in the layout: a long label must not squeeze the pictures.
    axis.text(
        *(0.0, 0.62, _text(name, 16)),
        transform=axis.transAxes,
        fontsize=9,
        fontweight="bold",
        va="center",
        parse_math=False,
    ).set_in_layout(False)
    axis.plot([0, 0.5], [0.5, 0.5], color=colour, linewidth=3, transform=axis.transAxes)
    if empty:
        axis.text(
            *(0.0, 0.36, "no good match"),
            transform=axis.transAxes,
            fontsize=8,
            color=_MUTED,
            va="center",
        ).set_in_layout(False)


def _draw_match(axis: Any, match: Match) -> None:
    picture = photo(match.photo)
    if picture is None:
        axis.imshow(np.full((_THUMB, _THUMB, 3), 238, np.uint8))
        axis.text(
            *(_THUMB / 2, _THUMB / 2, _text(words.clean(match.item_id), 14) + "\nno photo"),
            fontsize=7,
            color=_MUTED,
            ha="center",
            va="center",
            parse_math=False,
        )
    else:
        axis.imshow(np.asarray(letterboxed(picture, _THUMB)))
    price = words.price(match)
    score = words.score(match.score)
    caption = _text(words.title(match), 18) + "\n" + _text(f"{price}  {score}".strip(), 22)
    axis.set_title(caption, fontsize=6.5, y=-0.3, parse_math=False)


def _text(text: str, most: int = 80) -> str:
    """``text`` cut to ``most`` characters, in characters that the font has.

    matplotlib warns about each of the others whenever the figure is drawn.
    """
    has = _glyphs()
    shown = "".join(char if ord(char) in has else "\N{WHITE SQUARE}" for char in text)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


@cache
def _glyphs() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())

"""Pixels for the renderers: the scene, crops of it, mask overlays, and thumbnails of products."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image, ImageChops, ImageFilter, ImageOps
from PIL.Image import Image as Picture

from scenesearch.core.errors import ImageError
from scenesearch.core.types import Region, Scene
from scenesearch.images import load_scene
from scenesearch.images.geometry import pixel_box
from scenesearch.images.letterbox import letterbox
from scenesearch.look.render.palette import RGB, region_colour
from scenesearch.look.values import LookData

_TINT_ALPHA = 70
_OUTLINE_ALPHA = 255


def fit(size: tuple[int, int], inside: tuple[int, int], *, enlarge: float = 1) -> tuple[int, int]:
    """The largest size of the same shape inside ``inside``, grown at most ``enlarge`` times.

    >>> fit((400, 200), (100, 100))
    (100, 50)
    """
    scale = min(inside[0] / size[0], inside[1] / size[1], enlarge)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def photo(path: str | None) -> Picture | None:
    """A catalogue photo, or None where there is none or it cannot be read."""
    if not path:
        return None
    try:
        return Image.fromarray(load_scene(path).image)
    except ImageError:
        return None


def scene_picture(scene: Scene, inside: tuple[int, int], *, enlarge: float = 1) -> Picture:
    """The scene, scaled into a box of (width, height)."""
    return _resized(Image.fromarray(scene.image), fit(scene.size, inside, enlarge=enlarge))


def crop(scene: Scene, region: Region, inside: tuple[int, int], *, enlarge: float = 4) -> Picture:
    """What a region shows, background and all, scaled into a box of (width, height)."""
    x1, y1, x2, y2 = pixel_box(region.box, scene.size)
    part = Image.fromarray(scene.image[y1:y2, x1:x2])
    return _resized(part, fit(part.size, inside, enlarge=enlarge))


def letterboxed(picture: Picture, side: int, background: RGB = (255, 255, 255)) -> Picture:
    """A square of ``side`` pixels with the whole picture in its middle."""
    import numpy as np

    return Image.fromarray(letterbox(np.asarray(picture), side, background))


def mask_layer(look: LookData, size: tuple[int, int], line: int) -> Picture | None:
    """A transparent picture of ``size`` with every region's mask tinted and outlined.

    Args:
        look: its scene gives the masks their scale.
        size: (width, height) the scene is shown at.
        line: width of the outline in pixels.

    Returns:
        RGBA, or None where no region has a mask.
    """
    scene = look.scene
    if scene is None or all(found.region.mask is None for found in look.regions):
        return None
    layer = Image.new("RGBA", size)
    scale_x, scale_y = size[0] / scene.size[0], size[1] / scene.size[1]
    for i, found in enumerate(look.regions):
        if found.region.mask is None or found.region.mask.size == 0:
            continue
        x1, y1, x2, y2 = pixel_box(found.region.box, scene.size)
        left, top = round(x1 * scale_x), round(y1 * scale_y)
        shown = (max(1, round(x2 * scale_x) - left), max(1, round(y2 * scale_y) - top))
        mask = Image.fromarray(found.region.mask.astype("uint8") * 255).resize(
            shown, Image.Resampling.BILINEAR
        )
        alpha = _outlined(mask.point(lambda value: 255 if value >= 128 else 0), line)
        ink = Image.new("RGBA", shown, (*region_colour(i), 0))
        ink.putalpha(alpha)
        layer.alpha_composite(ink, (left, top))
    return layer


def data_uri(picture: Picture, *, quality: int = 84) -> str:
    """The picture as text for ``src``: JPEG, or PNG where it is transparent."""
    buffer = io.BytesIO()
    if picture.mode == "RGBA":
        # Few flat colours with sharp edges: a palette makes it several times smaller.
        picture.quantize(256).save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        picture.save(buffer, "JPEG", quality=quality, optimize=True)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _outlined(mask: Picture, line: int) -> Picture:
    """Alpha of a mask of 0 and 255: the rim opaque, the inside a tint."""
    # Padded, so that a mask that reaches the border of its box gets a rim there as well.
    padded = ImageOps.expand(mask, line)
    core = padded.filter(ImageFilter.MinFilter(2 * line + 1))
    core = core.crop((line, line, line + mask.width, line + mask.height))
    rim = ImageChops.subtract(mask, core).point(lambda value: _OUTLINE_ALPHA if value else 0)
    tint = core.point(lambda value: _TINT_ALPHA if value else 0)
    return ImageChops.lighter(rim, tint)


def _resized(picture: Picture, size: tuple[int, int]) -> Any:
    if picture.size == size:
        return picture
    # The gap reduces by whole factors first: several times faster, and not visible at 2.
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)

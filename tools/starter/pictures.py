"""Pictures for the image-text model: product shots on other grounds, and crops of rooms.

All are squares of RGB, as the package's embedder sees them: a cutout on white with its sides kept,
or the thing with what surrounds it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from tools.starter.dataset import pixels

SIDE = 224
LEAST_SHARE = 0.012
"""Of a room's view: smaller things are not looked at, as there is too little to see."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One square picture.

    Attributes:
        item: product's id.
        form: ``shot`` (alone on white), ``scene`` (alone on another ground), ``cut`` or
            ``context`` (of a room).
        rgb: shape (SIDE, SIDE, 3), uint8.
    """

    item: str
    form: str
    rgb: np.ndarray


def shots(folder: Path, items: Sequence[str], *, grounds: int, seed: int) -> Iterator[Picture]:
    """Each shot of each product on white, and on ``grounds`` other grounds with other light."""
    draw = random.Random(seed)
    others = [folder / f"{item}-left.png" for item in items]
    for item in items:
        for path in sorted(folder.glob(f"{item}-*.png")):
            with Image.open(path) as opened:
                product = _trimmed(opened.convert("RGBA"))
            if product is None:
                continue
            yield Picture(item, "shot", _fitted(_on(product, _plain((255, 255, 255)))))
            for _ in range(grounds):
                ground = _ground(draw, draw.choice(others))
                worn = _worn(product, draw)
                yield Picture(item, "scene", _fitted(_on(worn, ground, draw)))


def crops(folder: Path, *, per_thing: int = 2) -> Iterator[Picture]:
    """Each product of each view, cut out by its exact mask, and with what surrounds it.

    Args:
        folder: what ``tools.render.views`` wrote.
        per_thing: 1: cutouts alone, 2: the crop with its surroundings too.
    """
    for file in sorted((folder / "truth").glob("*.json")):
        for view in json.loads(file.read_text(encoding="utf-8"))["views"]:
            photo: np.ndarray | None = None
            for one in view["objects"]:
                x1, y1, x2, y2 = one["box"]
                height, width = one["segmentation"]["size"]
                if not one["item"] or one["area"] < LEAST_SHARE * width * height:
                    continue
                if photo is None:
                    with Image.open(folder / view["image"]) as opened:
                        photo = np.asarray(opened.convert("RGB"))
                mask = pixels(one["segmentation"])[y1:y2, x1:x2]
                crop = np.where(mask[..., None], photo[y1:y2, x1:x2], np.uint8(255))
                yield Picture(one["item"], "cut", _fitted(Image.fromarray(crop)))
                if per_thing > 1:
                    dx, dy = round(0.15 * (x2 - x1)), round(0.15 * (y2 - y1))
                    wide = photo[max(y1 - dy, 0) : y2 + dy, max(x1 - dx, 0) : x2 + dx]
                    yield Picture(one["item"], "context", _fitted(Image.fromarray(wide)))


def main_colour(rgb: np.ndarray) -> str:
    """The package's name for what most of a cutout on white is."""
    from scenesearch.attributes.palette import dominant_colours

    found = dominant_colours(rgb, (rgb < 250).any(axis=2))
    return found[0].name if found else ""


def colour_words(folder: Path, products: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """A colour word for each product: the one it was painted in, else what its shot shows."""
    words = {}
    for product in products:
        item, colour = str(product["id"]), str(product["colour"])
        path = folder / f"{item}-left.png"
        if colour == "natural" and path.exists():
            with Image.open(path) as opened:
                shown = on_white(opened)
            colour = main_colour(_fitted(shown)) if shown else ""
        words[item] = "" if colour == "natural" else colour
    return words


def on_white(opened: Image.Image) -> Image.Image | None:
    """A cutout trimmed to what shows, on white; None where next to nothing shows."""
    product = _trimmed(opened.convert("RGBA"))
    return None if product is None else _on(product, _plain((255, 255, 255)))


def _fitted(picture: Image.Image) -> np.ndarray:
    from scenesearch.images.letterbox import letterbox

    square: np.ndarray = letterbox(np.asarray(picture.convert("RGB")), SIDE)
    return square


def _trimmed(product: Image.Image) -> Image.Image | None:
    box = product.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox()
    if box is None or min(box[2] - box[0], box[3] - box[1]) < 6:
        return None
    return product.crop(box)


def _plain(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (SIDE, SIDE), colour)


def _on(
    product: Image.Image, ground: Image.Image, draw: random.Random | None = None
) -> Image.Image:
    """The product on a ground: all of it, alone on white; smaller and aside where drawn."""
    if draw is None:
        base = ground.resize(product.size)
        base.paste(product, (0, 0), product)
        return base
    room = draw.uniform(1.05, 1.5)
    base = ground.resize((round(product.width * room), round(product.height * room)))
    left = draw.randint(0, base.width - product.width)
    top = draw.randint(0, base.height - product.height)
    base.paste(product, (left, top), product)
    return base


def _ground(draw: random.Random, other: Path) -> Image.Image:
    """A colour, a slope between two, noise, or a close look at another product."""
    kind = draw.random()
    colours = [tuple(draw.randint(20, 255) for _ in range(3)) for _ in range(2)]
    if kind < 0.3:
        return _plain(colours[0])  # type: ignore[arg-type]  # three of them
    if kind < 0.55:
        slope = Image.linear_gradient("L").rotate(draw.choice((0, 90, 180, 270)))
        halves = [_plain(colour) for colour in colours]  # type: ignore[arg-type]
        return Image.composite(*halves, slope.resize((SIDE, SIDE)))
    if kind < 0.75 or not other.exists():
        side = draw.choice((4, 8, 16, 40))
        noise = np.random.default_rng(draw.randrange(2**32)).normal(0, 28, (side, side, 3))
        grains = np.clip(np.array(colours[0]) + noise, 0, 255).astype(np.uint8)
        return Image.fromarray(grains).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    with Image.open(other) as opened:
        whole = _on(opened.convert("RGBA"), _plain(colours[0]))  # type: ignore[arg-type]
    x, y = (draw.randint(0, side // 2) for side in whole.size)
    return whole.crop((x, y, x + whole.width // 2, y + whole.height // 2))


def _worn(product: Image.Image, draw: random.Random) -> Image.Image:
    """Mirrored, in other light, as small as in a room; colours only a little off."""
    rgb, alpha = product.convert("RGB"), product.getchannel("A")
    rgb = ImageEnhance.Brightness(rgb).enhance(draw.uniform(0.6, 1.25))
    rgb = ImageEnhance.Contrast(rgb).enhance(draw.uniform(0.75, 1.2))
    rgb = ImageEnhance.Color(rgb).enhance(draw.uniform(0.7, 1.2))
    if draw.random() < 0.5:
        small = draw.uniform(0.25, 0.7)
        size = tuple(max(8, round(side * small)) for side in rgb.size)
        rgb = rgb.resize(size).resize(product.size)  # type: ignore[arg-type]  # two of them
    if draw.random() < 0.2:
        rgb = rgb.filter(ImageFilter.GaussianBlur(draw.uniform(0.5, 1.5)))
    worn = rgb.convert("RGBA")
    worn.putalpha(alpha)
    return worn.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if draw.random() < 0.5 else worn

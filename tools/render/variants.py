"""Models to products: colours, titles, prices, stock, and the rows of the catalogue.

Pure: the same models and seed give the same products on every machine.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tools.render.models import Model

COLOURS = {
    "white": "#ECEAE4",
    "black": "#1B1B1D",
    "grey": "#85878A",
    "beige": "#CDBB9B",
    "brown": "#6A4528",
    "red": "#B3202A",
    "orange": "#E2711D",
    "yellow": "#E8BE2C",
    "gold": "#C79A3B",
    "green": "#2F6B3F",
    "teal": "#1F7A7A",
    "blue": "#24559C",
    "purple": "#6C3F8C",
    "pink": "#DE8FA8",
    "terracotta": "#B5593A",
}
"""sRGB, by the name that stands in the catalogue."""

NATURAL = "natural"
"""A colour written ``natural=oak`` keeps the mesh's own materials and is called oak."""

VIEWS = ("front", "left", "right")
"""Shots of a product, in the order of its ``image`` cell."""

# Euros for a thing of ordinary size in its category; the size and a draw move it.
_PRICES = {
    "sofa": 620, "armchair": 260, "chair": 75, "stool": 60, "table": 320, "coffee table": 140,
    "bed": 430, "bedside table": 70, "bookcase": 190, "shelf": 110, "desk": 210, "lamp": 45,
    "plant": 28, "vase": 22, "toy": 30, "clock": 65, "television": 340, "decoration": 18,
    "fan": 35, "speaker": 120, "storage box": 32, "waste bin": 16, "guitar": 290, "piano": 7900,
    "chaise longue": 390, "pouffe": 80,
}  # fmt: skip
_USUAL_CM = {
    "sofa": 190, "armchair": 87, "chair": 65, "stool": 55, "table": 120, "coffee table": 82,
    "bed": 150, "bedside table": 47, "bookcase": 80, "shelf": 68, "desk": 100, "lamp": 45,
    "plant": 45, "vase": 32, "toy": 38, "clock": 33, "television": 38, "decoration": 10,
    "fan": 29, "speaker": 27, "storage box": 59, "waste bin": 27, "guitar": 50, "piano": 158,
    "chaise longue": 100, "pouffe": 78,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Product:
    """One model in one colour, as a shop sells it.

    Attributes:
        id: unique, stable over runs.
        colour: name for the catalogue.
        paint: sRGB hex its main materials are given, or None for the mesh's own.
    """

    id: str
    model: Model
    colour: str
    paint: str | None
    price: float
    in_stock: bool

    @property
    def shots(self) -> tuple[str, ...]:
        """File names of its photos."""
        return tuple(f"{self.id}-{view}.jpg" for view in VIEWS)

    def row(self) -> dict[str, object]:
        """Its row of the catalogue."""
        width, depth, height = self.model.size_cm
        return {
            "id": self.id,
            "image": "|".join(f"products/{name}" for name in self.shots),
            "title": f"{self.model.title}, {self.colour}",
            "category": self.model.category,
            "colour": self.colour,
            "width_cm": round(width, 1),
            "depth_cm": round(depth, 1),
            "height_cm": round(height, 1),
            "price": f"{self.price:.2f}",
            "currency": "EUR",
            "group": _plain(self.model.slug),
            "in_stock": str(self.in_stock).lower(),
        }


def products(models: Sequence[Model], count: int, seed: int) -> list[Product]:
    """The first ``count`` products: all colours of the first model, then of the second, ...

    Raises:
        ValueError: there are not that many, or two would have one id.
    """
    found = [_product(model, colour, seed) for model in models for colour in model.colours]
    if not 1 <= count <= len(found):
        raise ValueError(
            f"--products {count}: expected 1 to {len(found)}, the models of picks.toml in all "
            f"their colours; ask for fewer, or add picks"
        )
    if len({product.id for product in found}) < len(found):
        raise ValueError(
            "two picks give products of one id: expected slugs that differ; rename one"
        )
    return found[:count]


def _product(model: Model, colour: str, seed: int) -> Product:
    kind, _, name = colour.partition("=")
    own = kind == NATURAL
    name = name if own else kind
    draw = _draw(seed, model.slug)
    width, depth, height = model.size_cm
    relative = (width * depth * height) ** (1 / 3) / _USUAL_CM[model.category]
    price = _PRICES[model.category] * relative**1.2 * draw.uniform(0.75, 1.35)
    each = _draw(seed, model.slug, name)
    price *= each.choice((0.9, 1.0, 1.0, 1.0, 1.05))
    return Product(
        id=f"{_plain(model.slug)}-{_plain(name)}",
        model=model,
        colour=name,
        paint=None if own else COLOURS[name],
        price=max(3.0, round(price)) - 0.01,
        in_stock=each.random() < 0.9,
    )


def _draw(*parts: object) -> random.Random:
    # Python's own hash() of text differs from run to run.
    key = "/".join(map(str, parts)).encode()
    return random.Random(int.from_bytes(hashlib.sha256(key).digest()[:8], "big"))


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")

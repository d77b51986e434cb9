"""What is said of a product, and which words are right for which products."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

FRAMES = (
    "{}", "a photo of a {}", "a {}", "a picture of a {}", "a product photo of a {}",
    "a {} in a room", "{} for the home",
)  # fmt: skip
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "couch": ("sofa",), "tv": ("television",), "potted plant": ("plant",),
    "refrigerator": ("fridge",), "cabinet": ("cupboard",), "shelf": ("bookcase", "shelves"),
    "laptop": ("notebook",),
}  # fmt: skip
"""Other words for a kind."""
ROLES: Mapping[str, tuple[str, ...]] = {
    "armchair": ("armchair",), "lounge": ("lounge chair",), "corner_sofa": ("corner sofa",),
    "dining_table": ("dining table",), "coffee_table": ("coffee table",), "desk": ("desk",),
    "bedside": ("bedside table", "nightstand"), "floor_lamp": ("floor lamp",),
    "table_lamp": ("table lamp",), "hanging": ("pendant lamp",), "floor_toy": ("toy",),
}  # fmt: skip
"""Words for what a model is used as, which say more than its kind."""
BARE = 0.15
"""Share of captions that leave the colour out."""
AFTER = 0.1
"""Share of the others that name it last."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, and what it says: a name, and a colour or none."""

    text: str
    name: str
    colour: str


def names(product: Mapping[str, Any]) -> tuple[str, ...]:
    """What a product may be called; its kind first."""
    kind = str(product["kind"])
    found = (kind, *SYNONYMS.get(kind, ()), *ROLES.get(str(product.get("role", "")), ()))
    return tuple(dict.fromkeys((*found, str(product["title"]).lower())))


def caption(product: Mapping[str, Any], colour: str, draw: random.Random) -> Caption:
    """One caption of a product: every third time its kind, with its colour or without."""
    known = names(product)
    name = known[0] if draw.random() < 1 / 3 else draw.choice(known)
    if not colour or draw.random() < BARE:
        return Caption(draw.choice(FRAMES).format(name), name, "")
    if draw.random() < AFTER:
        return Caption(f"{name}, {colour}", name, colour)
    return Caption(draw.choice(FRAMES).format(f"{colour} {name}"), name, colour)


def others(
    said: Sequence[Caption], shades: Sequence[str], count: int, draw: random.Random
) -> list[Caption]:
    """The same names in ``count`` drawn colours each: what makes the colour's word matter."""
    most = min(count, len(shades))
    drawn = [(one.name, shade) for one in said for shade in draw.sample(shades, most)]
    return [Caption(f"{shade} {name}", name, shade) for name, shade in drawn]


def every_word(products: Iterable[Mapping[str, Any]], colours: Mapping[str, str]) -> set[str]:
    """Texts that hold every word that some caption has."""
    called = {name for product in products for name in names(product)}
    return {*called, *colours.values(), *(frame.format(",") for frame in FRAMES)}


def fits(
    products: Sequence[Mapping[str, Any]], colours: Sequence[str], said: Sequence[Caption]
) -> np.ndarray:
    """Which captions are true of which products; shape (products, captions), bool."""
    known = [set(names(product)) for product in products]
    return np.array(
        [
            [one.name in called and one.colour in ("", colour) for one in said]
            for called, colour in zip(known, colours, strict=True)
        ]
    ).reshape(len(products), len(said))

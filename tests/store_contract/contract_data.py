"""Seeded points, queries and filters for the contract suite."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.types import CollectionSchema, Point

DIMS = {"cutout": 24, "colour": 6}
SCHEMA = CollectionSchema(
    vectors=DIMS,
    fields={
        "item_id": "keyword",
        "category": "keyword",
        "colours": "keyword",
        "title": "text",
        "words": "text",
        "price": "float",
        "stock": "integer",
        "sizes": "integer",
        "in_stock": "bool",
        "Größe [cm].x": "keyword",
    },
    metadata={"cutout": "model-a", "version": "1"},
)
CATEGORIES = ("chair", "sofa", "стол", "lamp")
COLOURS = ("red", "green", "blue", "日本")
TITLES = ("Red velvet sofa, 3-seat", "Oak chair", "Lamp OAK/brass", "стол дубовый", "")

CONDITIONS: dict[str, Condition] = {
    "keyword": Equals("category", "chair"),
    "keyword of no point": Equals("category", "boat"),
    "keyword in other letters": Equals("category", "стол"),
    "keyword of a list": Equals("colours", "日本"),
    "one of keywords": OneOf("category", ("chair", "lamp", "boat")),
    "one of nothing": OneOf("category", ()),
    "one of floats": OneOf("price", (10.0, 20.0)),
    "one of texts": OneOf("title", ("oak", "velvet")),
    "integer": Equals("stock", 3),
    "integer given as float": Equals("stock", 3.0),
    "integer of a list": Equals("sizes", 2),
    "float": Equals("price", 10.0),
    "float given as integer": Equals("price", 10),
    "bool true": Equals("in_stock", value=True),
    "bool false": Equals("in_stock", value=False),
    "one of bools": OneOf("in_stock", (True, False)),
    "text, one word": Equals("title", "OAK"),
    "text, words in any order": Equals("title", "sofa velvet"),
    "text, part of a word": Equals("title", "vel"),
    "text without words": Equals("title", " ,.!"),
    "key with dots and brackets": Equals("Größe [cm].x", "1.5"),
    "half-open range": Between("price", gte=10, lt=30),
    "range over integers": Between("stock", gt=0.5, lte=2),
    "range over a list needs one entry inside": Between("sizes", gt=1, lt=3),
    "range without bounds": Between("price"),
    "empty range": Between("price", gt=30, lt=10),
    "not": Not(Equals("category", "chair")),
    "not not": Not(Not(Equals("category", "chair"))),
    "not of a range": Not(Between("price", lt=20)),
    "and": AllOf((Equals("in_stock", value=True), Between("price", lt=30))),
    "and of nothing": AllOf(()),
    "or": AnyOf((Equals("category", "chair"), Between("stock", gte=4))),
    "or of nothing": AnyOf(()),
    "not of an or of nothing": Not(AnyOf(())),
    "nested": AllOf(
        (
            AnyOf((Equals("category", "sofa"), Not(Equals("in_stock", value=True)))),
            Not(AllOf((Between("price", gte=20), Equals("colours", "red")))),
        )
    ),
}


def point_id(number: int) -> str:
    """A random-looking id that is the same every time."""
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"contract {number}"))


def unit(rng: np.random.Generator, dim: int) -> NDArray[np.float32]:
    """A random direction."""
    vector = rng.normal(size=dim)
    result: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return result


def make_points(count: int, *, seed: int = 7) -> list[Point]:
    """Points whose payloads and vectors are missing here and there."""
    rng = np.random.default_rng(seed)
    points = []
    for number in range(count):
        payload: dict[str, Any] = {
            "item_id": f"item {number // 3}",
            "category": CATEGORIES[number % 4],
            "colours": [str(c) for c in rng.choice(COLOURS, rng.integers(0, 4), replace=False)],
            "title": TITLES[number % len(TITLES)],
            "price": float(rng.integers(1, 8) * 5),
            "stock": int(rng.integers(0, 6)),
            "sizes": (1, 4) if number % 2 else (2, 3),
            "in_stock": bool(rng.random() < 0.5),
            "Größe [cm].x": "1.5" if number % 7 == 0 else "x",
            "box": [0.5, 1.0, 2.0, float(number)],
            "palette": [{"name": "red", "lab": [1.0, 2.0, 3.0], "share": 0.5}],
            "note": None,
        }
        for key in [key for key in payload if rng.random() < 0.15]:
            del payload[key]
        if number % 6:
            # of several lengths, so that they are scored differently
            payload["words"] = " ".join([TITLES[number % len(TITLES)], *COLOURS[: number % 4]])
        vectors = {space: unit(rng, dim) for space, dim in DIMS.items()}
        if number % 5 == 0:
            del vectors["colour"]
        points.append(Point(point_id(number), vectors, payload))
    return points


def plain(payload: object) -> object:
    """A payload as a store gives it back: lists for tuples, no Nones at the top."""

    def inner(value: object) -> object:
        if isinstance(value, list | tuple):
            return [inner(entry) for entry in value]
        if isinstance(value, dict):
            return {key: inner(entry) for key, entry in value.items()}
        return value

    assert isinstance(payload, dict)
    return {key: inner(value) for key, value in payload.items() if value is not None}


def by_number(points: Sequence[Point]) -> dict[str, Point]:
    """Points by id."""
    return {point.id: point for point in points}

"""Seeded catalogues of any size: clustered vectors, payloads like a shop's."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.points import FIELDS
from scenesearch.core.types import CollectionSchema, Point

CLUSTERS = 2_000
SPREAD = 0.7
"""Length of the noise beside a cluster's unit centre: cosines inside a cluster are about 0.67."""
CATEGORIES = 50
_NAMESPACE = uuid.UUID("0a6ac7bb-6a0c-5e0c-8a51-5d9c9a1c1f7e")


def clustered(rng: np.random.Generator, count: int, dim: int) -> NDArray[np.float32]:
    """Unit rows around at most :data:`CLUSTERS` random centres, shape (count, dim)."""
    centres = unit(rng.standard_normal((CLUSTERS, dim), dtype=np.float32))
    return _around(rng, centres[rng.integers(0, CLUSTERS, count)])


def near(
    rng: np.random.Generator, rows: NDArray[np.float32], count: int, spread: float = SPREAD
) -> NDArray[np.float32]:
    """Queries: seeded rows, moved as far again as a row is from its centre."""
    return _around(rng, rows[rng.integers(0, len(rows), count)], spread)


def _around(
    rng: np.random.Generator, centres: NDArray[np.float32], spread: float = SPREAD
) -> NDArray[np.float32]:
    noise = rng.standard_normal(centres.shape, dtype=np.float32)
    noise *= np.float32(spread / np.sqrt(centres.shape[1]))
    return unit(centres + noise)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows, L2-normalised."""
    result: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return result


def schema(vectors: Mapping[str, int]) -> CollectionSchema:
    """With the fields of :func:`product_points`."""
    return CollectionSchema(
        vectors, {**FIELDS, "title": "text", "category": "keyword", "price": "float"}
    )


def point_id(number: int) -> str:
    """A UUID, as real ids are."""
    return str(uuid.uuid5(_NAMESPACE, str(number)))


def product_points(
    rows: NDArray[np.float32], spaces: Sequence[str], *, batch: int = 500
) -> Iterator[list[Point]]:
    """One point a row, the same vector in every space, in batches."""
    for start in range(0, len(rows), batch):
        yield [
            Point(point_id(i), dict.fromkeys(spaces, rows[i]), payload(i))
            for i in range(start, min(start + batch, len(rows)))
        ]


def payload(number: int) -> dict[str, object]:
    """What a product of this number says of itself."""
    return {
        "item_id": f"sku-{number}",
        "item_hash": f"{number:064x}",
        "title": f"product number {number} of the catalogue",
        "category": f"category {number % CATEGORIES}",
        "price": round(5 + number * 7919 % 100_000 / 100, 2),
        "description": "One or two sentences on what it is, what it is for and how to keep it. "
        * 2,
        "photo": f"catalogue/photos/{number:08d}.jpg",
        "photo_sha256": f"{number:064x}",
        "photo_index": 0,
        "region": "whole",
        "region_key": "whole",
        "region_count": 1,
        "box": [10.0, 10.0, 490.0, 490.0],
        "cutout_method": "plain_background",
        "phash": f"{number:016x}",
        "colours": [["grey", 60.1, 0.2, 1.3, 0.61], ["white", 95.0, 0.1, 0.4, 0.39]],
        "colour_names": ["grey", "white"],
        "indexed_at": "2026-01-01T00:00:00+00:00",
    }

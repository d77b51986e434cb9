"""Vectors as every store takes them: finite, of one direction, of the right size, L2-normalised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import InvalidVectorError
from scenesearch.core.protocols import TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, Point, Vector
from scenesearch.store.checks import check_spaces, check_text_search

_SMALLEST = 1e-12
"""The largest absolute value of a vector that counts as all zeros."""


def unit_vector(vector: Vector, dim: int, what: str) -> NDArray[np.float32]:
    """A checked copy of a vector of shape (dim,), float32, L2-normalised.

    Args:
        vector: anything numpy reads as one row of numbers.
        dim: the length it must have.
        what: names it in messages.

    Raises:
        InvalidVectorError: it is not finite, is zero, or has another shape.
    """
    try:
        row = np.asarray(vector, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidVectorError(f"{what} is not a row of numbers: {error}") from error
    if row.shape != (dim,):
        raise InvalidVectorError(
            f"{what} must have shape ({dim},), got {row.shape}; "
            "was it made with another model than the collection?"
        )
    result: NDArray[np.float32] = unit_rows(row[None, :], lambda _: what)[0]
    return result


def unit_rows(rows: NDArray[Any], what: Callable[[int], str]) -> NDArray[np.float32]:
    """Checked, L2-normalised float32 copies of rows of shape (n, dim).

    Args:
        rows: the vectors.
        what: called with the index of a bad row; gives its name for the message.

    Raises:
        InvalidVectorError: a row is not finite or is zero.
    """
    # float64: the squares of large float32 values overflow float32.
    wide = rows.astype(np.float64, copy=False)
    finite = np.isfinite(wide).all(axis=1)
    if not finite.all():
        bad = int(np.argmin(finite))
        count = int((~np.isfinite(wide[bad])).sum())
        raise InvalidVectorError(
            f"{what(bad)} has {count} of {wide.shape[1]} values that are not finite (NaN or "
            "infinite); check the picture and the model it came from"
        )
    largest = np.abs(wide).max(axis=1, initial=0.0)
    if (largest < _SMALLEST).any():
        bad = int(np.argmin(largest))
        raise InvalidVectorError(
            f"{what(bad)} is all zeros and has no direction; leave the space out for this point"
        )
    wide = wide / largest[:, None]
    result: NDArray[np.float32] = (wide / np.linalg.norm(wide, axis=1, keepdims=True)).astype(
        np.float32
    )
    return result


def unit_vectors(
    points: Sequence[Point], schema: CollectionSchema
) -> list[dict[str, NDArray[np.float32]]]:
    """The vectors of each point by space, checked and L2-normalised.

    Raises:
        InvalidVectorError: names the first point and space that is wrong.
        QueryError: a space the schema does not have.
    """
    result: list[dict[str, NDArray[np.float32]]] = [{} for _ in points]
    for space in sorted({space for point in points for space in point.vectors}):
        check_spaces([space], schema)
        dim = schema.vectors[space]
        owners = [i for i, point in enumerate(points) if space in point.vectors]
        for i in owners:
            vector = points[i].vectors[space]
            if not isinstance(vector, np.ndarray) or vector.shape != (dim,):
                # Slow path: reads lists, and words the error of whatever is wrong.
                result[i][space] = unit_vector(vector, dim, _named(points[i], space))
        owners = [i for i in owners if space not in result[i]]
        if not owners:
            continue
        named = [_named(points[i], space) for i in owners]
        checked = unit_rows(np.stack([points[i].vectors[space] for i in owners]), named.__getitem__)
        for row, i in enumerate(owners):
            result[i][space] = checked[row]
    return result


def _named(point: Point, space: str) -> str:
    return f"vector {space!r} of point {point.id}"


def query_vectors(
    queries: Sequence[VectorQuery | TextQuery], schema: CollectionSchema
) -> dict[int, NDArray[np.float32]]:
    """Checked unit vectors of a batch, by the index of their query; searches by words have none.

    Raises:
        InvalidVectorError: as for :func:`unit_vector`.
        QueryError: the collection has no such space, or cannot be searched by words.
    """
    rows: dict[int, NDArray[np.float32]] = {}
    for i, query in enumerate(queries):
        if isinstance(query, TextQuery):
            check_text_search(schema)
            continue
        check_spaces([query.space], schema)
        rows[i] = unit_vector(query.vector, schema.vectors[query.space], f"query vector {i}")
    return rows

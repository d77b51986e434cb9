"""Sums that decide a tie: the same to the last bit wherever their terms, or their rows, stand.

Floating-point addition is not associative. A plain sum depends on the order of regions and items,
and a matrix product on the place of a row in its matrix (BLAS has other kernels for the edges), so
that what should be a tie, broken by id, would be broken by chance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sum_of(values: NDArray[np.float32], *, axis: int) -> NDArray[np.float32]:
    """The sum along an axis, in whatever order the values come.

    >>> sum_of(np.array([[1e8, 1.0, -1e8, 1.0]], np.float32), axis=1).tolist()
    [2.0]
    """
    ordered = np.sort(np.moveaxis(values, axis, 0), axis=0)
    result: NDArray[Any] = np.add.reduce(np.ascontiguousarray(ordered, np.float64), axis=0)
    return result.astype(np.float32)


def products(rows: NDArray[np.float32], columns: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products of each row with each column; equal vectors have equal products.

    In double precision, so that what BLAS leaves to the place of a vector is rounded away.

    Args:
        rows: shape (n, dim).
        columns: shape (m, dim).

    Returns:
        Shape (n, m).
    """
    wide: NDArray[Any] = rows.astype(np.float64) @ columns.astype(np.float64).T
    return wide.astype(np.float32)

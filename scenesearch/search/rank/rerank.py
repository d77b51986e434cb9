"""Reranking: the best of each region's list are looked at again, part by part. Pure numpy.

One vector says what a picture is like as a whole; the cells of an earlier layer say what each
part of it is like. A product is as like a region as, on average, each part of the region is like
the part of the product that it is most like.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Mask
from scenesearch.images.letterbox import letterbox
from scenesearch.search.rank.candidates import Scores

LEAST_SHARE = 0.3
"""A cell is of the object when the object's mask covers this much of it."""
FEWEST = 3
"""Cells below which a mask says nothing, and all cells count."""


def cells_of(mask: Mask, grid: int, cell: int = 16) -> NDArray[np.bool_]:
    """Which cells of a picture show the object.

    Args:
        mask: of the picture's shape, True on the object.
        grid: cells along the side of the square that the picture is fitted to.
        cell: pixels a cell is measured with.

    Returns:
        Shape (grid * grid,), row by row; all True where the object covers too few.
    """
    grey = np.repeat(mask[..., None].astype(np.uint8) * 255, 3, axis=2)
    square = letterbox(grey, grid * cell, (0, 0, 0))[..., 0] > 127
    shares = square.reshape(grid, cell, grid, cell).mean(axis=(1, 3)).reshape(-1)
    shown: NDArray[np.bool_] = shares > LEAST_SHARE
    return shown if shown.sum() >= FEWEST else np.ones(grid * grid, np.bool_)


def late_interaction(
    query: NDArray[np.float32], photos: NDArray[np.float32]
) -> NDArray[np.float32]:
    """How like the parts of a query the parts of photos are.

    The mean over the query's cells of the largest cosine to any cell of the photo: ColBERT's sum
    of maxima (Khattab and Zaharia, SIGIR 2020) on pictures, as in FILIP (Yao et al., ICLR 2022).

    Args:
        query: shape (cells, dim), rows L2-normalised.
        photos: shape (photos, cells, dim), likewise.

    Returns:
        Shape (photos,), -1 to 1.
    """
    # one product a photo: in one product of all, the last bit depends on where a photo stands
    likeness = [float((query @ photo.T).max(axis=1).mean()) for photo in photos]
    return np.array(likeness, np.float32)


def merge(scores: Scores, slow: Scores, *, weight: float) -> Scores:
    """Scores with those that were looked at again moved.

    The two models have different scales: a region's slow similarities are first given the mean
    and the spread of the scores they stand beside, so that the rest of the list stays where it
    is and a similarity keeps its meaning.

    Args:
        scores: shape (regions, items), NaN where an item is not in a region's list.
        slow: of the same shape, NaN for what was not looked at again.
        weight: of the slow ones, 0 to 1.

    Returns:
        A new array of the same shape.
    """
    merged = scores.copy()
    for row, (fast, again) in enumerate(zip(scores, slow, strict=True)):
        both = np.flatnonzero(~np.isnan(fast) & ~np.isnan(again))
        if len(both) < 2:
            continue
        spread = again[both].std()
        standard = (again[both] - again[both].mean()) / max(float(spread), 1e-6)
        moved = fast[both].mean() + standard * fast[both].std()
        merged[row, both] = (1 - weight) * fast[both] + weight * moved
    return merged

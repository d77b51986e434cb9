"""One number for a match, 0 to 1, that means the same in every list.

A cosine means little by itself: two things picked at random lie at 0.1 in one model and at 0.5 in
another, and nearer to one photo than to the next. So a score says how far a match is on the way
from what the query shares with the catalogue as a whole (0) to the very same picture (1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Vector

_NEAREST = 0.99
"""A background is below this, so that a model that tells nothing apart divides by no zero."""


def backgrounds(
    asked: Sequence[Mapping[str, Vector]],
    centres: Mapping[str, Vector],
    weights: Sequence[Mapping[str, float]],
) -> NDArray[np.float32]:
    """What each region would be worth to something of the catalogue picked at random.

    The mean cosine to many vectors is the one to their mean.

    Args:
        asked: vectors by space, of each region.
        centres: mean vector of the catalogue by space; a space without one has 0.
        weights: of what is blended, of each region; what has no vector there, as words, has 0.

    Returns:
        Shape (regions,), 0 to 1.
    """
    rows = []
    for vectors, blended in zip(asked, weights, strict=True):
        # a region is judged by the spaces that it has a vector in, and by all that are none
        used = {s: w for s, w in blended.items() if s in vectors or s not in centres}
        known = [s for s in used if s in vectors and s in centres]
        near = sum(used[s] * float(vectors[s] @ centres[s]) for s in known)
        rows.append(near / (sum(used.values()) or 1.0))
    return np.clip(np.array(rows, np.float32), 0, _NEAREST)


def score_of(similarity: float, background: float) -> float:
    """A similarity as a score.

    >>> score_of(0.5, 0.5), score_of(0.75, 0.5), score_of(1.0, 0.5), score_of(0.2, 0.5)
    (0.0, 0.5, 1.0, 0.0)
    """
    return min(max((similarity - background) / (1 - background), 0.0), 1.0)

"""The engine's lists of hits as score matrices: what every later step works on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Hit

Scores = NDArray[np.float32]
"""Shape (regions, items); NaN where the engine's list of that region does not hold the item."""


class Answer(NamedTuple):
    """The engine's answer to one region in one space."""

    region: int
    space: str
    hits: Sequence[Hit]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Every item that any region brought up.

    Attributes:
        items: ids, in order of first appearance.
        scores: by space, cosine of the item's best point, shape (regions, items).
        payloads: of the first hit of each item; the fields that were asked for.
        columns: for each answer, the index in ``items`` of each of its hits.
    """

    items: tuple[str, ...]
    scores: Mapping[str, Scores]
    payloads: tuple[Mapping[str, Any], ...]
    columns: tuple[NDArray[np.intp], ...]


def first_hits(lists: Iterable[Sequence[Hit]]) -> dict[str, Hit]:
    """The first hit of each item in some lists, in order of appearance.

    Args:
        lists: each hit's payload holds ``item_id``; one without is of no item, and left out.
    """
    found: dict[str, Hit] = {}
    for hits in lists:
        for hit in hits:
            if "item_id" in hit.payload:
                found.setdefault(str(hit.payload["item_id"]), hit)
    return found


def gather(answers: Sequence[Answer], regions: int) -> Candidates:
    """Group hits by item; an item with several points in a list keeps its best one.

    Args:
        answers: each hit's payload holds ``item_id``.
        regions: how many regions were asked.
    """
    index: dict[str, int] = {}
    payloads: list[Mapping[str, Any]] = []
    columns: list[NDArray[np.intp]] = []
    for answer in answers:
        # thousands of hits a photo, and most of them are of items that have their number
        items = [hit.payload["item_id"] for hit in answer.hits]
        new = [item for item in dict.fromkeys(items) if item not in index]
        if new:
            first = dict(zip(reversed(items), reversed(answer.hits), strict=True))
            payloads += [first[item].payload for item in new]
            index.update(zip(new, count(len(index)), strict=False))
        columns.append(np.fromiter(map(index.__getitem__, items), np.intp, len(items)))
    spaces = dict.fromkeys(answer.space for answer in answers)
    scores: dict[str, Scores] = {
        space: np.full((regions, len(payloads)), np.nan, np.float32) for space in spaces
    }
    for answer, column in zip(answers, columns, strict=True):
        row = scores[answer.space][answer.region]
        # hits come best first, so writing them backwards leaves each item's best
        row[column[::-1]] = [hit.score for hit in reversed(answer.hits)]
    return Candidates(tuple(index), scores, tuple(payloads), tuple(columns))


def blend(scores: Mapping[str, Scores], weights: Mapping[str, float], regions: int) -> Scores:
    """One matrix from several spaces: the weighted mean of cosines.

    An item that a space did not return scored below everything it did return, so the lowest
    score of that list stands in. What no space returned for a region stays NaN.

    Args:
        scores: by space, shape (regions, items).
        weights: by space, above 0; spaces without a weight are left out. A region that has no
            list in a space (no colours, say) is judged by its other spaces.
        regions: how many there are; matters where the engine was asked nothing.

    Returns:
        Shape (regions, items), -1 to 1, or NaN.
    """
    used = [(scores[space], weight) for space, weight in weights.items() if space in scores]
    shape = next((matrix.shape for matrix in scores.values()), (regions, 0))
    total = np.zeros(shape, np.float32)
    weight_sum = np.zeros((shape[0], 1), np.float32)
    seen = np.zeros(shape, np.bool_)
    for matrix, weight in used:
        known = ~np.isnan(matrix)
        answered = known.any(axis=1, keepdims=True)
        floor = np.where(known, matrix, np.inf).min(axis=1, keepdims=True, initial=np.inf)
        filled = np.where(known, matrix, np.where(answered, floor, 0))
        total += np.float32(weight) * filled
        weight_sum += np.where(answered, np.float32(weight), 0)
        seen |= known
    return np.where(seen, total / np.maximum(weight_sum, 1e-9), np.nan).astype(np.float32)


def boost(scores: Scores, gains: NDArray[np.float32]) -> Scores:
    """Scores with the gain of each item added; what is in no list stays out of it.

    Args:
        scores: shape (regions, items), NaN where an item is not in a region's list.
        gains: shape (items,), in units of similarity.

    Returns:
        A new array of the same shape; no longer bounded by -1 and 1.
    """
    return (scores + gains[None]).astype(np.float32)

"""What goes with what, learned from scenes. Pure numpy.

Most items are in one scene or none, so the raw counts of pairs say little. An item therefore
borrows from its nearest *seen* items, weighted by how alike they are: a rug that was never in a
room goes with what similar rugs were seen with. This is item-based collaborative filtering
(Sarwar et al., WWW 2001) with content neighbours for the cold items (Schein et al., SIGIR 2002).
docs/complete.md has what each part gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Association = Literal["count", "cosine", "lift", "llr"]
ASSOCIATIONS: tuple[Association, ...] = ("count", "cosine", "lift", "llr")

SMOOTHING = 1.0
"""Scenes added to each item's count, so that two items seen once together do not beat all."""


@dataclass(frozen=True, slots=True, eq=False)
class SceneTable:
    """Which item is in which scene.

    Attributes:
        items: ids of everything seen, sorted.
        scenes: for each scene the indices of its items, rising.
        holding: for each item the indices of its scenes, rising.
        counts: shape (items,): in how many scenes each item is.
    """

    items: tuple[str, ...]
    scenes: tuple[NDArray[np.intp], ...]
    holding: tuple[NDArray[np.intp], ...]
    counts: Floats

    @classmethod
    def of(cls, scenes: Iterable[Iterable[str]]) -> SceneTable:
        """Build it from the ids in each scene."""
        sets = [frozenset(scene) for scene in scenes]
        items = tuple(sorted(frozenset().union(*sets)))
        number = {item: i for i, item in enumerate(items)}
        holding: list[list[int]] = [[] for _ in items]
        for place, scene in enumerate(sets):
            for item in scene:
                holding[number[item]].append(place)
        return cls(
            items,
            tuple(np.array(sorted(number[i] for i in scene), np.intp) for scene in sets),
            tuple(np.array(places, np.intp) for places in holding),
            np.array([len(places) for places in holding], np.float32),
        )

    def together(self, item: int) -> Floats:
        """Shape (items,): in how many scenes each item is with this one; 0 for itself."""
        result = np.zeros(len(self.items), np.float32)
        for place in self.holding[item]:
            result[self.scenes[place]] += 1
        result[item] = 0
        return result


def associate(table: SceneTable, item: int, kind: Association = "count") -> Floats:
    """How strongly an item goes with each other item, 0 or more.

    Args:
        table: the scenes.
        item: index in ``table.items``.
        kind: ``count``: scenes together. ``cosine``: that over the root of both items' counts
            (Ochiai 1957). ``lift``: that over both counts, which is pointwise mutual information
            without the logarithm (Church and Hanks, 1990). Both add :data:`SMOOTHING` to each
            count. ``llr``: log-likelihood ratio (Dunning, 1993) where a pair is more frequent
            than chance, 0 elsewhere.

    Returns:
        Shape (items,).

    Raises:
        ValueError: another kind.
    """
    both, counts = table.together(item), table.counts
    if kind == "count":
        return both
    if kind == "llr":
        return _llr(both, float(counts[item]), counts, len(table.scenes))
    if kind not in ASSOCIATIONS:
        raise ValueError(f"association must be one of {', '.join(ASSOCIATIONS)}, got {kind!r}")
    size = (counts[item] + SMOOTHING) * (counts + SMOOTHING)
    return np.asarray(both / (np.sqrt(size) if kind == "cosine" else size), np.float32)


def _llr(both: Floats, own: float, counts: Floats, scenes: int) -> Floats:
    """G-squared of each 2 x 2 table of scenes: with and without either item."""
    k11 = both.astype(np.float64)
    k12, k21 = own - k11, counts - k11
    k22 = scenes - own - counts + k11
    total = np.zeros(len(both))
    for cell, row, column in (
        (k11, k11 + k12, k11 + k21),
        (k12, k11 + k12, k12 + k22),
        (k21, k21 + k22, k11 + k21),
        (k22, k21 + k22, k12 + k22),
    ):
        seen = cell > 0
        total[seen] += cell[seen] * np.log(cell[seen] * scenes / (row[seen] * column[seen]))
    return np.where(k11 * scenes > own * counts, 2 * total, 0).astype(np.float32)


def borrow(
    similarity: Floats,
    own: NDArray[np.intp],
    trust: Floats,
    *,
    neighbours: int,
    power: float = 2.0,
) -> Floats:
    """From which seen items each item takes its evidence, and how much from each.

    Args:
        similarity: shape (n, seen): of each item to each seen item; below 0 counts as 0.
        own: shape (n,): index of the item itself among the seen ones, -1 where it was not seen.
        trust: shape (n,), 0 to 1: the share of an item that was seen which it takes from itself
            whatever its neighbours are like.
        neighbours: how many seen items to take, itself among them; 0 takes itself alone.
        power: the larger, the more the nearest count.

    Returns:
        Shape (n, seen), rows sum to 1, or to 0 where there is nothing to borrow from.
    """
    weights = np.zeros_like(similarity)
    rows = np.flatnonzero(own >= 0)
    if neighbours and similarity.shape[1]:
        weights = np.maximum(similarity, 0)
        # an item stands for itself at least as well as its twin does
        weights[rows, own[rows]] = weights[rows].max(axis=1)
        if neighbours < weights.shape[1]:
            # argpartition rather than a threshold: ties must not let more in
            far = np.argpartition(-weights, neighbours - 1, axis=1)[:, neighbours:]
            np.put_along_axis(weights, far, 0, axis=1)
        weights **= power
    elif not neighbours:
        weights[rows, own[rows]] = 1
    total = weights.sum(axis=1, keepdims=True)
    result: Floats = (weights / np.where(total > 0, total, 1)).astype(np.float32)
    result[rows] *= 1 - trust[rows, None]
    result[rows, own[rows]] += trust[rows]
    return result


def goes_with(table: SceneTable, anchors: Floats, kind: Association = "count") -> Floats:
    """What goes with a mixture of seen items.

    Args:
        table: the scenes.
        anchors: shape (seen,): how much each seen item stands for what is asked, 0 or more.
        kind: see :func:`associate`.

    Returns:
        Shape (seen,), 0 or more.
    """
    result = np.zeros(len(table.items), np.float32)
    for item in np.flatnonzero(anchors):
        result += anchors[item] * associate(table, int(item), kind)
    return result

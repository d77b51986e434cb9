"""Searches against products of the vectors themselves: what graphs and codes make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Stored

LIMIT = 10
"""Hits of each."""
SAMPLE = 32
"""Searches in each space."""
BESIDE = 1e-3
"""Scores may be beside the products by this."""
RECALL = 0.9
"""Of the nearest, at least so many are found, or the graph is none."""


@dataclass(slots=True)
class _Asked:
    vector: NDArray[np.float32]
    hits: dict[str, float]
    best: NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    true: dict[str, float] = field(default_factory=dict)


class Searches:
    """Searches for some stored vectors, then looks at every vector once."""

    def __init__(self) -> None:
        self._drawn: dict[str, list[NDArray[np.float32]]] = {}
        self._asked: dict[str, list[_Asked]] = {}
        self._seen: dict[str, int] = {}

    def draw(self, points: Sequence[Stored]) -> None:
        """Choose what is searched for: the first of them, then ever fewer."""
        for point in points:
            for space, row in point.vectors.items():
                seen = self._seen[space] = self._seen.get(space, 0) + 1
                drawn = self._drawn.setdefault(space, [])
                # 1, 2, 4, ... and thereby some of each part
                if len(drawn) < SAMPLE and (seen <= SAMPLE // 2 or seen & (seen - 1) == 0):
                    drawn.append(row)

    def ask(self, store: Store) -> None:
        """Search."""
        for space, rows in self._drawn.items():
            answers = store.query([VectorQuery(space, row, LIMIT) for row in rows])
            self._asked[space] = [
                _Asked(row, {hit.id: hit.score for hit in hits})
                for row, hits in zip(rows, answers, strict=True)
            ]

    def compare(self, points: Sequence[Stored]) -> None:
        """Multiply a page of points with what was searched for."""
        for space, asked in self._asked.items():
            having = [point for point in points if space in point.vectors]
            if not having:
                continue
            rows = np.stack([point.vectors[space] for point in having])
            products = np.stack([one.vector for one in asked]) @ rows.T
            for one, row in zip(asked, products, strict=True):
                one.best = np.sort(np.concatenate([one.best, row]))[::-1][:LIMIT]
                for point, score in zip(having, row, strict=True):
                    if point.id in one.hits:
                        one.true[point.id] = float(score)

    def differences(self) -> list[str]:
        """Spaces in which a search is not what the vectors say, and how."""
        said = []
        for space, asked in sorted(self._asked.items()):
            beside = sum(
                not abs(score - one.true.get(point, np.inf)) <= BESIDE
                for one in asked
                for point, score in one.hits.items()
            )
            found = sum(
                sum(score >= least - BESIDE for score in one.hits.values())
                for one in asked
                for least in [float(one.best[-1]) if len(one.best) else 0.0]
            )
            wanted = sum(len(one.best) for one in asked)
            if beside:
                said.append(f"{space}: {beside} hits with another score than their vectors give")
            elif found < RECALL * wanted:
                said.append(f"{space}: {found} of the {wanted} nearest are found")
        return said

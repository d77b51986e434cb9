"""How well each candidate goes with each anchor: by scenes, style and colour. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from scenesearch.complete.cooccurrence import Floats, SceneTable, borrow, goes_with
from scenesearch.complete.item_vectors import ItemRows
from scenesearch.complete.options import COLOURS, SCENES, STYLE, CompleteOptions
from scenesearch.complete.style import StyleCentres
from scenesearch.core.points import COLOUR, CUTOUT
from scenesearch.search.rank.exact import products


class SceneEvidence:
    """What the known scenes say about some anchors.

    An item in ``n`` scenes takes ``n / (n + prior)`` from itself and borrows the rest: the more is
    known of it, the less it needs others (Dirichlet smoothing; Zhai and Lafferty, SIGIR 2001).

    Args:
        table: the scenes.
        seen: the items of the table that the collection still has.
        anchors: what is asked for.
        options: how pairs are counted, and what an item borrows from which others.
    """

    def __init__(
        self, table: SceneTable, seen: ItemRows, anchors: ItemRows, options: CompleteOptions
    ) -> None:
        self._seen = seen
        self._number = {item: i for i, item in enumerate(seen.ids)}
        self._options = options
        place = {item: i for i, item in enumerate(table.items)}
        # columns of the table that are rows of ``seen``
        columns = np.array([place[item] for item in seen.ids], np.intp)
        scenes = table.counts[columns]
        self._trust: Floats = (scenes / (scenes + options.prior)).astype(np.float32)
        borrowed = self._borrow(anchors)
        spread = np.zeros((len(anchors.ids), len(table.items)), np.float32)
        spread[:, columns] = borrowed
        strength = np.stack([goes_with(table, row, options.association)[columns] for row in spread])
        total = strength.sum(axis=1, keepdims=True)
        # each row sums to 1: an anchor counts by its weight, not by how many scenes it is in
        self.with_anchor: Floats = (strength / np.where(total > 0, total, 1)).astype(np.float32)
        """Shape (anchors, seen): how strongly each seen item goes with each anchor."""
        counts = [
            table.together(place[item]) if item in place else np.zeros(len(place), np.float32)
            for item in anchors.ids
        ]
        self._counts: Floats = np.stack(counts)[:, columns]

    def likeliest(self, weights: Floats, count: int) -> list[int]:
        """Seen items that go best with the anchors together; ties by place."""
        total = weights @ self.with_anchor
        best = np.argsort(-total, kind="stable")[:count]
        return [int(i) for i in best if total[i] > 0]

    def of(self, rows: ItemRows) -> tuple[Floats, Floats, tuple[str, ...]]:
        """The candidates' part.

        Returns:
            How well they go with each anchor, and in how many scenes they were with it, both of
            shape (anchors, n); and the seen item that gave each candidate most.
        """
        borrowed = self._borrow(rows)
        together = np.zeros((len(self._counts), len(rows.ids)), np.float32)
        for i, item in enumerate(rows.ids):
            if item in self._number:
                together[:, i] = self._counts[:, self._number[item]]
        given = borrowed * self.with_anchor.sum(axis=0)
        sources = tuple(self._seen.ids[j] for j in given.argmax(axis=1))
        scores = products(self.with_anchor, borrowed)
        return scores, together, sources

    def _borrow(self, rows: ItemRows) -> Floats:
        seen = self._seen
        likeness = products(rows.vectors[CUTOUT], seen.vectors[CUTOUT])
        numbers: dict[str, int] = {}
        codes = [
            np.array([-1 if c is None else numbers.setdefault(c, len(numbers)) for c in names])
            for names in (rows.categories, seen.categories)
        ]
        same = (codes[0][:, None] == codes[1][None, :]) & (codes[0][:, None] >= 0)
        own = np.array([self._number.get(item, -1) for item in rows.ids], np.intp)
        return borrow(
            (likeness + self._options.same_category * same).astype(np.float32),
            own,
            np.where(own >= 0, self._trust[own], 0).astype(np.float32),
            neighbours=self._options.neighbours,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """Candidates with what speaks for them.

    Attributes:
        anchors: ids of what is asked for.
        rows: the candidates.
        scores: by signal, shape (n,): over all anchors; NaN where it says nothing.
        by_anchor: by signal, shape (anchors, n), already weighted.
        together: shape (anchors, n): in how many known scenes they are together.
        sources: the seen item whose scenes speak most for each candidate.
    """

    anchors: tuple[str, ...]
    rows: ItemRows
    scores: Mapping[str, Floats]
    by_anchor: Mapping[str, Floats]
    together: Floats
    sources: tuple[str, ...]

    @classmethod
    def of(
        cls,
        anchors: ItemRows,
        weights: Floats,
        rows: ItemRows,
        style: Floats,
        centres: StyleCentres,
        evidence: SceneEvidence | None,
    ) -> Signals:
        """Work them out.

        Args:
            anchors: what is asked for.
            weights: shape (anchors,), add up to 1.
            rows: the candidates.
            style: shape (anchors, dim): of the anchors.
            centres: of the collection.
            evidence: of the known scenes, or None.
        """
        share = weights[:, None]
        n = len(rows.ids)
        together: Floats = np.zeros((len(anchors.ids), n), np.float32)
        sources: tuple[str, ...] = ("",) * n
        by_anchor: dict[str, Floats] = {}
        scores: dict[str, Floats] = {}
        if evidence is not None and n:
            found, together, sources = evidence.of(rows)
            by_anchor[SCENES] = share * found
            total = by_anchor[SCENES].sum(axis=0)
            scores[SCENES] = np.where(total > 0, total, np.nan).astype(np.float32)
        by_anchor[STYLE] = share * products(
            style, centres.styles(rows.vectors[CUTOUT], rows.categories)
        )
        scores[STYLE] = by_anchor[STYLE].sum(axis=0)
        if COLOUR in rows.vectors and anchors.vectors[COLOUR].any():
            colours = rows.vectors[COLOUR]
            by_anchor[COLOURS] = share * products(anchors.vectors[COLOUR], colours)
            total = by_anchor[COLOURS].sum(axis=0)
            scores[COLOURS] = np.where(colours.any(axis=1), total, np.nan).astype(np.float32)
        return cls(anchors.ids, rows, scores, by_anchor, together, sources)


def reasons(signals: Signals, i: int, parts: Mapping[str, float]) -> str:
    """Why a candidate is there, in words: what was seen before what was reckoned."""
    several = len(signals.anchors) > 1
    together = signals.together[:, i]
    if together.any():
        count = int(together.max())
        scenes = f"{count} scene{'s' if count > 1 else ''}"
        which = f" with {signals.anchors[int(together.argmax())]}" if several else ""
        return f"seen together in {scenes}{which}"
    best = max(parts, key=lambda name: parts[name])
    anchor = signals.anchors[int(signals.by_anchor[best][:, i].argmax())]
    if best == SCENES:
        source = signals.sources[i]
        like = "" if source == signals.rows.ids[i] else f"like {source}, "
        return f"{like}seen in scenes with things like {anchor}"
    return f"same colours as {anchor}" if best == COLOURS else f"same style as {anchor}"

"""Which products of an answer the reranker looks at, and what it says of them as scores."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from scenesearch.encode import EncodedRegion
from scenesearch.errors import QueryError
from scenesearch.look_builder import best_points
from scenesearch.protocols import Store
from scenesearch.rank.candidates import Answer, Candidates, Scores
from scenesearch.rank.fuse import best_of
from scenesearch.reranker import Reranker, Shown
from scenesearch.timing import StageTimes
from scenesearch.types import Cutout


class SecondLooks:
    """The best of each region's list through a reranker, when the ranking asks for it.

    Args:
        store: for the photos of the products.
        reranker: compares them.
        cutouts: of the regions.
        answers: the engine's, for the points of the products.
        limit: products of each region.
        times: the time it takes is a stage of its own, and none of the ranking's.
    """

    def __init__(
        self,
        store: Store,
        reranker: Reranker,
        cutouts: Sequence[Cutout],
        answers: Sequence[Answer],
        limit: int,
        times: StageTimes,
    ) -> None:
        self._store = store
        self._reranker = reranker
        self._cutouts = cutouts
        self._answers = answers
        self._limit = limit
        self._times = times

    def __call__(self, candidates: Candidates, scores: Scores) -> Scores:
        """What the reranker says, in the shape of ``scores``; NaN where it was not asked."""
        start = time.perf_counter()
        asked = [best_of(row, candidates.items)[: self._limit] for row in scores]
        points = best_points(candidates, self._answers, {i for items in asked for i in items})
        ids = [points[r, i] for r, items in enumerate(asked) for i in items if (r, i) in points]
        records = self._store.retrieve(list(dict.fromkeys(ids)))
        shown = {record.id: Shown.of(record.payload) for record in records}
        said = np.full(scores.shape, np.nan, np.float32)
        rows: list[list[int]] = []
        photos: list[list[Shown]] = []
        for region, items in enumerate(asked):
            found = [(i, shown.get(points.get((region, i), ""))) for i in items]
            rows.append([i for i, photo in found if photo is not None])
            photos.append([photo for _, photo in found if photo is not None])
        for region, values in enumerate(self._reranker.similarities(self._cutouts, photos)):
            said[region, rows[region]] = values
        taken = time.perf_counter() - start
        self._times.add("rerank", taken)
        # the ranking is timed around this
        self._times.add("rank", -taken)
        return said


def looks_of(
    make: Callable[[], Reranker] | None,
    limit: int,
    store: Store,
    encoded: Sequence[EncodedRegion],
    answers: Sequence[Answer],
    times: StageTimes,
) -> SecondLooks | None:
    """The second look of one search; None where none is asked for, or there is no photo.

    Args:
        make: gives the reranker; None for a searcher without one.
        limit: products of each region; 0 for no second look.
        store: the collection.
        encoded: the regions of the photo.
        answers: the engine's.
        times: where the time goes.

    Raises:
        QueryError: there is no reranker.
    """
    if not limit or not encoded:
        return None
    if make is None:
        raise QueryError(
            f"rerank is {limit}, and there is no model for it; expected an embedder of kind timm, "
            f"or rerank 0",
            code="no_reranker",
        )
    return SecondLooks(store, make(), [one.cutout for one in encoded], answers, limit, times)

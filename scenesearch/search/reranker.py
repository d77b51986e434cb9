"""The second look: pictures of a region and of its best products, compared part by part.

What a product's photo looks like is worked out when it is first needed and kept in a cache file,
so that the second search that brings it up is fast. Knows protocols and pure code only.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches
from scenesearch.core.boxes import box_tuple
from scenesearch.core.errors import ImageError, QueryError
from scenesearch.core.protocols import Model, Store
from scenesearch.core.types import BoxTuple, Cutout, Image, Scene
from scenesearch.images.geometry import pixel_box
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.encode import EncodedRegion
from scenesearch.search.look_builder import best_points
from scenesearch.search.rank.candidates import Answer, Candidates, Scores
from scenesearch.search.rank.fuse import best_of
from scenesearch.search.rank.pipeline import SecondLook
from scenesearch.search.rank.rerank import cells_of, late_interaction
from scenesearch.system.timing import StageTimes

log = logging.getLogger(__name__)

CELLS = "cells"
"""Name of the cached array."""
BATCH = 8
"""Photos that are worked on and kept together."""


class CellEmbedder(Model, Protocol):
    """Turns pictures into one vector for each cell of a square grid."""

    @property
    def grid(self) -> int:
        """Cells along a side."""

    def embed_cells(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), grid * grid, dim), cells row by row, each L2-normalised."""


class Shown(NamedTuple):
    """A stored region of a catalogue photo.

    Attributes:
        photo: path.
        sha256: of the file.
        box: of the region, pixels, xyxy.
    """

    photo: str
    sha256: str
    box: BoxTuple

    @classmethod
    def of(cls, payload: Mapping[str, Any]) -> Shown | None:
        """From the payload of a point; None where it does not say enough."""
        photo, sha256, box = (payload.get(name) for name in ("photo", "photo_sha256", "box"))
        if not photo or not sha256 or not box or len(box) != 4:
            return None
        return cls(str(photo), str(sha256), box_tuple(box))

    @property
    def key(self) -> str:
        """Names what is seen, whatever the file is called: 64 hex digits."""
        return hashlib.sha256(f"{self.sha256}:{self.box}".encode()).hexdigest()


class Reranker(Protocol):
    """A slower, better model for the best products of each region."""

    def similarities(
        self,
        cutouts: Sequence[Cutout],
        photos: Sequence[Sequence[Shown]],
        patience_s: float = math.inf,
    ) -> list[NDArray[np.float32]]:
        """How like each region its products are.

        Args:
            cutouts: of the regions.
            photos: for each region, what to compare it with.
            patience_s: after which no more photos are looked at that are not known yet.

        Returns:
            For each region the similarities, shape (photos,), -1 to 1; NaN where a photo cannot
            be read any more, or there was no time for it.
        """


class CellReranker:
    """Late interaction between cells.

    Args:
        cells: the model; loaded when it is first needed.
        cache: opens the cache; called once, when it is first needed.
        load: reads a photo.
    """

    def __init__(
        self,
        cells: CellEmbedder,
        cache: Callable[[], EmbeddingCache],
        load: Callable[[str], Scene],
    ) -> None:
        self._cells = cells
        self._open_cache = cache
        self._cache: EmbeddingCache | None = None
        self._load = load
        # one search at a time: the model uses all the threads it is given
        self._lock = Lock()

    def close(self) -> None:
        """Give the model and the cache back; the next use opens them again."""
        self._cells.close()
        if self._cache is not None:
            self._cache.close()
            self._cache = None

    def similarities(
        self,
        cutouts: Sequence[Cutout],
        photos: Sequence[Sequence[Shown]],
        patience_s: float = math.inf,
    ) -> list[NDArray[np.float32]]:
        """How like each region its products are; see :class:`Reranker`.

        Raises:
            ModelError: the model cannot be used.
            StoreError: the cache cannot be used.
        """
        until = time.monotonic() + patience_s
        if not self._lock.acquire(timeout=-1 if patience_s == math.inf else patience_s):
            return [np.full(len(many), np.nan, np.float32) for many in photos]
        try:
            self._cells.load()
            wanted = {shown.key: shown for many in photos for shown in many}
            known = self._of_photos(wanted, until)
            if not known:
                return [np.full(len(many), np.nan, np.float32) for many in photos]
            asked = [cutout for cutout, many in zip(cutouts, photos, strict=True) if many]
            rows = iter(self._cells.embed_cells([cutout.image for cutout in asked]))
            grid = self._cells.grid
            result = []
            for cutout, many in zip(cutouts, photos, strict=True):
                scores = np.full(len(many), np.nan, np.float32)
                if many:
                    query = next(rows)[cells_of(cutout.mask, grid)]
                    readable = [i for i, shown in enumerate(many) if shown.key in known]
                    if readable:
                        stack = np.stack([known[many[i].key] for i in readable]).astype(np.float32)
                        scores[readable] = late_interaction(query, stack)
                result.append(scores)
            return result
        finally:
            self._lock.release()

    def _of_photos(
        self, wanted: Mapping[str, Shown], until: float
    ) -> dict[str, NDArray[np.float16]]:
        """The cells of stored regions by key, from the cache or made now, while there is time."""
        if self._cache is None:
            self._cache = self._open_cache()
        fingerprint = f"rerank:{self._cells.fingerprint}"
        found = self._cache.get(list(wanted), fingerprint)
        known = {key: entries[0].vectors[CELLS] for key, entries in found.items()}
        missing = [key for key in wanted if key not in known]
        for keys in batches(missing, BATCH):
            if time.monotonic() > until:
                break  # what was made is kept, so that the next search has more time
            part = self._pictures((key, wanted[key]) for key in keys)
            if not part:
                continue
            # half precision: the cosines differ in the fourth digit, the file is half as large
            cells = self._cells.embed_cells(list(part.values())).astype(np.float16)
            made = dict(zip(part, cells, strict=True))
            self._cache.put(
                {key: [Entry({CELLS: row}, {})] for key, row in made.items()}, fingerprint
            )
            known |= made
        return known

    def _pictures(self, wanted: Iterable[tuple[str, Shown]]) -> dict[str, Image]:
        pictures: dict[str, Image] = {}
        for key, shown in wanted:
            try:
                image = self._load(shown.photo).image
            except ImageError as error:
                log.warning("not looked at again: %s", error)
                continue
            x1, y1, x2, y2 = pixel_box(shown.box, (image.shape[1], image.shape[0]))
            pictures[key] = image[y1:y2, x1:x2]
        return pictures


def looks_of(
    make: Callable[[], Reranker] | None,
    limit: int,
    store: Store,
    encoded: Sequence[EncodedRegion],
    answers: Sequence[Answer],
    times: StageTimes,
    notes: list[str],
) -> SecondLook | None:
    """The best of each region's list through a reranker, when the ranking asks for it.

    Args:
        make: gives the reranker; None for a searcher without one.
        limit: products of each region; 0 for no second look.
        store: the collection.
        encoded: the regions of the photo.
        answers: the engine's.
        times: the time it takes is a stage of its own, and none of the ranking's; and how long
            there is for photos that nobody looked at before.
        notes: gets what was left for the next search.

    Returns:
        Gives what the reranker says, in the shape of the scores; NaN where it was not asked.
        None where no second look is asked for, or there is no photo.

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
    reranker, cutouts = make(), [one.cutout for one in encoded]

    def look(candidates: Candidates, scores: Scores) -> Scores:
        start = time.perf_counter()
        asked = [best_of(row, candidates.items)[:limit] for row in scores]
        points = best_points(candidates, answers, {i for items in asked for i in items})
        ids = [points[r, i].id for r, items in enumerate(asked) for i in items if (r, i) in points]
        records = store.retrieve(list(dict.fromkeys(ids)))
        shown = {record.id: Shown.of(record.payload) for record in records}
        said = np.full(scores.shape, np.nan, np.float32)
        rows: list[list[int]] = []
        photos: list[list[Shown]] = []
        for region, items in enumerate(asked):
            found = [(i, shown.get(points[region, i].id)) for i in items if (region, i) in points]
            rows.append([i for i, photo in found if photo is not None])
            photos.append([photo for _, photo in found if photo is not None])
        late = 0
        for region, values in enumerate(reranker.similarities(cutouts, photos, times.patience_s)):
            said[region, rows[region]] = values
            late += int(np.isnan(values).sum())
        if late and times.patience_s < math.inf:
            notes.append(
                f"the second look left out {late} products whose photos it has not seen; ask again"
            )
        taken = time.perf_counter() - start
        times.add("rerank", taken)
        # the ranking is timed around this
        times.add("rank", -taken)
        return said

    return look

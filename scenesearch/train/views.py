"""The pictures of a training step: which view of which photo, the same however often it is asked.

A view is random only in (seed, epoch, place in the epoch, draw), so threads may make them in any
order, and a resumed run sees what an uninterrupted one would have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Image
from scenesearch.images.letterbox import letterbox
from scenesearch.train.augment import augment
from scenesearch.train.groups import Photo
from scenesearch.train.recipe import Recipe
from scenesearch.train.subjects import Subjects

AHEAD = 2
"""Batches that are made while one is trained on."""


class Views:
    """Random views of training photos, and plain ones of held-out photos.

    Args:
        subjects: cuts the photos.
        photos: that are trained on.
        recipe: seed and how much is changed.
        side: of the tower's input in pixels.
        workers: threads.
    """

    def __init__(
        self,
        subjects: Subjects,
        photos: Sequence[Photo],
        recipe: Recipe,
        side: int,
        *,
        workers: int = 2,
    ) -> None:
        self.subjects = subjects
        self.photos = tuple(photos)
        self.side = side
        self._recipe = recipe
        self._pool = ThreadPoolExecutor(max(1, workers), "views")

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    def random(self, photo: Photo, *key: int) -> Image:
        """A random view, the same for the same key; shape (side, side, 3)."""
        rng = np.random.default_rng((self._recipe.seed, *key))
        rules = self._recipe.augment
        scenery = None
        if rules.background and self.photos:
            other = self.photos[int(rng.integers(len(self.photos)))]
            scenery = self.subjects.get(other).image
        return augment(self.subjects.get(photo), rng, rules, self.side, scenery)

    def plain(self, photo: Photo) -> Image:
        """What an index would embed; shape (side, side, 3)."""
        return letterbox(self.subjects.get(photo).image, self.side)

    def plain_batches(self, photos: Sequence[Photo], batch: int) -> Iterator[NDArray[np.uint8]]:
        """Plain views, shape (n, side, side, 3)."""
        for start in range(0, len(photos), batch):
            yield np.stack(list(self._pool.map(self.plain, photos[start : start + batch])))

    def batches(
        self, batches: Sequence[Sequence[int]], epoch: int, *, draws: int = 1
    ) -> Iterator[NDArray[np.uint8]]:
        """Random views of the photos at these places; made ahead of being asked for.

        Args:
            batches: numbers of photos.
            epoch: from 0.
            draws: views of each photo.

        Yields:
            Shape (draws * n, side, side, 3): first one view of each photo, then the next.
        """
        waiting: list[list[Future[Image]]] = []
        place = 0
        queue = iter(batches)
        while True:
            while len(waiting) <= AHEAD and (batch := next(queue, None)) is not None:
                waiting.append(
                    [
                        self._pool.submit(
                            self.random, self.photos[number], epoch, place + offset, draw
                        )
                        for draw in range(draws)
                        for offset, number in enumerate(batch)
                    ]
                )
                place += len(batch)
            if not waiting:
                return
            yield np.stack([future.result() for future in waiting.pop(0)])

"""The pictures of a training step: which view of which photo, the same however often it is asked.

A view is random only in (seed, epoch, place in the epoch, draw), so threads may make them in any
order, and a resumed run sees what an uninterrupted one would have. Pictures are changed at random
so that an embedder learns to look past it: numpy and Pillow, and a generator that is passed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage
from PIL import ImageEnhance

from scenesearch.core.types import Image, Mask
from scenesearch.images.letterbox import letterbox
from scenesearch.train.groups import Photo
from scenesearch.train.recipe import AugmentRules, Recipe
from scenesearch.train.subjects import Subject, Subjects

AHEAD = 2
"""Batches that are made while one is trained on."""
MARGIN = 0.2
"""Of each side: how much of another background may surround a product."""
SMALLEST_DETAIL = 0.25
"""Of a side: how small a picture is made before it is enlarged again."""


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
        for batch in batches:
            waiting.append(
                [
                    self._pool.submit(self.random, self.photos[number], epoch, place + offset, draw)
                    for draw in range(draws)
                    for offset, number in enumerate(batch)
                ]
            )
            place += len(batch)
            if len(waiting) > AHEAD:
                yield np.stack([future.result() for future in waiting.pop(0)])
        for futures in waiting:
            yield np.stack([future.result() for future in futures])


def augment(
    subject: Subject,
    rng: np.random.Generator,
    rules: AugmentRules,
    side: int,
    scenery: Image | None = None,
) -> Image:
    """One random view of a subject, as the tower gets it.

    Args:
        subject: a product; only one with a mask can get another background.
        rng: where the randomness comes from.
        rules: how much is changed.
        side: of the result in pixels.
        scenery: another photo, that backgrounds are cut from.

    Returns:
        Shape (side, side, 3).
    """
    image, mask = _cropped(subject, rng, rules.keep)
    if mask is not None and rng.random() < rules.background:
        image = _on_background(image, mask, rng, scenery)
    if rng.random() < rules.flip:
        image = image[:, ::-1]
    image = jitter(np.ascontiguousarray(image), rng, rules)
    if rng.random() < rules.detail:
        share = rng.uniform(SMALLEST_DETAIL, 1.0)
        return letterbox(letterbox(image, max(8, round(side * share))), side)
    return letterbox(image, side)


def _cropped(subject: Subject, rng: np.random.Generator, keep: float) -> tuple[Image, Mask | None]:
    """A window that keeps at least ``keep`` of each side."""
    height, width = subject.image.shape[:2]
    w, h = (max(1, round(edge * rng.uniform(keep, 1.0))) for edge in (width, height))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    mask = subject.mask[y : y + h, x : x + w] if subject.mask is not None else None
    if mask is not None and not mask.any():
        # the window missed a thin product
        return subject.image, subject.mask
    return subject.image[y : y + h, x : x + w], mask


def _on_background(
    image: Image, mask: Mask, rng: np.random.Generator, scenery: Image | None
) -> Image:
    """The product on a plain colour, on noise or on a part of another photo, a third each."""
    height, width = mask.shape
    before, after = rng.uniform(0, MARGIN, 2), rng.uniform(0, MARGIN, 2)
    x, y = round(before[0] * width), round(before[1] * height)
    size = width + x + round(after[0] * width), height + y + round(after[1] * height)
    kind = int(rng.integers(3 if scenery is not None else 2))
    if kind == 0:
        canvas = np.empty((size[1], size[0], 3), np.uint8)
        canvas[:] = rng.integers(0, 256, 3, dtype=np.uint8)
    elif kind == 1 or scenery is None:
        canvas = _noise(size, rng)
    else:
        canvas = _part(scenery, size, rng)
    window = canvas[y : y + height, x : x + width]
    window[mask] = image[mask]
    return canvas


def _noise(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Soft or fine patches of random colours around one colour."""
    cells = int(rng.integers(2, 33))
    middle = rng.integers(0, 256, 3)
    patches = middle + rng.normal(0, rng.uniform(10, 60), (cells, cells, 3))
    small = PILImage.fromarray(np.clip(patches, 0, 255).astype(np.uint8))
    return np.array(small.resize(size, PILImage.Resampling.BICUBIC))


def _part(scenery: Image, size: tuple[int, int], rng: np.random.Generator) -> Image:
    """A window of another photo, stretched to a size."""
    height, width = scenery.shape[:2]
    w, h = (max(1, round(edge * rng.uniform(0.3, 0.8))) for edge in (width, height))
    x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
    window = PILImage.fromarray(np.ascontiguousarray(scenery[y : y + h, x : x + w]))
    return np.array(window.resize(size, PILImage.Resampling.BILINEAR))


def jitter(image: Image, rng: np.random.Generator, rules: AugmentRules) -> Image:
    """Brightness, contrast, saturation and hue a little off, as other light would make them."""
    picture = PILImage.fromarray(image)
    for change, most in (
        (ImageEnhance.Brightness, rules.brightness),
        (ImageEnhance.Contrast, rules.contrast),
        (ImageEnhance.Color, rules.saturation),
    ):
        picture = change(picture).enhance(1 + rng.uniform(-most, most))
    turn = round(256 * rng.uniform(-rules.hue, rules.hue))
    if turn:
        bands = np.array(picture.convert("HSV"))
        bands[..., 0] += np.uint8(turn % 256)  # wraps around, as a circle does
        merged = PILImage.merge("HSV", [PILImage.fromarray(bands[..., i]) for i in range(3)])
        picture = merged.convert("RGB")
    return np.asarray(picture)

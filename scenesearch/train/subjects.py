"""Photos to what is trained on: the product cut out as an index cuts it, small, in memory.

A catalogue photo goes through the same cutter as in ``scenesearch index``; a box of a room is a
plain crop, as a query's region without a mask is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from cachetools import LRUCache
from PIL import Image as PILImage

from scenesearch.core.protocols import Remover
from scenesearch.core.types import Image, Mask, Scene
from scenesearch.images.geometry import pixel_box
from scenesearch.models.cutout.cutter import CutRules, cut_product
from scenesearch.train.groups import Photo


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A product, on the rules' background where it could be cut out.

    Attributes:
        image: shape (h, w, 3).
        mask: shape (h, w), or None where the background was not removed.
    """

    image: Image
    mask: Mask | None


class Subjects:
    """Cuts photos, and keeps the small results while there is room for them.

    Safe to call from threads.

    Args:
        load: reads a photo.
        rules: how products are cut out.
        side: of the tower's input in pixels; twice that is kept, so that crops have detail.
        remover: for catalogue photos whose background is not plain; None to leave those whole.
        max_bytes: of what is kept; the least recently used leave.
    """

    def __init__(
        self,
        load: Callable[[str], Scene],
        rules: CutRules,
        side: int,
        *,
        remover: Remover | None = None,
        max_bytes: int = 2 * 2**30,
    ) -> None:
        self._load = load
        self._rules = rules
        self._longest = 2 * side
        self._remover = remover
        self._kept: LRUCache[Photo, Subject] = LRUCache(max_bytes, getsizeof=_size)
        self._lock = threading.Lock()

    def get(self, photo: Photo) -> Subject:
        """The subject of a photo.

        Raises:
            ImageError: the photo cannot be read.
        """
        with self._lock:
            if photo in self._kept:
                return self._kept[photo]
        subject = _smaller(self._cut(photo), self._longest)
        # one that is larger than all there is room for is not kept
        with self._lock, suppress(ValueError):
            self._kept[photo] = subject
        return subject

    def rest(self) -> None:
        """Give back what the remover's model takes; it comes back when a photo needs it."""
        if self._remover is not None:
            self._remover.close()

    def _cut(self, photo: Photo) -> Subject:
        scene = self._load(photo.path)
        if photo.box is not None:
            x1, y1, x2, y2 = pixel_box(photo.box, scene.size)
            return Subject(scene.image[y1:y2, x1:x2], None)
        cutout, _ = cut_product(scene.image, self._rules, self._remover, scene.own)
        return Subject(cutout.image, None if cutout.method == "plain" else cutout.mask)


def _smaller(subject: Subject, longest: int) -> Subject:
    height, width = subject.image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        # a copy, or a small crop would keep its whole photo in memory
        return Subject(subject.image.copy(), subject.mask)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    picture = PILImage.fromarray(subject.image)
    image: Image = np.asarray(picture.resize(size, PILImage.Resampling.BICUBIC, reducing_gap=2.0))
    if subject.mask is None:
        return Subject(image, None)
    grey = PILImage.fromarray(subject.mask.astype(np.uint8) * np.uint8(255))
    mask: Mask = np.asarray(grey.resize(size, PILImage.Resampling.BILINEAR)) > 127
    return Subject(image, mask)


def _size(subject: Subject) -> int:
    return subject.image.nbytes + (subject.mask.nbytes if subject.mask is not None else 0)

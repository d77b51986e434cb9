"""Models for tests: they look at the pixels, so that similar pictures get similar answers.

No weights, no network, the same numbers on every run. Each satisfies its protocol of
:mod:`scenesearch.core.protocols` and counts what it was asked for, so that a test can say "nothing
was embedded again". They are fakes, not baselines: flat colours on a plain ground are their world.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import QueryError
from scenesearch.core.types import Detections, Image, Scene, TextLine
from scenesearch.images.letterbox import letterbox

RGB = tuple[int, int, int]

COLOURS: Mapping[str, RGB] = MappingProxyType(
    {
        "red": (220, 30, 30),
        "orange": (240, 140, 20),
        "yellow": (235, 220, 30),
        "green": (30, 160, 60),
        "cyan": (20, 200, 210),
        "blue": (30, 60, 220),
        "purple": (130, 40, 190),
        "pink": (240, 90, 180),
    }
)
"""What :class:`FakeDetector` calls things, and the words :class:`FakeEmbedder` understands."""

_SIDE = 8
_SATURATED = 60
"""Largest minus smallest channel, 0 to 255, above which a pixel belongs to an object."""


class FakeEmbedder:
    """Small pictures and their edges through a fixed random projection, L2-normalised.

    Distances survive a random projection (Johnson and Lindenstrauss, 1984), so the cosine of two
    vectors says how alike the pictures are, the better the larger ``dim`` is.

    Args:
        dim: length of the vectors.
        has_text: whether words work: a text lies where a picture filled with the colours it
            names lies; any other word has a direction of its own.
        has_classes: whether it also says what a picture is of: one class for each of
            :data:`COLOURS`, and a last one for pictures without any of them.
        seed: another seed is another model, with another fingerprint.
        delay_s: how long each call takes at least, for tests that interrupt one.

    Attributes:
        loads: how often weights would have been read.
        embedded: how many pictures were embedded.
    """

    def __init__(
        self,
        dim: int = 64,
        *,
        has_text: bool = False,
        has_classes: bool = False,
        seed: int = 0,
        delay_s: float = 0.0,
    ) -> None:
        if dim < 1:
            raise ValueError(f"dim must be at least 1, got {dim}")
        self._dim = dim
        self._has_text = has_text
        self._classes = len(COLOURS) + 1 if has_classes else 0
        self._seed = seed
        self._delay_s = delay_s
        self._matrix: NDArray[np.float64] | None = None
        self.loads = 0
        self.embedded = 0

    @property
    def fingerprint(self) -> str:
        """Size and seed; reading text and naming classes change no picture's vector."""
        return f"fake-embedder:{self._dim}:{self._seed}"

    @property
    def dim(self) -> int:
        """Length of the vectors."""
        return self._dim

    @property
    def has_text(self) -> bool:
        """Whether ``embed_texts`` works."""
        return self._has_text

    @property
    def profile_dim(self) -> int:
        """Number of classes; 0 where it has none."""
        return self._classes

    def load(self) -> None:
        """Draw the projection."""
        self._ready()

    def close(self) -> None:
        """Forget the projection."""
        self._matrix = None

    def _ready(self) -> NDArray[np.float64]:
        if self._matrix is None:
            self.loads += 1
            rows = len(_features(np.zeros((1, 1, 3), np.uint8)))
            self._matrix = np.random.default_rng(self._seed).standard_normal((rows, self._dim))
        return self._matrix

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised."""
        matrix = self._ready()
        if self._delay_s:
            time.sleep(self._delay_s)
        self.embedded += len(images)
        rows = [_unit(_features(image) @ matrix) for image in images]
        return np.stack(rows) if rows else np.zeros((0, self._dim), np.float32)

    def embed_and_profile(
        self, images: Sequence[Image]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Vectors of shape (n, dim), and class probabilities of shape (n, profile_dim)."""
        profiles = np.zeros((len(images), self._classes), np.float32)
        for row, image in zip(profiles, images, strict=True):
            if self._classes:
                row[:] = _profile(image)
        return self.embed_images(images), profiles

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised.

        Raises:
            QueryError: the fake was made without a text tower.
        """
        if not self._has_text:
            raise QueryError(
                "This FakeEmbedder has no text tower; make it with has_text=True",
                code="no_text_tower",
            )
        rows = [
            _unit(np.sum([self._word(word) for word in text.lower().split() or [""]], axis=0))
            for text in texts
        ]
        return np.stack(rows) if rows else np.zeros((0, self._dim), np.float32)

    def _word(self, word: str) -> NDArray[np.float32]:
        word = word.strip(".,")
        if word in COLOURS:
            return _unit(_features(np.full((1, 1, 3), COLOURS[word], np.uint8)) @ self._ready())
        return _direction(self._seed, word, self._dim)


class FakeDetector:
    """Every saturated patch of one flat colour is an object, labelled by the nearest colour name.

    Args:
        masks: whether detections carry masks.
        min_share: of the photo that a patch must cover.

    Attributes:
        scenes: how many photos were looked at.
    """

    def __init__(self, *, masks: bool = True, min_share: float = 0.001) -> None:
        self._masks = masks
        self._min_share = min_share
        self.scenes = 0

    @property
    def fingerprint(self) -> str:
        """Everything that changes the answer."""
        return f"fake-detector:{'masks' if self._masks else 'boxes'}:{self._min_share:g}"

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to forget."""

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """The patches of each photo; confidence is the share of its box that a patch fills."""
        self.scenes += len(scenes)
        return [self._patches(scene.image) for scene in scenes]

    def _patches(self, image: Image) -> Detections:
        wide = image.astype(np.int16)
        saturated = wide.max(axis=2) - wide.min(axis=2) > _SATURATED
        if not saturated.any():
            return Detections.empty()
        # 16 levels a channel, so that a decoder's noise does not split a patch
        levels = wide // 16
        codes = (levels[..., 0] * 16 + levels[..., 1]) * 16 + levels[..., 2]
        found = []
        for code in np.unique(codes[saturated]):
            patch = saturated & (codes == code)
            if patch.mean() < self._min_share:
                continue
            rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
            x1, y1, x2, y2 = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
            mask = patch[y1:y2, x1:x2]
            label = _nearest_colour(np.median(wide[patch], axis=0))
            found.append((float(mask.mean()), (x1, y1, x2, y2), label, mask))
        # places break ties: from the left, then from the top
        found.sort(key=lambda one: (-one[0], one[1][0], one[1][1]))
        if not found:
            return Detections.empty()
        return Detections(
            np.array([box for _, box, _, _ in found], np.float32),
            np.array([share for share, _, _, _ in found], np.float32),
            tuple(label for _, _, label, _ in found),
            tuple(mask if self._masks else None for _, _, _, mask in found),
        )


class FakeReader:
    """Every object of :class:`FakeDetector` is a line of text, in reading order.

    Args:
        texts: what is written on an object of each colour; the others have no text. None for the
            names of the colours.
        delay_s: how long each call takes at least, for tests that interrupt one.

    Attributes:
        photos: how many pictures were read.
    """

    def __init__(self, texts: Mapping[str, str] | None = None, *, delay_s: float = 0.0) -> None:
        self._texts = dict(texts) if texts is not None else {name: name for name in COLOURS}
        self._delay_s = delay_s
        self.photos = 0

    @property
    def fingerprint(self) -> str:
        """Everything that changes the answer."""
        digest = hashlib.sha256(repr(sorted(self._texts.items())).encode()).hexdigest()
        return f"fake-reader:{digest[:12]}"

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to forget."""

    def read(self, image: Image) -> tuple[TextLine, ...]:
        """Lines with the boxes of their objects, from the top and then from the left."""
        self.photos += 1
        if self._delay_s:
            time.sleep(self._delay_s)
        found = FakeDetector(masks=False).detect([Scene(image, "", "<array>")])[0]
        lines = []
        for box, share, label in zip(found.boxes, found.confidences, found.labels, strict=True):
            if label in self._texts:
                x1, y1, x2, y2 = (float(side) for side in box)
                lines.append(TextLine(self._texts[label], float(share), (x1, y1, x2, y2)))
        return tuple(sorted(lines, key=lambda line: (line.box[1], line.box[0])))


class FakeRemover:
    """The foreground is what differs from the picture's border.

    Args:
        tolerance: largest difference of a channel, 0 to 255, that still is background.

    Attributes:
        mattes: how many pictures were separated.
    """

    def __init__(self, *, tolerance: int = 40) -> None:
        self._tolerance = tolerance
        self.mattes = 0

    @property
    def fingerprint(self) -> str:
        """Everything that changes the answer."""
        return f"fake-remover:{self._tolerance}"

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to forget."""

    def matte(self, image: Image) -> NDArray[np.uint8]:
        """Foreground alpha of shape (height, width), 0 or 255."""
        self.mattes += 1
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        far = np.abs(image.astype(np.float32) - np.median(border, axis=0)).max(axis=2)
        return np.where(far > self._tolerance, 255, 0).astype(np.uint8)


def _features(image: Image) -> NDArray[np.float64]:
    """What a picture is here: colours of 8 x 8 patches and their differences, shape (305,)."""
    # white is 0: most of a product photo is background and should not make all alike
    grid = 1 - letterbox(image, _SIDE).astype(np.float64) / 255
    grey = grid.mean(axis=2)
    edges = (np.abs(np.diff(grey, axis=0)), np.abs(np.diff(grey, axis=1)))
    # the constant keeps a white picture away from a vector of zeros
    return np.concatenate([grid.ravel(), *(edge.ravel() for edge in edges), [0.1]])


def _profile(image: Image) -> NDArray[np.float32]:
    """Which colours the saturated part of a picture has, shape (len(COLOURS) + 1,), sums to 1."""
    cells = letterbox(image, _SIDE).reshape(-1, 3).astype(np.int16)
    cells = cells[np.ptp(cells, axis=1) > _SATURATED]
    names = list(COLOURS)
    counts = np.full(len(names) + 1, 0.01)
    for cell in cells:
        counts[names.index(_nearest_colour(cell))] += 1
    if not len(cells):
        counts[-1] += 1
    result: NDArray[np.float32] = (counts / counts.sum()).astype(np.float32)
    return result


@cache
def _direction(seed: int, word: str, dim: int) -> NDArray[np.float32]:
    """Of a word that names no colour; a vocabulary has thousands, and is read by every tagger."""
    digest = hashlib.sha256(f"{seed} {word}".encode()).digest()
    return _unit(np.random.default_rng(list(digest)).standard_normal(dim))


def _unit(vector: NDArray[np.float64] | NDArray[np.float32]) -> NDArray[np.float32]:
    result: NDArray[np.float32] = (vector / np.linalg.norm(vector)).astype(np.float32)
    return result


def _nearest_colour(rgb: NDArray[np.float64] | NDArray[np.int16]) -> str:
    return min(COLOURS, key=lambda name: float(np.abs(rgb - np.array(COLOURS[name])).sum()))

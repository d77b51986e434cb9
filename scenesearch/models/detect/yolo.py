"""What a YOLO network takes and gives, as numbers: pixels in, boxes and masks out. Pure code.

The same arithmetic as ultralytics 8.4 (``LetterBox``, ``non_max_suppression``, ``scale_boxes``,
``process_mask``), step by step and in the same precision, so that a model finds here what it finds
there: a level of difference in 1 % of the pixels moves confidences by 0.003, and the order too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PILImage

from scenesearch.core.types import Image, Mask
from scenesearch.images.geometry import pixel_box

Floats = NDArray[np.float32]

_GREY = 114
_MOST_CANDIDATES = 30_000
_CLASS_OFFSET = np.float32(7680)
"""Pixels that put boxes of two classes apart; in 32 bits, as ultralytics does."""


@dataclass(frozen=True, slots=True)
class Fit:
    """How a photo lies in the network's input.

    Attributes:
        photo: (width, height) of the photo.
        inner: (width, height) of the photo in the input.
        left: columns of grey before it.
        top: rows of grey above it.
        size: (width, height) of the input.
    """

    photo: tuple[int, int]
    inner: tuple[int, int]
    left: int
    top: int
    size: tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Boxes of one photo, best first.

    Attributes:
        boxes: shape (n, 4), xyxy, pixels of the network's input.
        confidences: shape (n,).
        classes: shape (n,), numbers of classes.
        coefficients: shape (n, m), of the prototypes of masks; m is 0 without masks.
    """

    boxes: Floats
    confidences: Floats
    classes: NDArray[np.intp]
    coefficients: Floats

    def take(self, rows: NDArray[np.intp]) -> Found:
        """Some of them, in the order given."""
        return Found(
            self.boxes[rows], self.confidences[rows], self.classes[rows], self.coefficients[rows]
        )


def fit(photo: tuple[int, int], side: int | tuple[int, int], stride: int) -> Fit:
    """Where a photo lies in an input.

    Args:
        photo: (width, height).
        side: the longest side of an input that grows with the photo, padded to multiples of the
            stride; or (width, height) of one that does not.
        stride: of the network.
    """
    width, height = (side, side) if isinstance(side, int) else side
    ratio = min(height / photo[1], width / photo[0])
    inner = max(round(photo[0] * ratio), 1), max(round(photo[1] * ratio), 1)
    across, down = width - inner[0], height - inner[1]
    if isinstance(side, int):
        across, down = across % stride, down % stride
    return Fit(
        photo,
        inner,
        round(across / 2 - 0.1),
        round(down / 2 - 0.1),
        (inner[0] + across, inner[1] + down),
    )


def pixels(image: Image, where: Fit) -> Floats:
    """The network's input: shape (1, 3, height, width), 0 to 1, RGB, the photo on grey.

    Args:
        image: shape (height, width, 3).
        where: from :func:`fit` of its size.
    """
    width, height = where.size
    canvas = np.full((height, width, 3), _GREY, np.uint8)
    canvas[where.top : where.top + where.inner[1], where.left : where.left + where.inner[0]] = (
        _resized(image, where.inner)
    )
    return np.divide(canvas.transpose(2, 0, 1)[None], np.float32(255), dtype=np.float32)


def _resized(image: Image, size: tuple[int, int]) -> Image:
    import cv2

    if size == (image.shape[1], image.shape[0]):
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def read(
    rows: Floats, classes: int, extras: int, *, confidence: float, overlap: float, limit: int
) -> Found:
    """The boxes that a network says, suppressed where it does not do that itself.

    The shape says which head it is, because a checkpoint may have lost its NMS-free head, and an
    export may have suppression inside: (n, 6 + extras) are boxes ready to use, (4 + classes +
    extras, n) are scores of every class at every anchor.

    Args:
        rows: the output for one photo.
        classes: how many the network knows.
        extras: numbers of a box beside box and scores: coefficients of masks, keypoints.
        confidence: boxes at or below are dropped.
        overlap: intersection over union above which the less certain of two boxes of one class
            is dropped.
        limit: largest number of boxes.

    Raises:
        ValueError: the shape is neither.
    """
    if rows.ndim == 2 and rows.shape[0] == 4 + classes + extras:
        return _suppressed(rows, classes, confidence, overlap, limit)
    if rows.ndim == 2 and rows.shape[1] == 6 + extras:
        kept = rows[rows[:, 4] > confidence][:limit]
        return Found(kept[:, :4], kept[:, 4], kept[:, 5].astype(np.intp), kept[:, 6:])
    raise ValueError(
        f"its output has the shape {rows.shape}, expected (n, {6 + extras}) or "
        f"({4 + classes + extras}, n) of a network of {classes} classes"
    )


def _suppressed(rows: Floats, classes: int, confidence: float, overlap: float, limit: int) -> Found:
    scores = rows[4 : 4 + classes]
    certain = np.flatnonzero(scores.max(axis=0, initial=0.0) > confidence)
    scores = scores[:, certain]
    best = scores.argmax(axis=0)
    confidences = scores[best, np.arange(len(certain))]
    order = np.argsort(-confidences, kind="stable")[:_MOST_CANDIDATES]
    centres = rows[:4, certain[order]].T
    halves = centres[:, 2:] / 2
    found = Found(
        np.concatenate([centres[:, :2] - halves, centres[:, :2] + halves], axis=1),
        confidences[order],
        best[order],
        rows[4 + classes :, certain[order]].T,
    )
    return found.take(_kept(found.boxes, found.classes, overlap, limit))


def _kept(boxes: Floats, classes: NDArray[np.intp], overlap: float, limit: int) -> NDArray[np.intp]:
    """Rows that greedy suppression by class keeps, of boxes that are given best first."""
    apart = boxes + (classes.astype(np.float32) * _CLASS_OFFSET)[:, None]
    sides = apart[:, 2:] - apart[:, :2]
    area = sides[:, 0] * sides[:, 1]
    kept: list[np.intp] = []
    left = np.arange(len(boxes))
    # 64 bits on one side only, as torchvision compares
    threshold = np.float64(overlap)
    while len(left) and len(kept) < limit:
        first, left = left[0], left[1:]
        kept.append(first)
        corner = np.minimum(apart[first, 2:], apart[left, 2:])
        shared = np.maximum(corner - np.maximum(apart[first, :2], apart[left, :2]), 0).prod(axis=1)
        left = left[~(shared / (area[first] + area[left] - shared) > threshold)]
    return np.array(kept, np.intp)


def in_photo(boxes: Floats, where: Fit) -> Floats:
    """Boxes of the network's input as boxes of the photo, clipped to it."""
    (width, height), (inner_width, inner_height) = where.photo, where.inner
    gains = np.array([inner_width / width, inner_height / height] * 2, np.float32)
    moved: Floats = (boxes - np.array([where.left, where.top] * 2, np.float32)) / gains
    return np.clip(moved, 0, np.array([width, height] * 2, np.float32))


def masks(found: Found, prototypes: Floats, where: Fit) -> list[Mask | None]:
    """The mask of each box; None where none of its pixels is set.

    Args:
        found: with coefficients.
        prototypes: shape (m, rows, columns), a part of the network's input each.
        where: how the photo lies in the input.

    Returns:
        Of the whole pixels of each box in the photo (``geometry.pixel_box``).
    """
    made: list[Mask | None] = []
    for weights, box, photo_box in zip(
        found.coefficients, found.boxes, in_photo(found.boxes, where), strict=True
    ):
        inside = _mask_in_input(weights, prototypes, box, where.size)
        made.append(mask_in_box(inside, photo_box, where.photo) if inside.any() else None)
    return made


def _mask_in_input(weights: Floats, prototypes: Floats, box: Floats, size: tuple[int, int]) -> Mask:
    """Where the weighted prototypes are above 0 at the input's size, inside the box alone."""
    mask = np.zeros((size[1], size[0]), np.bool_)
    # pixels whose number is at least the lower, and below the upper side of the box
    x1, y1, x2, y2 = np.clip(np.ceil(box), 0, [*size, *size]).astype(int).tolist()
    if x1 < x2 and y1 < y2:
        _, rows, columns = prototypes.shape
        across, down = columns / size[0], rows / size[1]
        # with the neighbours that the filter reaches
        left, top = max(int(x1 * across) - 2, 0), max(int(y1 * down) - 2, 0)
        near = prototypes[:, top : int(y2 * down) + 3, left : int(x2 * across) + 3]
        # not by BLAS, whose threads would wait, turning, for as long as the next model runs
        logits = np.einsum("m,myx->yx", weights, near)
        window = (x1 * across - left, y1 * down - top, x2 * across - left, y2 * down - top)
        large = PILImage.fromarray(logits).resize(
            (x2 - x1, y2 - y1), PILImage.Resampling.BILINEAR, box=window
        )
        mask[y1:y2, x1:x2] = np.asarray(large) > 0
    return mask


def mask_in_box(mask: Mask, box: Floats, size: tuple[int, int]) -> Mask:
    """A mask of the padded network input, cut to the whole pixels of a box of the photo.

    Args:
        mask: shape (height, width) of the network's input.
        box: in the photo.
        size: (width, height) of the photo.
    """
    height, width = mask.shape
    gain = min(width / size[0], height / size[1])
    left, top = (width - size[0] * gain) / 2, (height - size[1] * gain) / 2
    x1, y1, x2, y2 = pixel_box(box, size)
    # rounding may put an edge a hair outside, which Pillow refuses
    window = (
        max(left + x1 * gain, 0.0),
        max(top + y1 * gain, 0.0),
        min(left + x2 * gain, float(width)),
        min(top + y2 * gain, float(height)),
    )
    grey = PILImage.fromarray(mask.astype(np.uint8) * np.uint8(255))
    cut = grey.resize((x2 - x1, y2 - y1), PILImage.Resampling.BILINEAR, box=window)
    return np.asarray(cut) > 127

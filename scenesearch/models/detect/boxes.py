"""Merging, filtering and suppressing detections, and several detectors as one. Pure numpy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from scenesearch.core.protocols import Detector
from scenesearch.core.types import Detections, Scene
from scenesearch.images.geometry import areas, iou

SAME_NAME = 0.5
"""Intersection over union above which two boxes of one name are one object: two detectors draw it
differently, and both draw it."""


def suppress(detections: Detections, overlap: float) -> Detections:
    """Non-maximum suppression over all classes, in the order given.

    One sofa seen as ``couch`` and as ``Studio couch`` is one object to a shopper, so boxes of any
    labels exclude each other; those whose labels end in the same word sooner.

    Args:
        detections: best first; a box is dropped when an earlier kept one overlaps it.
        overlap: intersection over union above which two boxes are one object, whatever their
            labels; of one name at most :data:`SAME_NAME`. 1 for none.
    """
    if len(detections) < 2:
        return detections
    same = SAME_NAME if overlap < 1 else overlap
    names = np.array([label.casefold().rpartition(" ")[2] for label in detections.labels])
    least = np.where(names[:, None] == names, min(overlap, same), overlap)
    overlaps = iou(detections.boxes, detections.boxes) > least
    kept: list[int] = []
    for i in range(len(detections)):
        if not overlaps[i, kept].any():
            kept.append(i)
    return detections.take(kept)


def keep_labels(
    detections: Detections, include: Collection[str] = (), exclude: Collection[str] = ()
) -> Detections:
    """Only the labels of ``include`` (all when empty), and none of ``exclude``; case ignored."""
    wanted = {label.casefold() for label in include}
    unwanted = {label.casefold() for label in exclude}
    labels = [label.casefold() for label in detections.labels]
    return detections.take(
        [i for i, x in enumerate(labels) if x not in unwanted and (not wanted or x in wanted)]
    )


def keep_large(detections: Detections, min_share: float, size: tuple[int, int]) -> Detections:
    """Only boxes that cover at least ``min_share`` of the photo of ``size``."""
    enough = areas(detections.boxes) >= min_share * size[0] * size[1]
    return detections.take(np.flatnonzero(enough).tolist())


def concatenate(parts: Sequence[Detections]) -> Detections:
    """All detections of several values, in the order given."""
    if not parts:
        return Detections.empty()
    return Detections(
        np.concatenate([p.boxes for p in parts]),
        np.concatenate([p.confidences for p in parts]),
        tuple(label for p in parts for label in p.labels),
        tuple(mask for p in parts for mask in p.masks),
    )


class MergedDetector:
    """Runs detectors side by side and merges their boxes.

    Confidences of different detectors do not compare, so the order of the detectors decides: all
    boxes of the first come before those of the second, and where two overlap the first one's box
    (and its mask, when it is a segmenter) stays. Measured against mixing by confidence in
    docs/decisions/models.md.

    Args:
        detectors: the most trusted first; at least one.
        overlap: intersection over union above which two boxes are one object.

    Raises:
        ValueError: no detectors.
    """

    def __init__(self, detectors: Sequence[Detector], *, overlap: float = 0.7) -> None:
        if not detectors:
            raise ValueError("MergedDetector needs at least one detector, got none")
        self._detectors = tuple(detectors)
        self._overlap = overlap

    @property
    def fingerprint(self) -> str:
        """Those of the detectors, in order."""
        return "+".join(detector.fingerprint for detector in self._detectors)

    def load(self) -> None:
        """Load every detector."""
        for detector in self._detectors:
            detector.load()

    def close(self) -> None:
        """Close every detector."""
        for detector in self._detectors:
            detector.close()

    def detect(self, scenes: Sequence[Scene]) -> list[Detections]:
        """One value for each scene: the detectors' boxes in their order, without doubles."""
        answers = [detector.detect(scenes) for detector in self._detectors]
        return [suppress(concatenate(parts), self._overlap) for parts in zip(*answers, strict=True)]

"""Merging, filtering and suppressing detections. Pure numpy."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from scenesearch.core.types import Detections
from scenesearch.images.geometry import areas, iou


def suppress(detections: Detections, overlap: float) -> Detections:
    """Class-agnostic non-maximum suppression, in the order given.

    One sofa seen as ``couch`` and as ``studio couch`` is one object to a shopper, so the label
    plays no part.

    Args:
        detections: best first; a box is dropped when an earlier kept one overlaps it.
        overlap: intersection over union above which two boxes are one object.
    """
    if len(detections) < 2:
        return detections
    overlaps = iou(detections.boxes, detections.boxes) > overlap
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

"""Several detectors as one: each sees what the others have no class for."""

from __future__ import annotations

from collections.abc import Sequence

from scenesearch.core.protocols import Detector
from scenesearch.core.types import Detections, Scene
from scenesearch.models.detect.boxes import concatenate, suppress


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

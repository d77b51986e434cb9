"""Several detectors as one."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.core.protocols import Detector
from scenesearch.core.types import Detections, Scene
from scenesearch.models.detect.boxes import MergedDetector


class Scripted:
    """Answers every scene with boxes that depend on the scene's width."""

    def __init__(self, name, boxes, *, confidence=0.9, masks=False):
        self.fingerprint = name
        self.loaded = False
        self._boxes = boxes
        self._confidence = confidence
        self._masks = masks

    def load(self):
        self.loaded = True

    def close(self):
        self.loaded = False

    def detect(self, scenes):
        found = []
        for scene in scenes:
            boxes = np.array(self._boxes, np.float32).reshape(-1, 4) * (scene.size[0] / 100)
            n = len(boxes)
            mask = np.ones((2, 2), bool) if self._masks else None
            found.append(
                Detections(
                    boxes,
                    np.full(n, self._confidence, np.float32),
                    tuple(f"{self.fingerprint}{i}" for i in range(n)),
                    (mask,) * n,
                )
            )
        return found


def scene(width=100):
    return Scene(np.zeros((50, width, 3), np.uint8), "0" * 64, "x")


def test_the_first_detector_wins_where_boxes_overlap_whatever_the_confidence():
    segmenter = Scripted("seg", [(0, 0, 10, 10)], confidence=0.2, masks=True)
    boxes_only = Scripted("box", [(0, 0, 10, 9), (50, 0, 60, 10)], confidence=0.9)
    (found,) = MergedDetector([segmenter, boxes_only]).detect([scene()])

    assert found.labels == ("seg0", "box1")
    assert found.masks[0] is not None
    assert found.masks[1] is None


def test_the_overlap_decides_what_is_one_object():
    first, second = Scripted("a", [(0, 0, 10, 10)]), Scripted("b", [(0, 0, 10, 6)])

    assert len(MergedDetector([first, second], overlap=0.7).detect([scene()])[0]) == 2
    assert len(MergedDetector([first, second], overlap=0.5).detect([scene()])[0]) == 1


def test_every_scene_gets_its_own_answer_in_order():
    merged = MergedDetector([Scripted("a", [(0, 0, 10, 10)]), Scripted("b", [])])
    found = merged.detect([scene(100), scene(300)])

    assert [one.boxes.tolist() for one in found] == [[[0, 0, 10, 10]], [[0, 0, 30, 30]]]
    assert merged.detect([]) == []


def test_loading_closing_and_fingerprints_reach_every_detector_in_order():
    parts = [Scripted("a", []), Scripted("b", [])]
    merged = MergedDetector(parts)
    merged.load()
    loaded = [part.loaded for part in parts]
    merged.close()

    assert isinstance(merged, Detector)
    assert loaded == [True, True]
    assert [part.loaded for part in parts] == [False, False]
    assert merged.fingerprint == "a+b" != MergedDetector(parts[::-1]).fingerprint


def test_no_detectors_at_all_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        MergedDetector([])

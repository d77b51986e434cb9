"""Which parts of a query's photo are searched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from scenesearch.core.protocols import Detector
from scenesearch.core.types import Region, Scene
from scenesearch.images.clarity import EMPTY
from scenesearch.models.detect.regions import (
    given_regions,
    object_regions,
    region_at,
    tile_regions,
    whole_region,
)
from scenesearch.models.encode import RegionRules
from scenesearch.search.query import Query
from scenesearch.search.seen import Seen
from scenesearch.system.timing import StageTimes

FindDetector = Callable[[], Detector | None]
"""Gives what finds the objects of a photo, where there is one."""


def query_regions(
    query: Query, find_detector: FindDetector, rules: RegionRules, seen: Seen, times: StageTimes
) -> list[Region]:
    """The caller's boxes, the object at the tapped point, or what the detector finds.

    Where it finds nothing, the photo as a whole or in parts, unless there is nothing to see.

    Args:
        query: the question.
        find_detector: called where the photo has to be looked at.
        rules: which detections become regions.
        seen: what the models said of this photo before; what they say now is kept in it.
        times: adds up seconds by stage.

    Raises:
        QueryError: a box or the point lies outside the photo.
    """
    scene = query.scene
    if scene is None:
        return []
    if query.boxes:
        return given_regions(query.boxes, scene.size)
    with times.stage("detect"):
        found = _objects(scene, find_detector, rules, seen)
    if query.point is not None:
        return [region_at(query.point, found, scene.size)]
    if not found and EMPTY in seen.faults(scene.image):
        return []
    instead = {"on"} if found else {"on", "fallback"}
    if rules.tiles in instead:
        found = found + tile_regions(scene.size)
    if rules.whole in instead or not found:
        found = [*found, whole_region(scene.size)]
    return found


def _objects(
    scene: Scene, find_detector: FindDetector, rules: RegionRules, seen: Seen
) -> list[Region]:
    detector = find_detector() if rules.limit else None
    if detector is None:
        return []
    found = seen.detect(lambda: detector.detect([scene])[0])
    sure = np.flatnonzero(found.confidences >= rules.min_confidence)
    return object_regions(
        found.take(sure.tolist()),
        scene.size,
        limit=rules.limit,
        min_area=rules.min_area,
        overlap=rules.overlap,
    )

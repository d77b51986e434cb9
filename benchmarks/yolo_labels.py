"""Photos with labels in YOLO's format, as ``val`` and pycocotools want them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Scene
from scenesearch.images import load_scene


class Labels(NamedTuple):
    """One label file: classes, shape (n,), and outlines or boxes' corners as shares."""

    classes: NDArray[np.int64]
    outlines: list[NDArray[np.float64]]

    @property
    def boxes(self) -> NDArray[np.float64]:
        """Shape (n, 4), xyxy as shares."""
        if not self.outlines:
            return np.zeros((0, 4))
        return np.stack([np.concatenate([o.min(axis=0), o.max(axis=0)]) for o in self.outlines])


class Photos(NamedTuple):
    """Photos and what is in them, in the same order."""

    paths: list[Path]
    scenes: list[Scene]
    labels: list[Labels]


def read_photos(images: Path, labels: Path, limit: int | None) -> Photos:
    """The photos that have a label file."""
    paths = [path for path in sorted(images.iterdir()) if (labels / f"{path.stem}.txt").is_file()]
    if not paths:
        raise SystemExit(f"no photo of {images} has a label file in {labels}")
    paths = paths[:limit]
    return Photos(
        paths,
        [load_scene(path) for path in paths],
        [_read(labels / f"{path.stem}.txt") for path in paths],
    )


def _read(path: Path) -> Labels:
    classes, outlines = [], []
    # ultralytics drops lines that are there twice, and so must we
    for line in dict.fromkeys(path.read_text().splitlines()):
        number, *values = (float(value) for value in line.split())
        classes.append(int(number))
        if len(values) == 4:
            x, y, w, h = values
            x1, y1, x2, y2 = x - w / 2, y - h / 2, x + w / 2, y + h / 2
            values = [x1, y1, x2, y1, x2, y2, x1, y2]
        outlines.append(np.clip(np.reshape(values, (-1, 2)), 0, 1))
    return Labels(np.array(classes, np.int64), outlines)


def renumbered(labels: Labels) -> Labels:
    """Classes by COCO's own numbers, 1 to 90, as the 80 of the models."""
    from ultralytics.data.converter import coco91_to_coco80_class

    to = coco91_to_coco80_class()
    return labels._replace(classes=np.array([to[i - 1] for i in labels.classes], np.int64))


def yolo_lines(labels: Labels, *, outlines: bool) -> str:
    lines = []
    for number, outline, (x1, y1, x2, y2) in zip(*labels, labels.boxes, strict=True):
        values = [(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]
        if outlines:
            values = outline.ravel().tolist()
        lines.append(" ".join([str(number), *(f"{value:.6f}" for value in values)]))
    return "\n".join(lines)


def coco_truth(photos: Photos, names: Sequence[str], *, masks: bool) -> dict[str, Any]:
    """The labels as COCO has them, numbered as the rows are."""
    images, annotations = [], []
    for number, (scene, labels) in enumerate(zip(photos.scenes, photos.labels, strict=True), 1):
        width, height = scene.size
        images.append({"id": number, "width": width, "height": height})
        for klass, outline, box in zip(*labels, labels.boxes, strict=True):
            x1, y1, x2, y2 = box * (width, height, width, height)
            one = {
                "id": len(annotations) + 1,
                "image_id": number,
                "category_id": int(klass) + 1,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "iscrowd": 0,
            }
            if masks:
                one["segmentation"] = [(outline * (width, height)).ravel().tolist()]
            annotations.append(one)
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    return {"info": {}, "images": images, "annotations": annotations, "categories": categories}

"""How good tagged objects are: mAP of exported rows, beside ultralytics' own ``val``.

Not timed. Photos with labels in YOLO's format go through the detector as tagging runs it, become
rows, a COCO export and a score of pycocotools; ``val`` runs over the same photos. Where the two
differ, our boxes scored the way ``val`` scores say whether boxes or scoring differ. Then what
each thing that tagging does on purpose costs: its confidence, its suppression across classes, the
smallest area, the largest number of objects.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import json
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from measure import Report, parser
from yolo_labels import Photos, coco_truth, read_photos, renumbered, yolo_lines

from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.types import Detections, Region, Scene
from scenesearch.models.detect.boxes import keep_large, suppress
from scenesearch.models.detect.regions import object_regions
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.weights import WeightFinder, Weights
from scenesearch.tagging.exports import write_export
from scenesearch.tagging.masks import encode_mask
from scenesearch.tagging.rows import TaggedObject, TagRow

CLOSE_POINTS = 2.0
"""How far mAP50 may be from that of ``val``."""
CONFIDENCE, BOXES, SUPPRESSION = 0.001, 300, 0.7
"""What ``val`` sets for itself: nearly every box counts."""

Select = Callable[[Detections, Scene], Detections]


class Score(NamedTuple):
    """Mean average precision in points of 100: at an overlap of 0.5, and over 0.5 to 0.95."""

    at_50: float
    mean: float


def main() -> int:
    arguments = _arguments()
    # pycocotools is behind numpy's array protocol
    warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
    settings = load_settings(arguments.config)
    _quiet(settings)
    finder = WeightFinder(settings.models_dir, settings.trusted_sha256)
    boxes = read_photos(arguments.images, arguments.labels, arguments.limit)
    report = Report(f"mAP of tagged rows on {len(boxes.paths)} photos, in points")
    report.facts["objects"] = sum(len(one.classes) for one in boxes.labels)
    masks = None
    if arguments.outlines is not None:
        masks = read_photos(arguments.images, arguments.outlines, arguments.limit)
        if arguments.coco_ids:
            masks = masks._replace(labels=[renumbered(one) for one in masks.labels])
        report.facts["photos with outlines"] = len(masks.paths)
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            Side(settings, finder.find(name), Path(folder), report).measure(boxes, masks)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


class Side:
    """One model, run by both."""

    def __init__(self, settings: Settings, weights: Weights, folder: Path, report: Report) -> None:
        self._settings, self._weights, self._folder = settings, weights, folder
        self._report = report
        self._yolo = _yolo(weights)
        self._names = [self._yolo.names[i] for i in range(len(self._yolo.names))]

    def measure(self, photos: Photos, outlined: Photos | None) -> None:
        """Everything about boxes, and about masks where the model gives them."""
        found = self._detect(photos, "onnx")
        data = self._dataset(photos, "boxes")
        theirs = self._val(data)["box"]
        ours = self._score(photos, found)
        self._add("ultralytics val", theirs)
        self._add("exported rows, settings of val", ours)
        apart = abs(ours.at_50 - theirs.at_50)
        self._report.add(
            f"{self._weights.name}: mAP50 apart", apart, "points", at_most=CLOSE_POINTS
        )
        self._add("the same boxes as val scores them", self._score_as_val(photos, found))
        self._add("exported rows, torch", self._score(photos, self._detect(photos, "torch")))
        self._add("val, one photo a batch", self._val(data, batch=1)["box"])
        with _one_class_a_box():
            self._add("val, one class a box", self._val(data)["box"])
        for what, select in self._choices():
            kept = [select(one, s) for one, s in zip(found, photos.scenes, strict=True)]
            self._add(what, self._score(photos, kept))
        if outlined is not None and self._yolo.task == "segment":
            self._add("masks: val", self._val(self._dataset(outlined, "masks"))["seg"])
            again = self._detect(outlined, "onnx")
            self._add("masks: exported rows", self._score(outlined, again, "segm"))
            tagged = self._as_tagged()
            kept = [tagged(one, s) for one, s in zip(again, outlined.scenes, strict=True)]
            self._add("masks: as tagged", self._score(outlined, kept, "segm"))

    def _add(self, what: str, score: Score) -> None:
        self._report.add(f"{self._weights.name}: {what}: mAP50", score.at_50)
        self._report.add(f"{self._weights.name}: {what}: mAP50-95", score.mean)

    def _choices(self) -> Iterator[tuple[str, Select]]:
        """Each of our choices alone, then all of them."""
        regions = self._settings.regions
        yield "at most 100 boxes", lambda found, _: _first(found, 100)
        confidence = self._settings.detectors[0].confidence
        for floor in sorted({confidence, 0.25}):
            yield (
                f"confidence from {floor:g}",
                lambda found, _, floor=floor: found.take(
                    np.flatnonzero(found.confidences >= floor).tolist()
                ),
            )
        yield (
            f"one object at overlaps above {regions.overlap:g}, whatever its class",
            lambda found, _: suppress(found, regions.overlap),
        )
        yield (
            f"area from {regions.min_area:.1%}",
            lambda found, scene: keep_large(found, regions.min_area, scene.size),
        )
        yield f"at most {regions.limit} objects", lambda found, _: _first(found, regions.limit)
        yield "as tagged: all of these", self._as_tagged()

    def _as_tagged(self) -> Select:
        regions, confidence = self._settings.regions, self._settings.detectors[0].confidence

        def select(found: Detections, scene: Scene) -> Detections:
            sure = found.take(np.flatnonzero(found.confidences >= confidence).tolist()[:100])
            return _detections(
                object_regions(
                    sure,
                    scene.size,
                    limit=regions.limit,
                    min_area=regions.min_area,
                    overlap=regions.overlap,
                )
            )

        return select

    def _detect(self, photos: Photos, runtime: Any) -> list[Detections]:
        detector = YoloDetector(
            self._weights,
            cache_dir=self._settings.cache_dir,
            runtime=runtime,
            confidence=CONFIDENCE,
            suppression_iou=SUPPRESSION,
            max_detections=BOXES,
        )
        with contextlib.closing(detector):
            return detector.detect(photos.scenes)

    def _score(self, photos: Photos, found: Sequence[Detections], kind: str = "bbox") -> Score:
        """Rows, an export, pycocotools."""
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        masks = kind == "segm"
        rows = (
            _row(path, scene, one, masks=masks)
            for path, scene, one in zip(photos.paths, photos.scenes, found, strict=True)
        )
        exported = write_export(f"coco:{self._folder / 'rows.json'}", rows)
        with contextlib.redirect_stdout(io.StringIO()):
            truth = COCO()
            truth.dataset = coco_truth(photos, self._names, masks=masks)
            truth.createIndex()
            scorer = COCOeval(truth, truth.loadRes(_results(exported, self._names)), kind)
            scorer.evaluate()
            scorer.accumulate()
        # (overlaps, recalls, classes) of all areas and 100 boxes a photo; -1: the class is absent
        precision = scorer.eval["precision"][:, :, :, 0, -1]
        return Score(
            100 * float(precision[0][precision[0] > -1].mean()),
            100 * float(precision[precision > -1].mean()),
        )

    def _score_as_val(self, photos: Photos, found: Sequence[Detections]) -> Score:
        """Our boxes by the matching and the curve of ultralytics."""
        import torch
        from ultralytics.models.yolo.detect import DetectionValidator
        from ultralytics.utils.metrics import ap_per_class, box_iou

        validator = DetectionValidator(args={"model": "none", "plots": False})
        numbers = {name: number for number, name in enumerate(self._names)}
        right, sure, said, there = [], [], [], []
        for scene, labels, one in zip(photos.scenes, photos.labels, found, strict=True):
            classes = torch.tensor([numbers[label] for label in one.labels])
            wanted = torch.from_numpy(labels.boxes * np.tile(scene.size, 2)).float()
            overlaps = box_iou(wanted, torch.from_numpy(one.boxes.copy()))
            matched = validator.match_predictions(
                classes, torch.from_numpy(labels.classes), overlaps
            )
            right.append(matched.numpy())
            sure.append(one.confidences)
            said.append(classes.numpy())
            there.append(labels.classes)
        precisions = ap_per_class(*(np.concatenate(x) for x in (right, sure, said, there)))[5]
        return Score(100 * float(precisions[:, 0].mean()), 100 * float(precisions.mean()))

    def _dataset(self, photos: Photos, name: str) -> Path:
        """Photos and labels as ``val`` wants them."""
        folder = self._folder / name
        (folder / "images").mkdir(parents=True)
        (folder / "labels").mkdir()
        for path, labels in zip(photos.paths, photos.labels, strict=True):
            (folder / "images" / path.name).symlink_to(path.absolute())
            text = yolo_lines(labels, outlines=self._yolo.task == "segment")
            (folder / "labels" / f"{path.stem}.txt").write_text(text)
        data = {"train": "images", "val": "images", "names": dict(enumerate(self._names))}
        (folder / "data.yaml").write_text(json.dumps(data))
        return folder / "data.yaml"

    def _val(self, data: Path, **more: Any) -> dict[str, Score]:
        """What ultralytics says of the same photos and labels, with its own settings."""
        with contextlib.redirect_stdout(sys.stderr):
            said = _yolo(self._weights).val(
                data=str(data),
                device="cpu",
                workers=0,
                plots=False,
                verbose=False,
                project=str(self._folder),
                **more,
            )
        parts = {"box": said.box, "seg": getattr(said, "seg", said.box)}
        return {
            key: Score(100 * float(part.map50), 100 * float(part.map))
            for key, part in parts.items()
        }


@contextlib.contextmanager
def _one_class_a_box() -> Iterator[None]:
    """``val`` counts a box once for each class it may be; this makes it do as ``predict`` does."""
    from ultralytics.utils import nms

    original = nms.non_max_suppression

    def best_class_only(*arguments: Any, **more: Any) -> Any:
        return original(*arguments, **more | {"multi_label": False})

    with mock.patch.object(nms, "non_max_suppression", best_class_only):
        yield


def _results(exported: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """The annotations of an export, with the numbers that the truth gives its labels."""
    data = json.loads(exported.read_text(encoding="utf-8"))
    numbers = {name: number for number, name in enumerate(names, 1)}
    by_id = {one["id"]: numbers[one["name"]] for one in data["categories"]}
    return [one | {"category_id": by_id[one["category_id"]]} for one in data["annotations"]]


def _row(path: Path, scene: Scene, found: Detections, *, masks: bool) -> TagRow:
    width, height = scene.size
    objects = []
    for i, label in enumerate(found.labels):
        x1, y1, x2, y2 = (float(side) for side in found.boxes[i])
        box, mask = (x1, y1, x2, y2), found.masks[i]
        one = TaggedObject(
            f"object:{i}", box, label, float(found.confidences[i]), 0.0, "", (), (), ""
        )
        if masks and mask is not None:
            one = dataclasses.replace(one, mask=encode_mask(mask, box, scene.size))
        objects.append(one)
    return TagRow(str(path), scene.sha256, width, height, objects=tuple(objects))


def _first(found: Detections, count: int) -> Detections:
    return found.take(range(min(count, len(found))))


def _detections(regions: Sequence[Region]) -> Detections:
    if not regions:
        return Detections.empty()
    return Detections(
        np.array([region.box for region in regions], np.float32),
        np.array([region.confidence for region in regions], np.float32),
        tuple(str(region.label) for region in regions),
        tuple(region.mask for region in regions),
    )


def _quiet(settings: Settings) -> None:
    """No network, and what ultralytics says goes to standard error, so that --json stays JSON."""
    os.environ.setdefault("YOLO_CONFIG_DIR", str(settings.cache_dir / "ultralytics"))
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    with contextlib.redirect_stdout(sys.stderr):
        import ultralytics  # noqa: F401
    logging.getLogger("ultralytics").setLevel(logging.ERROR)


def _yolo(weights: Weights) -> Any:
    from ultralytics import YOLO

    return YOLO(str(weights.path))


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("images", type=Path, help="folder of photos")
    made.add_argument("labels", type=Path, help="folder of their boxes as YOLO label files")
    made.add_argument("--outlines", type=Path, help="folder of outlines, for masks")
    made.add_argument(
        "--coco-ids", action="store_true", help="the outlines' classes are COCO's, 1 to 90"
    )
    made.add_argument("--models", nargs="+", default=["yolo26n", "yolov8n-seg"])
    made.add_argument("--config", default="cpu-small", help="whose choices are measured")
    made.add_argument("--limit", type=int, help="only the first photos")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Figures of a home detector: on rendered rooms, and on real photos with COCO's boxes.

``python -m tools.starter.measure --model W --views DIR`` or ``--coco DIR``.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.starter.classes import NAMES
from tools.starter.dataset import pixels

LEAST = 0.003
"""Of a picture: what covers less is no truth, as in the rooms of the sample."""
FURNITURE = {56: ("chair", "stool"), 57: ("couch",), 59: ("bed",), 60: ("table",)}
"""COCO's number of a class to our names for it; COCO counts stools among chairs."""
_KINDS = {
    "sofa": "couch", "armchair": "chair", "chair": "chair", "chaise longue": "chair",
    "stool": "stool", "pouffe": "stool", "table": "table", "coffee table": "table",
    "desk": "table", "bed": "bed", "bedside table": "cabinet", "bookcase": "shelf",
    "shelf": "shelf", "lamp": "lamp", "plant": "potted plant", "vase": "vase", "clock": "clock",
    "television": "tv", "piano": "piano", "storage box": "box", "waste bin": "box",
    "toy": "accessory", "decoration": "accessory", "fan": "accessory", "speaker": "accessory",
    "guitar": "accessory",
}  # fmt: skip
"""Categories of the sample's catalogue to our classes."""

Truth = tuple[Path, list[tuple[str, np.ndarray]]]
"""A photo, and kind and mask of what is in it."""


def views(folder: Path) -> list[Truth]:
    """The truth that ``tools.render.views`` wrote."""
    return [
        (folder / view["image"], _things(view["objects"], "kind"))
        for file in sorted((folder / "truth").glob("*.json"))
        for view in json.loads(file.read_text(encoding="utf-8"))["views"]
    ]


def sample(folder: Path, coco: str = "rooms.coco.json") -> list[Truth]:
    """The truth of the sample's rooms, in our classes."""
    content = json.loads((folder / coco).read_text(encoding="utf-8"))
    names = {one["id"]: _KINDS[one["name"]] for one in content["categories"]}
    return [
        (
            folder / image["file_name"],
            [
                (names[one["category_id"]], pixels(one["segmentation"]))
                for one in content["annotations"]
                if one["image_id"] == image["id"]
            ],
        )
        for image in content["images"]
    ]


def _things(objects: Sequence[Mapping[str, Any]], key: str) -> list[tuple[str, np.ndarray]]:
    found = [(str(one[key]), pixels(one["segmentation"])) for one in objects]
    return [(kind, mask) for kind, mask in found if mask.mean() >= LEAST]


def rooms(model: Any, truths: Sequence[Truth], *, side: int) -> dict[str, Any]:
    """mAP50 and mAP50-95 of boxes and masks by pycocotools, over classes that are in the truth."""
    import warnings

    from PIL import Image
    from pycocotools import mask as run_lengths
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    warnings.filterwarnings("ignore", "__array__", DeprecationWarning)
    images, annotations, boxes = [], [], []
    for number, (photo, things) in enumerate(truths, 1):
        with Image.open(photo) as opened:
            image = opened.convert("RGB")
        images.append({"id": number, "width": image.width, "height": image.height})
        for kind, mask in things:
            runs = run_lengths.encode(np.asfortranarray(mask, np.uint8))
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": NAMES.index(kind),
                    "bbox": run_lengths.toBbox(runs).tolist(),
                    "area": float(mask.sum()),
                    "iscrowd": 0,
                    "segmentation": runs,
                }
            )
        found = model.predict(image, conf=0.01, imgsz=side, retina_masks=True, verbose=False)[0]
        if found.masks is None:
            continue
        for box, mask in zip(found.boxes, found.masks.data.numpy(), strict=True):
            x1, y1, x2, y2 = box.xyxy[0].tolist()
            boxes.append(
                {
                    "image_id": number,
                    "category_id": int(box.cls),
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "segmentation": run_lengths.encode(np.asfortranarray(mask > 0.5, np.uint8)),
                    "score": float(box.conf),
                }
            )
    truth = COCO()
    truth.dataset = {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": i, "name": name} for i, name in enumerate(NAMES)],
    }
    truth.createIndex()
    figures: dict[str, Any] = {"photos": len(images), "objects": len(annotations)}
    for what in ("bbox", "segm"):
        judged = COCOeval(truth, _results(truth, boxes), what)
        judged.evaluate()
        judged.accumulate()
        table = judged.eval["precision"][:, :, :, 0, -1]  # thresholds, recalls, classes
        by_class = {
            name: round(float(table[0, :, i].mean()), 3)
            for i, name in enumerate(NAMES)
            if table[0, 0, i] > -1
        }
        figures[what] = {
            "mAP50": round(float(np.mean(list(by_class.values()))), 3),
            "mAP50-95": round(float(table[table > -1].mean()), 3),
            "AP50 by class": by_class,
        }
    return figures


def _results(truth: Any, boxes: Sequence[dict[str, Any]]) -> Any:
    """What ``loadRes`` makes, without its taking masks for boxes."""
    from pycocotools.coco import COCO

    result = COCO()
    result.dataset = {
        "images": truth.dataset["images"],
        "categories": truth.dataset["categories"],
        "annotations": [
            {**box, "id": i, "area": box["bbox"][2] * box["bbox"][3], "iscrowd": 0}
            for i, box in enumerate(boxes, 1)
        ],
    }
    result.createIndex()
    return result


def found_share(
    model: Any,
    folder: Path,
    *,
    side: int,
    confidences: Sequence[float] = (0.05, 0.07, 0.1, 0.15, 0.25),
) -> dict[str, Any]:
    """Share of COCO's furniture boxes with one of ours at IoU 0.5, of any and of the same class.

    ``folder`` holds ``images`` and YOLO's ``object_detection/labels``.
    """
    from PIL import Image

    photos = {path.stem: path for path in (folder / "images").rglob("*.jpg")}
    # a detector of another vocabulary calls a table a dining table
    ours = {name: name.lower().replace("dining table", "table") for name in model.names.values()}
    hits: dict[float, list[tuple[str, bool, bool]]] = {c: [] for c in confidences}
    for file in sorted((folder / "object_detection").rglob("*.txt")):
        rows = [line.split() for line in file.read_text(encoding="utf-8").splitlines() if line]
        wanted = [(int(r[0]), np.array(r[1:5], float)) for r in rows if int(r[0]) in FURNITURE]
        if not wanted or file.stem not in photos:
            continue
        with Image.open(photos[file.stem]) as opened:
            image = opened.convert("RGB")
        size = np.array([*image.size, *image.size])
        found = model.predict(image, conf=min(confidences), imgsz=side, verbose=False)[0].boxes
        corners, scores = found.xyxy.numpy(), found.conf.numpy()
        names = [ours[model.names[int(c)]] for c in found.cls]
        for number, (x, y, w, h) in wanted:
            box = np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2]) * size
            close = _iou(box, corners) >= 0.5
            same = np.array([name in FURNITURE[number] for name in names], bool)
            for least in confidences:
                sure = close & (scores >= least)
                hits[least].append((FURNITURE[number][0], sure.any(), (sure & same).any()))
    return {
        f"confidence {least}": {
            "boxes": len(rows_),
            "found": round(float(np.mean([r[1] for r in rows_])), 3),
            "found as their class": round(float(np.mean([r[2] for r in rows_])), 3),
            "by class": {
                kind: f"{sum(r[2] for r in rows_ if r[0] == kind)}/"
                f"{sum(r[0] == kind for r in rows_)}"
                for kind in sorted({r[0] for r in rows_})
            },
        }
        for least, rows_ in hits.items()
    }


def _iou(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    if not len(others):
        return np.zeros(0)
    low = np.maximum(box[:2], others[:, :2])
    high = np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    whole: np.ndarray = (others[:, 2:] - others[:, :2]).prod(axis=1)
    result: np.ndarray = shared / (whole + (box[2:] - box[:2]).prod() - shared)
    return result


def main() -> None:
    """Measure, and print JSON."""
    from ultralytics import YOLO

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True, help=".pt or .onnx")
    parser.add_argument("--views", type=Path, help="rooms of tools.render.views")
    parser.add_argument("--sample", type=Path, help="rooms of tools.render.make")
    parser.add_argument("--coco", type=Path, help="real photos with COCO's boxes")
    parser.add_argument("--side", type=int, default=512)
    wanted = parser.parse_args()
    task = "segment" if wanted.model.endswith(".onnx") else None
    figures: dict[str, Any] = {}
    model = YOLO(wanted.model, task=task)
    if wanted.views:
        figures["views"] = rooms(model, views(wanted.views), side=wanted.side)
    if wanted.sample:
        figures["sample"] = rooms(model, sample(wanted.sample), side=wanted.side)
    if wanted.coco:
        figures["coco"] = found_share(model, wanted.coco, side=wanted.side)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

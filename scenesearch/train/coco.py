"""COCO JSON to the folders of images and text files that ultralytics trains on."""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError

DATA = "data.yaml"
CROWDS = 0.05
"""Above this share of the annotations, masks marked as crowds are objects: CVAT, datumaro and
supervision mark every run length so. Of COCO's own annotations 1.2 % are crowds."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """What was written.

    Attributes:
        yaml: ultralytics' description of it.
        train: photos to train on, and ``held_out`` to measure on.
        boxes: of all photos.
        skipped: annotations that are crowds, or have no area.
        kept: masks that are marked as crowds, as some tools mark every mask, and were kept.
    """

    yaml: Path
    train: int
    held_out: int
    boxes: int
    skipped: int
    kept: int


def write_dataset(
    coco: Path,
    folder: Path,
    *,
    image_root: Path | None = None,
    masks: bool,
    holdout: float,
    seed: int,
) -> Dataset:
    """Write a COCO file as a data set of ultralytics, in a folder that is made anew.

    Args:
        coco: JSON with ``images``, ``categories`` and ``annotations``.
        folder: of the data set; images are linked into it, or copied where links are refused.
        image_root: where file names start; the JSON's folder.
        masks: write outlines, for a segmentation model, instead of boxes.
        holdout: share of the photos that is only measured on; at least one photo either way.
            With 0 the measure is on the training photos.
        seed: of the choice.

    Raises:
        CatalogError: the file is not COCO JSON, a photo is missing, or an annotation has no
            outline and ``masks`` is set.
    """
    images, names, annotations = _read(coco)
    if not 0 <= holdout < 1:
        raise CatalogError(f"holdout is a share of 0 to 1, got {holdout}")
    if len(images) < 2:
        raise CatalogError(f"{coco}: {len(images)} photo with annotations: expected at least 2")
    root = image_root or coco.parent
    order = sorted(images, key=lambda i: hashlib.sha256(f"{seed}:{i}".encode()).hexdigest())
    count = min(max(round(holdout * len(order)), 1), len(order) - 1) if holdout else 0
    held_out = frozenset(order[:count])
    shutil.rmtree(folder, ignore_errors=True)
    everything = [one for some in annotations.values() for one in some]
    marked = sum(map(_is_marked, everything))
    crowds = marked <= CROWDS * len(everything)
    boxes = skipped = 0
    numbers = {category: number for number, category in enumerate(names)}
    for key, image in images.items():
        part = "val" if key in held_out else "train"
        found = [
            None
            if _is_crowd(one) and (crowds or not _is_marked(one))
            else _line(one, image, numbers, coco, masks=masks)
            for one in annotations.get(key, ())
        ]
        lines = [line for line in found if line is not None]
        boxes += len(lines)
        skipped += len(found) - len(lines)
        source = root / str(image["file_name"])
        if not source.is_file():
            raise CatalogError(f"{coco}: the photo {source} is missing; give --image-root")
        # two photos of one name in two folders stay two
        name = f"{len(str(key))}-{key}-{source.stem}"
        _place(source, folder / "images" / part / f"{name}{source.suffix.lower()}")
        labels = folder / "labels" / part / f"{name}.txt"
        labels.parent.mkdir(parents=True, exist_ok=True)
        labels.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    import yaml

    description = {
        "path": str(folder.resolve()),
        "train": "images/train",
        "val": "images/val" if count else "images/train",
        "names": {number: names[category] for category, number in numbers.items()},
    }
    (folder / DATA).write_text(yaml.safe_dump(description, sort_keys=False), encoding="utf-8")
    kept = 0 if crowds else marked
    return Dataset(folder / DATA, len(images) - count, count, boxes, skipped, kept)


def _read(
    coco: Path,
) -> tuple[dict[Any, Mapping[str, Any]], dict[Any, str], dict[Any, list[Mapping[str, Any]]]]:
    """Images that have annotations by id, category names by id, annotations by image."""
    try:
        content = json.loads(coco.read_text(encoding="utf-8-sig"))
        images = {image["id"]: image for image in content["images"]}
        names = {one["id"]: str(one["name"]) for one in content["categories"]}
        annotations: dict[Any, list[Mapping[str, Any]]] = {}
        for one in content["annotations"]:
            _ = one["bbox"], names[one["category_id"]], images[one["image_id"]]["file_name"]
            annotations.setdefault(one["image_id"], []).append(one)
        sizes = [(float(i["width"]), float(i["height"])) for i in images.values()]
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise CatalogError(
            f"{coco}: not COCO JSON: {error!r}; expected images (id, file_name, width, height), "
            f"categories (id, name) and annotations (image_id, category_id, bbox)"
        ) from error
    if any(not (width > 0 and height > 0) for width, height in sizes):
        raise CatalogError(f"{coco}: a photo has no width or no height; expected pixels")
    return {key: image for key, image in images.items() if key in annotations}, names, annotations


def _is_crowd(annotation: Mapping[str, Any]) -> bool:
    return bool(annotation.get("iscrowd"))


def _is_marked(annotation: Mapping[str, Any]) -> bool:
    """Whether it is a mask that is marked as a crowd, and may be none."""
    return _is_crowd(annotation) and isinstance(annotation.get("segmentation"), Mapping)


def _line(
    annotation: Mapping[str, Any],
    image: Mapping[str, Any],
    numbers: Mapping[Any, int],
    coco: Path,
    *,
    masks: bool,
) -> str | None:
    """One line of a label file; None for what has no area."""
    size = np.array([float(image["width"]), float(image["height"])])
    try:
        x, y, width, height = (float(side) for side in annotation["bbox"])
    except (TypeError, ValueError) as error:
        raise CatalogError(
            f"{coco}: annotation {annotation.get('id')}: expected bbox [x, y, width, height], got "
            f"{annotation['bbox']!r}"
        ) from error
    if width <= 0 or height <= 0:
        return None
    number = numbers[annotation["category_id"]]
    if not masks:
        centre = np.array([x + width / 2, y + height / 2]) / size
        return " ".join(map(_text, (number, *centre, width / size[0], height / size[1])))
    outline = _outline(annotation.get("segmentation"))
    if outline is None:
        raise CatalogError(
            f"{coco}: annotation {annotation.get('id')} has no outline, which a segmentation "
            f"model is trained on; give its segmentation, or a model that only finds boxes "
            f"(--model yolo26n.yaml)"
        )
    points = np.clip(outline / size, 0, 1).ravel()
    return " ".join(map(_text, (number, *points)))


def _text(value: float) -> str:
    return f"{value:.6g}"


def _outline(segmentation: Any) -> NDArray[np.float64] | None:
    """The largest part of polygons or run lengths, shape (n, 2) in pixels; None without one."""
    if isinstance(segmentation, Mapping):
        return _traced(segmentation)
    if not isinstance(segmentation, Sequence) or isinstance(segmentation, str):
        return None
    parts = [np.asarray(p, np.float64).reshape(-1, 2) for p in segmentation if len(p) >= 6]
    return max(parts, key=_area) if parts else None


def _area(points: NDArray[np.float64]) -> float:
    """Of a polygon, by the shoelace formula."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2)


def _traced(runs: Mapping[str, Any]) -> NDArray[np.float64] | None:
    import cv2
    from pycocotools import mask as run_lengths

    height, width = runs["size"]
    whole = runs
    if isinstance(runs["counts"], list):
        whole = run_lengths.frPyObjects(dict(runs), height, width)
    with warnings.catch_warnings():
        # pycocotools 2.0.11 is behind numpy's array protocol; the pixels are right
        warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
        pixels = np.ascontiguousarray(run_lengths.decode(dict(whole)))
    found, _ = cv2.findContours(pixels, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    parts = [cv2.approxPolyDP(part, 1.0, True)[:, 0, :].astype(np.float64) for part in found]
    parts = [part + 0.5 for part in parts if len(part) >= 3]  # centres of pixels
    return max(parts, key=_area) if parts else None


def _place(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        target.symlink_to(source.resolve())
    except OSError:  # a system, or a disk, without links
        shutil.copyfile(source, target)

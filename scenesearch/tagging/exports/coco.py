"""Tagging rows as one COCO JSON file: https://cocodataset.org/#format-data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scenesearch.tagging.exports.files import dump, spool, spooled, whole_file
from scenesearch.tagging.masks import mask_area
from scenesearch.tagging.rows import TaggedObject, TagRow


def write_coco(path: Path, rows: Iterable[TagRow]) -> None:
    """Photos, objects and labels, numbered from 1; labels are numbered in alphabetical order.

    Args:
        path: of the JSON file.
        rows: without errors; read once. Photos go straight to the file, objects by way of a
            spool on the same disk.

    Raises:
        NoSpaceError: the disk is full.
    """
    labels: set[str] = set()
    with whole_file(path) as file, spool(path.resolve().parent) as aside:
        file.write('{"info": {"description": "Tagged by scenesearch"}, "licenses": [],\n')
        file.write('"images": [')
        for image_id, row in enumerate(rows, 1):
            image = {"file_name": row.source, "width": row.width, "height": row.height}
            file.write(_separator(image_id) + dump({"id": image_id, **image}))
            for one in row.objects:
                labels.add(one.label)
                aside.write(dump([one.label, _annotation(image_id, one)]) + "\n")
        numbers = {label: number for number, label in enumerate(sorted(labels), 1)}
        file.write('\n],\n"annotations": [')
        for annotation_id, (label, annotation) in enumerate(spooled(aside), 1):
            ids = {"id": annotation_id, "category_id": numbers[label]}
            file.write(_separator(annotation_id) + dump(ids | annotation))
        file.write('\n],\n"categories": [')
        for label, number in numbers.items():
            file.write(_separator(number) + dump({"id": number, "name": label}))
        file.write("\n]}\n")


def _annotation(image_id: int, one: TaggedObject) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(side) for side in one.box)
    made = {
        "image_id": image_id,
        "bbox": [round(value, 2) for value in (x1, y1, x2 - x1, y2 - y1)],
        "area": round((x2 - x1) * (y2 - y1), 2),
        "iscrowd": 0,
        "score": round(float(one.confidence), 6),
    }
    if one.mask is not None:
        made |= {"area": mask_area(one.mask), "segmentation": dict(one.mask)}
    return made


def _separator(number: int) -> str:
    return "\n" if number == 1 else ",\n"

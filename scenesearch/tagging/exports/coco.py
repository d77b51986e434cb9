"""Tagging rows as one COCO JSON file: https://cocodataset.org/#format-data.

A file in a folder called ``annotations`` is part of a data set as CVAT and datumaro read it: those
take no absolute path, so the photos are linked into the folder ``images`` beside it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from scenesearch.tagging.exports.files import dump, spool, spooled, whole_file
from scenesearch.tagging.exports.links import link_photo, names_for
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
    images = _images(path)
    with whole_file(path) as file, spool(path.resolve().parent) as aside:
        file.write('{"info": {"description": "Tagged by scenesearch"}, "licenses": [],\n')
        file.write('"images": [')
        for image_id, row in enumerate(rows, 1):
            image = {"file_name": row.source, "width": row.width, "height": row.height}
            if images is not None:
                image |= {"file_name": _linked(images, row.source), "source": row.source}
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


def _images(path: Path) -> Path | None:
    """Where the photos of a data set are linked; None for a file that stands alone."""
    folder = path.resolve().parent
    if folder.name != "annotations":
        return None
    images = folder.parent / "images"
    images.mkdir(exist_ok=True)
    return images


def _linked(images: Path, source: str) -> str:
    """The name of a photo in the data set; one from elsewhere has to be put there under it."""
    names = names_for(source)
    while True:
        name = next(names)
        with contextlib.suppress(FileExistsError):
            link = link_photo(images, name, source, hard=True)
            # without a link nothing tells that the name is free: the digest does
            return f"{next(names)}{Path(source).suffix}" if link is None else link.name


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

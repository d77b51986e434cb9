"""Tagging rows as Label Studio tasks with predictions: https://labelstud.io/guide/predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from scenesearch.tagging.exports.files import dump, local_path, whole_file
from scenesearch.tagging.rows import TaggedObject, TagRow

_LOCAL = "/data/local-files/?d="
"""Where Label Studio serves files of its own machine from, relative to its document root."""


def write_label_studio(path: Path, rows: Iterable[TagRow]) -> None:
    """One task a photo, with its boxes as predictions of a ``RectangleLabels`` control.

    Args:
        path: of the JSON file.
        rows: without errors; read once, written as they come.

    Raises:
        NoSpaceError: the disk is full.
    """
    with whole_file(path) as file:
        file.write("[")
        for number, row in enumerate(rows):
            file.write((",\n" if number else "\n") + dump(_task(row)))
        file.write("\n]\n")


def image_address(source: str) -> str:
    """What Label Studio opens: addresses as they are, files as its local storage serves them.

    >>> image_address("s3://shop/a b.jpg")
    's3://shop/a b.jpg'
    >>> image_address("/photos/a b.jpg")
    '/data/local-files/?d=photos/a%20b.jpg'
    """
    path = local_path(source)
    return source if path is None else _LOCAL + quote(path.as_posix().lstrip("/"))


def _task(row: TagRow) -> dict[str, Any]:
    version = hashlib.sha256(row.models.encode()).hexdigest()[:12]
    prediction: dict[str, Any] = {
        "model_version": f"scenesearch-{version}",
        "result": [_result(row, one) for one in row.objects],
    }
    if row.objects:
        # of the prediction: what Label Studio sorts tasks by
        prediction["score"] = round(max(one.confidence for one in row.objects), 4)
    return {
        "data": {"image": image_address(row.source), "source": row.source},
        "predictions": [prediction],
    }


def _result(row: TagRow, one: TaggedObject) -> dict[str, Any]:
    x1, x2 = (_percent(value, row.width) for value in one.box[0::2])
    y1, y2 = (_percent(value, row.height) for value in one.box[1::2])
    return {
        "id": one.key.replace(":", "-"),
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": row.width,
        "original_height": row.height,
        "image_rotation": 0,
        "score": round(one.confidence, 4),
        "value": {
            "x": x1,
            "y": y1,
            "width": round(x2 - x1, 4),
            "height": round(y2 - y1, 4),
            "rotation": 0,
            "rectanglelabels": [one.label],
        },
    }


def _percent(value: float, side: int) -> float:
    return round(100 * min(max(float(value) / side, 0.0), 1.0), 4)

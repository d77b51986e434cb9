"""The classes of the home detector, and which of COCO's each one starts from."""

from __future__ import annotations

ORIGINS: dict[str, str | None] = {
    "chair": "chair",
    "couch": "couch",
    "bed": "bed",
    "table": "dining table",
    "potted plant": "potted plant",
    "vase": "vase",
    "tv": "tv",
    "clock": "clock",
    "laptop": "laptop",
    "refrigerator": "refrigerator",
    "oven": "oven",
    "sink": "sink",
    "toilet": "toilet",
    "stool": "chair",
    "accessory": "teddy bear",
    "box": "suitcase",
    "washing machine": "oven",
    "lamp": None,
    "cabinet": None,
    "shelf": None,
    "rug": None,
    "picture": None,
    "piano": None,
}
"""Name to the COCO class whose row of the head it starts from; None: a new row."""

NAMES: tuple[str, ...] = tuple(ORIGINS)

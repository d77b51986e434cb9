"""The truth that ``tools.render.views`` writes, as a data set of ultralytics with outlines.

``python -m tools.starter.dataset --views DIR --out DIR``
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tools.starter.classes import NAMES

VAL_SHARE = 0.06
"""Of the training rooms, to follow the training by; no test figure comes from them."""


def pixels(runs: Mapping[str, Any]) -> np.ndarray:
    """Uncompressed COCO run lengths to a mask; shape (height, width), bool."""
    height, width = runs["size"]
    counts = np.asarray(runs["counts"], np.int64)
    values = np.arange(len(counts)) % 2 == 1
    mask: np.ndarray = np.repeat(values, counts).reshape(width, height).T
    return mask


def outline(mask: np.ndarray) -> np.ndarray | None:
    """One outline around all parts of a mask, joined where they are nearest; (n, 2) in pixels.

    None where no part is large enough to have one.
    """
    import cv2
    from ultralytics.data.converter import merge_multi_segment

    found, _ = cv2.findContours(
        np.ascontiguousarray(mask, np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    areas = [cv2.contourArea(part) for part in found]
    least = max(4.0, 0.01 * max(areas, default=0.0))
    parts = [
        cv2.approxPolyDP(part, 0.8, True)[:, 0, :] + 0.5
        for part, area in zip(found, areas, strict=True)
        if area >= least
    ]
    parts = [part for part in parts if len(part) >= 3]
    if not parts:
        return None
    if len(parts) == 1:
        return np.asarray(parts[0], np.float64)
    merged = merge_multi_segment([part.ravel().tolist() for part in parts])
    return np.concatenate(merged, axis=0).reshape(-1, 2)


def label_lines(objects: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line of the label file for each object: its class, and its outline as shares."""
    lines = []
    for one in objects:
        mask = pixels(one["segmentation"])
        points = outline(mask)
        if points is None:
            continue
        height, width = mask.shape
        flat = np.clip(points / (width, height), 0, 1).ravel()
        lines.append(f"{NAMES.index(one['kind'])} " + " ".join(f"{v:.5g}" for v in flat))
    return lines


def write(views: Path, out: Path, *, val_share: float = VAL_SHARE) -> dict[str, int]:
    """Write labels and links to the photos; give the number of photos of each part.

    What is there is kept, so photos can be added while a folder is in use.
    """
    import yaml

    counts = {"train": 0, "val": 0}
    for truth in sorted((views / "truth").glob("*.json")):
        draw = int.from_bytes(hashlib.sha256(truth.stem.encode()).digest()[:4], "big") / 2**32
        part = "val" if draw < val_share else "train"
        for view in json.loads(truth.read_text(encoding="utf-8"))["views"]:
            photo = views / view["image"]
            lines = label_lines(view["objects"])
            if not lines:
                continue
            counts[part] += 1
            link = out / "images" / part / photo.name
            if link.is_symlink():
                continue
            link.parent.mkdir(parents=True, exist_ok=True)
            labels = out / "labels" / part / f"{photo.stem}.txt"
            labels.parent.mkdir(parents=True, exist_ok=True)
            labels.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            link.symlink_to(photo.resolve())
    described = {
        "path": str(out.resolve()),
        "train": "images/train",
        "val": "images/val" if counts["val"] else "images/train",
        "names": dict(enumerate(NAMES)),
    }
    (out / "data.yaml").write_text(yaml.safe_dump(described, sort_keys=False), encoding="utf-8")
    return counts


def main() -> None:
    """Write the data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--views", type=Path, required=True, help="what tools.render.views wrote")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--val-share", type=float, default=VAL_SHARE)
    wanted = parser.parse_args()
    print(write(wanted.views, wanted.out, val_share=wanted.val_share))


if __name__ == "__main__":
    main()

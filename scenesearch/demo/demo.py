"""The demo: index the sample catalogue, search the sample rooms, save what was found.

The sample is part of the package: rendered furniture, and rooms whose products are known, so the
demo can also say how often it is right.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch.api import SceneSearch
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.boxes import box_tuple
from scenesearch.core.errors import ModelNotFoundError
from scenesearch.core.types import BoxTuple
from scenesearch.images.geometry import iou
from scenesearch.index.run import Progress
from scenesearch.look.look import Look
from scenesearch.system.resources import resource_dir

RIGHT_WITHIN = 5
"""A region is right when its product is among this many of its matches."""
COVERS = 0.5
"""Intersection over union from which a region is about an object."""


@dataclass(frozen=True, slots=True)
class Room:
    """One sample room and what was found in it.

    Attributes:
        right: objects whose product is among the first matches of their region.
        objects: objects whose product is known, found by the detector or not.
    """

    name: str
    look: Look
    right: int
    objects: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Demo:
    """What the demo did.

    Attributes:
        own_boxes: the rooms were searched by the boxes that came with them, because the profile
            has no detector.
    """

    rooms: tuple[Room, ...]
    products: int
    own_boxes: bool
    page: Path

    @property
    def share_right(self) -> float:
        """Share of the objects that are right, 0 to 1."""
        return sum(r.right for r in self.rooms) / max(sum(r.objects for r in self.rooms), 1)


def demo_settings(config: str | None = None) -> Settings:
    """The settings of the demo.

    With no configuration named: ``cpu-small`` where its detector's weights are on this machine,
    ``offline`` otherwise.
    """
    from scenesearch.wiring import Parts

    if config is not None:
        return load_settings(config)
    # few photos: a projection fitted on them would say more about them than about furniture
    settings = load_settings("cpu-small", cutout={"matting": "never"})
    try:
        _ = Parts(settings).detector
    except ModelNotFoundError:
        return load_settings("offline")
    return settings


def run_demo(
    out: Path, store: Path, *, config: str | None = None, progress: Progress | None = None
) -> Demo:
    """Index, search, save.

    Args:
        out: where pictures and pages go.
        store: where the embedded store goes.
        config: a profile; see :func:`demo_settings`.
        progress: called with (stage, done, total).

    Raises:
        ModelError: the embedder's weights are not on this machine.
    """
    sample = resource_dir("sample")
    settings = demo_settings(config)
    detected = bool(settings.detectors)
    scenes = [
        json.loads(line)
        for line in (sample / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    out.mkdir(parents=True, exist_ok=True)
    rooms = []
    with SceneSearch(store, collection="sample", config=settings) as shop:
        shop.index(sample / "catalog.csv", progress=progress)
        products = len({r.payload["item_id"] for r in shop.store.scroll(limit=5000)})
        for number, scene in enumerate(scenes, 1):
            rooms.append(_room(shop, sample, scene, out, detected=detected))
            if progress is not None:
                progress("demo", number, len(scenes))
    page = out / "index.html"
    page.write_text(_page(rooms), encoding="utf-8")
    return Demo(tuple(rooms), products, not detected, page)


def _room(
    shop: SceneSearch, sample: Path, scene: Mapping[str, Any], out: Path, *, detected: bool
) -> Room:
    known: list[tuple[str, BoxTuple]] = [
        (str(one["item"]), box_tuple(one["box"])) for one in scene["boxes"]
    ]
    photo = sample / str(scene["image"])
    boxes = () if detected else tuple(box for _, box in known)
    look = shop.shop_the_look(photo, boxes=boxes, limit=12, per_region=RIGHT_WITHIN)
    right = sum(place is not None for place in places(look, known))
    files = tuple(look.save(out / f"{photo.stem}{suffix}") for suffix in (".png", ".html"))
    return Room(photo.stem, look, right, len(known), files)


def places(look: Look, known: Sequence[tuple[str, BoxTuple]]) -> list[int | None]:
    """Where each object's own product stands in the list of the region that covers it, from 0.

    Args:
        look: an answer.
        known: item id and box (pixels, xyxy) of each object.

    Returns:
        One for each object; None where no region covers it or its list lacks the product.
    """
    if not look.regions or not known:
        return [None] * len(known)
    overlaps = iou(
        np.array([box for _, box in known], np.float32),
        np.array([found.region.box for found in look.regions], np.float32),
    )
    found: list[int | None] = []
    for (item, _), row in zip(known, overlaps, strict=True):
        best = int(row.argmax())
        ids = [match.item_id for match in look.regions[best].matches]
        found.append(ids.index(item) if row[best] >= COVERS and item in ids else None)
    return found


def _page(rooms: Sequence[Room]) -> str:
    rows = "\n".join(
        f'<li><a href="{html.escape(room.name)}.html">{html.escape(room.name)}</a>: '
        f"{room.right} of {room.objects} objects found"
        f'<br><a href="{html.escape(room.name)}.html">'
        f'<img src="{html.escape(room.name)}.png" alt="{html.escape(room.name)}"></a></li>'
        for room in rooms
    )
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>scenesearch demo</title>"
        "<style>body{font:16px system-ui;margin:2rem;max-width:60rem}"
        "img{max-width:100%;border:1px solid #ccc}li{margin:1rem 0}</style>"
        f"<h1>scenesearch demo</h1><ol>{rows}</ol></html>"
    )

"""Furnished rooms: one photo each, with exact boxes and masks of the products in it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from math import radians
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tools.render import blender, masks, shell
from tools.render.files import save_jpeg, save_json
from tools.render.layout import KINDS, furnish
from tools.render.plan import Piece, Placed, Plan
from tools.render.products import load
from tools.render.variants import Product

MIN_SHARE = 0.003
"""Of the picture: what is smaller is not ground truth."""
MIN_VISIBLE = 0.35
"""Of the object: what is more hidden (behind things, or outside) is not ground truth."""

SIZE_WH = (800, 600)


def name_of(index: int) -> str:
    """File name of a room's photo."""
    return f"room-{index:04d}.jpg"


def photograph(
    index: int,
    products: Sequence[Product],
    out: Path,
    *,
    libraries: Path,
    scratch: Path,
    samples: int = 32,
    seed: int = 0,
) -> bool:
    """Furnish, render and annotate a room, unless that was done; whether there was work.

    The photo goes to ``out/rooms``, the annotation, last, to ``scratch/rooms``.
    """
    record = scratch / "rooms" / f"{Path(name_of(index)).stem}.json"
    photo = out / "rooms" / name_of(index)
    if record.exists() and photo.exists():
        return False
    draw = random.Random(f"{seed}/room/{index}")
    scene = blender.fresh_scene(SIZE_WH, samples=samples, seed=index)
    kind = KINDS[index % len(KINDS)]
    by_id = {product.id: product for product in products}
    source = _Meshes(by_id, libraries, scratch)
    plan = furnish(kind, [_piece(p) for p in products], draw, source.top_of)
    things = [source.stand(scene, placed) for placed in plan.placed]
    source.discard_rest()
    shell.build(scene, plan, draw)
    _camera(scene, plan, draw)
    scene.view_settings.view_transform = "AgX"
    scene.view_settings.look = "AgX - Medium High Contrast"
    scene.view_settings.exposure = draw.uniform(-0.35, 0.1)
    scratch.mkdir(parents=True, exist_ok=True)
    raw = scratch / f"{photo.stem}.png"
    blender.render(scene, raw)
    with Image.open(raw) as picture:
        save_jpeg(picture.convert("RGB"), photo, quality=88)
    raw.unlink()
    masks.flatten(scene, things)
    numbers = masks.visible(scene, raw)
    areas = masks.whole_areas(scene, things, raw)
    objects = [
        found
        for number, (placed, area) in enumerate(zip(plan.placed, areas, strict=True), 1)
        if (found := _annotation(placed.piece.id, numbers == number, area)) is not None
    ]
    save_json({"image": name_of(index), "kind": kind, "objects": objects}, record)
    return True


def _annotation(item: str, mask: np.ndarray, whole_area: int) -> dict[str, Any] | None:
    area = int(mask.sum())
    share = area / max(whole_area, 1)
    if area < MIN_SHARE * mask.size or share < MIN_VISIBLE:
        return None
    return {
        "item": item,
        "box": list(masks.box_of(mask)),
        "area": area,
        "visible": round(min(share, 1.0), 3),
        "segmentation": masks.run_lengths(mask),
    }


def _piece(product: Product) -> Piece:
    width, depth, height = (cm / 100 for cm in product.model.size_cm)
    return Piece(product.id, product.model.role, width, depth, height)


class _Meshes:
    """The meshes of one room, each imported once, at the world's origin until it is placed."""

    def __init__(self, by_id: Mapping[str, Product], libraries: Path, scratch: Path) -> None:
        self._by_id = by_id
        self._where = (libraries, scratch)
        self._loaded: dict[str, Any] = {}
        self._used: set[str] = set()

    def top_of(self, piece: Piece, right: float, forward: float, radius: float) -> float | None:
        """See :data:`tools.render.plan.TopOf`: five rays down onto the mesh."""
        mesh = self._load(piece.id)
        heights = []
        for dx, dy in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
            start = (right + dx * radius, -forward + dy * radius, piece.height + 1.0)
            hit, where, _, _ = mesh.ray_cast(start, (0.0, 0.0, -1.0))
            if not hit:
                return None
            heights.append(where.z)
        flat = max(heights) - min(heights) < 0.008
        return max(heights) if flat and max(heights) > 0.25 else None

    def stand(self, scene: Any, placed: Placed) -> Any:
        """The piece's object where the plan has it."""
        thing = self._load(placed.piece.id)
        if placed.piece.id in self._used:
            thing = thing.copy()
            scene.collection.objects.link(thing)
        self._used.add(placed.piece.id)
        # A hair above what carries it: faces in one plane would flicker.
        thing.location = (placed.x, placed.y, placed.z + 0.001)
        thing.rotation_euler = (0.0, 0.0, radians(placed.yaw))
        return thing

    def discard_rest(self) -> None:
        """Remove what was only looked at while planning."""
        for product_id, thing in self._loaded.items():
            if product_id not in self._used:
                blender.remove(thing)

    def _load(self, product_id: str) -> Any:
        if product_id not in self._loaded:
            self._loaded[product_id] = load(self._by_id[product_id], *self._where)
        return self._loaded[product_id]


def _camera(scene: Any, plan: Plan, draw: random.Random) -> None:
    room = plan.room
    away = draw.uniform(0.9, 1.8)
    x = draw.uniform(-0.32, 0.32) * room.width
    where = (x, -away, draw.uniform(1.25, 1.65))
    # Looks at what matters, from its own side of the room.
    centre = np.mean([(p.x, p.y) for p in plan.placed] or [(0.0, room.depth / 2)], axis=0)
    target = (
        0.6 * centre[0] - 0.15 * x + draw.uniform(-0.15, 0.15),
        max(centre[1], 1.2),
        draw.uniform(0.65, 0.85),
    )
    blender.add_camera(scene, where, target, draw.uniform(26.0, 33.0))

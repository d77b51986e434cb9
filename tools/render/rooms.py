"""Furnished rooms: a plan, its products and its shell, rendered, with exact boxes and masks."""

from __future__ import annotations

import random
from collections.abc import Sequence
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

SIZE_WH = (800, 600)
MIN_SHARE, MIN_VISIBLE = 0.003, 0.35
"""Of the picture, and of the thing itself: what shows less is not ground truth."""


def render_room(
    number: int,
    products: Sequence[Product],
    out: Path,
    *,
    libraries: Path,
    scratch: Path,
    seed: int = 0,
    samples: int = 20,
) -> bool:
    """Write one room's picture and truth unless both are there; say whether work was done."""
    picture, truth = out / "rooms" / f"room-{number}.jpg", out / "rooms" / f"room-{number}.json"
    if picture.exists() and truth.exists():
        return False
    draw = random.Random(f"{seed}/{number}")
    kind = KINDS[(number - 1) % len(KINDS)]
    by_id = {product.id: product for product in products}
    plan = furnish(kind, [_piece(p) for p in products], draw, _flat_top)
    scene = blender.fresh_scene(SIZE_WH, samples=samples, seed=seed + number)
    things = [_stand(by_id[p.piece.id], p, libraries, scratch) for p in plan.placed]
    shell.build(scene, plan, draw)
    _camera(scene, plan, draw)
    raw = scratch / f"room-{number}.png"
    blender.render(scene, raw)
    with Image.open(raw) as shot:
        save_jpeg(shot.convert("RGB"), picture, quality=88)
    raw.unlink()
    masks.flatten(scene, things)
    shown = masks.visible(scene, raw)
    areas = masks.whole_areas(scene, things, raw)
    save_json({"kind": kind, "objects": _objects(plan, by_id, shown, areas)}, truth)
    return True


def _piece(product: Product) -> Piece:
    width, depth, height = (side / 100 for side in product.model.size_cm)
    return Piece(product.id, product.model.role, width, depth, height)


def _flat_top(piece: Piece, right: float, forward: float, radius: float) -> float | None:
    """The pieces that things are put on are flat all over, round ones within their circle."""
    if piece.role == "dining_table":
        reach = (right**2 + forward**2) ** 0.5 + radius
        if reach > min(piece.width, piece.depth) / 2:
            return None
    return piece.height


def _stand(product: Product, placed: Placed, libraries: Path, scratch: Path) -> Any:
    whole = load(product, libraries, scratch)
    whole.rotation_euler = (0.0, 0.0, radians(placed.yaw))
    whole.location = (placed.x, placed.y, placed.z)
    return whole


def _camera(scene: Any, plan: Plan, draw: random.Random) -> None:
    room = plan.room
    where = (draw.uniform(-0.6, 0.6), draw.uniform(-2.5, -2.0), draw.uniform(1.3, 1.55))
    target = (draw.uniform(-0.15, 0.15), room.depth * 0.6, draw.uniform(0.6, 0.75))
    blender.add_camera(scene, where, target, draw.uniform(30.0, 34.0))
    # lamps and window together burn white things out otherwise
    scene.view_settings.exposure = -0.6


def _objects(
    plan: Plan, by_id: dict[str, Product], shown: np.ndarray, areas: Sequence[int]
) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number, (placed, whole) in enumerate(zip(plan.placed, areas, strict=True), 1):
        mask = shown == number
        visible = int(mask.sum())
        if visible < MIN_SHARE * mask.size or visible < MIN_VISIBLE * max(whole, 1):
            continue
        found.append(
            {
                "item": placed.piece.id,
                "category": by_id[placed.piece.id].model.category,
                "box": list(masks.box_of(mask)),
                "area": visible,
                "visible": round(min(visible / max(whole, 1), 1.0), 3),
                "segmentation": masks.run_lengths(mask),
            }
        )
    return found

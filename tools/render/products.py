"""Product shots: one model in one colour, seen from three sides, on white."""

from __future__ import annotations

from math import cos, radians, sin
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from PIL import Image

from tools.render import blender
from tools.render.files import save_jpeg
from tools.render.materials import from_hex, paint, plain
from tools.render.models import unpack
from tools.render.variants import VIEWS, Product

_AZIMUTH = {"left": -38.0, "front": 0.0, "right": 38.0}
_HANGING = ("wall", "hanging")


def load(product: Product, libraries: Path, scratch: Path) -> Any:
    """The product as one object of the current scene, in its colour."""
    whole = blender.import_model(product.model, unpack(product.model, libraries, scratch))
    if product.paint is not None:
        paint(whole, from_hex(product.paint), product.model.recolour)
    whole.name = product.id
    return whole


def shoot(
    product: Product,
    out: Path,
    *,
    libraries: Path,
    scratch: Path,
    side_px: int = 384,
    samples: int = 12,
    seed: int = 0,
) -> int:
    """Write the shots that are not there yet; give how many those were."""
    folder = out / "products"
    wanted = [
        (view, folder / name)
        for view, name in zip(VIEWS, product.shots, strict=True)
        if not (folder / name).exists()
    ]
    if not wanted:
        return 0
    scene = blender.fresh_scene((side_px, side_px), samples=samples, seed=seed)
    scene.render.film_transparent = True
    blender.sky(scene, (1.0, 1.0, 1.0), 0.42)
    whole = load(product, libraries, scratch)
    points = blender.corners(whole)
    low, high = points.min(axis=0), points.max(axis=0)
    middle = (low + high) / 2
    reach = float(np.linalg.norm(high - low)) / 2
    stands = product.model.role not in _HANGING
    if stands:
        _shadow_floor(reach)
    for corner, share in ((np.array([-1.6, -1.8, 2.4]), 1.0), (np.array([2.2, -1.6, 1.2]), 0.45)):
        blender.add_area(
            scene,
            middle + corner * reach,
            middle,
            size_m=(2.2 * reach, 2.2 * reach),
            watts=78.0 * share * reach**2,
        )
    camera = blender.add_camera(scene, (0, -5, 1), middle, 70.0)
    flat = points.ravel().tolist()
    # A rug seen at eye height is a line, so low things are seen from further above.
    rise = 24.0 if high[2] < 0.6 * max(high[0] - low[0], high[1] - low[1]) else 15.0
    for view, path in wanted:
        azimuth, height = radians(_AZIMUTH[view]), radians(rise if stands else 6.0)
        way = np.array([sin(azimuth) * cos(height), -cos(azimuth) * cos(height), sin(height)])
        camera.location = middle + way * reach * 4
        blender.look_at(camera, middle)
        bpy.context.view_layer.update()
        fitted, _ = camera.camera_fit_coords(bpy.context.evaluated_depsgraph_get(), flat)
        # A margin of about 6 % on each side.
        camera.location = np.array(fitted) + (np.array(fitted) - middle) * 0.12
        raw = scratch / f"{path.stem}.{product.id}.png"
        blender.render(scene, raw)
        save_jpeg(_on_white(raw), path, quality=88)
        raw.unlink()
    return len(wanted)


def _shadow_floor(reach: float) -> None:
    bpy.ops.mesh.primitive_plane_add(size=reach * 30, location=(0, 0, 0))
    floor = bpy.context.active_object
    floor.data.materials.append(plain("floor", (0.9, 0.9, 0.9)))
    floor.is_shadow_catcher = True


def _on_white(path: Path) -> Image.Image:
    with Image.open(path) as shot:
        white = Image.new("RGBA", shot.size, "white")
        return Image.alpha_composite(white, shot.convert("RGBA")).convert("RGB")

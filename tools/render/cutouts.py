"""Products alone, cut out: small shots with alpha, from which training composes photos.

``python -m tools.render.cutouts --libraries DIR --out DIR``. Every model of ``broad.py``, as it is
and in two colours, from up to three sides. Finished shots are skipped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from itertools import groupby
from math import cos, radians, sin
from pathlib import Path
from random import Random

import bpy
import numpy as np

from tools.render import blender
from tools.render.broad import all_models, coloured, held_out
from tools.render.files import save_json
from tools.render.products import load
from tools.render.variants import Product

SIDES = ("left", "front", "right")
_AZIMUTH = {"left": -40.0, "front": 0.0, "right": 40.0}


def cut_out(
    product: Product,
    out: Path,
    *,
    libraries: Path,
    scratch: Path,
    side_px: int = 224,
    samples: int = 8,
    seed: int = 0,
    sides: Sequence[str] = SIDES,
) -> int:
    """Write the shots of a product that are not there; give how many those were.

    The light and the exact side are drawn for each product: no two have the same.
    """
    wanted = [side for side in sides if not (out / f"{product.id}-{side}.png").exists()]
    if not wanted:
        return 0
    draw = Random(f"{seed}/{product.id}")
    scene = blender.fresh_scene((side_px, side_px), samples=samples, seed=seed)
    scene.cycles.max_bounces = 2
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.denoising_quality = "FAST"
    scene.render.film_transparent = True
    blender.sky(scene, (1.0, 1.0, 1.0), draw.uniform(0.35, 0.6))
    try:
        whole = load(product, libraries, scratch)
    except ValueError:
        return 0  # nothing on it takes a colour
    points = blender.corners(whole)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    reach = float(np.linalg.norm(np.ptp(points, axis=0))) / 2
    for share in (1.0, 0.45):
        way = np.array([draw.uniform(-2.4, 2.4), draw.uniform(-2.2, -1.2), draw.uniform(1, 2.6)])
        blender.add_area(
            scene,
            middle + way * reach,
            middle,
            size_m=(2.2 * reach, 2.2 * reach),
            watts=draw.uniform(60, 90) * share * reach**2,
        )
    camera = blender.add_camera(scene, (0, -5, 1), middle, 60.0)
    for side in wanted:
        azimuth = radians(_AZIMUTH[side] + draw.uniform(-14, 14))
        height = radians(draw.uniform(8, 28))
        way = np.array([sin(azimuth) * cos(height), -cos(azimuth) * cos(height), sin(height)])
        camera.location = middle + way * reach * 4
        blender.look_at(camera, middle)
        bpy.context.view_layer.update()
        fitted, _ = camera.camera_fit_coords(
            bpy.context.evaluated_depsgraph_get(), points.ravel().tolist()
        )
        camera.location = np.array(fitted) + (np.array(fitted) - middle) * 0.05
        part = scratch / f"{product.id}-{side}.png"
        blender.render(scene, part)
        part.replace(out / part.name)
    return len(wanted)


def write_list(products: Sequence[Product], kept: set[str], out: Path) -> None:
    """What each product is: its fields, and whether it is kept for tests."""
    rows = [
        {
            "id": p.id,
            "kind": p.model.category,
            "role": p.model.role,
            "title": p.model.title,
            "colour": p.colour,
            "size_cm": list(p.model.size_cm),
            "model": f"{p.model.library}/{p.model.slug}",
            "test": f"{p.model.library}/{p.model.slug}" in kept,
        }
        for p in products
    ]
    save_json(rows, out / "products.json")


def main() -> None:
    """Render what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", type=Path, required=True, help="folder of the .sh3f files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/scenesearch-render"))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    wanted.scratch.mkdir(parents=True, exist_ok=True)
    wanted.out.mkdir(parents=True, exist_ok=True)
    blender.THREADS = wanted.threads
    models = all_models(wanted.libraries)
    kept = held_out(models)
    sold = coloured(models, seed=wanted.seed)
    write_list(sold, kept, wanted.out)
    # test models first: nothing can be measured without them
    sold.sort(key=lambda p: f"{p.model.library}/{p.model.slug}" not in kept)
    for model, group in groupby(sold, key=lambda p: p.model):
        start, made = time.perf_counter(), 0
        for product in group:
            made += cut_out(
                product,
                wanted.out,
                libraries=wanted.libraries,
                scratch=wanted.scratch,
                seed=wanted.seed,
                sides=wanted.sides,
            )
        if made:
            print(f"{model.slug}: {made} shots, {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Training photos: several small views of each furnished room, with masks of all that is in it.

``python -m tools.render.views --libraries DIR --out DIR --first 1 --last 200``

The room's layout is the sample's, filled further; the models are those of ``broad.py``. Looser than
:mod:`tools.render.rooms`: quick renders, other lights and cameras, and rugs and pictures have masks
too. Finished rooms are skipped, and several runs may work side by side.
"""

from __future__ import annotations

import argparse
import math
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from PIL import Image

from tools.render import blender, masks, shell
from tools.render.broad import all_models, coloured, held_out
from tools.render.files import save_jpeg, save_json
from tools.render.layout import KINDS, furnish
from tools.render.plan import WALLS, Piece, Placed, Plan
from tools.render.products import load
from tools.render.variants import Product

MIN_SHARE = 0.0015
"""Of the picture: what shows less is not labelled."""
_PARTS = {"rug": "rug", "print": "picture", "paper": "picture", "ink": "picture"}
"""Kinds of what :mod:`tools.render.shell` draws, by the names of its boxes."""
_MOST = 230
"""Masks are greys of eight bits, so there are not more parts than that."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How a view is rendered.

    Attributes:
        size_wh: pixels.
        samples: a pixel.
        views: of one room.
        exact_light: follow light over several bounces, which takes four times as long as guessing
            what comes after the first.
        even: things to add to a room whose kinds are drawn evenly, and the stock with them: of
            few kinds there are many models, and the others are seldom seen otherwise.
    """

    size_wh: tuple[int, int] = (480, 360)
    samples: int = 5
    views: int = 2
    exact_light: bool = False
    even: int = 0


@dataclass(frozen=True, slots=True)
class _Part:
    """One object of Blender's, and the thing of the truth that it belongs to."""

    part: Any
    thing: int


def render_views(
    number: int,
    products: Sequence[Product],
    out: Path,
    *,
    libraries: Path,
    scratch: Path,
    quality: Quality,
    seed: int = 0,
) -> bool:
    """Write one room's views and their truth unless that is done; say whether work was done."""
    truth = out / "truth" / f"{number:05d}.json"
    if truth.exists():
        return False
    draw = random.Random(f"{seed}/views/{number}")
    by_id = {product.id: product for product in products}
    stock = _even_stock(products, draw) if quality.even else _stock(products, draw)
    plan = _filled([_piece(p) for p in stock], draw)
    for _ in range(quality.even):
        _add_rare(plan, by_id, draw)
    scene = blender.fresh_scene(quality.size_wh, samples=quality.samples, seed=seed + number)
    if not quality.exact_light:
        _guess_light(scene, draw)
    things = _stand_all(plan, by_id, libraries, scratch)
    shell.build(scene, plan, draw)
    kinds: list[tuple[str, str]] = [
        (by_id[p.piece.id].model.category, p.piece.id) for p in plan.placed
    ]
    parts = [_Part(thing, index) for index, thing in enumerate(things)]
    parts += _shell_parts(kinds)
    parts = parts[:_MOST]
    cameras = [_aim(plan, draw) for _ in range(quality.views)]
    camera = blender.add_camera(scene, (0, -2, 1.4), (0, 1, 0.7), 30.0)
    raw = scratch / f"view-{number}.png"
    names = []
    for index, aim in enumerate(cameras):
        _point(camera, aim)
        _light(scene, draw)
        blender.render(scene, raw)
        names.append(f"images/{number:05d}-{index}.jpg")
        with Image.open(raw) as shot:
            save_jpeg(shot.convert("RGB"), out / names[-1], quality=90)
    # The same cameras again, flat: everything glows in its number from here on.
    masks.flatten(scene, [part.part for part in parts])
    found = []
    for name, aim in zip(names, cameras, strict=True):
        _point(camera, aim)
        shown = _merged(masks.visible(scene, raw), parts)
        found.append({"image": name, "objects": _objects(shown, kinds)})
    save_json({"kind": plan.room.kind, "views": found}, truth)
    return True


def _stock(products: Sequence[Product], draw: random.Random) -> list[Product]:
    """What this room may choose from: of each role as many, however many models it has."""
    roles: dict[str, list[Product]] = {}
    for product in products:
        roles.setdefault(product.model.role, []).append(product)
    return [p for _, group in sorted(roles.items()) for p in draw.sample(group, min(9, len(group)))]


def _even_stock(products: Sequence[Product], draw: random.Random) -> list[Product]:
    """As :func:`_stock`, with as many of each kind of a role."""
    roles: dict[str, dict[str, list[Product]]] = {}
    for product in products:
        kinds = roles.setdefault(product.model.role, {})
        kinds.setdefault(product.model.category, []).append(product)
    return [
        product
        for _, kinds in sorted(roles.items())
        for _, group in sorted(kinds.items())
        for product in draw.sample(group, min(max(2, 9 // len(kinds)), len(group)))
    ]


def _piece(product: Product) -> Piece:
    width, depth, height = (side / 100 for side in product.model.size_cm)
    if round(product.model.turn / 90) % 2:
        width, depth = depth, width
    return Piece(product.id, product.model.role, width, depth, height)


def _filled(pieces: Sequence[Piece], draw: random.Random) -> Plan:
    plan = furnish(draw.choice(KINDS), pieces, draw, _top)
    plan.limit += draw.randint(4, 10)
    for role in draw.choices(("storage", "low_storage", "bedside", "wall", "tv"), k=3):
        z = draw.uniform(1.2, 1.6) if role == "wall" else 0.0
        found = plan.add_against(plan.take(role), WALLS, z=z)
        if found is not None and plan.placed[found].piece.height < 1.2:
            plan.add_on(plan.take("small", "table_lamp", "tv"), found)
    for index in range(len(plan.placed)):
        if plan.placed[index].piece.role in ("desk", "dining_table", "coffee_table", "low_storage"):
            plan.add_on(plan.take("small", "small", "table_lamp", "tv"), index)
    for _ in range(draw.randint(1, 4)):
        role = draw.choice(("chair", "chair", "stool", "floor_plant", "floor_toy", "armchair",
                            "small", "pouffe", "coffee_table", "floor_lamp"))  # fmt: skip
        plan.add_anywhere(plan.take(role))
    lamp = plan.take("hanging")
    if lamp is not None and draw.random() < 0.4:
        _hang(plan, lamp, draw)
    return plan


def _hang(plan: Plan, piece: Piece, draw: random.Random) -> int | None:
    """From the ceiling."""
    high = plan.room.height - piece.height
    return plan.add(Placed(piece, draw.uniform(-1, 1), draw.uniform(0.8, 2.4), high, 0.0))


def _add_rare(plan: Plan, by_id: Mapping[str, Product], draw: random.Random) -> None:
    """One more thing, of a kind that the room has fewest of, where its role belongs."""
    kinds = {piece.id: by_id[piece.id].model.category for piece in plan.pieces}
    there = Counter(by_id[placed.piece.id].model.category for placed in plan.placed)
    names = sorted(set(kinds.values()), key=lambda kind: (there[kind], draw.random()))
    plan.limit += 1
    for name in names[:6]:
        piece = draw.choice([piece for piece in plan.pieces if kinds[piece.id] == name])
        if _stand_rare(plan, piece, draw) is not None:
            return


def _stand_rare(plan: Plan, piece: Piece, draw: random.Random) -> int | None:
    if piece.role == "hanging":
        return _hang(plan, piece, draw)
    if piece.role == "wall":
        return plan.add_against(piece, WALLS, z=draw.uniform(1.2, 1.6))
    if piece.role in ("small", "table_lamp", "tv"):
        for base in draw.sample(range(len(plan.placed)), len(plan.placed)):
            if plan.placed[base].piece.height < 1.2:
                found = plan.add_on(piece, base, tries=8)
                if found is not None:
                    return found
    if piece.role in ("bed", "sofa", "corner_sofa", "storage", "low_storage", "bedside"):
        return plan.add_against(piece, WALLS)
    return plan.add_anywhere(piece)


def _top(piece: Piece, *_: float) -> float | None:
    """Taken for flat: what hovers beside a sloping top teaches nothing wrong about outlines."""
    return piece.height


def _stand_all(plan: Plan, by_id: dict[str, Product], libraries: Path, scratch: Path) -> list[Any]:
    """The placed things; copies of one product share its mesh, which is read once."""
    first: dict[str, Any] = {}
    things = []
    for placed in plan.placed:
        known = first.get(placed.piece.id)
        if known is None:
            product = by_id[placed.piece.id]
            try:
                thing = load(product, libraries, scratch)
            except ValueError:
                # nothing on it takes a colour: it is left out, with what was read of it hidden
                thing = load(replace(product, paint=None), libraries, scratch)
            first[placed.piece.id] = thing
        else:
            thing = known.copy()
            bpy.context.scene.collection.objects.link(thing)
        thing.rotation_euler = (0.0, 0.0, math.radians(placed.yaw))
        thing.location = (placed.x, placed.y, placed.z)
        things.append(thing)
    return things


def _shell_parts(kinds: list[tuple[str, str]]) -> list[_Part]:
    """Rugs and pictures of the shell; a picture is what follows its frame."""
    parts = []
    for whole in list(bpy.context.scene.objects):
        name = whole.name.split(".")[0]
        if whole.type != "MESH" or name not in _PARTS:
            continue
        if name in ("rug", "print"):
            kinds.append((_PARTS[name], ""))
        parts.append(_Part(whole, len(kinds) - 1))
    return parts


Aim = tuple[tuple[float, float, float], tuple[float, float, float], float]


def _aim(plan: Plan, draw: random.Random) -> Aim:
    """A camera: most see the room, some come near to one thing."""
    room = plan.room
    if draw.random() < 0.6 or not plan.placed:
        where = (draw.uniform(-1.3, 1.3), draw.uniform(-2.8, -1.2), draw.uniform(0.9, 1.9))
        target = (draw.uniform(-0.6, 0.6), room.depth * 0.65, draw.uniform(0.4, 1.0))
        return where, target, draw.uniform(22.0, 36.0)
    near = draw.choice(plan.placed)
    target = (near.x, near.y, near.z + near.piece.height * 0.45)
    half = room.width / 2 - 0.2
    where = (
        min(max(near.x + draw.uniform(-1.8, 1.8), -half), half),
        max(near.y - draw.uniform(1.8, 3.4), -3.0),
        draw.uniform(0.8, 1.8),
    )
    size = max(near.piece.width, near.piece.height, 0.5)
    away = math.dist(where, target)
    return where, target, min(max(36.0 * away / size * draw.uniform(0.3, 0.6), 24.0), 60.0)


def _point(camera: Any, aim: Aim) -> None:
    camera.location, target, camera.data.lens = aim
    blender.look_at(camera, target)


def _guess_light(scene: Any, draw: random.Random) -> None:
    """One bounce, and the sky for what would come after it (Cycles' "fast GI")."""
    cycles = scene.cycles
    cycles.use_adaptive_sampling = False
    cycles.denoising_quality = "FAST"
    cycles.max_bounces = cycles.diffuse_bounces = 2
    cycles.use_fast_gi = True
    cycles.ao_bounces_render = 1
    scene.world.light_settings.distance = draw.uniform(2.0, 6.0)
    scene.world.light_settings.ao_factor = draw.uniform(0.5, 1.0)


def _light(scene: Any, draw: random.Random) -> None:
    scene.view_settings.view_transform = draw.choice(("Standard", "Standard", "AgX", "Filmic"))
    scene.view_settings.exposure = draw.uniform(-1.3, 0.3)
    for light in scene.objects:
        if light.type == "LIGHT":
            light.data.energy *= draw.uniform(0.6, 1.6)


def _merged(shown: np.ndarray, parts: Sequence[_Part]) -> np.ndarray:
    """Numbers of parts to numbers of things, both from 1."""
    table = np.zeros(256, np.uint8)
    for number, part in enumerate(parts, 1):
        table[number] = part.thing + 1
    return table[shown]


def _objects(shown: np.ndarray, kinds: Sequence[tuple[str, str]]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for number, (kind, item) in enumerate(kinds, 1):
        mask = shown == number
        area = int(mask.sum())
        if area < MIN_SHARE * mask.size:
            continue
        found.append(
            {
                "kind": kind,
                "item": item,
                "box": list(masks.box_of(mask)),
                "area": area,
                "segmentation": masks.run_lengths(mask),
            }
        )
    return found


def main() -> None:
    """Render what is missing of the rooms asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", type=Path, required=True, help="folder of the .sh3f files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/scenesearch-render"))
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=200)
    parser.add_argument("--step", type=int, default=1, help="2: every other room")
    parser.add_argument("--test", action="store_true", help="rooms of the held-out models")
    parser.add_argument("--exact-light", action="store_true", help="slower, for test rooms")
    parser.add_argument("--size", type=int, nargs=2, default=(480, 360))
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--even", type=int, default=0, help="things of kinds drawn evenly")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    wanted.scratch.mkdir(parents=True, exist_ok=True)
    models = all_models(wanted.libraries)
    kept = held_out(models)
    # a kind too small to hold any back is shown by both
    small = {m.category for m in models} - {
        m.category for m in models if f"{m.library}/{m.slug}" in kept
    }
    chosen = [
        m for m in models if (f"{m.library}/{m.slug}" in kept) == wanted.test or m.category in small
    ]
    sold = coloured(chosen, seed=wanted.seed)
    quality = Quality(
        tuple(wanted.size), wanted.samples, wanted.views, wanted.exact_light, wanted.even
    )
    blender.THREADS = wanted.threads
    for number in range(wanted.first, wanted.last + 1, wanted.step):
        start = time.perf_counter()
        made = render_views(
            number,
            sold,
            wanted.out,
            libraries=wanted.libraries,
            scratch=wanted.scratch,
            quality=quality,
            seed=wanted.seed,
        )
        if made:
            print(f"room {number} {time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main()

"""Cutouts and rooms as users have them: a catalogue of photos on white, rooms with their truth.

``python -m tools.starter.catalogue --cutouts DIR --views DIR --colours FILE --out DIR``. What comes
out is laid out as the package's own sample: ``scenesearch`` and ``measure_search`` read it.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tools.starter.pictures import LEAST_SHARE, on_white

FIELDS = ("id", "image", "title", "category", "colour", "group")
QUALITY = 92
"""Of the photos' JPEG."""


def write_products(
    cutouts: Path, products: Sequence[Mapping[str, Any]], colours: Mapping[str, str], out: Path
) -> set[str]:
    """Write ``catalog.csv`` and a photo of each side of each product; give the ids written."""
    photos = out / "products"
    photos.mkdir(parents=True, exist_ok=True)
    kept: set[str] = set()
    with (out / "catalog.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictWriter(file, FIELDS)
        rows.writeheader()
        for product in products:
            names = []
            for path in sorted(cutouts.glob(f"{product['id']}-*.png")):
                with Image.open(path) as opened:
                    photo = on_white(opened)
                if photo is not None:
                    names.append(f"products/{path.stem}.jpg")
                    photo.save(out / names[-1], quality=QUALITY)
            if not names:
                continue
            kept.add(str(product["id"]))
            rows.writerow(
                {
                    "id": product["id"],
                    "image": "|".join(names),
                    "title": product["title"],
                    "category": product["kind"],
                    "colour": colours.get(str(product["id"]), ""),
                    "group": product["model"],
                }
            )
    return kept


def write_scenes(views: Path, sold: set[str], out: Path) -> int:
    """Write ``scenes.jsonl``: the things of each view that are sold and large enough to look at."""
    things = 0
    with (out / "scenes.jsonl").open("w", encoding="utf-8") as file:
        for truth in sorted((views / "truth").glob("*.json")):
            for view in json.loads(truth.read_text(encoding="utf-8"))["views"]:
                found = [
                    {"item": one["item"], "box": one["box"]}
                    for one in view["objects"]
                    if one["item"] in sold and _share(one) >= LEAST_SHARE
                ]
                if not found:
                    continue
                things += len(found)
                line = {
                    "image": str((views / view["image"]).resolve()),
                    "items": sorted({str(one["item"]) for one in found}),
                    "boxes": found,
                }
                file.write(json.dumps(line) + "\n")
    return things


def _share(one: Mapping[str, Any]) -> float:
    height, width = one["segmentation"]["size"]
    return float(one["area"]) / (height * width)


def main() -> None:
    """Write a catalogue and its rooms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cutouts", type=Path, required=True, help="of tools.render.cutouts")
    parser.add_argument("--views", type=Path, required=True, help="of tools.render.views")
    parser.add_argument("--colours", type=Path, required=True, help="of tools.starter.maps")
    parser.add_argument("--held-out", action="store_true", help="only models kept for tests")
    parser.add_argument("--all", action="store_true", help="those and the others")
    parser.add_argument("--out", type=Path, required=True)
    wanted = parser.parse_args()
    products = json.loads((wanted.cutouts / "products.json").read_text(encoding="utf-8"))
    if not wanted.all:
        products = [p for p in products if p["test"] == wanted.held_out]
    colours = json.loads(wanted.colours.read_text(encoding="utf-8"))
    sold = write_products(wanted.cutouts, products, colours, wanted.out)
    things = write_scenes(wanted.views, sold, wanted.out)
    print(json.dumps({"products": len(sold), "things": things}))


if __name__ == "__main__":
    main()

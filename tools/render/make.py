"""Make a corpus: ``python -m tools.render.make --libraries DIR --out DIR``. See README.md.

Finished files are skipped, so it goes on where it was stopped, and several may work side by side.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path

from tools.render.files import save_json, save_text
from tools.render.models import LICENCES, read_models
from tools.render.products import shoot
from tools.render.rooms import SIZE_WH, render_room
from tools.render.variants import Product, products


def main() -> None:
    """Render what is missing, then write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--libraries", type=Path, required=True, help="folder of the .sh3f files")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/scenesearch-render"))
    parser.add_argument("--products", type=int, default=60)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--furnish", type=int, default=47, help="products that rooms may show")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=20, help="of a room")
    wanted = parser.parse_args()
    wanted.scratch.mkdir(parents=True, exist_ok=True)
    sold = products(read_models(wanted.libraries), wanted.products, wanted.seed)
    where = {"libraries": wanted.libraries, "scratch": wanted.scratch}
    for number, product in enumerate(sold, 1):
        start = time.perf_counter()
        if shoot(product, wanted.out, seed=wanted.seed, **where):
            print(f"product {number}/{len(sold)} {product.id} {time.perf_counter() - start:.0f} s")
    for number in range(1, wanted.rooms + 1):
        start = time.perf_counter()
        made = render_room(
            number,
            sold[: wanted.furnish],
            wanted.out,
            seed=wanted.seed,
            samples=wanted.samples,
            **where,
        )
        if made:
            print(f"room {number}/{wanted.rooms} {time.perf_counter() - start:.0f} s", flush=True)
    write_tables(wanted.out, sold, wanted.rooms)


def write_tables(out: Path, sold: Sequence[Product], rooms: int) -> None:
    """Catalogue, ground truth, COCO annotations and credits."""
    rows = [product.row() for product in sold]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    save_text(text.getvalue(), out / "catalog.csv")
    truths = [
        (number, json.loads((out / "rooms" / f"room-{number}.json").read_text(encoding="utf-8")))
        for number in range(1, rooms + 1)
    ]
    lines = [
        json.dumps(
            {
                "image": f"rooms/room-{number}.jpg",
                "group": truth["kind"],
                "items": sorted({one["item"] for one in truth["objects"]}),
                "boxes": [{"item": o["item"], "box": o["box"]} for o in truth["objects"]],
            }
        )
        for number, truth in truths
    ]
    save_text("\n".join(lines) + "\n", out / "scenes.jsonl")
    save_json(_coco(sold, truths), out / "rooms.coco.json")
    save_text(_credits(sold), out / "CREDITS.md")


def _coco(sold: Sequence[Product], truths: Sequence[tuple[int, dict]]) -> dict[str, object]:
    names = sorted({product.model.category for product in sold})
    annotations = []
    for number, truth in truths:
        for one in truth["objects"]:
            x1, y1, x2, y2 = one["box"]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": names.index(one["category"]) + 1,
                    "product": one["item"],
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": one["area"],
                    "iscrowd": 0,
                    "segmentation": one["segmentation"],
                }
            )
    return {
        "images": [
            {
                "id": number,
                "file_name": f"rooms/room-{number}.jpg",
                "width": SIZE_WH[0],
                "height": SIZE_WH[1],
            }
            for number, _ in truths
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
        "annotations": annotations,
    }


def _credits(sold: Sequence[Product]) -> str:
    models = {product.model.slug: product.model for product in sold}
    lines = [
        "# Credits",
        "",
        "The pictures of this folder were rendered by `tools/render` from models of the Sweet Home",
        "3D furniture libraries, some of them recoloured:",
        "",
        "| model | author | library | licence |",
        "|---|---|---|---|",
    ]
    for slug, model in sorted(models.items()):
        name, address = LICENCES[model.library]
        lines.append(f"| {slug} | {model.author} | {model.library} | [{name}]({address}) |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()

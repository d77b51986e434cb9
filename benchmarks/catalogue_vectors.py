"""What vectors that came with a catalogue add to searches by an item, by their weight.

    python benchmarks/catalogue_vectors.py CATALOG WORK_FOLDER [--config cpu-small]
        [--vendor imagenet] [--items 300] [--seed 1]

The vectors are those of another model (``--vendor``), of the same photos: what a shop that embeds
its products itself would bring. Each item asks for items like it; right is one of its category.
Precision of the first ten: of the collection's own model alone (weight 0), of both by weight, of
the vectors alone; with the 95 % interval of the paired difference to weight 0. Printed as JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from scenesearch import SceneSearch
from scenesearch.catalog import FeedOptions
from scenesearch.core.batches import scroll_all

WEIGHTS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
FIRST = 10


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("catalog", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--config", default="cpu-small")
    parser.add_argument("--vendor", default="imagenet")
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(asked.seed)
    with asked.catalog.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[i] for i in sorted(random.permutation(len(rows))[: asked.items])]
    table = asked.folder / "items.jsonl"

    def write(vectors: dict[str, list[float]]) -> None:
        table.write_text(
            "".join(
                json.dumps(
                    {
                        "id": row["id"],
                        "image": str(asked.catalog.parent / row["image"]),
                        "category": row["category"],
                        "vendor": vectors.get(row["id"]),
                    }
                )
                + "\n"
                for row in chosen
            )
        )

    write({})
    with SceneSearch(asked.folder / "vendor", config=asked.vendor) as shop:
        shop.index(table, image_root=asked.catalog.parent)
        write(
            {
                str(record.payload["item_id"]): record.vectors["cutout"].tolist()
                for record in scroll_all(shop.store, spaces=("cutout",))
            }
        )
    category = {row["id"]: row["category"] for row in chosen}
    found: dict[str, list[float]] = {}
    with SceneSearch(asked.folder / "own", config=asked.config) as shop:
        shop.index(table, image_root=asked.catalog.parent, feed=FeedOptions(vectors=("vendor",)))
        for item, kind in category.items():
            asks = {f"{w:g}": shop.search(items=item, catalogue_weight=w) for w in WEIGHTS}
            asks["alone"] = shop.search(items=item, weights={"vendor": 1.0})
            for name, look in asks.items():
                right = [category[m.item_id] == kind for m in look.matches[:FIRST]]
                found.setdefault(name, []).append(float(np.mean(right)))
    usual = np.array(found["0"])
    figures = {}
    for name, values in found.items():
        gain = np.array(values) - usual
        means = gain[random.integers(0, len(gain), (2000, len(gain)))].mean(axis=1)
        low, high = np.percentile(means, (2.5, 97.5))
        figures[name] = {
            "precision@10": round(float(np.mean(values)), 4),
            "gain": [round(float(one), 4) for one in (gain.mean(), low, high)],
        }
    settings = {"catalog": str(asked.catalog), "own": asked.config, "vendor": asked.vendor}
    print(json.dumps({**settings, "items": len(category), "by weight": figures}, indent=1))


if __name__ == "__main__":
    main()

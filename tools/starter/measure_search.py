"""Figures of a profile as a user has it: own products found in rooms, and words.

``python -m tools.starter.measure_search --set DIR --config offline``, where DIR holds
``catalog.csv`` and ``scenes.jsonl`` as the package's sample does. Everything goes through the
package: its detector, its ranking.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch import SceneSearch
from scenesearch.demo import COVERS
from scenesearch.geometry import iou

FIRST = 5
"""Recall and precision are measured on the first one and the first so many."""


def room_recall(
    shop: SceneSearch, folder: Path, scenes: Sequence[Mapping[str, Any]], *, detected: bool
) -> dict[str, Any]:
    """Share of things whose own product is first, and among the first five, of their region.

    Args:
        shop: with the set's catalogue.
        folder: image paths start here.
        scenes: lines of ``scenes.jsonl``.
        detected: regions are the detector's, and a thing that none of them covers counts as not
            found; else the truth's boxes.
    """
    things = first = among = covered = 0
    for scene in scenes:
        boxes = [tuple(map(float, one["box"])) for one in scene["boxes"]]
        look = shop.shop_the_look(
            folder / scene["image"], boxes=() if detected else boxes, limit=FIRST, per_region=FIRST
        )
        own = np.array([found.region.box for found in look.regions], float).reshape(-1, 4)
        overlap = iou(np.array(boxes), own)
        for row, one in enumerate(scene["boxes"]):
            things += 1
            if not len(own) or overlap[row].max() < COVERS:
                continue
            covered += 1
            ids = [match.item_id for match in look.regions[int(overlap[row].argmax())].matches]
            first += one["item"] in ids[:1]
            among += one["item"] in ids[:FIRST]
    return {
        "things": things,
        "covered": round(covered / max(things, 1), 3),
        "recall@1": round(first / max(things, 1), 3),
        f"recall@{FIRST}": round(among / max(things, 1), 3),
    }


def word_precision(
    shop: SceneSearch, rows: Sequence[Mapping[str, str]], *, least: int, by: str
) -> dict[str, Any]:
    """Precision of the first answers for each colour and category that ``least`` products have.

    The first five, or as many as there are right ones. ``by`` is ``text`` (the text tower alone)
    or ``words`` (with the plain words of the catalogue).
    """
    kinds = {row["id"]: (row["colour"], row["category"]) for row in rows}
    asked = Counter(pair for pair in kinds.values() if pair[0])
    right, of_kind = [], []
    for pair, count in sorted(asked.items()):
        if count < least:
            continue
        found = shop.search(limit=FIRST, **{by: " ".join(pair)}).matches[: min(FIRST, count)]
        right.append(sum(kinds[m.item_id] == pair for m in found) / min(FIRST, count))
        of_kind.append(sum(kinds[m.item_id][1] == pair[1] for m in found) / min(FIRST, count))
    return {
        "queries": len(right),
        "precision": round(float(np.mean(right)), 3) if right else None,
        "of the kind": round(float(np.mean(of_kind)), 3) if right else None,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Index, measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True, help="folder with catalog.csv")
    parser.add_argument("--config", default="offline")
    parser.add_argument("--store", type=Path, help="kept here; temporary by default")
    parser.add_argument("--no-rooms", action="store_true", help="words only")
    wanted = parser.parse_args(arguments)
    with (wanted.set / "catalog.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lines = (wanted.set / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    scenes = [json.loads(line) for line in lines]
    figures: dict[str, Any] = {"products": len(rows)}
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneSearch(wanted.store or folder, collection="set", config=wanted.config) as shop,
    ):
        shop.index(wanted.set / "catalog.csv")
        if not wanted.no_rooms:
            for name, detected in (("by its boxes", False), ("by the detector", True)):
                figures[name] = room_recall(shop, wanted.set, scenes, detected=detected)
        for by in ("text", "words"):
            for least in (FIRST, 1):
                name = f"{by}, where at least {least} are right"
                figures[name] = word_precision(shop, rows, least=least, by=by)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

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
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from scenesearch import SceneSearch
from scenesearch.demo.demo import places
from tools.starter.precision import FIRST, word_precision


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
    found: list[int | None] = []
    for scene in scenes:
        known = [(one["item"], tuple(map(float, one["box"]))) for one in scene["boxes"]]
        boxes = () if detected else [box for _, box in known]
        look = shop.shop_the_look(
            folder / scene["image"], boxes=boxes, limit=FIRST, per_region=FIRST
        )
        found += places(look, known)
    first, among = found.count(0), len(found) - found.count(None)
    return {
        "things": len(found),
        "recall@1": round(first / max(len(found), 1), 3),
        f"recall@{FIRST}": round(among / max(len(found), 1), 3),
    }


def _ids(shop: SceneSearch, by: str, text: str, limit: int) -> list[str]:
    """Ids by the text tower alone (``text``), or with the catalogue's plain words (``words``)."""
    return [match.item_id for match in shop.search(limit=limit, **{by: text}).matches]


def main(arguments: Sequence[str] | None = None) -> None:
    """Index, measure, and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", type=Path, required=True, help="folder with catalog.csv")
    parser.add_argument("--config", default="offline")
    parser.add_argument("--store", type=Path, help="kept here; temporary by default")
    wanted = parser.parse_args(arguments)
    with (wanted.set / "catalog.csv").open(encoding="utf-8", newline="") as file:
        kinds = {row["id"]: (row["colour"], row["category"]) for row in csv.DictReader(file)}
    lines = (wanted.set / "scenes.jsonl").read_text(encoding="utf-8").splitlines()
    scenes = [json.loads(line) for line in lines]
    figures: dict[str, Any] = {"products": len(kinds)}
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneSearch(wanted.store or folder, collection="set", config=wanted.config) as shop,
    ):
        shop.index(wanted.set / "catalog.csv")
        for name, detected in (("by its boxes", False), ("by the detector", True)):
            figures[name] = room_recall(shop, wanted.set, scenes, detected=detected)
        for by in ("text", "words"):
            search = partial(_ids, shop, by)
            for least in (FIRST, 1):
                name = f"{by}, where at least {least} are right"
                figures[name] = word_precision(search, kinds, least)
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

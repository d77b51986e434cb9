"""DeepFashion's In-shop Clothes Retrieval, as its folder is published.

Queries against the gallery of ``list_eval_partition.txt``; right is the same item. Liu et al.,
"DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations", CVPR 2016:
Recall@K is the share of queries with a right picture among the first K.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from scenesearch.core.errors import CatalogError
from scenesearch.evaluation.public.task import (
    Files,
    Query,
    Ranking,
    Task,
    find_file,
    hits_at,
    inside,
    read_lines,
)

DEPTHS = (1, 10, 20, 30, 40, 50)
LISTS = ("Eval/list_eval_partition.txt", "list_eval_partition.txt")
HEADER = ["image_name", "item_id", "evaluation_status"]
PARTS = ("train", "query", "gallery")


def read_inshop(folder: Path) -> list[Task]:
    """Queries and gallery.

    Raises:
        CatalogError: the folder is another one, or its list is damaged; names the line.
    """
    path = find_file(folder, LISTS, "the folder of In-shop Clothes Retrieval")
    # the pictures are unpacked to Img/img, or to img
    root = folder / "Img" if (folder / "Img" / "img").is_dir() else folder
    lines = read_lines(path)
    if len(lines) < 2 or not lines[0].strip().isdigit() or lines[1].split() != HEADER:
        raise CatalogError(
            f"{path}: expected the number of pictures in line 1 and {' '.join(HEADER)} in line 2"
        )
    items: dict[str, list[str]] = {"query": [], "gallery": []}
    pictures: dict[str, list[Path]] = {"query": [], "gallery": []}
    count = 0
    for number, line in enumerate(lines[2:], 3):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != len(HEADER) or cells[2] not in PARTS:
            raise CatalogError(
                f"{path}, line {number}: expected a path, an item and one of {', '.join(PARTS)}"
            )
        count += 1
        if cells[2] in items:
            items[cells[2]].append(cells[1])
            pictures[cells[2]].append(inside(root, cells[0], f"{path}, line {number}"))
    if count != int(lines[0]):
        raise CatalogError(
            f"{path}: {count:,} pictures, expected {int(lines[0]):,} by its first line; "
            "the file is cut off: get it again"
        )
    if not pictures["query"] or not pictures["gallery"]:
        raise CatalogError(f"{path}: no queries, or no gallery, in it")
    there, asked = np.array(items["gallery"]), items["query"]

    def judge(query: int, ranking: Ranking) -> Mapping[str, float]:
        return hits_at(DEPTHS, there[ranking] == asked[query])

    queries = [Query((number,)) for number in range(len(asked))]
    gallery = Files(pictures["gallery"])
    return [Task("", gallery, Files(pictures["query"]), queries, max(DEPTHS), judge)]

"""Stanford Online Products, as it is unpacked from ``Stanford_Online_Products.zip``.

Each picture of the test half is asked with, against all others of it; right is the same product.
Oh Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding", CVPR 2016: Recall@K
is the share of queries with a right picture among the first K, K of 1, 10, 100 and 1,000.
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

DEPTHS = (1, 10, 100, 1000)
HEADER = ["image_id", "class_id", "super_class_id", "path"]


def read_sop(folder: Path) -> list[Task]:
    """The test half.

    Raises:
        CatalogError: the folder is another one, or its list is damaged; names the line.
    """
    path = find_file(folder, ["Ebay_test.txt"], "the folder Stanford_Online_Products")
    lines = read_lines(path)
    if not lines or lines[0].split() != HEADER:
        raise CatalogError(f"{path}, line 1: expected {' '.join(HEADER)}")
    products: list[int] = []
    pictures: list[Path] = []
    for number, line in enumerate(lines[1:], 2):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != len(HEADER) or not all(cell.isdigit() for cell in cells[:3]):
            raise CatalogError(f"{path}, line {number}: expected three numbers and a path")
        products.append(int(cells[1]))
        pictures.append(inside(path.parent, cells[3], f"{path}, line {number}"))
    if not pictures:
        raise CatalogError(f"{path}: no pictures in it")
    product = np.array(products)

    def judge(query: int, ranking: Ranking) -> Mapping[str, float]:
        return hits_at(DEPTHS, product[ranking] == product[query])

    files = Files(pictures)
    queries = [Query((number,), without=number) for number in range(len(pictures))]
    return [Task("", files, files, queries, max(DEPTHS), judge)]

"""Revisited Oxford and Paris, as their folders are published.

``gnd_roxford5k.pkl`` (or ``gnd_rparis6k.pkl``) beside ``jpg/``. A query is the part of its picture
that its box says. Radenovic et al., "Revisiting Oxford and Paris: Large-Scale Image Retrieval
Benchmarking", CVPR 2018: of each query some pictures are easy, some hard, some junk. ``easy`` asks
for the easy ones and takes the hard as junk, ``medium`` asks for both, ``hard`` for the hard and
takes the easy as junk. Junk is taken out of a ranking before anything is counted; a query without a
right picture in a protocol has no figure in it. Average precision is the area under the curve by
trapezoids; precision at k looks no further than the last right picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError
from scenesearch.core.types import BoxTuple
from scenesearch.evaluation.public.pickled_data import PickledDataError, read_pickled_data
from scenesearch.evaluation.public.task import Files, Query, Ranking, Task, find_file, inside

SETS = ("roxford5k", "rparis6k")
GROUND_TRUTH = tuple(f"{deep}gnd_{name}.pkl" for name in SETS for deep in ("", f"{name}/"))
DEPTHS = (1, 5, 10)
PROTOCOLS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}
"""What is right, and what is taken out."""

Numbers = NDArray[np.int64]


def read_roxford(folder: Path) -> list[Task]:
    """Queries and database.

    Raises:
        CatalogError: the folder is another one, or its ground truth is damaged.
    """
    path = find_file(folder, GROUND_TRUTH, "the folder roxford5k or rparis6k")
    try:
        truth = read_pickled_data(path.read_bytes())
        database = [f"{name}.jpg" for name in _names(truth["imlist"])]
        asked = [f"{name}.jpg" for name in _names(truth["qimlist"])]
        queries = [_groups(one, len(database)) for one in truth["gnd"]]
        boxes = [_box(one["bbx"]) for one in truth["gnd"]]
    except (PickledDataError, KeyError, TypeError, ValueError, IndexError, OSError) as error:
        raise CatalogError(
            f"{path}: cannot be read as the ground truth of Revisited Oxford or Paris: {error}"
        ) from error
    if not asked or len(queries) != len(asked):
        raise CatalogError(f"{path}: {len(asked)} queries and {len(queries)} ground truths")
    pictures = path.parent / "jpg"

    def judge(query: int, ranking: Ranking) -> Mapping[str, float]:
        return judged(queries[query], ranking)

    def files(names: Sequence[str], parts: Sequence[BoxTuple] = ()) -> Files:
        return Files([inside(pictures, name, str(path)) for name in names], parts)

    numbers = [Query((number,)) for number in range(len(asked))]
    return [Task("", files(database), files(asked, boxes), numbers, 0, judge)]


def judged(groups: Mapping[str, Numbers], ranking: Ranking) -> dict[str, float]:
    """Figures of one ranking of the whole database, by protocol.

    Args:
        groups: numbers of the easy, hard and junk pictures.
        ranking: all pictures, best first.
    """
    figures: dict[str, float] = {}
    for name, (right, junk) in PROTOCOLS.items():
        wanted = np.concatenate([groups[one] for one in right])
        if not len(wanted):
            continue
        out = np.concatenate([groups[one] for one in junk])
        kept = ranking[~np.isin(ranking, out)]
        places = np.flatnonzero(np.isin(kept, wanted))
        figures[f"map_{name}"] = trapezoid_precision(places, len(wanted))
        for k in DEPTHS:
            last = min(k, int(places[-1]) + 1) if len(places) else k
            figures[f"mp@{k}_{name}"] = float((places < last).sum() / last)
    return figures


def trapezoid_precision(places: NDArray[np.int64], total: int) -> float:
    """Average precision as the area under precision over recall, by trapezoids.

    >>> trapezoid_precision(np.array([0, 2]), 2)
    0.7916666666666666

    Args:
        places: of the right pictures in the ranking, from 0, rising.
        total: how many right pictures there are.
    """
    count = np.arange(len(places))
    # precision just before each right picture, which is 1 at the very first place
    before = np.where(places == 0, 1.0, count / np.maximum(places, 1))
    after = (count + 1) / (places + 1)
    return float(((before + after) / 2).sum() / total)


def _names(value: Any) -> list[str]:
    names = list(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError("names of pictures that are no text")
    return names


def _groups(one: Mapping[str, Any], pictures: int) -> dict[str, Numbers]:
    found = {}
    for name in ("easy", "hard", "junk"):
        numbers = np.asarray(one[name], np.float64).ravel()
        whole: Numbers = numbers.astype(np.int64)
        if (whole != numbers).any() or (
            len(whole) and not 0 <= whole.min() <= whole.max() < pictures
        ):
            raise ValueError(f"{name} names pictures that there are not")
        found[name] = whole
    return found


def _box(value: Any) -> BoxTuple:
    x1, y1, x2, y2 = (float(side) for side in np.asarray(value, np.float64).ravel())
    if not (0 <= x1 < x2 and 0 <= y1 < y2):
        raise ValueError(f"the box {x1:g}, {y1:g}, {x2:g}, {y2:g}")
    return x1, y1, x2, y2

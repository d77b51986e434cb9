"""LookBench, as its dataset is published: a folder a part, in it two tables.

``real_studio_flat``, ``aigen_studio``, ``real_streetlook`` and ``aigen_streetlook`` have
``query.parquet`` and ``gallery.parquet`` each, with a picture, a category and attributes a row;
``noise`` has pictures that are in every gallery besides. Gao et al., "LookBench: A Live and
Holistic Open Benchmark for Fashion Image Retrieval", arXiv:2601.14706: fine recall@1 asks for the
same category and all attributes, coarse recall@1 for the category alone.

nDCG@5 is said to be graded "based on attribute overlap", and no code or figure that was published
says how (its table repeats recall@1). Here what a picture gains is the share of the query's
attributes that it has, where the category is the same, and nothing else; the ideal list is the best
of the whole gallery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError
from scenesearch.evaluation.metrics import graded_ndcg
from scenesearch.evaluation.public.tables import TablePictures, read_columns
from scenesearch.evaluation.public.task import Query, Ranking, Task

PARTS = ("real_studio_flat", "aigen_studio", "real_streetlook", "aigen_streetlook")
NOISE = "noise"
DEPTH = 5
_LABELS = ("category",)
_ATTRIBUTES = ("main_attribute", "other_attributes")


@dataclass(frozen=True, slots=True)
class _Things:
    """What the rows of tables show."""

    pictures: TablePictures
    categories: Sequence[str | None]
    attributes: Sequence[frozenset[str]]


def read_lookbench(folder: Path) -> list[Task]:
    """Each part that is there.

    Raises:
        CatalogError: the folder is another one, or a table is damaged.
        MissingDependencyError: pyarrow is not installed.
    """
    root = _root(folder)
    parts = [name for name in PARTS if (root / name).is_dir()]
    noise = sorted((root / NOISE).glob("*.parquet"))
    return [_task(root, name, noise) for name in parts]


def _root(folder: Path) -> Path:
    """The folder of the parts: this one, or the latest version in it (``v20251201``)."""
    for root in (folder, *sorted(folder.glob("v*"), reverse=True)):
        if any((root / name).is_dir() for name in PARTS):
            return root
    state = "has none of its parts" if folder.is_dir() else "is no folder"
    raise CatalogError(
        f"{folder} {state}: expected the dataset look-bench, with {', '.join(PARTS)}, each with "
        f"query.parquet and gallery.parquet",
        code="not_found",
    )


def _task(root: Path, name: str, noise: Sequence[Path]) -> Task:
    asked = _things(_tables(root / name, "query"))
    there = _things([*_tables(root / name, "gallery"), *noise])
    category = np.array([one or "" for one in there.categories])
    words = sorted(set().union(*there.attributes))
    column = {word: number for number, word in enumerate(words)}
    has = np.zeros((len(category), len(words)), np.float32)
    for row, one in zip(has, there.attributes, strict=True):
        row[[column[word] for word in one]] = 1
    counts = has.sum(axis=1)

    def judge(query: int, ranking: Ranking) -> Mapping[str, float]:
        wanted = asked.attributes[query]
        alike: NDArray[np.bool_] = (category == (asked.categories[query] or "")) & (category != "")
        known = [column[word] for word in wanted if word in column]
        shared = has[:, known].sum(axis=1)
        best = int(ranking[0]) if len(ranking) else None
        same = best is not None and bool(alike[best])
        equal = same and shared[best] == len(wanted) == counts[best]
        gains = np.where(alike, shared / len(wanted) if wanted else 1.0, 0.0)
        return {
            "fine_recall@1": float(equal),
            "coarse_recall@1": float(same),
            f"ndcg@{DEPTH}": graded_ndcg(gains[ranking], gains, DEPTH),
        }

    queries = [Query((number,)) for number in range(len(asked.categories))]
    return Task(name, there.pictures, asked.pictures, queries, DEPTH, judge)


def _tables(folder: Path, split: str) -> list[Path]:
    """The files of a split: one, or the numbered parts of one."""
    found = sorted(folder.glob(f"{split}.parquet")) or sorted(folder.glob(f"{split}-*.parquet"))
    if not found:
        raise CatalogError(f"{folder} has no {split}.parquet", code="not_found")
    return found


def _things(paths: Sequence[Path]) -> _Things:
    categories: list[str | None] = []
    attributes: list[frozenset[str]] = []
    for path in paths:
        # what only distracts need not be labelled
        optional = path.parent.name == NOISE
        wanted = () if optional else _LABELS
        rest = (*_ATTRIBUTES, *(_LABELS if optional else ()))
        columns = read_columns(path, wanted, rest)
        categories += [None if one is None else _word(one) for one in columns["category"]]
        pairs = zip(columns["main_attribute"], columns["other_attributes"], strict=True)
        attributes += [_words(main) | _words(others) for main, others in pairs]
    if not categories:
        raise CatalogError(f"{paths[0]}: no rows in it")
    return _Things(TablePictures(tuple(paths), len(categories)), categories, attributes)


def _word(value: Any) -> str:
    return " ".join(str(value).lower().split())


def _words(value: Any) -> frozenset[str]:
    """Attributes as they are written: a list, the JSON of one, or a text with commas."""
    if isinstance(value, str):
        text = value.strip()
        if text.startswith(("[", "{")):
            try:
                value = json.loads(text)
            except ValueError:
                value = text.strip("[]").replace("'", "").split(",")
        else:
            value = text.split(",")
    if isinstance(value, Mapping):
        value = [f"{name}: {one}" for name, one in value.items() if one is not None]
    return frozenset(word for one in value or () if (word := _word(one)))

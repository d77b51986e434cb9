"""PinPoint, as its repository is published, with the pictures that its index names.

``pinpoint_licensed.parquet`` and ``index_signatures.txt``, and a folder ``images`` with a picture
for each signature: ``SIGNATURE.jpg``, or ``ab/cd/ef/SIGNATURE.jpg`` by its first six characters, as
they are addressed. A query is one picture or two, and an instruction. Mahadev et al., "PinPoint:
Evaluation of Composed Image Retrieval with Explicit Negatives, Multi-Image Queries, and Paraphrase
Testing", CVPR 2026, arXiv:2603.04598, and the code beside the data:

* precision@k: share of the first k that is right; recall@k: share of the right ones found;
* map@k: precision at each right one of the first k, over the smaller of k and how many there are;
* negative_recall@k: negatives in the first k, over the smaller of k and how many there are;
* map@k_without: map@k of what is left of a ranking without its negatives;
* paraphrase_range: largest less smallest precision@10 of the queries with the same pictures, and
  paraphrase_std their standard deviation, over all pictures that are asked with more than once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.errors import CatalogError
from scenesearch.evaluation.public.tables import read_columns
from scenesearch.evaluation.public.task import (
    Files,
    Query,
    Ranking,
    Task,
    find_file,
    inside,
    read_lines,
)

TRUTH = ("pinpoint_licensed.parquet",)
DEPTHS = (1, 5, 10, 50)
_COLUMNS = (
    *("query_id", "query_image_signature", "query_image_signature2", "instruction"),
    *("positive_candidates", "negative_candidates"),
)


def read_pinpoint(folder: Path) -> list[Task]:
    """All queries.

    Raises:
        CatalogError: the folder is another one, or its table is damaged.
        MissingDependencyError: pyarrow is not installed.
    """
    path = find_file(folder, TRUTH, "the repository pinpoint-dataset")
    index = find_file(folder, ("index_signatures.txt",), "the repository pinpoint-dataset")
    if not (folder / "images").is_dir():
        raise CatalogError(
            f"{folder} has no folder images: expected a picture for each line of {index.name} in "
            f"it, as SIGNATURE.jpg or ab/cd/ef/SIGNATURE.jpg",
            code="not_found",
        )
    columns = read_columns(path, _COLUMNS)
    gallery = [line.strip() for line in read_lines(index) if line.strip()]
    numbers = {signature: number for number, signature in enumerate(gallery)}
    pairs = [
        tuple(str(one) for one in pair if _given(one))
        for pair in zip(
            columns["query_image_signature"], columns["query_image_signature2"], strict=True
        )
    ]
    pictures = list(dict.fromkeys(one for pair in pairs for one in pair))
    place = {signature: number for number, signature in enumerate(pictures)}
    words = [str(one or "") for one in columns["instruction"]]
    right = [_numbers(one, numbers) for one in columns["positive_candidates"]]
    wrong = [_numbers(one, numbers) for one in columns["negative_candidates"]]

    def judge(query: int, ranking: Ranking) -> Mapping[str, float]:
        return judged(ranking, *right[query], *wrong[query])

    def over_all(rows: Sequence[Mapping[str, float]]) -> Mapping[str, float]:
        return paraphrases(pairs[: len(rows)], [row["precision@10"] for row in rows])

    def files(signatures: Sequence[str]) -> Files:
        return Files([_picture(folder, one, str(path)) for one in signatures])

    queries = [
        Query(tuple(place[one] for one in pair), text)
        for pair, text in zip(pairs, words, strict=True)
    ]
    return [Task("", files(gallery), files(pictures), queries, max(DEPTHS), judge, over_all)]


def judged(
    ranking: Ranking,
    right: NDArray[np.int64],
    rights: int,
    wrong: NDArray[np.int64],
    wrongs: int,
) -> dict[str, float]:
    """Figures of one ranking.

    Args:
        ranking: of gallery pictures.
        right: numbers of the right ones.
        rights: how many there are, those outside the gallery included.
        wrong: numbers of the negatives.
        wrongs: likewise.
    """
    figures: dict[str, float] = {}
    is_right, is_wrong = np.isin(ranking, right), np.isin(ranking, wrong)
    for k in DEPTHS:
        found = int(is_right[:k].sum())
        figures[f"precision@{k}"] = found / k
        figures[f"recall@{k}"] = found / rights if rights else 0.0
        figures[f"map@{k}"] = _average_precision(is_right, rights, k)
        figures[f"negative_recall@{k}"] = (
            int(is_wrong[:k].sum()) / min(wrongs, k) if wrongs else 0.0
        )
        figures[f"map@{k}_without"] = _average_precision(is_right[~is_wrong], rights, k)
    return figures


def _average_precision(right: NDArray[np.bool_], total: int, k: int) -> float:
    cut = right[:k]
    precisions = np.cumsum(cut) / np.arange(1, len(cut) + 1)
    return float(precisions[cut].sum() / min(total, k)) if total else 0.0


def paraphrases(asked: Sequence[tuple[str, ...]], precision: Sequence[float]) -> dict[str, float]:
    """How far apart queries with the same pictures are.

    Args:
        asked: pictures of each query.
        precision: precision@10 of each.
    """
    groups: dict[tuple[str, ...], list[float]] = {}
    for pair, value in zip(asked, precision, strict=True):
        groups.setdefault(pair, []).append(value)
    several = [values for values in groups.values() if len(values) > 1]
    if not several:
        return {}
    return {
        "paraphrase_range": float(np.mean([max(values) - min(values) for values in several])),
        "paraphrase_std": float(np.mean([np.std(values) for values in several])),
    }


def _given(value: Any) -> bool:
    # the table writes the text None where there is no second picture
    return value not in (None, "", "None")


def _numbers(
    signatures: Sequence[str] | None, numbers: Mapping[str, int]
) -> tuple[NDArray[np.int64], int]:
    """Those of the gallery, and how many there are in all."""
    given = list(signatures or ())
    return np.array([numbers[one] for one in given if one in numbers], np.int64), len(given)


def _picture(folder: Path, signature: str, where: str) -> Path:
    flat = inside(folder / "images", f"{signature}.jpg", where)
    deep = flat.parent / signature[:2] / signature[2:4] / signature[4:6] / flat.name
    return deep if not flat.is_file() and deep.is_file() else flat

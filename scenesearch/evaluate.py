"""Ground truth to figures: how well photos find the products in them.

Takes any function from a photo to a ranked list of item ids; knows no model and no store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from scenesearch.errors import CatalogError, SceneSearchError
from scenesearch.metrics import average_precision, bootstrap_interval, hit, ndcg, recall

METRICS: Mapping[str, Callable[[Any, int], float]] = {
    "hit@1": lambda r, _: hit(r, 1),
    "hit@5": lambda r, _: hit(r, 5),
    "hit@10": lambda r, _: hit(r, 10),
    "hit@20": lambda r, _: hit(r, 20),
    "ndcg@10": lambda r, n: ndcg(r, n, 10),
    "map@200": lambda r, n: average_precision(r, n, 200),
    "recall@50": lambda r, n: recall(r, n, 50),
}
"""By name; each takes the relevance of the ranked list and how many right items there are."""

DEPTH = 200
"""How long a ranked list has to be for every metric."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One photo, and the ids of the items in it."""

    image: Path
    items: frozenset[str]
    group: str = ""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One answer: item ids, best first, and milliseconds by stage."""

    items: tuple[str, ...]
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over all photos.

    Attributes:
        metrics: mean by name.
        intervals: 95 % bootstrap interval of each mean.
        latency_ms: mean by stage, over all photos but the first, which warms up.
        total_ms: median and 95th percentile of the whole.
        rows: one for each photo: image, group, and its figures.
        failures: photos that could not be searched, with the reason.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    latency_ms: Mapping[str, float]
    total_ms: Mapping[str, float]
    rows: tuple[Mapping[str, Any], ...]
    failures: tuple[tuple[str, str], ...]

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """As JSON values."""
        answer: dict[str, Any] = {
            "queries": len(self.rows),
            **{name: round(value, 4) for name, value in self.metrics.items()},
            "intervals": {
                name: [round(low, 4), round(high, 4)]
                for name, (low, high) in self.intervals.items()
            },
            "latency_ms": {name: round(value, 2) for name, value in self.latency_ms.items()},
            "total_ms": {name: round(value, 2) for name, value in self.total_ms.items()},
            "failures": [{"image": image, "reason": why} for image, why in self.failures],
        }
        if rows:
            answer["rows"] = [dict(row) for row in self.rows]
        return answer


def read_truths(path: Path, *, image_root: Path | None = None) -> list[Truth]:
    """Read ground truth: JSONL with ``image`` (relative to the file) and ``items`` (ids).

    Raises:
        CatalogError: the file cannot be read, or a line is not of that form; names the line.
    """
    root = image_root or path.parent
    truths = []
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogError(f"{path}: cannot be read as ground truth: {error}") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            image, items = root / str(row["image"]), frozenset(map(str, row["items"]))
            group = str(row.get("group", row.get("room", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(
                f'{path}, line {number}: expected {{"image": "...", "items": ["id", ...]}}: {error}'
            ) from error
        truths.append(Truth(image, items, group))
    if not truths:
        raise CatalogError(f"{path}: no ground truth in it; expected one JSON object a line")
    return truths


def evaluate(
    truths: Sequence[Truth],
    search: Callable[[Path], Ranked],
    *,
    each: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Search every photo and compare.

    Args:
        truths: photos with the items in them.
        search: a photo to at least :data:`DEPTH` ranked ids (fewer only where there are no more).
        each: called after each photo, for progress.
    """
    rows: list[dict[str, Any]] = []
    timings: list[Mapping[str, float]] = []
    failures: list[tuple[str, str]] = []
    for truth in truths:
        try:
            ranked = search(truth.image)
        except SceneSearchError as error:
            failures.append((str(truth.image), str(error)))
        else:
            relevant = np.array([item in truth.items for item in ranked.items], np.bool_)
            figures = {name: f(relevant, len(truth.items)) for name, f in METRICS.items()}
            rows.append({"image": truth.image.name, "group": truth.group, **figures})
            timings.append(ranked.timings_ms)
        each()
    values = {name: np.array([row[name] for row in rows]) for name in METRICS}
    warm = timings[1:] or timings
    totals = [sum(t.values()) for t in warm]
    stages = list(dict.fromkeys(stage for t in warm for stage in t))
    return Evaluation(
        metrics={name: float(v.mean()) if len(v) else 0.0 for name, v in values.items()},
        intervals={name: bootstrap_interval(v) for name, v in values.items()},
        latency_ms={s: float(np.mean([t.get(s, 0.0) for t in warm])) for s in stages},
        total_ms={
            "p50": float(np.median(totals)) if totals else 0.0,
            "p95": float(np.quantile(totals, 0.95)) if totals else 0.0,
        },
        rows=tuple(rows),
        failures=tuple(failures),
    )

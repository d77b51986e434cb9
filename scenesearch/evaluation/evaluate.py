"""Ground truth to figures: how well photos find the products in them.

Takes functions from a photo to a ranked list of item ids; knows no model and no store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.boxes import box_tuple
from scenesearch.core.errors import CatalogError, ImageError, QueryError
from scenesearch.core.json_values import json_values
from scenesearch.core.types import BoxTuple, RegionKind
from scenesearch.evaluation.metrics import average_precision, bootstrap_interval, hit, ndcg, recall

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
_LABELS = frozenset({"query", "image", "group"})
REFUSED = "refused"
"""Share of the photos (or boxes) that nothing can match which got no match."""


_OF_ONE_PHOTO = frozenset({"empty_query", "bad_box"})
"""Codes of query errors that say something of the photo, not of how it was searched."""


@dataclass(frozen=True, slots=True)
class Truth:
    """One photo, and the ids of the items in it; no items: nothing in the catalogue matches.

    Attributes:
        boxes: regions to search instead of the detector's, pixels, xyxy.
        group: photos are also reported by group (kind of room).
    """

    image: Path
    items: frozenset[str]
    boxes: tuple[BoxTuple, ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True)
class RankedRegion:
    """One region of an answer: what it is, and the item ids of its own list, best first."""

    kind: RegionKind
    label: str | None
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ranked:
    """One answer.

    Attributes:
        items: ids of the fused list, best first.
        timings_ms: by stage.
        figures: further ones, by name.
        regions: that were searched.
        earned: for each of ``items``, the number of the region that earned it; None for none.
    """

    items: tuple[str, ...]
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    figures: Mapping[str, float] = field(default_factory=dict)
    regions: tuple[RankedRegion, ...] = ()
    earned: tuple[int | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures over all photos.

    Attributes:
        metrics: mean by name.
        intervals: 95 % bootstrap interval of each mean.
        groups: mean by group and name.
        latency_ms: mean by stage, over all photos but the first, which warms up.
        total_ms: median and 95th percentile of the whole.
        rows: one for each photo: image, group, and its figures.
        failures: photos that could not be searched, with the reason.
    """

    metrics: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    groups: Mapping[str, Mapping[str, float]]
    latency_ms: Mapping[str, float]
    total_ms: Mapping[str, float]
    rows: tuple[Mapping[str, Any], ...]
    failures: tuple[tuple[str, str], ...]

    def values(self, metric: str) -> dict[int, float]:
        """One metric by number of the query, where it has it."""
        return {row["query"]: row[metric] for row in self.rows if metric in row}

    def to_dict(self, *, rows: bool = False) -> dict[str, Any]:
        """As JSON values."""
        answer: dict[str, Any] = {
            "queries": len(self.rows),
            **json_values(self.metrics),
            "intervals": json_values(self.intervals),
            "groups": json_values(self.groups),
            "latency_ms": json_values(self.latency_ms, 2),
            "total_ms": json_values(self.total_ms, 2),
            "failures": [{"image": image, "reason": why} for image, why in self.failures],
        }
        if rows:
            answer["rows"] = [dict(row) for row in self.rows]
        return answer


def read_truths(path: Path, *, image_root: Path | None = None) -> list[Truth]:
    """Read ground truth: JSONL with ``image`` (relative to the file) and ``items`` (ids).

    Optional: ``boxes`` (a list of [x1, y1, x2, y2] in pixels), ``group`` (or ``room``). A line
    with no items says that nothing in the catalogue matches: it measures refusals.

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
            truths.append(_truth(json.loads(line), root))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CatalogError(
                f'{path}, line {number}: expected {{"image": "...", "items": ["id", ...]}}, '
                f"and perhaps boxes and group: {error!r}"
            ) from error
    if not truths:
        raise CatalogError(f"{path}: no ground truth in it; expected one JSON object a line")
    return truths


def _truth(row: Mapping[str, Any], root: Path) -> Truth:
    if not isinstance(row["items"], list):
        raise TypeError("items must be a list")
    # {"item": ..., "box": [...]} is also how boxes are written, with what they show
    written = (box["box"] if isinstance(box, dict) else box for box in row.get("boxes", ()))
    boxes = tuple(map(box_tuple, written))
    group = str(row.get("group", row.get("room", "")))
    return Truth(root / str(row["image"]), frozenset(map(str, row["items"])), boxes, group)


def row_of(number: int, truth: Truth, ranked: Ranked) -> dict[str, Any]:
    """The metrics of one answer, with what they belong to; ``number`` pairs rows of two runs."""
    row: dict[str, Any] = {
        "query": number,
        "image": truth.image.name,
        "group": truth.group,
        **ranked.figures,
    }
    if not truth.items:
        return {**row, REFUSED: float(not ranked.items)}
    relevant = np.array([item in truth.items for item in ranked.items], np.bool_)
    return {**row, **{name: f(relevant, len(truth.items)) for name, f in METRICS.items()}}


def evaluate(
    truths: Sequence[Truth],
    search: Callable[[Truth], Ranked],
    *,
    each: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Search every photo and compare.

    Args:
        truths: photos with the items in them.
        search: a photo to at least :data:`DEPTH` ranked ids (fewer only where there are no more).
        each: called after each photo, for progress.

    Raises:
        SceneSearchError: from ``search``, where no single photo is to blame: an unreadable
            photo, or one with nothing to search in it, is a failure of its own.
    """
    rows: list[dict[str, Any]] = []
    timings: list[Mapping[str, float]] = []
    failures: list[tuple[str, str]] = []
    for number, truth in enumerate(truths):
        try:
            ranked = search(truth)
        except (ImageError, QueryError) as error:
            if isinstance(error, QueryError) and error.code not in _OF_ONE_PHOTO:
                raise  # asked wrongly, of every photo
            failures.append((str(truth.image), str(error)))
        else:
            rows.append(row_of(number, truth, ranked))
            timings.append(ranked.timings_ms)
        each()
    return summarise(rows, timings, failures)


def summarise(
    rows: Sequence[Mapping[str, Any]],
    timings: Sequence[Mapping[str, float]],
    failures: Sequence[tuple[str, str]],
) -> Evaluation:
    """Means, intervals and latencies of rows of figures."""
    names = list(dict.fromkeys(n for row in rows for n in row if n not in _LABELS))
    values = {name: np.array([row[name] for row in rows if name in row]) for name in names}
    warm = timings[1:] or timings
    totals = [sum(t.values()) for t in warm]
    stages = list(dict.fromkeys(stage for t in warm for stage in t))
    groups = sorted({row["group"] for row in rows if row["group"]})
    return Evaluation(
        metrics={name: float(v.mean()) for name, v in values.items()},
        intervals={name: bootstrap_interval(v) for name, v in values.items()},
        groups={
            group: {
                name: float(np.mean([r[name] for r in rows if r["group"] == group and name in r]))
                for name in names
                if any(r["group"] == group and name in r for r in rows)
            }
            for group in groups
        },
        latency_ms={s: float(np.mean([t.get(s, 0.0) for t in warm])) for s in stages},
        total_ms={
            "p50": float(np.median(totals)) if totals else 0.0,
            "p95": float(np.quantile(totals, 0.95)) if totals else 0.0,
        },
        rows=tuple(rows),
        failures=tuple(failures),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """A paired comparison of one metric: ``gain`` is the mean of (new - old) over photos.

    Attributes:
        interval: 95 % bootstrap interval of the gain; one that holds 0 shows none.
    """

    metric: str
    old: float
    new: float
    gain: float
    interval: tuple[float, float]

    @property
    def certain(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval[0] > 0 or self.interval[1] < 0


def compare(old: Evaluation, new: Evaluation, metrics: Sequence[str]) -> list[Difference]:
    """Compare two evaluations photo by photo, over the photos that both have."""
    differences = []
    for metric in metrics:
        before, after = old.values(metric), new.values(metric)
        both = [query for query in before if query in after]
        if not both:
            continue
        a: NDArray[np.float64] = np.array([before[query] for query in both])
        b: NDArray[np.float64] = np.array([after[query] for query in both])
        interval = bootstrap_interval(b - a)
        gain = float((b - a).mean())
        differences.append(Difference(metric, float(a.mean()), float(b.mean()), gain, interval))
    return differences

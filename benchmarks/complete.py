"""What goes with an item: each signal alone, with and without borrowing, and together.

Rooms are split in five, seeded. Scenes are learned from four parts; each item of a held-out room
is an anchor, and the whole rest of the catalogue of other categories is ranked for it. Right are
the room's other items of other categories. Figures are means over rooms of the mean over a
room's anchors, with bootstrap intervals over rooms; once more with half of a room as anchors.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from measure import machine, parser
from numpy.typing import NDArray

from scenesearch import SceneSearch
from scenesearch.complete import CompleteOptions, Completer, KnownScene
from scenesearch.complete.cooccurrence import SceneTable
from scenesearch.complete.item_vectors import ItemRows, read_items, walk
from scenesearch.complete.options import COLOURS, SCENES, STYLE
from scenesearch.complete.signals import SceneEvidence
from scenesearch.complete.style import StyleCentres, learn_centres
from scenesearch.core.points import COLOUR, CUTOUT
from scenesearch.core.protocols import Store
from scenesearch.evaluation.evaluate import read_truths
from scenesearch.evaluation.metrics import bootstrap_interval, hit, ndcg, recall
from scenesearch.search.rank.diversify import mmr
from scenesearch.search.rank.fuse import fuse

FOLDS = 5
DEPTH = 50
METRICS = ("hit@10", "recall@50", "ndcg@10")
DEFAULT = "all three (default)"
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Variant:
    """One way to rank: weights of signals, and how each is made."""

    weights: Mapping[str, float]
    options: CompleteOptions = field(default_factory=CompleteOptions)
    rooms: int | None = None
    per_category: int = DEPTH


NO_NEIGHBOURS = CompleteOptions(neighbours=0)
ALL = CompleteOptions().weights
VARIANTS: dict[str, Variant] = {
    "random": Variant({"random": 1}),
    "popularity": Variant({"popularity": 1}),
    "plain likeness": Variant({"likeness": 1}),
    "style": Variant({STYLE: 1}),
    "colour": Variant({COLOURS: 1}),
    "style and colour": Variant({STYLE: 1, COLOURS: 1}),
    "scenes, no borrowing: count": Variant({SCENES: 1}, NO_NEIGHBOURS),
    **{
        f"scenes, no borrowing: {kind}": Variant(
            {SCENES: 1}, replace(NO_NEIGHBOURS, association=kind)
        )
        for kind in ("cosine", "lift", "llr")
    },
    **{
        f"scenes, borrowing: {kind}": Variant({SCENES: 1}, CompleteOptions(association=kind))
        for kind in ("count", "cosine", "lift", "llr")
    },
    DEFAULT: Variant(ALL),
    "all, scenes without borrowing": Variant(ALL, NO_NEIGHBOURS),
    "all, cosine": Variant(ALL, CompleteOptions(association="cosine")),
    "all, llr": Variant(ALL, CompleteOptions(association="llr")),
    "all, 10 neighbours": Variant(ALL, CompleteOptions(neighbours=10)),
    "all, 100 neighbours": Variant(ALL, CompleteOptions(neighbours=100)),
    "all, no trust in own scenes": Variant(ALL, CompleteOptions(prior=1e9)),
    "all, prior 3": Variant(ALL, CompleteOptions(prior=3)),
    "all, prior 30": Variant(ALL, CompleteOptions(prior=30)),
    "all, category no matter": Variant(ALL, CompleteOptions(same_category=0)),
    "scenes and style": Variant({SCENES: 1, STYLE: 0.5}),
    "scenes and colour": Variant({SCENES: 1, COLOURS: 0.5}),
    "scenes, plain likeness, colour": Variant({SCENES: 1, "likeness": 0.5, COLOURS: 0.5}),
    "all, equal weights": Variant({SCENES: 1, STYLE: 1, COLOURS: 1}),
    "all, at most 3 a category": Variant(ALL, per_category=3),
    "all, diversity 0.05": Variant(ALL, CompleteOptions(diversity=0.05)),
    "all, diversity 0.2": Variant(ALL, CompleteOptions(diversity=0.2)),
    **{f"all, {n} rooms learned": Variant(ALL, rooms=n) for n in (5, 10, 20, 30, 40)},
    **{
        f"all, {n} rooms learned, no borrowing": Variant(ALL, NO_NEIGHBOURS, rooms=n)
        for n in (5, 10, 20, 30, 40)
    },
}

HALF = {
    "half of the room: popularity": {"popularity": 1.0},
    "half of the room: style and colour": {STYLE: 1.0, COLOURS: 1.0},
    "half of the room: scenes": {SCENES: 1.0},
    "half of the room: all three": ALL,
}


def main() -> int:
    arguments = _arguments()
    rooms = [sorted(truth.items) for truth in read_truths(arguments.truth)]
    with tempfile.TemporaryDirectory() as folder:
        # one process may hold a store, and this one writes scenes into it
        copy = Path(folder) / "store"
        shutil.copytree(arguments.store, copy)
        with SceneSearch(copy, config=arguments.config) as shop:
            bench = Bench(shop.store, rooms, arguments.seed)
            found = {
                name: bench.run(variant)
                for name, variant in VARIANTS.items()
                if not arguments.only or any(part in name for part in arguments.only)
            }
            for name, weights in HALF.items():
                if not arguments.only or any(part in name for part in arguments.only):
                    found[name] = bench.half(weights)
            if arguments.pipeline:
                found["the pipeline itself"], ms = bench.pipeline()
                print(f"one answer of the pipeline: median {ms:.0f} ms")
    _print(found, as_json=arguments.json)
    return 0


class Bench:
    """The rooms, and the whole catalogue as rows."""

    def __init__(self, store: Store, rooms: Sequence[Sequence[str]], seed: int) -> None:
        schema = store.schema
        if schema is None:
            raise SystemExit("nothing was indexed there")
        self._store, self._seed = store, seed
        page = store.scroll(limit=1_000_000, fields=("item_id",))
        ids = sorted({str(record.payload["item_id"]) for record in page})
        self.rows: ItemRows = read_items(store, ids, "category", schema)
        self._place = {item: i for i, item in enumerate(self.rows.ids)}
        self.rooms = [[item for item in room if item in self._place] for room in rooms]
        centres: StyleCentres = learn_centres(
            walk(store, "category", schema), schema.vectors[CUTOUT], ""
        )
        self.styles = centres.styles(self.rows.vectors[CUTOUT], self.rows.categories)
        self._kept: dict[Any, Floats] = {}
        self._random = np.random.default_rng(seed).random((30, len(ids)), np.float32)
        order = np.random.default_rng(seed).permutation(len(rooms))
        self.folds = [order[i::FOLDS].tolist() for i in range(FOLDS)]

    def _part(self, items: Iterable[str]) -> ItemRows:
        at = [self._place[item] for item in items]
        return ItemRows(
            tuple(self.rows.ids[i] for i in at),
            tuple(self.rows.categories[i] for i in at),
            {space: rows[at] for space, rows in self.rows.vectors.items()},
        )

    def _split(self, limit: int | None) -> Iterable[tuple[list[int], list[list[str]]]]:
        for fold in self.folds:
            learned = [i for other in self.folds if other is not fold for i in other]
            yield fold, [self.rooms[i] for i in learned[:limit]]

    def run(self, variant: Variant) -> NDArray[np.float64]:
        """Shape (rooms, metrics): of one variant."""
        figures: dict[int, list[float]] = {}
        for fold, learned in self._split(variant.rooms):
            table = SceneTable.of(learned)
            seen = self._part(table.items)
            for number in fold:
                room = self.rooms[number]
                signals = self._signals(variant, number, table, seen)
                own = self._part(room).categories
                answers = [self._ranked(variant, i, {name}, signals) for i, name in enumerate(own)]
                figures[number] = self._figures(room, answers)
        return np.array([figures[i] for i in sorted(figures)])

    def _signals(
        self, variant: Variant, number: int, table: SceneTable, seen: ItemRows
    ) -> dict[str, Floats]:
        """Shape (anchors, catalogue) by name."""
        room = self.rooms[number]
        anchors, n = self._part(room), len(room)
        at = [self._place[item] for item in room]
        made: dict[str, Floats] = {}
        for name in variant.weights:
            if name == SCENES:
                made[name] = self._scenes(variant, number, anchors, table, seen)
            elif name == STYLE:
                made[name] = self.styles[at] @ self.styles.T
            elif name == COLOURS:
                made[name] = anchors.vectors[COLOUR] @ self.rows.vectors[COLOUR].T
            elif name == "likeness":
                made[name] = anchors.vectors[CUTOUT] @ self.rows.vectors[CUTOUT].T
            elif name == "popularity":
                counts = np.zeros(len(self.rows.ids), np.float32)
                counts[[self._place[item] for item in table.items]] = table.counts
                made[name] = (counts + 0.01 * self._random[:n]).astype(np.float32)
            else:
                made[name] = self._random[:n]
        return made

    def _scenes(
        self, variant: Variant, number: int, anchors: ItemRows, table: SceneTable, seen: ItemRows
    ) -> Floats:
        # variants that differ in what comes after share it
        o = variant.options
        made = (o.association, o.neighbours, o.same_category, o.prior)
        key = (variant.rooms, number, *made)
        if key not in self._kept:
            found, _, _ = SceneEvidence(table, seen, anchors, o).of(self.rows)
            self._kept[key] = np.where(found > 0, found, np.nan).astype(np.float32)
        return self._kept[key]

    def _ranked(
        self, variant: Variant, i: int, there: set[str | None], signals: Mapping[str, Floats]
    ) -> list[str]:
        rest = np.flatnonzero([name not in there for name in self.rows.categories])
        scores = np.stack([signals[name][i][rest] for name in variant.weights])
        weights = np.array(list(variant.weights.values()), np.float32)
        fused = fuse(scores, weights, method="reciprocal_rank").scores
        best = np.argsort(-fused, kind="stable")
        head = best[fused[best] > 0][: 4 * DEPTH]
        if variant.options.diversity and len(head):
            vectors = self.rows.vectors[CUTOUT][rest[head]]
            picked = mmr(
                fused[head] / fused[head[0]],
                vectors @ vectors.T,
                diversity=variant.options.diversity,
                limit=DEPTH,
            )
            head = head[picked]
        taken: dict[str | None, int] = {}
        answer = []
        for j in rest[head]:
            name = self.rows.categories[j]
            taken[name] = taken.get(name, 0) + 1
            if taken[name] <= variant.per_category:
                answer.append(self.rows.ids[j])
        return answer[:DEPTH]

    def _figures(self, room: Sequence[str], answers: Sequence[Sequence[str]]) -> list[float]:
        category = {item: self.rows.categories[self._place[item]] for item in room}
        rows = []
        for anchor, answer in zip(room, answers, strict=True):
            right = {item for item in room if category[item] != category[anchor]}
            relevant = np.array([item in right for item in answer], np.bool_)
            if right:
                rows.append(_metrics(relevant, len(right)))
        mean: list[float] = np.mean(rows, axis=0).tolist()
        return mean

    def half(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Shape (rooms, metrics): half of a room's items, drawn, are the anchors together.

        Right are its other items of categories that none of the anchors has.
        """
        rng = np.random.default_rng(self._seed)
        variant, rows = Variant(weights), []
        for fold, learned in self._split(None):
            table = SceneTable.of(learned)
            seen = self._part(table.items)
            for number in fold:
                room = self.rooms[number]
                given = set(rng.permutation(len(room))[: len(room) // 2].tolist())
                category = {item: self.rows.categories[self._place[item]] for item in room}
                there = {category[room[i]] for i in given}
                right = {item for item in room if category[item] not in there}
                if not given or not right:
                    continue
                found = self._signals(variant, number, table, seen)
                mean = {
                    name: values[sorted(given)].mean(axis=0)[None] for name, values in found.items()
                }
                answer = self._ranked(variant, 0, there, mean)
                relevant = np.array([item in right for item in answer], np.bool_)
                rows.append(_metrics(relevant, len(right)))
        return np.array(rows)

    def pipeline(self) -> tuple[NDArray[np.float64], float]:
        """The default through the engine, and milliseconds of one answer, median."""
        figures: dict[int, list[float]] = {}
        times = []
        for fold, learned in self._split(None):
            completer = Completer(self._store)
            completer.known.clear()
            completer.known.add(KnownScene(frozenset(room)) for room in learned)
            completer.complete(learned[0][0])
            for number in fold:
                answers = []
                for item in self.rooms[number]:
                    start = time.perf_counter()
                    found = completer.complete(item, limit=DEPTH, per_category=DEPTH)
                    times.append(1000 * (time.perf_counter() - start))
                    answers.append([one.item_id for one in found.suggestions])
                figures[number] = self._figures(self.rooms[number], answers)
        return np.array([figures[i] for i in sorted(figures)]), statistics.median(times)


def _metrics(relevant: NDArray[np.bool_], total: int) -> tuple[float, float, float]:
    return hit(relevant, 10), recall(relevant, total, DEPTH), ndcg(relevant, total, 10)


def _print(found: Mapping[str, NDArray[np.float64]], *, as_json: bool) -> None:
    base = found.get(DEFAULT)
    rows = {}
    for name, values in found.items():
        cells = {}
        for j, metric in enumerate(METRICS):
            cells[metric] = {
                "mean": round(float(values[:, j].mean()), 4),
                "interval": [round(x, 4) for x in bootstrap_interval(values[:, j])],
            }
            if base is not None and name != DEFAULT and name not in HALF:
                change = values[:, j] - base[:, j]
                cells[metric] |= {
                    "change": round(float(change.mean()), 4),
                    "change_interval": [round(x, 4) for x in bootstrap_interval(change)],
                }
        rows[name] = cells
    if as_json:
        print(json.dumps({"facts": machine(), "rows": rows}, indent=1))
        return
    print(", ".join(f"{key} {value}" for key, value in machine().items()))
    print("| variant | " + " | ".join(METRICS) + " |")
    print("|---" * (1 + len(METRICS)) + "|")
    for name, cells in rows.items():
        print(f"| {name} | " + " | ".join(_cell(cells[metric]) for metric in METRICS) + " |")


def _cell(figures: Mapping[str, object]) -> str:
    low, high = figures["interval"]  # type: ignore[misc]
    text = f"{figures['mean']:.3f} [{low:.3f}, {high:.3f}]"
    if "change" not in figures:
        return text
    low, high = figures["change_interval"]  # type: ignore[misc]
    change = f"{figures['change']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"{text} ({f'**{change}**' if low > 0 or high < 0 else change})"


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="indexed with --config; it is copied")
    made.add_argument("truth", type=Path, help="JSONL: image and items of each room")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--only", action="append", help="variants whose name has this; repeatable")
    made.add_argument("--pipeline", action="store_true", help="also through the engine (minutes)")
    return made.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

"""Two generations of a collection compared: by truth where there is some, by what they answer."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from scenesearch.api.opened import Opened
from scenesearch.core.json_values import json_object
from scenesearch.evaluation.evaluate import (
    DEPTH,
    Evaluation,
    Ranked,
    Truth,
    compare,
    evaluate,
    read_truths,
)
from scenesearch.index.run import Progress
from scenesearch.index.stored import ids_where
from scenesearch.look.values import Match
from scenesearch.search.query import Query

METRICS = ("hit@1", "hit@10", "ndcg@10", "map@200")
FIRST = 10
"""Matches of each list that are compared."""
SHOWN = 12
"""Items whose lists differ most."""


def compare_generations(
    old: Opened,
    new: Opened,
    *,
    truth: Path | None,
    sample: int,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What changes if ``new`` answers instead of ``old``, as JSON values.

    Args:
        old: the generation that answers.
        new: the other one.
        truth: photos with the items in them, as for ``scenesearch eval``; None for none.
        sample: items whose neighbours are compared, at most.
        seed: of the draw.
        progress: called with (stage, done, total).

    Raises:
        CatalogError: the truth cannot be read.
        SceneSearchError: one of them cannot answer.
    """
    truths = [] if truth is None else read_truths(truth)
    both = sorted(set(ids_where(old.store, None)) & set(ids_where(new.store, None)))
    drawn = random.Random(seed).sample(both, min(sample, len(both)))
    done, total = 0, len(drawn) + 2 * len(truths)

    def each() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("eval", done, total)

    return {
        "generations": [old.generation.number, new.generation.number],
        "only_in_one": len(set(ids_where(old.store, None)) ^ set(ids_where(new.store, None))),
        **_neighbours(old, new, drawn, each),
        "truth": _by_truth(old, new, truths, each) if truths else None,
    }


def _neighbours(
    old: Opened, new: Opened, items: Sequence[str], each: Callable[[], None]
) -> dict[str, Any]:
    overlaps: list[float] = []
    same_first = 0
    rows: list[dict[str, Any]] = []
    for item in items:
        lists = [_like(opened, item) for opened in (old, new)]
        ids = [[match.item_id for match in found] for found in lists]
        most = max(map(len, ids))
        overlap = len(set(ids[0]) & set(ids[1])) / most if most else 1.0
        overlaps.append(overlap)
        same_first += ids[0][:1] == ids[1][:1]
        shown = [[{"id": one.item_id, "photo": one.photo} for one in found] for found in lists]
        rows.append({"item": item, "overlap": round(overlap, 3), "lists": shown})
        each()
    rows.sort(key=lambda row: (row["overlap"], row["item"]))
    return {
        "items": len(items),
        f"overlap@{FIRST}": round(sum(overlaps) / len(overlaps), 4) if overlaps else None,
        "same_first": round(same_first / len(items), 4) if items else None,
        "most_different": rows[:SHOWN],
    }


def _like(opened: Opened, item: str) -> Sequence[Match]:
    query = Query(items=((item, 1.0),))
    return opened.searcher.look(query, opened.options(None, {"limit": FIRST})).matches


def _by_truth(
    old: Opened, new: Opened, truths: Sequence[Truth], each: Callable[[], None]
) -> dict[str, Any]:
    def evaluated(opened: Opened) -> Evaluation:
        def search(truth: Truth) -> Ranked:
            query = Query(scene=opened.scene(truth.image), boxes=truth.boxes)
            look = opened.searcher.look(query, opened.options(None, {"limit": DEPTH}))
            return Ranked(tuple(match.item_id for match in look.matches), look.timings_ms)

        return evaluate(truths, search, each=each)

    before, after = evaluated(old), evaluated(new)
    return {
        "queries": len(after.rows),
        "metrics": [json_object(one) for one in compare(before, after, METRICS)],
        "failures": [{"image": image, "reason": why} for image, why in after.failures],
    }

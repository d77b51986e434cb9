"""What a collection's engine costs and finds: times of queries, and recall against all vectors.

The questions are vectors of the collection itself, moved a little, so that their neighbours are
those of real questions and the question itself is none of them. The truth is exact: every vector is
read once, page by page, and compared with all questions (Aumueller et al., ANN-Benchmarks, 2020,
measure so: recall of the k nearest over the same k).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.points import schema_of
from scenesearch.core.protocols import Store, VectorQuery

Floats = NDArray[np.float32]
MOVED = 0.15
"""Length of what is added to a stored vector of length 1."""
PAGE = 2000
FEW = 0.02
"""Share of the points that the filter of the benchmark should let through."""
BEST = 400
"""Values of a field that are looked at for such a filter."""
WARM = 3


@dataclass(frozen=True, slots=True)
class Figures:
    """One kind of query.

    Attributes:
        name: ``plain``, or what it is filtered by.
        share: of the points that the filter lets through.
        p50_ms: half of the queries took less.
        p95_ms: of 20 queries 19 did.
        recall: mean share of the exact nearest that were found, 0 to 1.
    """

    name: str
    share: float
    p50_ms: float
    p95_ms: float
    recall: float


def bench(
    store: Store,
    *,
    space: str,
    queries: int,
    top: int,
    where: tuple[str, Condition] | None = None,
    seed: int = 0,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Figures]:
    """Measure a collection, without a filter and with one.

    Args:
        store: the collection; nothing is written.
        space: of vectors.
        queries: how many.
        top: nearest that each asks for.
        where: a filter with its text; by default a value of a field that about a fiftieth has.
        seed: of the questions.
        clock: seconds.

    Raises:
        QueryError: there is no such space, or no point has a vector in it.
        StoreError: there is no collection.
    """
    schema = schema_of(store)
    if space not in schema.vectors:
        raise QueryError(
            f"No vector space {space!r}; the collection has {', '.join(schema.vectors)}",
            code="bad_option",
        )
    asked = _questions(store, space, queries, seed)
    chosen = where or _filter(store)
    wheres: list[tuple[str, Condition | None]] = [("plain", None)]
    wheres += [] if chosen is None else [chosen]
    total = store.count()
    return [_measured(store, space, asked, top, name, one, total, clock) for name, one in wheres]


def _questions(store: Store, space: str, queries: int, seed: int) -> Floats:
    random = np.random.default_rng(seed)
    # ids are hashes, so the first points are any
    page = store.scroll(limit=queries, fields=("item_id",), spaces=(space,))
    found = [record.vectors[space] for record in page if space in record.vectors]
    if not found:
        raise QueryError(f"No point has a vector in the space {space!r}", code="empty_query")
    rows = np.stack(found).astype(np.float32)
    noise = random.standard_normal(rows.shape).astype(np.float32)
    moved = rows + MOVED * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


def _filter(store: Store) -> tuple[str, Condition] | None:
    """A value of a field that about :data:`FEW` of the points have; None where none is near."""
    total, best, found = store.count(), float("inf"), None
    for name, kind in schema_of(store).fields.items():
        if kind != "keyword":
            continue
        for value, count in store.facet(name, limit=BEST):
            apart = abs(np.log(count / total / FEW)) if count else float("inf")
            if apart < best:
                best, found = apart, (f"{name} = {value!r}", Equals(name, value))
    return found


def _measured(
    store: Store,
    space: str,
    asked: Floats,
    top: int,
    name: str,
    where: Condition | None,
    total: int,
    clock: Callable[[], float],
) -> Figures:
    requests = [VectorQuery(space, row, top, where, ("item_id",)) for row in asked]
    for one in requests[:WARM]:
        store.query([one])
    seconds: list[float] = []
    found: list[set[str]] = []
    for one in requests:
        start = clock()
        (hits,) = store.query([one])
        seconds.append(clock() - start)
        found.append({hit.id for hit in hits})
    exact = _exact(store, space, asked, top, where)
    shares = [len(one & truth) / len(truth) for one, truth in zip(found, exact, strict=True)]
    p50, p95 = np.percentile(np.array(seconds) * 1000, (50, 95))
    share = 1.0 if where is None else store.count(where) / max(1, total)
    return Figures(name, share, float(p50), float(p95), float(np.mean(shares)))


def _exact(
    store: Store, space: str, asked: Floats, top: int, where: Condition | None
) -> Sequence[set[str]]:
    """Ids of the nearest of each question, by all vectors."""
    ids: list[str] = []
    scores = np.zeros((len(asked), 0), np.float32)
    records = scroll_all(store, where=where, fields=("item_id",), spaces=(space,), page=PAGE)
    for page in batches(records, PAGE):
        found = [one for one in page if space in one.vectors]
        if not found:
            continue
        ids += [one.id for one in found]
        rows = np.stack([one.vectors[space] for one in found])
        scores = np.concatenate([scores, asked @ rows.T], axis=1)
        # of what was read, only the best so far are of use
        best = np.unique(np.argsort(-scores, axis=1, kind="stable")[:, :top])
        ids, scores = [ids[at] for at in best], scores[:, best]
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    return [{ids[at] for at in row} or {""} for row in order]

"""The embedded store in a process of its own against the same store in this one.

Both answer the same queries in turns, from a folder of their own with the same points. Beside the
time of a query: how long the rest of this process stands still while a store builds its index.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from measure import Report, in_turns, parser, percentile, seconds
from synthetic import clustered, near, product_points, schema

from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.index.indexer import CHUNK
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.process.store import ProcessStore

SPACE = "cutout"
FIELDS = ("item_id", "title", "category", "price")
REGIONS, CANDIDATES = 12, 200
"""Requests of the batch that stands for a photo, and hits of each."""
THREADS = 4


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--size", type=int, default=100_000)
    made.add_argument("--dim", type=int, default=256)
    made.add_argument("--queries", type=int, default=100)
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument("--folder", help="where the stores are made")
    arguments = made.parse_args()
    rng = np.random.default_rng(arguments.seed)
    rows = clustered(rng, arguments.size, arguments.dim)
    queries = [VectorQuery(SPACE, v, 20, None, FIELDS) for v in near(rng, rows, arguments.queries)]
    photo = [
        VectorQuery(SPACE, v, CANDIDATES, None, ("item_id",)) for v in near(rng, rows, REGIONS)
    ]
    report = Report(f"A store in a process of its own, {arguments.size:,} x {arguments.dim}")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        here = EdgeStore(Path(folder) / "here", "items")
        _fill(here, rows, arguments.dim)
        here.close()
        shutil.copytree(Path(folder) / "here", Path(folder) / "there")
        here = EdgeStore(Path(folder) / "here", "items")
        there = ProcessStore(partial(EdgeStore, Path(folder) / "there", "items"))
        stores: dict[str, Store] = {"in this process": here, "in its own": there}
        _one_by_one(report, stores, queries, arguments.rounds)
        _photos(report, stores, photo)
        _by_threads(report, stores, queries)
        more = list(product_points(clustered(rng, CHUNK, arguments.dim), (SPACE,), batch=1000))
        for name, store in stores.items():
            for batch in more:
                store.upsert(batch)
            report.add(f"optimize {name}: longest standstill", _standstill(store.optimize), "ms")
        here.close()
        there.close()
    report.print(as_json=arguments.json)
    return 0


def _fill(store: Store, rows: np.ndarray, dim: int) -> None:
    store.create(schema({SPACE: dim}))
    with store.batch_writes():
        for number, batch in enumerate(product_points(rows, (SPACE,), batch=1000)):
            store.upsert(batch)
            if (number + 1) * 1000 % CHUNK == 0:
                store.optimize()
    store.optimize()


def _one_by_one(
    report: Report, stores: dict[str, Store], queries: list[VectorQuery], rounds: int
) -> None:
    """Single queries of 20 hits with four fields each, in turns."""
    times: dict[str, list[float]] = {name: [] for name in stores}
    for turn in range(rounds + 1):
        for query in queries:
            for name, store in stores.items():
                taken = seconds(lambda s=store, q=query: s.query([q]))
                if turn:  # the first round reads the files
                    times[name].append(taken * 1e3)
    for name, found in times.items():
        report.add(f"query {name}: median", statistics.median(found), "ms")
        report.add(f"query {name}: p95", percentile(found, 0.95), "ms")
    inside, outside = times.values()
    apart = [b - a for a, b in zip(inside, outside, strict=True)]
    report.add("query: median of the differences", statistics.median(apart), "ms", at_most=0.2)


def _photos(report: Report, stores: dict[str, Store], photo: list[VectorQuery]) -> None:
    """A photo's batch."""
    times = in_turns({n: partial(s.query, photo) for n, s in stores.items()}, repeats=30, warmup=3)
    for name, found in times.items():
        what = f"{REGIONS} queries x {CANDIDATES} hits {name}: median"
        report.add(what, statistics.median(found) * 1e3, "ms")


def _by_threads(report: Report, stores: dict[str, Store], queries: list[VectorQuery]) -> None:
    """Queries of several threads, which a store in its own process answers together."""
    for name, store in stores.items():
        with ThreadPoolExecutor(THREADS) as pool:
            start = time.perf_counter()
            list(pool.map(lambda q, s=store: s.query([q]), queries * 3))
            rate = 3 * len(queries) / (time.perf_counter() - start)
        report.add(f"{THREADS} threads {name}", rate, "1/s")


def _standstill(call: Callable[[], object]) -> float:
    """Milliseconds between two ticks of this process, at most, while a call runs in a thread."""
    longest, last = 0.0, time.perf_counter()
    calling = threading.Thread(target=call)
    calling.start()
    while calling.is_alive():
        time.sleep(0.001)
        at = time.perf_counter()
        longest, last = max(longest, at - last), at
    return longest * 1e3


if __name__ == "__main__":
    sys.exit(main())

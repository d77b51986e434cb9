"""The embedded store as it grows: recall against an exact scan, times, memory, disk.

Each size is filled as an index run fills it (an ``optimize`` every 20,000 points), closed, and
opened again by a process of its own, so that reopening and memory are those of a reader. Exact
neighbours come from numpy over the same seeded rows.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser, percentile
from numpy.typing import NDArray
from synthetic import CATEGORIES, clustered, near, product_points, schema

from scenesearch.core.conditions import Condition, Equals
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import Hit
from scenesearch.index.indexer import CHUNK
from scenesearch.store.embedded.edge import EdgeStore

SPACE = "cutout"
TOP = 20
CATEGORY = "category 7"
REGIONS = 12
"""Requests of the batch that stands for a photo, two spaces each."""


def main() -> int:
    arguments = _arguments()
    if arguments.reader is not None:
        print(json.dumps(_read(arguments)))
        return 0
    report = Report(f"Embedded store, {arguments.dim} dimensions, {arguments.queries} queries")
    results: dict[int, Mapping[str, float]] = {}
    for count in arguments.sizes:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            written = _write(arguments, Path(folder), count)
            results[count] = {**written, **_reader(arguments, folder, count)}
        for name, value in results[count].items():
            what, _, unit = name.partition("|")
            if what == "recall@20":
                report.add_least(f"{count:,}: {what}", value, unit, at_least=0.99)
            else:
                report.add(f"{count:,}: {what}", value, unit)
    _growth(report, results)
    report.print(as_json=arguments.json)
    return 0


def _growth(report: Report, results: Mapping[int, Mapping[str, float]]) -> None:
    """Exponents of the last step in size: 1 is in proportion, 0 is not at all."""
    if len(results) < 2:
        return
    small, large = sorted(results)[-2:]
    for name in results[small]:
        a, b = results[small][name], results[large][name]
        if a > 0 and b > 0 and not name.startswith("recall"):
            exponent = math.log(b / a) / math.log(large / small)
            report.add(f"growth of {name.partition('|')[0]}", exponent)


def _rows(arguments: argparse.Namespace, count: int) -> NDArray[np.float32]:
    return clustered(np.random.default_rng(arguments.seed), count, arguments.dim)


def _write(arguments: argparse.Namespace, folder: Path, count: int) -> dict[str, float]:
    store = EdgeStore(folder / "store", "items")
    store.create(schema({SPACE: arguments.dim}))
    rows = _rows(arguments, count)
    uploading, optimizing, slowest, pending = 0.0, 0.0, 0.0, 0
    batches = product_points(rows, (SPACE,), batch=1000)
    while batch := next(batches, None):
        start = time.perf_counter()
        store.upsert(batch)
        uploading += time.perf_counter() - start
        pending += len(batch)
        if pending >= CHUNK:
            taken = _optimize(store)
            optimizing, slowest, pending = optimizing + taken, max(slowest, taken), 0
    taken = _optimize(store)
    optimizing, slowest = optimizing + taken, max(slowest, taken)
    store.close()
    disk = sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())
    return {
        "upload|1/s": count / uploading,
        "optimize, all|s": optimizing,
        "optimize, longest|s": slowest,
        "disk|MB": disk / 1e6,
    }


def _optimize(store: EdgeStore) -> float:
    start = time.perf_counter()
    store.optimize()
    return time.perf_counter() - start


def _reader(arguments: argparse.Namespace, folder: str, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--reader", folder, "--sizes", str(count)]
    for name in ("dim", "queries", "seed"):
        command += [f"--{name}", str(getattr(arguments, name))]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


def _read(arguments: argparse.Namespace) -> dict[str, float]:
    """Run by the reading process."""
    (count,) = arguments.sizes
    rng = np.random.default_rng(arguments.seed + 1)
    rows = _rows(arguments, count)
    queries = near(rng, rows, arguments.queries)
    photos = near(rng, rows, 2 * REGIONS * 20).reshape(20, 2 * REGIONS, arguments.dim)
    exact = _exact(rows, queries)
    del rows
    before = memory()
    start = time.perf_counter()
    store = EdgeStore(Path(arguments.reader) / "store", "items")
    store.count()
    reopening = time.perf_counter() - start
    _timed(store, queries)  # the first pass reads the files
    plain, found = _timed(store, queries)
    filtered, _ = _timed(store, queries, Equals("category", CATEGORY))
    batches = [_photo(store, photo) for photo in photos]
    after = memory()
    store.close()
    recall = statistics.mean(
        len({hit.payload["item_id"] for hit in hits} & {f"sku-{i}" for i in best}) / TOP
        for hits, best in zip(found, exact.tolist(), strict=True)
    )
    return {
        "reopen|s": reopening,
        "recall@20": recall,
        "query, p50|ms": statistics.median(plain) * 1e3,
        "query, p95|ms": percentile(plain, 0.95) * 1e3,
        f"query filtered to 1 in {CATEGORIES}, p50|ms": statistics.median(filtered) * 1e3,
        f"query filtered to 1 in {CATEGORIES}, p95|ms": percentile(filtered, 0.95) * 1e3,
        f"batch of {2 * REGIONS} x 200 hits, p50|ms": statistics.median(batches) * 1e3,
        "memory, resident|MB": after["Rss"] - before["Rss"],
        "memory, private|MB": after["Private"] - before["Private"],
        "memory, anonymous|MB": after["Anonymous"] - before["Anonymous"],
    }


def _exact(rows: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.intp]:
    best = []
    for query in queries:
        scores = rows @ query
        top = np.argpartition(-scores, TOP)[:TOP]
        best.append(top)
    return np.stack(best)


def _timed(
    store: EdgeStore, queries: NDArray[np.float32], where: Condition | None = None
) -> tuple[list[float], list[list[Hit]]]:
    times, found = [], []
    for query in queries:
        start = time.perf_counter()
        found += store.query([VectorQuery(SPACE, query, TOP, where, ("item_id",))])
        times.append(time.perf_counter() - start)
    return times, found


def _photo(store: EdgeStore, vectors: NDArray[np.float32]) -> float:
    start = time.perf_counter()
    store.query([VectorQuery(SPACE, vector, 200, None, ("item_id",)) for vector in vectors])
    return time.perf_counter() - start


def memory() -> dict[str, float]:
    """Megabytes of this process; Linux only.

    What is private but not anonymous are pages of the store's files, which the system takes back
    when it needs them.
    """
    sizes: dict[str, float] = {"Rss": 0.0, "Private": 0.0, "Anonymous": 0.0}
    for line in Path("/proc/self/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, value = line.split()[:2]
        kind = name.rstrip(":").partition("_")[0]
        if kind in sizes and name != "Private_Hugetlb:":
            sizes[kind] += int(value) / 1e3
    return sizes


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("--sizes", type=int, nargs="+", default=[10_000, 50_000, 200_000])
    made.add_argument("--dim", type=int, default=320)
    made.add_argument("--queries", type=int, default=300)
    made.add_argument("--folder", help="where stores are made; a folder on the disk of interest")
    made.add_argument("--reader", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""The embedded store from 10,000 to 1,000,000 points of a product's shape, codes or none.

A point has two spaces of 320 numbers, one of 64, and a payload like a shop's. One store in
``--folder`` grows from size to size, so that a run may stop after any of them and the next one goes
on; what loading cost so far is kept beside it. Each size is read by a process of its own: first
1,000 queries of 20 hits, half in each of two spaces, after which its memory is read, then looks of
24 queries of 200 hits. Exact neighbours come from numpy over the same seeded rows.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser
from numpy.typing import NDArray
from store import memory
from synthetic import around, centres, payload, point_id, schema

from scenesearch.core.conditions import Between, Condition, Equals
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import Point
from scenesearch.index.indexer import CHUNK
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.system.disk import tree_bytes

SPACES = {"cutout": 320, "context": 320, "colour": 64}
RAW_BYTES = 4 * sum(SPACES.values())
BATCH = 1000
TOP, CANDIDATES = 20, 200
REGIONS = 12
"""Of a look; each asks two spaces."""
FIELDS = ("item_id", "category")
FILTERS: dict[str, Condition | None] = {
    "plain": None,
    "filtered to 2 %": Equals("category", "category 7"),
    "filtered to 67 %": Between("price", lte=675.0),
}
Rows = NDArray[np.float32]


def main() -> int:
    arguments = _arguments()
    if arguments.reader:
        print(json.dumps(_read(arguments)))
        return 0
    report = Report("Embedded store, points of 320 + 320 + 64 numbers")
    report.facts["quantization"] = arguments.quantization
    folder = Path(arguments.folder)
    for count in sorted(arguments.sizes):
        spent = _load(arguments, folder, count)
        report.add(f"{count:,}: load, in all", spent["s"], "s")
        report.add(f"{count:,}: load, in all, processor", spent["cpu_s"], "s")
        report.add(f"{count:,}: load, longest optimize", spent["longest_s"], "s")
        disk = tree_bytes(folder / "store" / "items") / count
        report.add(f"{count:,}: disk a point", disk, "B")
        for name, value in _reader(arguments, count).items():
            what, _, unit = name.partition("|")
            if what.startswith("recall@20"):
                report.add_least(f"{count:,}: {what}", value, unit, at_least=0.98)
            elif what.endswith("over raw float32") and arguments.quantization != "none":
                report.add(f"{count:,}: {what}", value, unit, at_most=0.6)
            else:
                report.add(f"{count:,}: {what}", value, unit)
    report.print(as_json=arguments.json)
    return 0


def _chunk(seed: int, number: int, space: str) -> Rows:
    """Rows of the points from ``number * CHUNK`` on; the same whenever they are made."""
    dim = SPACES[space]
    kind = list(SPACES).index(space)
    rng = np.random.default_rng((seed, kind, number))
    middle = centres(np.random.default_rng((seed, kind)), dim)
    return around(rng, middle[rng.integers(0, len(middle), CHUNK)])


def _load(arguments: argparse.Namespace, folder: Path, count: int) -> dict[str, float]:
    """Fill the store up to ``count`` points as ``index`` does; gives what that cost in all."""
    notes = folder / "loaded.json"
    spent = {"s": 0.0, "cpu_s": 0.0, "longest_s": 0.0}
    if notes.exists():
        spent = json.loads(notes.read_text("utf-8"))
    store = EdgeStore(folder / "store", "items", quantization=arguments.quantization)
    store.create(schema(SPACES))
    start = store.count()
    for first in range(start - start % CHUNK, count, CHUNK):
        rows = {space: _chunk(arguments.seed, first // CHUNK, space) for space in SPACES}
        clock, cpu = time.perf_counter(), time.process_time()
        for part in range(max(first, start), min(first + CHUNK, count), BATCH):
            store.upsert(
                [
                    Point(
                        point_id(i),
                        {space: rows[space][i - first] for space in SPACES},
                        {**payload(i), "words": f"{i} grey white chair of category {i % 50}"},
                    )
                    for i in range(part, min(part + BATCH, count))
                ]
            )
        optimizing = time.perf_counter()
        store.optimize()
        spent["longest_s"] = max(spent["longest_s"], time.perf_counter() - optimizing)
        spent["s"] += time.perf_counter() - clock
        spent["cpu_s"] += time.process_time() - cpu
        notes.write_text(json.dumps(spent), "utf-8")
    store.close()
    return spent


def _reader(arguments: argparse.Namespace, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--reader", "--sizes", str(count)]
    for name in ("folder", "queries", "seed", "looks"):
        command += [f"--{name}", str(getattr(arguments, name))]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(run.stdout)
    return found


def _read(arguments: argparse.Namespace) -> dict[str, float]:
    """Run by the reading process."""
    (count,) = arguments.sizes
    rng = np.random.default_rng((arguments.seed, 99))
    near = {space: _near(arguments, count, space, rng) for space in ("cutout", "context")}
    looks = [_look(near, i) for i in range(arguments.looks)]
    before = memory()
    clock = time.perf_counter()
    store = EdgeStore(Path(arguments.folder) / "store", "items")
    store.count()
    found = {"open|s": time.perf_counter() - clock}
    times = []
    for i in range(arguments.queries):
        space = ("cutout", "context")[i % 2]
        clock = time.perf_counter()
        store.query([VectorQuery(space, near[space][i], TOP, None, FIELDS)])
        times.append(time.perf_counter() - clock)
    after = memory()
    found["one query of 20, p50|ms"] = statistics.median(times) * 1e3
    private = (after["Anonymous"] - before["Anonymous"]) * 1e6 / count
    resident = (after["Rss"] - before["Rss"]) * 1e6 / count
    found |= {
        "memory a point, private|B": private,
        "memory a point, resident pages of files|B": resident - private,
        "memory a point, private and resident, over raw float32": resident / RAW_BYTES,
    }
    for what, where in FILTERS.items():
        times = []
        for look in looks:
            clock = time.perf_counter()
            store.query([VectorQuery(space, row, CANDIDATES, where, FIELDS) for space, row in look])
            times.append(time.perf_counter() - clock)
        found[f"a look of {2 * REGIONS} x {CANDIDATES} hits, {what}, p50|ms"] = (
            statistics.median(times) * 1e3
        )
    sample = near["cutout"][:100]
    for what, where in FILTERS.items():
        answers = store.query([VectorQuery("cutout", q, CANDIDATES, where, ()) for q in sample])
        ids = [[hit.id for hit in hits] for hits in answers]
        best = _exact(arguments, count, sample, what)
        for top in (TOP, CANDIDATES):
            found[f"recall@{top}, {what}"] = statistics.mean(
                len(set(got[:top]) & {point_id(i) for i in exact[:top]}) / min(top, len(exact))
                for got, exact in zip(ids, best, strict=True)
            )
    store.close()
    return found


def _near(arguments: argparse.Namespace, count: int, space: str, rng: np.random.Generator) -> Rows:
    """Queries near random points of all."""
    wanted = max(arguments.queries, arguments.looks * REGIONS)
    parts = -(-count // CHUNK)
    # a few of every chunk; more than a hundred chunks would take minutes to make again
    chosen = rng.permutation(parts)[: min(parts, 20)]
    rows = []
    for number in chosen:
        chunk = _chunk(arguments.seed, int(number), space)[: count - int(number) * CHUNK]
        rows.append(chunk[rng.integers(0, len(chunk), -(-wanted // len(chosen)))])
    return around(rng, rng.permutation(np.concatenate(rows))[:wanted])


def _look(near: dict[str, Rows], number: int) -> list[tuple[str, Rows]]:
    part = slice(number * REGIONS, (number + 1) * REGIONS)
    return [(space, row) for space, rows in near.items() for row in rows[part]]


def _exact(arguments: argparse.Namespace, count: int, queries: Rows, what: str) -> list[list[int]]:
    """Numbers of the best of all points that a filter lets through, best first."""
    best: list[tuple[Rows, NDArray[np.int64]]] = []
    for first, rows in _chunks(arguments.seed, count):
        numbers = np.arange(first, first + len(rows))
        keep = _kept(numbers, what)
        scores, numbers = queries @ rows[keep].T, numbers[keep]
        top = np.argsort(-scores, axis=1)[:, :CANDIDATES]
        best.append((np.take_along_axis(scores, top, axis=1), numbers[top]))
    scores = np.concatenate([part for part, _ in best], axis=1)
    numbers = np.concatenate([part for _, part in best], axis=1)
    order = np.argsort(-scores, axis=1)[:, :CANDIDATES]
    found: list[list[int]] = np.take_along_axis(numbers, order, axis=1).tolist()
    return found


def _chunks(seed: int, count: int) -> Iterator[tuple[int, Rows]]:
    for first in range(0, count, CHUNK):
        yield first, _chunk(seed, first // CHUNK, "cutout")[: count - first]


def _kept(numbers: NDArray[np.int64], what: str) -> NDArray[np.bool_]:
    if what == "plain":
        return np.ones(len(numbers), dtype=bool)
    payloads = [payload(int(i)) for i in numbers]
    if what == "filtered to 2 %":
        return np.array([one["category"] == "category 7" for one in payloads])
    return np.array([float(str(one["price"])) <= 675.0 for one in payloads])


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    made.add_argument("--folder", required=True, help="of the store, which is kept and grows")
    made.add_argument("--quantization", choices=("none", "int8", "binary"), default="int8")
    made.add_argument("--queries", type=int, default=1000)
    made.add_argument("--looks", type=int, default=20)
    made.add_argument("--reader", action="store_true", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

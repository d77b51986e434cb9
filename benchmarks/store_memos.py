"""What it gives that payloads are read once, and that points cross the pipe to a store once.

Stores in processes of their own over the same points: as they are, without packed hits (ids,
scores and payloads of every hit as plain columns), and without the memo of payloads. Each round
asks all of them the same new batches of a photo's queries, each time another one first. CPU-seconds
of both ends, so that other work on the machine plays no part.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import psutil
from measure import Report, parser
from process_store import _fill
from synthetic import clustered, near

from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import Hit
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.payload_memo import PayloadMemo
from scenesearch.store.process.store import ProcessStore
from scenesearch.store.process.wire import HitPacker, Request

SPACE = "cutout"
REGIONS, CANDIDATES = 24, 200
"""Requests of the batch that stands for a photo, and hits of each."""
UNPACKED = "without packed hits"


class Unpacked(ProcessStore):
    """Gets every hit with its payload, as columns."""

    def query(self, queries: Sequence[Any]) -> list[list[Hit]]:
        """As the store."""
        found = self._ask_again(Request("query", (list(queries),)))
        return [list(map(Hit, ids, scores, map(MappingProxyType, p))) for ids, scores, p in found]


def _columns(_: HitPacker, answers: Sequence[Sequence[Hit]]) -> Any:
    return [
        ([hit.id for hit in hits], [hit.score for hit in hits], [dict(h.payload) for h in hits])
        for hits in answers
    ]


def _without_packing(folder: Path) -> EdgeStore:
    HitPacker.pack = _columns  # type: ignore[method-assign]
    return EdgeStore(folder, "items")


def _without_memo(folder: Path) -> EdgeStore:
    made = EdgeStore(folder, "items")
    made._memo = PayloadMemo(0)
    return made


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--size", type=int, default=20_000)
    made.add_argument("--dim", type=int, default=256)
    made.add_argument("--batches", type=int, default=10, help="a round")
    made.add_argument("--rounds", type=int, default=13)
    made.add_argument("--fields", default="item_id", help="of each hit, with commas")
    arguments = made.parse_args()
    fields = tuple(arguments.fields.split(","))
    rng = np.random.default_rng(arguments.seed)
    rows = clustered(rng, arguments.size, arguments.dim)
    report = Report(f"What is kept of hits, {arguments.size:,} x {arguments.dim}, {fields}")
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / str(number) for number in range(3)]
        filled = EdgeStore(paths[0], "items")
        _fill(filled, rows, arguments.dim)
        filled.close()
        for path in paths[1:]:
            shutil.copytree(paths[0], path)
        stores = {
            "as it is": ProcessStore(partial(EdgeStore, paths[0], "items")),
            UNPACKED: Unpacked(partial(_without_packing, paths[1])),
            "without the memo of payloads": ProcessStore(partial(_without_memo, paths[2])),
        }
        spent: dict[str, list[float]] = {name: [] for name in stores}
        names = list(stores)
        for turn in range(arguments.rounds + 2):
            batches = [
                [VectorQuery(SPACE, v, CANDIDATES, None, fields) for v in near(rng, rows, REGIONS)]
                for _ in range(arguments.batches)
            ]
            found = {}
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                before = _cpu(stores[name])
                for batch in batches:
                    found[name] = stores[name].query(batch)
                if turn > 1:  # little is known in the first ones
                    spent[name].append((_cpu(stores[name]) - before) / arguments.batches)
            assert all(answers == found[names[0]] for answers in found.values())
        for store in stores.values():
            store.close()
    for name, taken in spent.items():
        report.add(f"{name}: a batch, median", statistics.median(taken) * 1e3, "ms CPU")
    for name in names[1:]:
        ratios = sorted(a / b for a, b in zip(spent[name], spent[names[0]], strict=True))
        report.add(f"{name}, over as it is: median", statistics.median(ratios))
        report.add(f"{name}, over as it is: lowest", ratios[0])
        report.add(f"{name}, over as it is: highest", ratios[-1])
    report.print(as_json=arguments.json)
    return 0


def _cpu(store: ProcessStore) -> float:
    store.start()
    times = psutil.Process(store.pid).cpu_times()
    return time.process_time() + times.user + times.system


if __name__ == "__main__":
    sys.exit(main())

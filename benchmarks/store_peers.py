"""The embedded store beside zvec and milvus-lite: bulk loads, and batches of a look's shape.

Each side is a process of its own in the interpreter that has it (``--zvec``, ``--milvus``: paths
of interpreters of other environments with ``zvec`` and ``milvus-lite``, ``pymilvus``). All get the
same rows, payloads and queries; loads and batches take turns. Every round asks 12 queries that were
not asked before, 200 hits each with two fields. A load ends when what was written is durable and
ready to be asked; ``--strace`` counts, in a run of its own, the syncs of a load.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser, ratio
from numpy.typing import NDArray
from store_peers_side import CATEGORY, EF, PRICE, TOP
from synthetic import clustered, near, payload, point_id

SIDE = Path(__file__).with_name("store_peers_side.py")
QUERIES = 12
CHOSEN: Mapping[str, Callable[[dict[str, Any]], bool]] = {
    "plain": lambda _: True,
    "few": lambda one: one["category"] == CATEGORY,
    "most": lambda one: one["price"] <= PRICE,
}
SHARES = {"plain": "plain", "few": "filtered to 2 %", "most": "filtered to 67 %"}
GOALS = {"plain": 1.0, "few": 0.6, "most": 0.8}


class Side:
    """A store in a process."""

    def __init__(
        self,
        name: str,
        python: str,
        folder: Path,
        data: Path,
        graph: Sequence[int],
        before: Sequence[str] = (),
    ) -> None:
        self.name = name
        folder.mkdir()
        self._process = subprocess.Popen(
            [*before, python, str(SIDE), name, str(folder), str(data), *map(str, graph)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> dict[str, Any]:
        """Its answer to a line."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        while text := self._process.stdout.readline():
            if text.startswith("{"):  # what else peers print is theirs
                found: dict[str, Any] = json.loads(text)
                return found
        raise RuntimeError(f"{self.name} ended at {line!r} with {self._process.wait()}")

    def end(self) -> None:
        """No more lines."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> int:
    arguments = _arguments()
    report = Report(f"Embedded store beside others, {arguments.dim} numbers, one space")
    m, ef_construct = arguments.graph
    report.facts["graphs"] = f"m {m}, ef_construct {ef_construct}, ef {EF}; ours: int8, scanned"
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        rows, queries, payloads = _data(arguments, folder)
        for peer, python, count in (
            ("zvec", arguments.zvec, arguments.points),
            ("milvus", arguments.milvus, arguments.load),
        ):
            if python:
                pythons = {"ours": sys.executable, peer: python}
                sides = _load(report, arguments, folder, pythons, count)
                _ask(report, arguments, sides, (rows[:count], queries, payloads))
                for side in sides.values():
                    side.end()
                if arguments.strace:
                    _syncs(report, folder, pythons, count, arguments.graph)
    report.print(as_json=arguments.json)
    return 0


def _data(
    arguments: argparse.Namespace, folder: Path
) -> tuple[NDArray[np.float32], NDArray[np.float32], list[dict[str, Any]]]:
    rng = np.random.default_rng(arguments.seed)
    count = max(arguments.load if arguments.milvus else 0, arguments.points)
    rows = clustered(rng, count, arguments.dim)
    asked = near(rng, rows[: arguments.points], QUERIES * arguments.rounds)
    queries = asked.reshape(arguments.rounds, QUERIES, arguments.dim)
    payloads: list[dict[str, Any]] = [payload(i) for i in range(count)]
    np.save(folder / "rows.npy", rows)
    np.save(folder / "queries.npy", queries)
    with (folder / "points.jsonl").open("w", encoding="utf-8") as file:
        for i, one in enumerate(payloads):
            file.write(json.dumps({"id": point_id(i), **one}) + "\n")
    return rows, queries, payloads


def _load(
    report: Report,
    arguments: argparse.Namespace,
    folder: Path,
    pythons: Mapping[str, str],
    count: int,
) -> dict[str, Side]:
    """Load in turns, each time into a new store; gives the last ones, loaded."""
    times: dict[str, list[float]] = {name: [] for name in pythons}
    cpu: dict[str, list[float]] = {name: [] for name in pythons}
    sides: dict[str, Side] = {}
    for turn in range(arguments.loads):
        for name in list(pythons)[:: 1 if turn % 2 else -1]:
            if name in sides:
                sides[name].end()
            home = folder / name
            shutil.rmtree(home, ignore_errors=True)
            sides[name] = Side(name, pythons[name], home, folder, arguments.graph)
            answer = sides[name].tell(f"load {count}")
            times[name].append(answer["s"])
            cpu[name].append(answer["cpu_s"])
    ours, peer = times.values()
    name = list(pythons)[1]
    what = f"load of {count:,}"
    report.add(f"{what}, ours", statistics.median(ours), "s")
    report.add(f"{what}, ours, processor", statistics.median(cpu["ours"]), "s")
    report.add(f"{what}, {name}", statistics.median(peer), "s")
    report.add(f"{what}, ours over {name}", ratio(ours, peer), at_most=1.0)
    return {name: sides[name] for name in pythons}


def _ask(
    report: Report,
    arguments: argparse.Namespace,
    sides: Mapping[str, Side],
    data: tuple[NDArray[np.float32], NDArray[np.float32], list[dict[str, Any]]],
) -> None:
    rows, queries, payloads = data
    for chosen, test in CHOSEN.items():
        times: dict[str, list[float]] = {name: [] for name in sides}
        found: dict[str, list[list[str]]] = {name: [] for name in sides}
        for turn in range(arguments.rounds):
            for name in list(sides)[:: 1 if turn % 2 else -1]:
                answer = sides[name].tell(f"ask {chosen} {turn}")
                times[name].append(answer["s"])
                found[name] += answer["found"]
        kept = np.array([test(one) for one in payloads[: len(rows)]])
        best = _exact(rows, queries.reshape(-1, rows.shape[1]), kept)
        what = f"{QUERIES} x {TOP} hits of {len(rows):,}, {SHARES[chosen]}"
        for name in sides:
            report.add(f"{what}, {name}", statistics.median(times[name]) * 1e3, "ms")
            shares = [
                len({f"sku-{i}" for i in exact} & set(got)) / len(exact)
                for exact, got in zip(best, found[name], strict=True)
            ]
            report.add(f"{what}, {name}, recall", statistics.mean(shares))
        ours, peer = times.values()
        name = list(sides)[1]
        goal = GOALS[chosen] if name == "zvec" else None
        report.add(f"{what}, ours over {name}", ratio(ours, peer), at_most=goal)
        half = arguments.rounds // 2
        report.add(f"{what}, ours over {name}, later half", ratio(ours[half:], peer[half:]))


def _exact(
    rows: NDArray[np.float32], queries: NDArray[np.float32], kept: NDArray[np.bool_]
) -> list[list[int]]:
    numbers = np.flatnonzero(kept)
    scores = queries @ rows[kept].T
    best: list[list[int]] = numbers[np.argsort(-scores, axis=1)[:, :TOP]].tolist()
    return best


def _syncs(
    report: Report, folder: Path, pythons: Mapping[str, str], count: int, graph: Sequence[int]
) -> None:
    for name, python in pythons.items():
        trace = folder / f"{name}.strace"
        home = folder / f"{name}-traced"
        side = Side(
            name,
            python,
            home,
            folder,
            graph,
            ("strace", "-f", "-c", "-e", "trace=fsync,fdatasync,msync", "-o", str(trace)),
        )
        side.tell(f"load {count}")
        side.end()
        shutil.rmtree(home)
        calls = {
            call: int(number)
            for number, call in re.findall(
                r"(\d+)\s+(?:\d+\s+)?(fsync|fdatasync|msync)$",
                trace.read_text("utf-8"),
                re.MULTILINE,
            )
        }
        for call, number in sorted(calls.items()):
            report.add(f"load of {count:,}, {name}, calls of {call}", number)


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("--zvec", help="interpreter that has zvec")
    made.add_argument("--milvus", help="interpreter that has milvus-lite and pymilvus")
    made.add_argument(
        "--graph", type=int, nargs=2, default=(50, 500), help="of peers: m, ef_construct"
    )
    made.add_argument("--dim", type=int, default=320)
    made.add_argument("--points", type=int, default=50_000, help="beside zvec")
    made.add_argument("--load", type=int, default=100_000, help="beside milvus-lite")
    made.add_argument("--loads", type=int, default=5)
    made.add_argument("--rounds", type=int, default=15)
    made.add_argument("--strace", action="store_true", help="count syncs, in runs of their own")
    made.add_argument("--folder", help="where stores are made; a folder on the disk of interest")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

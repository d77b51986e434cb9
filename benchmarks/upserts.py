"""One upsert into the embedded store, and a bulk load, over zvec at equal durability.

Each side is a process of its own in the interpreter that has it, with the same rows and payloads,
one space. A load ends when what was written is durable and ready to be asked. Upserts go into what
was loaded, in turns, a number of them a round: those that survive a killed process (neither side
syncs), and those that survive a cut of the power (both sync their log). That they do is counted by
strace, in a run of its own.
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
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from measure import Report, parser, ratio
from synthetic import clustered, payload, point_id

SIDE = Path(__file__).with_name("upserts_side.py")
CALLS = ("fsync", "fdatasync", "msync")
TRACED = 100
"""Upserts of which the syncs are counted."""
OWN = 10
"""Upserts of a round that zvec makes durable by its own call."""


class Side:
    """A store in a process."""

    def __init__(
        self,
        name: str,
        python: str,
        folder: Path,
        graph: Sequence[int],
        before: Sequence[str] = (),
    ) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._name = name
        self._process = subprocess.Popen(
            [*before, python, str(SIDE), name, str(folder), str(folder.parent), *map(str, graph)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def tell(self, line: str) -> list[float]:
        """Its answer to a line."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        while text := self._process.stdout.readline():
            if text.startswith("["):  # what else a peer prints is its own
                times: list[float] = json.loads(text)
                return times
        raise SystemExit(f"{self._name} ended at {line!r} with {self._process.wait()}")

    def end(self) -> None:
        """No more lines."""
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def main() -> int:
    arguments = _arguments()
    pythons = {"ours": sys.executable, "zvec": arguments.zvec}
    report = Report(
        f"Embedded store over zvec: {arguments.points:,} points of one space of {arguments.dim}"
    )
    report.facts["zvec"] = "m {}, ef_construction {}".format(*arguments.graph)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as made:
        folder = Path(made)
        _data(arguments, folder)
        sides = _loads(report, arguments, folder, pythons)
        _upserts(report, arguments, sides)
        for side in sides.values():
            side.end()
        for name, python in pythons.items():
            for survives in ("kill", "cut"):
                for call, count in _syncs(arguments, folder, name, python, survives).items():
                    report.add(f"{TRACED} upserts, {survives}, {name}: {call}", count)
    report.print(as_json=arguments.json)
    return 0


def _data(arguments: argparse.Namespace, folder: Path) -> None:
    upserts = arguments.rounds * (2 * arguments.upserts + OWN)
    count = arguments.points + max(upserts, TRACED + 1)
    rows = clustered(np.random.default_rng(arguments.seed), count, arguments.dim)
    np.save(folder / "rows.npy", rows)
    with (folder / "points.jsonl").open("w", encoding="utf-8") as file:
        for i in range(count):
            file.write(json.dumps({"id": point_id(i), **payload(i)}) + "\n")


def _loads(
    report: Report, arguments: argparse.Namespace, folder: Path, pythons: Mapping[str, str]
) -> dict[str, Side]:
    """Load in turns, each time into a new store; gives the last ones."""
    times: dict[str, list[float]] = {name: [] for name in pythons}
    sides: dict[str, Side] = {}
    for turn in range(arguments.loads):
        for name in list(pythons)[:: 1 if turn % 2 else -1]:
            if name in sides:
                sides[name].end()
            sides[name] = Side(name, pythons[name], folder / name, arguments.graph)
            times[name] += sides[name].tell(f"load 0 {arguments.points}")
    for name, those in times.items():
        report.add(f"load, {name}", statistics.median(those), "s")
    report.add("load, ours over zvec", ratio(*times.values()), at_most=1.0)
    return {name: sides[name] for name in pythons}


def _upserts(report: Report, arguments: argparse.Namespace, sides: Mapping[str, Side]) -> None:
    start = arguments.points
    medians: dict[str, dict[str, list[float]]] = {}
    for turn in range(arguments.rounds):
        for survives, count in (
            ("kill", arguments.upserts),
            ("cut", arguments.upserts),
            ("own", OWN),
        ):
            for name in list(sides)[:: 1 if turn % 2 else -1]:
                if survives == "own" and name == "ours":
                    continue  # it has no other way
                times = sides[name].tell(f"upserts {start} {start + count} {survives}")
                found = medians.setdefault(survives, {}).setdefault(name, [])
                found.append(statistics.median(times))
            start += count
    for survives, goal in (("kill", None), ("cut", 1.5)):
        ours, theirs = (medians[survives][name] for name in ("ours", "zvec"))
        what = f"upsert that survives a {survives}"
        report.add(f"{what}, ours", 1000 * statistics.median(ours), "ms")
        report.add(f"{what}, zvec", 1000 * statistics.median(theirs), "ms")
        report.add(f"{what}, ours over zvec", ratio(ours, theirs), at_most=goal)
    own = medians["own"]["zvec"]
    report.add("upsert and its own flush, zvec", 1000 * statistics.median(own), "ms")
    report.add("over that, ours", ratio(medians["cut"]["ours"], own))


def _syncs(
    arguments: argparse.Namespace, folder: Path, name: str, python: str, survives: str
) -> dict[str, int]:
    """Calls of some upserts: those of a run with them, less those of a run without."""
    counts = []
    for upserts in (TRACED, 1):
        trace = folder / "strace.txt"
        before = ("strace", "-f", "-c", "-e", f"trace={','.join(CALLS)}", "-o", str(trace))
        side = Side(name, python, folder / "traced", arguments.graph, before)
        side.tell("load 0 1000")
        side.tell(f"upserts 1000 {1000 + upserts} {survives}")
        side.end()
        found = re.findall(rf"(\d+)\s+({'|'.join(CALLS)})$", trace.read_text("utf-8"), re.M)
        counts.append(Counter({call: int(number) for number, call in found}))
    return {call: counts[0][call] - counts[1][call] for call in CALLS}


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--zvec", required=True, help="interpreter that has zvec")
    made.add_argument(
        "--graph", type=int, nargs=2, default=(16, 100), help="of zvec: m, ef_construction"
    )
    made.add_argument("--dim", type=int, default=320)
    made.add_argument("--points", type=int, default=50_000)
    made.add_argument("--loads", type=int, default=5)
    made.add_argument("--rounds", type=int, default=9)
    made.add_argument("--upserts", type=int, default=100, help="of a round and kind")
    made.add_argument("--folder", type=Path, help="on the disk that is meant")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""How long a new process takes: the import, the help, and a whole look with models to load."""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from measure import Report, in_turns, parser

LIMIT_MS = 300


def main() -> int:
    arguments = _arguments()
    command = [sys.executable, "-m", "scenesearch"]
    processes: dict[str, Sequence[str]] = {
        "import scenesearch": [sys.executable, "-c", "import scenesearch"],
        "scenesearch --help": [*command, "--help"],
        "scenesearch look --help": [*command, "look", "--help"],
    }
    report = Report("A process from start to end")
    _measure(report, {"python, doing nothing": [sys.executable, "-c", "pass"]}, arguments.repeats)
    _measure(report, processes, arguments.repeats, at_most=LIMIT_MS)
    if arguments.store is not None:
        look = [*command, "look", str(arguments.photo), "--store", str(arguments.store)]
        look += ["--config", arguments.config, "--json"]
        _measure(report, {"scenesearch look, cold": look}, max(3, arguments.repeats // 4))
    report.print(as_json=arguments.json)
    return 0


def _measure(
    report: Report,
    processes: dict[str, Sequence[str]],
    repeats: int,
    at_most: float | None = None,
) -> None:
    cpu: dict[str, list[float]] = {name: [] for name in processes}

    def run(name: str) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(processes[name], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    times = in_turns({name: partial(run, name) for name in processes}, repeats=repeats)
    for name, taken in times.items():
        report.add(name, statistics.median(taken) * 1e3, "ms", at_most=at_most)
        # what it would take on an idle machine, about
        report.add(f"{name}, CPU time", statistics.median(cpu[name]) * 1e3, "ms")


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--store", type=Path, help="an index, for a cold look")
    made.add_argument("--photo", type=Path)
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--repeats", type=int, default=15)
    parsed = made.parse_args()
    if (parsed.store is None) != (parsed.photo is None):
        made.error("give both --store and --photo, or neither")
    return parsed


if __name__ == "__main__":
    sys.exit(main())

"""Whole commands against another version and against ``yolo predict``: CPU-seconds and memory.

A cold look; a catalogue indexed into a new store, without anything cached; photos tagged, over the
other version's tagging and over ``yolo predict`` with the same weights (of the other interpreter,
which has ultralytics). Each is a process of its own, from start to end with all its children; peak
memory is that of the largest process. Sides in turns, medians of the ratios in a round.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import Report, parser

Spent = tuple[float, float]


def main() -> int:
    arguments = _arguments()
    report = Report(f"Whole commands over those of {arguments.other}, {arguments.config}")
    report.facts["threads"] = "as the settings and tools have them"
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        kinds: dict[str, Callable[[], None]] = {
            "look": lambda: _look(report, arguments, folder),
            "tag": lambda: _tag(report, arguments, folder),
            "index": lambda: _index(report, arguments, folder),
        }
        for kind in arguments.kinds or kinds:
            kinds[kind]()
    report.print(as_json=arguments.json)
    return 0


def _look(report: Report, arguments: Any, folder: Path) -> None:
    sides = {}
    for side, python in _pythons(arguments).items():
        store = folder / f"look-{side}"
        shutil.copytree(arguments.store, store)
        command = [python, "-m", "scenesearch", "look", str(arguments.photos[0]), "--json"]
        sides[side] = [*command, "--store", str(store), "--config", arguments.config]
    spent = _in_turns(sides, arguments.repeats, folder)
    _add(report, "cold look", spent["this"], spent["other"], cpu=0.33, memory=0.45)


def _tag(report: Report, arguments: Any, folder: Path) -> None:
    photos = folder / "photos"
    photos.mkdir()
    for number, photo in enumerate(arguments.photos):
        shutil.copyfile(photo, photos / f"{number:04}{photo.suffix}")
    sides = {}
    for side, python in _pythons(arguments).items():
        command = [python, "-m", "scenesearch", "tag", str(photos), "--config", arguments.tagging]
        sides[side] = [*command, "--out", "OUT/tags.jsonl"]
    code = (
        "import sys; from ultralytics.cfg import entrypoint; sys.argv[0] = 'yolo'; entrypoint(None)"
    )
    sides["yolo"] = [
        *(arguments.other, "-c", code, "predict", f"model={arguments.weights}"),
        *(f"source={photos}", "conf=0.15", "save=False", "verbose=False", "project=OUT"),
    ]
    spent = _in_turns(sides, arguments.repeats, folder)
    _add(report, f"tag {len(arguments.photos)} photos", spent["this"], spent["other"], memory=0.35)
    _add(report, "tag over yolo predict", spent["this"], spent["yolo"], cpu=0.85)


def _index(report: Report, arguments: Any, folder: Path) -> None:
    sides = {}
    for side, python in _pythons(arguments).items():
        command = [python, "-m", "scenesearch", "index", str(arguments.catalog), "--store", "OUT/s"]
        sides[side] = [*command, "--config", arguments.config, "--quiet"]
    spent = _in_turns(sides, min(arguments.repeats, 3), folder)
    _add(report, "index the catalogue", spent["this"], spent["other"], cpu=0.5)


def _pythons(arguments: Any) -> dict[str, str]:
    return {"this": sys.executable, "other": arguments.other}


def _in_turns(sides: dict[str, list[str]], repeats: int, folder: Path) -> dict[str, list[Spent]]:
    spent: dict[str, list[Spent]] = {side: [] for side in sides}
    names = list(sides)
    for turn in range(repeats):
        for side in names[turn % len(names) :] + names[: turn % len(names)]:
            with tempfile.TemporaryDirectory(dir=folder) as out:
                command = [part.replace("OUT", out) for part in sides[side]]
                spent[side].append(_spent(command, Path(out)))
    return spent


def _spent(command: list[str], folder: Path) -> Spent:
    """CPU-seconds of a process and its children, and MiB of the largest of them."""
    program = (
        "import resource as r, subprocess, sys\n"
        "done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)\n"
        "used = r.getrusage(r.RUSAGE_CHILDREN)\n"
        "if done.returncode: sys.exit(done.stderr.decode())\n"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)\n"
    )
    environment = {**os.environ, "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", program, *command],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=folder,
    )
    cpu, memory = done.stdout.split()
    return float(cpu), float(memory)


def _add(
    report: Report,
    name: str,
    ours: list[Spent],
    theirs: list[Spent],
    *,
    cpu: float | None = None,
    memory: float | None = None,
) -> None:
    for column, what, unit, goal in ((0, "CPU", "s", cpu), (1, "peak memory", "MiB", memory)):
        pairs = list(zip(ours, theirs, strict=True))
        report.add(f"{name}: {what}", statistics.median(a[column] for a, _ in pairs), unit)
        ratio = statistics.median(a[column] / b[column] for a, b in pairs)
        report.add(f"{name}: {what}, ratio", ratio, at_most=goal)


def _arguments() -> Any:
    made = parser(__doc__)
    made.add_argument("--other", required=True, help="the interpreter that has the other version")
    made.add_argument("--store", type=Path, required=True, help="an index by the configuration")
    made.add_argument("--catalog", type=Path, required=True, help="a CSV with images beside it")
    made.add_argument("--weights", type=Path, required=True, help="the .pt that tagging uses")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--tagging", default="cpu-small", help="configuration of the tagging")
    made.add_argument("--folder", type=Path, help="for what is written; the system's by default")
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--kinds", nargs="*", choices=["look", "tag", "index"])
    made.add_argument("photos", nargs="+", type=Path)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

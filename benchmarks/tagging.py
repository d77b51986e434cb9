"""How fast a tagging run is against its slowest stage, what it weighs, what a full disk does.

Throughput is that of whole runs, from the first source to the written output (loading models
apart), against the slower of two stages measured alone in the same round: decoding in its
processes with nobody using what they give, and tagging photos that are in memory. The quick tagger
shares the processor with decoding; the one called accelerator waits instead, as for a GPU.
Memory is the largest resident size of the main process at two numbers of photos. The full disk
is a tmpfs of growing sizes (needs root); what a run said it kept must be there afterwards.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tag_child
from measure import Report, parser, ratio
from tag_photos import make_photos

from scenesearch.core.limits import ImageLimits
from scenesearch.images import load_scene
from scenesearch.tagging.decode import Job
from scenesearch.tagging.decode_pool import DecodePool

GOAL = 0.85
MORE_MEMORY = 1.05
NO_SPACE = 6
SIZES = 10
_LIMITS = ImageLimits()


def main() -> int:
    arguments = _arguments()
    report = Report(f"tagging {arguments.photos} photos")
    report.facts["workers"] = arguments.workers
    report.facts["tagger"] = arguments.config if arguments.real else "quick"
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        photos = folder / "photos"
        report.facts["broken"] = make_photos(
            arguments.originals, photos, arguments.photos, arguments.seed
        )
        _throughput(report, arguments, photos, folder)
        if not arguments.real:
            _memory(report, arguments, photos, folder)
            _full_disk(report, arguments, photos, folder)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


def _throughput(report: Report, arguments: argparse.Namespace, photos: Path, folder: Path) -> None:
    some = sorted(photos.rglob("*.jpg"))[: arguments.alone]
    config = arguments.config if arguments.real else None
    sides = {"": 0.0}
    if not arguments.real:
        sides["accelerator: "] = arguments.accelerator_s
    for name, photo_s in sides.items():
        tagger = tag_child.build(config, photo_s)
        runs, decoding, tagging = [], [], []
        # what slows the machine down for a while then slows all three
        for turn in range(arguments.repeats):
            decoding.append(_decode_alone(some, arguments.workers))
            tagging.append(_tag_alone(some, tagger, arguments.batch))
            out = folder / f"speed{photo_s}-{turn}.jsonl"
            done = _run(arguments, photos, out, config=config, photo_s=photo_s)
            runs.append(done["photos"] / (done["seconds"] - done["stages"].get("load", 0)))
        slowest = [min(pair) for pair in zip(decoding, tagging, strict=True)]
        report.add(f"{name}whole run, loading apart", statistics.median(runs), "a s")
        report.add(f"{name}decoding alone", statistics.median(decoding), "a s")
        report.add(f"{name}tagging alone", statistics.median(tagging), "a s")
        share = ratio(runs, slowest)
        report.add_least(f"{name}share of the slowest stage", share, at_least=GOAL)


def _decode_alone(paths: list[Path], workers: int) -> float:
    """Photos a second of the processes with nobody using what they give."""
    with contextlib.closing(DecodePool(workers, timeout_s=60, limits=_LIMITS)) as pool:
        pool.submit(Job("first", str(paths[0]))).result()
        start = time.perf_counter()
        waiting = []
        for path in paths:
            waiting.append(pool.submit(Job(str(path), str(path))))
            if len(waiting) > 4 * workers:
                waiting.pop(0).result()
        for one in waiting:
            one.result()
        return len(paths) / (time.perf_counter() - start)


def _tag_alone(paths: list[Path], tagger: Any, batch: int) -> float:
    """Photos a second of the models over photos that are in memory."""
    scenes = []
    for path in paths[: 8 * batch]:
        with contextlib.suppress(Exception):  # broken on purpose
            scenes.append(load_scene(path))
    tagger.load()
    tagger.tag(scenes[:2])
    start = time.perf_counter()
    for first in range(0, len(scenes), batch):
        tagger.tag(scenes[first : first + batch])
    seconds = time.perf_counter() - start
    tagger.close()
    return len(scenes) / seconds


def _memory(report: Report, arguments: argparse.Namespace, photos: Path, folder: Path) -> None:
    few = folder / "few"
    few.mkdir()
    tenth = arguments.photos // 10
    for path in sorted(photos.rglob("*.jpg"))[:tenth]:
        (few / path.name).symlink_to(path)
    sides: dict[str, list[float]] = {"few": [], "many": []}
    for turn in range(arguments.repeats):
        for name, source in (("few", few), ("many", photos)):
            # decoding is ahead as far as it may be only where tagging is the slower one
            out = folder / f"{name}-{turn}.parquet"
            done = _run(arguments, source, out, photo_s=arguments.memory_s)
            sides[name].append(done["peak_mb"])
    for name, number in (("few", tenth), ("many", arguments.photos)):
        report.add(f"main process, {number} photos", statistics.median(sides[name]), "MB")
    more = ratio(sides["many"], sides["few"])
    report.add("main process, ratio", more, at_most=MORE_MEMORY)


def _full_disk(report: Report, arguments: argparse.Namespace, photos: Path, folder: Path) -> None:
    wanted = folder / "roomy"
    wanted.mkdir()
    _run(arguments, photos, wanted / "tags.jsonl")
    rows = (wanted / "tags.jsonl").read_bytes()
    # from one that holds next to nothing to one that holds all
    needed = 2 * sum(path.stat().st_size for path in wanted.iterdir()) + 2**20
    disk = folder / "disk"
    disk.mkdir()
    counts = dict.fromkeys(("tried", "full", "finished", "signals", "other", "lost", "differ"), 0)
    for step in range(SIZES):
        size = 64 * 1024 + (needed - 64 * 1024) * step // (SIZES - 1)
        with _tmpfs(disk, size) as mounted:
            if not mounted:
                report.facts["full disk"] = "not tried: no right to mount"
                return
            _one_disk(arguments, photos, disk, rows, counts)
    report.add_least("full disk: sizes tried", counts["tried"], at_least=SIZES)
    report.add("full disk: exit 6", counts["full"])
    report.add("full disk: finished", counts["finished"])
    report.add("full disk: deaths by signal", counts["signals"], at_most=0)
    report.add("full disk: other exits", counts["other"], at_most=0)
    report.add("full disk: photos kept and lost", counts["lost"], at_most=0)
    report.add("full disk: other rows after room was made", counts["differ"], at_most=0)


def _one_disk(
    arguments: argparse.Namespace, photos: Path, disk: Path, rows: bytes, counts: dict[str, int]
) -> None:
    out = disk / "tags.jsonl"
    asked = tag_child.command(photos, out, batch=arguments.batch, workers=arguments.workers)
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    counts["tried"] += 1
    counts["full"] += done.returncode == NO_SPACE and "disk is full" in done.stderr
    counts["finished"] += done.returncode == 0
    counts["signals"] += done.returncode < 0
    counts["other"] += done.returncode not in (0, NO_SPACE) and done.returncode >= 0
    kept = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("kept")]
    counts["lost"] += max(max(kept, default=0) - _recorded(out), 0)
    _mount("-o", "remount,size=1g", str(disk))
    subprocess.run(asked, capture_output=True, check=False)
    counts["differ"] += out.read_bytes() != rows


def _recorded(out: Path) -> int:
    path = out.with_name(f"{out.name}.ledger")
    if not path.exists() or not path.stat().st_size:
        return 0
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM records").fetchone()[0])


@contextlib.contextmanager
def _tmpfs(folder: Path, size: int) -> Iterator[bool]:
    mounted = os.geteuid() == 0 and _mount(
        "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)
    )
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


def _mount(*options: str) -> bool:
    return subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0


def _run(arguments: argparse.Namespace, photos: Path, out: Path, **options: Any) -> dict[str, Any]:
    return tag_child.summary(
        tag_child.command(photos, out, batch=arguments.batch, workers=arguments.workers, **options)
    )


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("originals", type=Path, help="a folder of photos to make more of")
    made.add_argument("--photos", type=int, default=10_000)
    made.add_argument("--batch", type=int, default=32)
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--alone", type=int, default=500, help="photos of the stages alone")
    made.add_argument(
        "--accelerator-s", type=float, default=0.01, help="a photo, of the waiting tagger"
    )
    made.add_argument(
        "--memory-s", type=float, default=0.005, help="a photo, while memory is measured"
    )
    made.add_argument("--real", action="store_true", help="real models instead of a quick fake")
    made.add_argument("--config", default="cpu-small", help="of the real models")
    made.add_argument("--folder", help="where photos and outputs are made")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

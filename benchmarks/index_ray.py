"""Indexing on a Ray of this machine against a local run: time, kills, memory.

``speed``: both index the same photos into stores of their own, in turns, on the same cores; the
start of Ray and of the commands is in it, and the collections are compared bit for bit. ``kills``:
runs on Ray of one collection, one after the other, whose workers and drivers get SIGKILL at seeded
moments, most of them while photos are embedded, the others while points are written; the last one
finishes the work, and what is stored is compared with what a local run stored. ``memory``: the
largest memory of the process that drives a run over as many rows as asked for, which share the
photos there are.
"""

from __future__ import annotations

import csv
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from measure import Report, parser, ratio

from scenesearch import wiring
from scenesearch.config.settings import load_settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import StoreError

WORKER = "ray::Worker"
POLL_S = 0.02
LATE = 0.25
"""Share of the kills after everything is embedded."""
ENDED_S = 60.0


class Runs:
    """Index runs of one catalogue, each side with a cache and a store of its own."""

    def __init__(self, folder: Path, catalog: Path, root: Path, config: str, server: str | None):
        self._folder = folder
        self._arguments = [str(catalog), "--image-root", str(root), "--config", config]
        self._server = server

    def store(self, side: str) -> str:
        """Where a side stores; a local run beside a server has a folder, for comparison."""
        return self._server if self._server and side == "ray" else str(self._folder / side)

    def cache(self, side: str) -> Path:
        """The embedding cache of a side."""
        home = self._folder / f"{side}-cache" if self._server and side == "ray" else None
        return (home or self._folder / side) / "embeddings.sqlite"

    def start(self, side: str) -> subprocess.Popen[str]:
        """A command that indexes."""
        more = ["--runner", "ray", "--ray-address", "local"] if side == "ray" else []
        models = os.environ.get("SCENESEARCH_CACHE_DIR")
        cache = self._folder / f"{side}-cache"
        cache.mkdir(exist_ok=True)
        # exports of models are made once, and are not what is measured
        if models and not (cache / "onnx").exists() and (Path(models) / "onnx").is_dir():
            (cache / "onnx").symlink_to(Path(models) / "onnx")
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "scenesearch", "index", *self._arguments),
                *("--store", self.store(side), "--collection", "items", *more),
            ],
            env={**os.environ, "SCENESEARCH_CACHE_DIR": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def whole(self, side: str) -> tuple[float, float]:
        """Wall-clock seconds of a run, and seconds of processors."""
        start = time.perf_counter()
        process = self.start(side)
        spent: dict[int, float] = {}
        while process.poll() is None:
            # Ray's own processes outlive nobody who would wait for them
            with suppress(psutil.Error):
                driver = psutil.Process(process.pid)
                for one in (driver, *driver.children(recursive=True)):
                    with suppress(psutil.Error):
                        spent[one.pid] = sum(one.cpu_times()[:2])
            time.sleep(0.2)
        seconds = time.perf_counter() - start
        said, _ = process.communicate()
        if process.returncode not in (0, 3):
            raise SystemExit(said)
        print(side, round(seconds, 1), said.splitlines()[-1], flush=True)
        return seconds, sum(spent.values())

    def contents(self, side: str) -> dict[str, Any]:
        """Everything stored, bit for bit, but for the time of writing."""
        settings = load_settings(qdrant_api_key=os.environ.get("QDRANT_API_KEY") or None)
        with closing(wiring.build_store(settings, self.store(side), "items")) as store:
            found: dict[str, Any] = {n: store.read_blob(n) for n in sorted(store.schema.blobs)}
            for record in scroll_all(store, spaces=tuple(store.schema.vectors)):
                payload = {k: v for k, v in record.payload.items() if k != "indexed_at"}
                vectors = {
                    k: np.asarray(v, np.float32).tobytes() for k, v in record.vectors.items()
                }
                found[record.id] = (payload, vectors)
        return found

    def points(self, side: str) -> int:
        """How many are stored; 0 where the store is another process's."""
        settings = load_settings(qdrant_api_key=os.environ.get("QDRANT_API_KEY") or None)
        with (
            suppress(StoreError),
            closing(wiring.build_store(settings, self.store(side), "items")) as store,
        ):
            return store.count() if store.schema else 0
        return 0

    def embedded(self, side: str) -> int:
        """How many photos the cache of a side has."""
        with (
            suppress(sqlite3.Error),
            closing(sqlite3.connect(f"file:{self.cache(side)}?mode=ro", uri=True)) as db,
        ):
            return int(db.execute("SELECT count(*) FROM uses").fetchone()[0])
        return 0

    def forget(self, side: str) -> None:
        """Remove what a side stored and kept."""
        if self._server and side == "ray":
            settings = load_settings(qdrant_api_key=os.environ.get("QDRANT_API_KEY") or None)
            with suppress(StoreError):
                wiring.drop_collection(settings, self._server, "items")
        for path in (self._folder / side, self._folder / f"{side}-cache"):
            subprocess.run(["rm", "-rf", str(path)], check=True)


WRONG = ("lost", "too many", "different")


def differences(runs: Runs) -> tuple[int, int, int]:
    """Points of the run on Ray that are lost, too many, and other ones."""
    ours, theirs = runs.contents("ray"), runs.contents("local")
    other = sum(ours[one] != theirs[one] for one in ours.keys() & theirs.keys())
    return len(theirs.keys() - ours.keys()), len(ours.keys() - theirs.keys()), other


def speed(runs: Runs, rounds: int, report: Report) -> None:
    """Both sides in turns."""
    times: dict[str, list[tuple[float, float]]] = {"local": [], "ray": []}
    for turn in range(rounds):
        for side in ("local", "ray") if turn % 2 == 0 else ("ray", "local"):
            runs.forget(side)
            times[side].append(runs.whole(side))
        for name, value in zip(WRONG, differences(runs), strict=True):
            report.add(f"round {turn}: points {name}", value, at_most=0)
    for number, name in enumerate(("wall", "processor")):
        ours, theirs = ([one[number] for one in times[side]] for side in ("ray", "local"))
        goal = {"at_most": 1.15} if number == 0 else {}
        report.add(f"{name} time, ray / local", ratio(ours, theirs), "x", **goal)


def processes(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """What a driver started, as far as it is a worker of ours."""
    with suppress(psutil.Error):
        every = psutil.Process(driver.pid).children(recursive=True)
        return [one for one in every if one.name().startswith(WORKER[:15])]
    return []


def moments(rng: random.Random, kills: int, photos: int) -> Iterator[tuple[int, float, str]]:
    """(photos embedded, seconds after that, whom) of each kill."""
    late = round(kills * LATE)
    early = sorted(rng.randrange(photos) for _ in range(kills - late))
    for number in range(kills):
        whom = "driver" if number % 2 == 0 else "worker"
        if number < len(early):
            yield early[number], 0.0, whom
        else:
            yield photos, rng.uniform(0, 3), whom


def kills(runs: Runs, count: int, seed: int, report: Report) -> None:
    """One collection, killed again and again, against one that was left alone."""
    for side in ("local", "ray"):
        runs.forget(side)
    runs.whole("local")
    whole = runs.embedded("local")
    done = 0
    process = runs.start("ray")
    for target, after, whom in moments(random.Random(seed), count, whole):
        while runs.embedded("ray") < target and process.poll() is None:
            time.sleep(POLL_S)
        while whom == "worker" and process.poll() is None and not processes(process):
            time.sleep(POLL_S)
        time.sleep(after)
        if process.poll() is not None:
            # it was done before its moment came; the next has nothing to do but this
            process = runs.start("ray")
            time.sleep(after)
        victims = processes(process)
        if whom == "worker" and victims:
            with suppress(psutil.Error):
                random.Random(seed + done).choice(victims).kill()
        else:
            left = []
            with suppress(psutil.Error):
                left = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
            process.wait()
            psutil.wait_procs([one for one in left if _ours(one)], timeout=ENDED_S)
            process = runs.start("ray")
        done += 1
        print(f"{done}: {whom} at {runs.embedded('ray')} of {whole} photos", flush=True)
    said, _ = process.communicate()
    print(said.splitlines()[-1], flush=True)
    runs.whole("ray")
    report.add("kills", done)
    report.add_least("photos in the embedding cache", runs.embedded("ray"), at_least=whole)
    for name, value in zip(WRONG, differences(runs), strict=True):
        report.add(f"points {name}", value, at_most=0)


def _ours(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.name().startswith(WORKER[:15])
    return False


def memory(runs: Runs, rows: int, report: Report) -> None:
    """The largest memory of the driver."""
    runs.forget("ray")
    process = runs.start("ray")
    most, start = 0, time.perf_counter()
    while process.poll() is None:
        with suppress(OSError, IndexError, ValueError):
            status = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
            most = max(most, int(status.partition("VmHWM:")[2].split()[0]))
        time.sleep(0.2)
    print(process.communicate()[0].splitlines()[-1], flush=True)
    report.add(f"{rows:,} rows: memory of the driver", most / 1024, "MiB", at_most=600)
    report.add("seconds", time.perf_counter() - start, "s")
    report.add_least("points", runs.points("ray"), at_least=rows)


def catalogue(path: Path, photos: list[Path], rows: int, root: Path) -> None:
    """A CSV of items of a photo each."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "image", "title", "category", "price"])
        for n, photo in enumerate(islice(cycle(photos), rows)):
            title = f"Thing {n} of {photo.parent.name}"
            writer.writerow(
                [f"i{n:06}", photo.relative_to(root), title, f"kind {n % 20}", n % 97 + 1]
            )


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("what", choices=("speed", "kills", "memory"))
    arguments.add_argument("photos", type=Path, help="a folder")
    arguments.add_argument("--rows", type=int, default=2_000)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--config", default="cpu-small")
    arguments.add_argument("--server", help="URL; its collection items is removed")
    asked = arguments.parse_args()
    facts = {"rows": asked.rows, "config": asked.config, "server": bool(asked.server)}
    report = Report("indexing on Ray", facts=facts)
    root = asked.photos.resolve()
    with tempfile.TemporaryDirectory(prefix="index-ray-") as name:
        folder = Path(name)
        photos = sorted(root.rglob("*.jpg"))
        rows = asked.rows if asked.what == "memory" else min(asked.rows, len(photos))
        catalog = folder / "catalog.csv"
        catalogue(catalog, photos, rows, root)
        runs = Runs(folder, catalog, root, asked.config, asked.server)
        if asked.what == "speed":
            speed(runs, asked.rounds, report)
        elif asked.what == "kills":
            kills(runs, asked.kills, asked.seed, report)
        else:
            memory(runs, asked.rows, report)
    report.print(as_json=asked.json)
    return int(any(row.ok is False for row in report.rows))


if __name__ == "__main__":
    raise SystemExit(main())

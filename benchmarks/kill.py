"""Index runs that are killed again and again, against one that is left alone.

Not timed. A child indexes the catalogue and gets SIGKILL at seeded moments: most of them while
photos are embedded, spread over the whole run, the rest while points are fitted and written.
Then a last run finishes the work, and the two stores are compared point by point: ids, vectors,
payloads (but for ``indexed_at``). A log of what was handed to the model says how many photos were
embedded more than once.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser

from scenesearch import SceneSearch
from scenesearch.core.types import Record
from scenesearch.models.encode import Encoder

LATE = 0.3
"""Share of the kills after everything is embedded."""
SAME = 1e-6
POLL_S = 0.01


def main() -> int:
    arguments = _arguments()
    if arguments.child is not None:
        return _child(arguments)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        return _compare(arguments, Path(folder))


def _compare(arguments: argparse.Namespace, folder: Path) -> int:
    alone = Child(arguments, folder / "alone")
    alone.run()
    timing = alone.timing
    hurt = Child(arguments, folder / "hurt")
    rng = random.Random(arguments.seed)
    late = round(LATE * arguments.kills)
    # the first kills, at any photo, sorted, so that each run gets further than the one before
    marks = sorted(rng.randrange(alone.kept) for _ in range(arguments.kills - late - 1))
    finished = 0
    for mark in [*marks, alone.kept - 1]:
        finished += hurt.run(kill_at=mark, and_after=rng.uniform(0, timing.batch_s))
    after_embedding = hurt.embedded
    left, window = late, timing.tail_s
    while left and finished < arguments.kills:
        if hurt.run(kill_after=rng.uniform(0, window)):
            finished += 1
            hurt.lose(rng)
            window *= 0.6
        else:
            left -= 1
    hurt.run()
    report = Report(f"{arguments.kills} kills while {alone.embedded} photos are indexed")
    report.facts["undisturbed"] = f"{timing.total_s:.0f} s"
    report.facts["kills while embedding"] = arguments.kills - late
    report.add_least("kills that landed", arguments.kills - left, at_least=arguments.kills)
    report.add("runs that finished before their kill", finished)
    report.add("photos embedded after that", hurt.embedded - after_embedding, at_most=0)
    redone = hurt.embedded - alone.embedded
    report.add("photos embedded again, all kills", redone)
    report.add("photos embedded again, a kill", redone / arguments.kills, at_most=arguments.batch)
    for name, value in _differences(alone.points(), hurt.points()).items():
        report.add(name, value, at_most=SAME if name == "largest difference of vectors" else 0)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


class Timing:
    """Of the undisturbed run, in seconds from its start.

    Attributes:
        batch_s: between two batches that were kept.
        tail_s: from the last one to the end.
        total_s: all of it.
    """

    def __init__(self, first_s: float, last_s: float, total_s: float, batches: int) -> None:
        self.total_s = total_s
        self.batch_s = (last_s - first_s) / max(batches - 1, 1)
        self.tail_s = total_s - last_s


class Child:
    """Index runs of one store, each a process.

    Attributes:
        timing: of the last run.
    """

    def __init__(self, arguments: argparse.Namespace, store: Path) -> None:
        store.mkdir()
        self._store, self._log = store, store.with_suffix(".log")
        self._log.touch()
        self._planned = _planned(store)
        self._config = arguments.config
        self._command = [sys.executable, __file__, str(arguments.catalog)]
        self._command += ["--child", str(store), "--config", arguments.config]
        if arguments.image_root is not None:
            self._command += ["--image-root", str(arguments.image_root)]

    @property
    def kept(self) -> int:
        """Photos in the cache, which no kill can take away."""
        with contextlib.suppress(sqlite3.OperationalError):  # there is none yet, or it is new
            cache = sqlite3.connect(f"file:{self._store / 'embeddings.sqlite'}?mode=ro", uri=True)
            with contextlib.closing(cache):
                return int(cache.execute("SELECT count(*) FROM photos").fetchone()[0])
        return 0

    @property
    def embedded(self) -> int:
        """Photos handed to the model so far, in all runs; some of them again."""
        lines = self._log.read_text(encoding="ascii").splitlines()
        return sum(int(line) for line in lines if line)

    def run(
        self,
        *,
        kill_at: int | None = None,
        and_after: float = 0.0,
        kill_after: float | None = None,
    ) -> bool:
        """One process; whether it came to its end.

        Args:
            kill_at: kill it once more than so many photos are kept.
            and_after: so many seconds later.
            kill_after: kill it so many seconds after it knows what there is to do.
        """
        disturbed = kill_at is not None or kill_after is not None
        start = time.perf_counter()
        first = last = 0.0
        seen, batches, planned = self.kept, 0, 0.0
        self._planned.unlink(missing_ok=True)
        with subprocess.Popen(self._command, stdout=subprocess.DEVNULL) as child:
            while child.poll() is None:
                now, count = time.perf_counter() - start, self.kept
                if count > seen:
                    seen, last, batches = count, now, batches + 1
                    first = first or now
                if not planned and self._planned.exists():
                    planned = now
                if (kill_at is not None and count > kill_at) or (
                    kill_after is not None and planned and now > planned + kill_after
                ):
                    time.sleep(and_after)
                    child.send_signal(signal.SIGKILL)
                    break
                time.sleep(POLL_S)
        ended = child.returncode == 0
        if not ended and child.returncode != -signal.SIGKILL:
            raise SystemExit(f"an index run failed by itself, with {child.returncode}")
        if not disturbed:
            self.timing = Timing(first, last, time.perf_counter() - start, batches)
        return ended

    def lose(self, rng: random.Random) -> None:
        """Remove a third of the points, so that a run has something to write again."""
        ids = sorted(self.points())
        with SceneSearch(self._store, config=self._config) as shop:
            shop.store.delete(ids=rng.sample(ids, len(ids) // 3))

    def points(self) -> dict[str, Record]:
        """Everything stored."""
        with contextlib.closing(SceneSearch(self._store, config=self._config)) as shop:
            schema = shop.store.schema
            if schema is None:
                raise SystemExit(f"{self._store}: nothing was indexed")
            page = shop.store.scroll(limit=1_000_000, spaces=tuple(schema.vectors))
            return {record.id: record for record in page}


def _differences(alone: Mapping[str, Record], hurt: Mapping[str, Record]) -> dict[str, float]:
    both = alone.keys() & hurt.keys()
    return {
        "points lost": len(alone.keys() - hurt.keys()),
        "points too many": len(hurt.keys() - alone.keys()),
        "points with other vector spaces": sum(
            alone[i].vectors.keys() != hurt[i].vectors.keys() for i in both
        ),
        "largest difference of vectors": max(
            (
                float(np.abs(vector - hurt[i].vectors[space]).max())
                for i in both
                for space, vector in alone[i].vectors.items()
                if space in hurt[i].vectors
            ),
            default=0.0,
        ),
        "points with other payloads": sum(_payload(alone[i]) != _payload(hurt[i]) for i in both),
    }


def _payload(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.payload.items() if key != "indexed_at"}


def _child(arguments: argparse.Namespace) -> int:
    """Index, and say before each batch how many photos it has."""
    embed = Encoder.embed
    log = arguments.child.with_suffix(".log").open("a", encoding="ascii")

    def logged(self: Encoder, prepared: Any) -> Any:
        log.write(f"{len(prepared)}\n")
        log.flush()
        return embed(self, prepared)

    def progress(stage: str, done: int, total: int) -> None:
        if stage == "scan" and done == total:
            _planned(arguments.child).touch()

    Encoder.embed = logged  # type: ignore[method-assign]
    with log, SceneSearch(arguments.child, config=arguments.config) as shop:
        shop.index(arguments.catalog, image_root=arguments.image_root, progress=progress)
    return 0


def _planned(store: Path) -> Path:
    """A file that a child makes when it has looked at the whole catalogue."""
    return store.with_suffix(".planned")


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("catalog", type=Path, help="CSV, JSONL, Parquet, or a folder of images")
    made.add_argument("--image-root", type=Path)
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--kills", type=int, default=20)
    made.add_argument("--batch", type=int, default=64, help="photos a kill may cost")
    made.add_argument("--folder", help="where the stores are made")
    made.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

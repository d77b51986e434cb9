"""Tagging runs that are killed again and again, against one that is left alone.

Not timed. A child tags a folder and gets SIGKILL at seeded moments: most of them while photos
are tagged, spread over the whole run, the rest while the output is written. Then a last run
finishes the work, and the two outputs are compared row for row. A log of what was handed to the
tagger says how many photos were tagged more than once.
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
from pathlib import Path

import psutil
import tag_child
from measure import Report, parser
from tag_photos import make_photos

LATE = 0.2
"""Share of the kills after everything is tagged."""
POLL_S = 0.005
GONE_S = 10.0
"""In which the processes of a killed run must have ended."""


def main() -> int:
    arguments = _arguments()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        broken = make_photos(
            arguments.originals, folder / "photos", arguments.photos, arguments.seed
        )
        return _compare(arguments, folder, broken)


def _compare(arguments: argparse.Namespace, folder: Path, broken: int) -> int:
    alone = Child(arguments, folder, "alone")
    alone.run()
    hurt = Child(arguments, folder, "hurt")
    rng = random.Random(arguments.seed)
    late = round(LATE * arguments.kills)
    marks = sorted(rng.randrange(arguments.photos) for _ in range(arguments.kills - late))
    landed = sum(
        not hurt.run(kill_at=mark, and_after=rng.uniform(0, alone.batch_s)) for mark in marks
    )
    for _ in range(late):
        landed += not hurt.run(kill_at=arguments.photos, and_after=rng.uniform(0, alone.tail_s))
    hurt.run()
    report = Report(f"{arguments.kills} kills while {arguments.photos} photos are tagged")
    report.facts["tagger"] = arguments.config if arguments.real else "quick"
    report.facts["broken"] = broken
    report.facts["undisturbed"] = f"{alone.total_s:.0f} s"
    report.add("kills that landed", landed)
    redone = hurt.tagged - alone.tagged
    report.add("photos tagged again, all kills", redone)
    report.add("photos tagged again, a kill", redone / max(landed, 1), at_most=arguments.batch)
    mine, theirs = (child.out.read_text(encoding="utf-8").splitlines() for child in (alone, hurt))
    report.add_least("rows", len(mine), at_least=arguments.photos)
    report.add("rows too few or too many", abs(len(mine) - len(theirs)), at_most=0)
    other = sum(a != b for a, b in zip(mine, theirs, strict=False))
    report.add("rows that differ", other, at_most=0)
    report.add("files left over", len(hurt.files() ^ alone.files()), at_most=0)
    report.add("processes left over", hurt.left_over, at_most=0)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


class Child:
    """Runs into one output, each a process.

    Attributes:
        batch_s: of the last undisturbed run, between two batches.
        tail_s: from the last batch to the end.
        total_s: all of it.
        left_over: processes that outlived a killed run.
    """

    def __init__(self, arguments: argparse.Namespace, folder: Path, name: str) -> None:
        self._folder = folder / name
        self._folder.mkdir()
        self.out = self._folder / "tags.jsonl"
        self._log = folder / f"{name}.log"
        self._log.touch()
        self._command = tag_child.command(
            folder / "photos",
            self.out,
            batch=arguments.batch,
            workers=arguments.workers,
            config=arguments.config if arguments.real else None,
            log=self._log,
        )
        self.batch_s = self.tail_s = self.total_s = 0.0
        self.left_over = 0

    @property
    def tagged(self) -> int:
        """Photos handed to the tagger so far, over all runs."""
        return sum(map(int, self._log.read_text(encoding="ascii").split()))

    def files(self) -> set[str]:
        """What there is beside the output."""
        return {path.name for path in self._folder.iterdir()}

    def run(self, *, kill_at: int | None = None, and_after: float = 0.0) -> bool:
        """Tag; whether the run came to its end.

        Args:
            kill_at: kill it once so many photos are kept.
            and_after: and so many seconds later.
        """
        start = time.perf_counter()
        first = last = 0.0
        seen, batches = self._kept(), 0
        # what Python itself says of a kill (semaphores, a worker just born) is no figure
        with (
            tempfile.TemporaryFile("w+") as said,
            subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=said) as child,
        ):
            while child.poll() is None:
                now, kept = time.perf_counter() - start, self._kept()
                if kept > seen:
                    seen, last, batches = kept, now, batches + 1
                    first = first or now
                if kill_at is not None and kept >= kill_at:
                    time.sleep(and_after)
                    self._kill(child)
                    break
                time.sleep(POLL_S)
            if child.returncode not in (0, -signal.SIGKILL):
                said.seek(0)
                raise SystemExit(f"a run failed by itself, with {child.returncode}: {said.read()}")
        ended = child.returncode == 0
        if kill_at is None:
            self.total_s = time.perf_counter() - start
            self.batch_s = (last - first) / max(batches - 1, 1)
            self.tail_s = self.total_s - last
        return ended

    def _kill(self, child: subprocess.Popen[bytes]) -> None:
        family: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            family = psutil.Process(child.pid).children(recursive=True)
        child.send_signal(signal.SIGKILL)
        child.wait()
        self.left_over += len(psutil.wait_procs(family, timeout=GONE_S)[1])

    def _kept(self) -> int:
        """Photos in the ledger."""
        path = self.out.with_name(f"{self.out.name}.ledger")
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
                return int(db.execute("SELECT count(*) FROM records").fetchone()[0])
        except sqlite3.Error:
            return 0  # not made yet


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("originals", type=Path, help="a folder of photos to make more of")
    made.add_argument("--photos", type=int, default=10_000)
    made.add_argument("--kills", type=int, default=20)
    made.add_argument("--batch", type=int, default=32, help="photos a kill may cost")
    made.add_argument("--workers", type=int, default=2)
    made.add_argument("--real", action="store_true", help="real models instead of a quick fake")
    made.add_argument("--config", default="cpu-small", help="of the real models")
    made.add_argument("--folder", help="where photos and outputs are made")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Disks that are full: does a command ever die by a signal, and is anything lost?

Not timed. For each of many sizes a tmpfs, in a namespace of its own (Linux; no root needed): a
catalogue is indexed into it with the guard off, so that it fills up wherever it does; what is left
is filled by a file, and readers come: a count, a search, `verify`. Then the disk grows, the same
run is made again, and what is there is looked through. A death by signal, a traceback, and
anything but exit code 0 in the end are faults; a full disk is exit code 6.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import Report, parser

PROFILE = "offline"
LARGEST_MB = 1000
READERS = (
    ("items", "count"),
    ("search", "white lamp"),
    ("verify",),
)
NO_SPACE = 6


def main() -> int:
    arguments = _arguments()
    if not arguments.inside:
        # the mounts are nobody else's, and gone with the namespace
        command = ["unshare", "-Urm", sys.executable, __file__, "--inside", *sys.argv[1:]]
        return subprocess.run(command, check=False).returncode
    with TemporaryDirectory() as folder:
        return _all_sizes(arguments, Path(folder))


def _all_sizes(arguments: argparse.Namespace, folder: Path) -> int:
    from scenesearch.system.resources import resource_dir

    catalogue = folder / "catalog.csv"
    photos = resource_dir("sample")
    points = _many(photos / "catalog.csv", catalogue, arguments.copies)
    disk = folder / "disk"
    disk.mkdir()
    counts: Counter[str] = Counter()
    step = (arguments.largest - arguments.smallest) / max(1, arguments.sizes - 1)
    for n in range(arguments.sizes):
        size_mb = arguments.smallest + n * step
        with _tmpfs(disk, size_mb):
            run = Runs(disk, catalogue, photos, counts, size_mb, verbose=arguments.verbose)
            run.index("index", (0, NO_SPACE))
            filler = _fill(disk)
            for reader in READERS:
                run.command(f"{reader[0]}, full", reader, (0, 5, NO_SPACE))
            filler.unlink()
            _mount("-o", f"remount,size={LARGEST_MB}m", str(disk))
            run.index("index again", (0,))
            run.command("verify --deep", ("verify", "--deep"), (0,))
            said = run.command("count", ("items", "count"), (0,))
            counts["runs with points lost"] += int(said.split() != [str(points)])
    report = Report(f"{arguments.sizes} sizes of a full disk, {points} points")
    for name in sorted(set(counts) | {"deaths by signal", "tracebacks"}):
        bad = name.startswith(("deaths", "tracebacks", "runs with points", "unexpected"))
        report.add(name, counts[name], at_most=0) if bad else report.add(name, counts[name])
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


class Runs:
    """Commands over one disk."""

    def __init__(
        self,
        disk: Path,
        catalogue: Path,
        photos: Path,
        counts: Counter[str],
        size_mb: float,
        *,
        verbose: bool,
    ) -> None:
        self._disk, self._catalogue, self._photos = disk, catalogue, photos
        self._counts, self._size, self._verbose = counts, size_mb, verbose

    def index(self, name: str, expected: tuple[int, ...]) -> None:
        """Index the catalogue."""
        arguments = ("index", str(self._catalogue), "--image-root", str(self._photos))
        self.command(name, arguments, expected)

    def command(self, name: str, arguments: tuple[str, ...], expected: tuple[int, ...]) -> str:
        """One command; gives what it said."""
        store = str(self._disk / "store")
        where = [store] if arguments[0] == "verify" else ["--store", store]
        done = subprocess.run(
            [sys.executable, "-P", "-m", "scenesearch", *arguments, *where, "--config", PROFILE],
            env={**os.environ, "SCENESEARCH_MIN_FREE_MEGABYTES": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        code = done.returncode
        if code < 0 or code > 128:
            self._counts["deaths by signal"] += 1
        elif "Traceback" in done.stderr:
            self._counts["tracebacks"] += 1
        elif code not in expected:
            self._counts[f"unexpected: {name}, exit code {code}"] += 1
        else:
            self._counts[f"{name}: exit code {code}"] += 1
        if self._verbose:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            print(f"{self._size:.1f} MB {name}: {code} {last}", file=sys.stderr, flush=True)
        return done.stdout


def _many(catalogue: Path, there: Path, copies: int) -> int:
    """The catalogue so many times, under other ids; gives how many points that makes."""
    with catalogue.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with there.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for n in range(copies):
            writer.writerows({**row, "id": f"{row['id']}-{n}"} for row in rows)
    return copies * sum(len(row["image"].split("|")) for row in rows)


def _fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    return filler


@contextmanager
def _tmpfs(folder: Path, size_mb: float) -> Iterator[None]:
    if not _mount("-t", "tmpfs", "-o", f"size={int(size_mb * 1024)}k", "tmpfs", str(folder)):
        raise SystemExit("no tmpfs can be mounted here, not even in a namespace")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _mount(*options: str) -> bool:
    return subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--sizes", type=int, default=40, help="how many")
    made.add_argument("--smallest", type=float, default=1.0, help="MB")
    made.add_argument("--largest", type=float, default=40.0, help="MB")
    made.add_argument("--copies", type=int, default=5, help="of the 60 products of the sample")
    made.add_argument("--verbose", action="store_true")
    made.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

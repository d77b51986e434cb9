"""Another profile under a running service: built, switched to and back, under readers and writers.

An embedded store and its service, over HTTP; the commands of the command line. Every product's own
photo has to be the first answer to it, with its full score, in each generation: an answer that
mixed two could not have that.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from measure import Report, parser
from served import Served, served

FULL = 0.98
"""A photo compared with itself: decoded twice, and stored in half the digits."""
EQUAL = 1e-3
PATIENCE_S = 60.0
T = TypeVar("T")


def main() -> int:
    arguments = _arguments()
    rows = list(csv.DictReader(arguments.catalog.open(encoding="utf-8")))
    random.Random(arguments.seed).shuffle(rows)
    held, rows = rows[-200:], rows[: arguments.items]
    report = Report(
        f"{len(rows)} products, {arguments.first} and {arguments.second}, {arguments.readers} "
        f"readers and {arguments.writers} writers, {arguments.turns} times there and back"
    )
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        catalog = _catalog(rows, folder / "catalog.csv")
        index = ("index", catalog, "--image-root", arguments.catalog.parent, "--store")
        fresh, fresh_cpu = _run(arguments.second, *index, folder / "fresh")
        _run(arguments.first, *index, folder / "store")
        with served(folder / "store", arguments.first, quiet=True) as service:
            one = _Shop(service, folder / "store", rows, held, arguments.catalog.parent)
            one.ask_photo(rows[0])  # the service has the store open
            before = service.cpu_s()
            built, built_cpu = _run(
                None,
                *("generation", "build", "--current", arguments.first),
                *("--config", arguments.second, "--store", folder / "store"),
            )
            built_cpu += service.cpu_s() - before
            report.add("building over a fresh index, wall", built / fresh, at_most=1.1)
            report.add("building over a fresh index, CPU", built_cpu / fresh_cpu, at_most=1.1)
            report.facts["fresh_s"], report.facts["built_s"] = round(fresh, 1), round(built, 1)
            took = one.under_load(arguments, lambda: _switches(one.store, arguments))
            report.facts |= {**one.answers, "switches": len(took), "first_errors": one.errors[:3]}
            report.add("a switch, the command as a whole, median", statistics.median(took), "s")
            report.add("errors", len(one.errors), at_most=0)
            report.add("answers without the own photo first", len(one.mixed), at_most=0)
            if arguments.control:
                errors = len(one.errors)
                one.under_load(arguments, lambda: time.sleep(sum(took)))
                report.add("errors in the same time without a switch", len(one.errors) - errors)
            for generation in (1, 2):
                _run(None, "generation", "switch", str(generation), "--store", folder / "store")
                time.sleep(2)
                missing, wrong = one.compare()
                report.add(f"lost or different writes, generation {generation}", missing, at_most=0)
                report.add(f"deleted and there, generation {generation}", wrong, at_most=0)
    report.print(as_json=arguments.json)
    return 0


class _Shop:
    """Asks a service, and keeps what it said."""

    def __init__(
        self,
        service: Served,
        store: Path,
        rows: Sequence[Mapping[str, str]],
        held: Sequence[Mapping[str, str]],
        root: Path,
    ) -> None:
        self.service, self.store, self.rows, self.held, self.root = service, store, rows, held, root
        self.stop = threading.Event()
        self.errors: list[str] = []
        self.mixed: list[str] = []
        self.answers = {"photos": 0, "words": 0, "writes": 0}
        self.kept: dict[str, float] = {}
        self.gone: set[str] = set()
        self._lock = threading.Lock()

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.service.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"content-type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            text = answer.read()
            return json.loads(text) if text else None

    def ask_photo(self, row: Mapping[str, str]) -> None:
        photo = base64.b64encode((self.root / row["image"]).read_bytes()).decode()
        found = self.ask("POST", "/v1/search", {"photos": [{"base64": photo}], "limit": 5})
        scores = {match["item_id"]: match["score"] for match in found["matches"]}
        own = scores.get(row["id"], 0.0)
        # a few products share one photo: then several are first
        if own < FULL or max(scores.values()) > own + EQUAL:
            self.mixed.append(f"{row['id']}: {own:.4f} of {scores}")
        self.answers["photos"] += 1

    def ask_words(self, row: Mapping[str, str]) -> None:
        found = self.ask("POST", "/v1/search", {"words": row["category"], "limit": 3})
        if not found["matches"]:
            self.mixed.append(f"words {row['category']}: nothing")
        self.answers["words"] += 1

    def write(self, number: int, draw: random.Random) -> None:
        """Insert an item, change it, and now and then remove one of this writer's."""
        name = f"w{number}-{draw.randrange(10**9)}"
        photo = (self.root / draw.choice(self.held)["image"]).read_bytes()
        price = float(draw.randrange(1, 1000))
        record = {
            "id": name,
            "photos": [{"base64": base64.b64encode(photo).decode()}],
            "attributes": {"written": price},
        }
        self.ask("POST", "/v1/items", record)
        self.ask("PATCH", f"/v1/items/{name}", {"attributes": {"written": price + 1}})
        with self._lock:
            self.kept[name] = price + 1
            mine = [one for one in self.kept if one.startswith(f"w{number}-")]
        if draw.random() < 0.2:
            victim = draw.choice(mine)
            self.ask("DELETE", f"/v1/items/{victim}")
            with self._lock:
                del self.kept[victim]
                self.gone.add(victim)
        self.answers["writes"] += 1

    def loop(self, work: Any, *arguments: Any) -> None:
        while not self.stop.is_set():
            try:
                work(*arguments)
            except (OSError, ValueError, KeyError, IndexError) as error:
                said = error.read()[:300] if isinstance(error, urllib.error.HTTPError) else b""
                self.errors.append(f"{error!r} {said!r}")

    def under_load(self, arguments: argparse.Namespace, work: Callable[[], T]) -> T:
        """Do something while readers and writers ask."""

        def read(number: int) -> None:
            draw = random.Random(arguments.seed + number)
            ask = self.ask_words if number % 4 == 3 else self.ask_photo
            self.loop(lambda: ask(draw.choice(self.rows)))

        def write(number: int) -> None:
            draw = random.Random(1000 + arguments.seed + number + len(self.kept))
            self.loop(lambda: self.write(number, draw))

        self.stop.clear()
        workers = [threading.Thread(target=read, args=(n,)) for n in range(arguments.readers)]
        workers += [threading.Thread(target=write, args=(n,)) for n in range(arguments.writers)]
        for worker in workers:
            worker.start()
        done = work()
        self.stop.set()
        for worker in workers:
            worker.join()
        return done

    def compare(self) -> tuple[int, int]:
        """How many acknowledged writes are not there, and how many removed items are."""
        lost = 0
        for name, value in self.kept.items():
            try:
                found = self.ask("GET", f"/v1/items/{name}")
                lost += found["attributes"].get("written") != value
            except urllib.error.HTTPError:
                lost += 1
        there = 0
        for name in self.gone:
            try:
                self.ask("GET", f"/v1/items/{name}")
                there += 1
            except urllib.error.HTTPError as error:
                there += error.code != 404
        return lost, there


def _switches(store: Path, arguments: argparse.Namespace) -> list[float]:
    took = []
    for _ in range(arguments.turns):
        for generation in ("2", "1"):
            took.append(_run(None, "generation", "switch", generation, "--store", store)[0])
            time.sleep(arguments.pause)
    return took


def _catalog(rows: Sequence[Mapping[str, str]], file: Path) -> Path:
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return file


def _run(config: str | None, *arguments: object) -> tuple[float, float]:
    """A command of ours: seconds, and those of CPU."""
    command = [sys.executable, "-P", "-m", "scenesearch", *map(str, arguments)]
    if config is not None:
        command += ["--config", config]
    begun, before = time.perf_counter(), _children_cpu()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    return time.perf_counter() - begun, _children_cpu() - before


def _children_cpu() -> float:
    """Of children that have ended, and theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("catalog", type=Path, help="a CSV with id, image and category")
    made.add_argument("--first", default="offline")
    made.add_argument("--second", default="imagenet")
    made.add_argument("--items", type=int, default=2187)
    made.add_argument("--readers", type=int, default=8)
    made.add_argument("--writers", type=int, default=2)
    made.add_argument("--turns", type=int, default=20)
    made.add_argument("--pause", type=float, default=1.0, help="seconds between two switches")
    made.add_argument("--control", action="store_true", help="as long without a switch, too")
    made.add_argument("--folder", type=Path, help="where a folder is made for it")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

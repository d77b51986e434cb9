"""Inserts over HTTP of photos whose embeddings are cached: wall clock over another version's.

Each side is an interpreter with a version installed. It indexes the head of a catalogue and serves
that; the rest of the catalogue is inserted, an item and its photo a request, in parts: the same
part on both sides, now this one first, now the other, by one client and by several. No photo was
sent to the service before, but its embedding is in the cache, which is taken from an index of the
whole catalogue that the same version made; the run stops where a photo was embedded after all.

At the end the clients of this version go on until all its processes are killed (SIGKILL), it is
started again, and every item that was acknowledged is asked for. The store's own share is what
upserts of the inserted points take in a process alone, one by one.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from http_load import Client, photo_request
from measure import Report, parser, seconds
from served import Served, served

from scenesearch.core.types import Point
from scenesearch.store.embedded.edge import EdgeStore

CACHE = "embeddings.sqlite"
KILLED_AFTER_S = 1.0


@dataclass(frozen=True)
class Insert:
    """One item as it is sent."""

    item_id: str
    title: str
    request: bytes


@dataclass
class Side:
    """A version that is served, and what its clients saw.

    Attributes:
        walls_s: seconds an insert, by how many clients, a round each.
        acknowledged: titles of items by id.
    """

    service: Served
    walls_s: dict[int, list[float]]
    acknowledged: dict[str, str]


def main() -> int:
    arguments = _arguments()
    rows = list(csv.DictReader(arguments.catalog.open(encoding="utf-8")))
    head, rest = rows[: -arguments.photos], rows[-arguments.photos :]
    inserts = [_insert(row, arguments.catalog.parent) for row in rest]
    report = Report(
        f"{len(inserts)} inserts into {len(head)} products, {arguments.config}, "
        f"{arguments.rounds} rounds: wall over {arguments.other}"
    )
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory(dir=arguments.folder)))
        made = {
            "this": (sys.executable, arguments.index),
            "other": (arguments.other, arguments.other_index),
        }
        sides: dict[str, Side] = {}
        for name, (python, index) in made.items():
            _index(python, head, folder / name, index, arguments)
            service = held.enter_context(
                served(folder / name, arguments.config, python=python, quiet=True)
            )
            sides[name] = Side(service, {count: [] for count in arguments.clients}, {})
        _rounds(list(sides.values()), inserts, arguments)
        for name, (_, index) in made.items():
            _refuse_embedded(folder / name, index)
        for count in arguments.clients:
            ours, theirs = (side.walls_s[count] for side in sides.values())
            ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
            goal = {1: 0.25, 16: 0.1}.get(count)
            report.add(f"clients {count}: this over other", statistics.median(ratios), at_most=goal)
            report.add(f"clients {count}: smallest", min(ratios))
            report.add(f"clients {count}: largest", max(ratios))
            report.add(f"clients {count}: over all rounds", sum(ours) / sum(theirs))
            report.add(f"clients {count}: this, an insert", 1000 * statistics.median(ours), "ms")
            report.add(f"clients {count}: other, an insert", 1000 * statistics.median(theirs), "ms")
        _killed(sides["this"], inserts, max(arguments.clients))
        share_s = _store_s(folder / "this", folder / "alone", arguments.photos)
        report.add("store alone, an upsert", 1000 * share_s, "ms")
        if 1 in arguments.clients:
            alone = statistics.median(sides["this"].walls_s[1])
            report.add("its share of an insert by one client", share_s / alone)
        with served(folder / "this", arguments.config, quiet=True) as service:
            report.add("acknowledged", len(sides["this"].acknowledged))
            lost = _lost(service.port, sides["this"].acknowledged)
            report.add("acknowledged and lost, after a SIGKILL", lost, at_most=0)
    report.print(as_json=arguments.json)
    return 0


def _insert(row: dict[str, str], root: Path, mark: str = "") -> Insert:
    item_id = mark + row["id"]
    attributes = {k: v for k, v in row.items() if k not in ("id", "image") and v}
    item = {"id": item_id, "attributes": attributes}
    photo = (root / row["image"]).read_bytes()
    return Insert(
        item_id, row.get("title", ""), photo_request("/v1/items", photo, item, part="item")
    )


def _index(
    python: str,
    rows: Sequence[dict[str, str]],
    store: Path,
    index: Path,
    arguments: argparse.Namespace,
) -> None:
    store.mkdir()
    shutil.copy(index / CACHE, store)
    catalog = store.with_suffix(".csv")
    with catalog.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    command = [python, "-P", "-m", "scenesearch", "index", str(catalog), "--store", str(store)]
    command += ["--image-root", str(arguments.catalog.parent), "--config", arguments.config]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _rounds(
    sides: Sequence[Side], inserts: Sequence[Insert], arguments: argparse.Namespace
) -> None:
    parts = _parts(inserts, arguments.rounds * len(arguments.clients))
    for turn in range(arguments.rounds):
        for count in arguments.clients:
            part = next(parts)
            for side in sides if turn % 2 == 0 else reversed(sides):
                wall_s = seconds(lambda: asyncio.run(_load(side, part, count)))  # noqa: B023
                side.walls_s[count].append(wall_s / len(part))


def _parts(inserts: Sequence[Insert], count: int) -> Iterator[Sequence[Insert]]:
    size = len(inserts) // count
    return (inserts[i * size : (i + 1) * size] for i in range(count))


async def _load(side: Side, inserts: Sequence[Insert], clients: int) -> None:
    waiting = iter(inserts)

    async def work() -> None:
        client = Client(side.service.port)
        for insert in waiting:
            status, body = await client.ask(insert.request)
            if status <= 0:
                break  # it was killed
            if status not in (200, 201):
                raise SystemExit(f"the service answered {status}: {body[:300]!r}")
            side.acknowledged[insert.item_id] = insert.title
        client.close()

    await asyncio.gather(*(work() for _ in range(clients)))


def _refuse_embedded(store: Path, index: Path) -> None:
    """Nothing, where the cache has the photos that it began with."""
    counts = []
    for folder in (store, index):
        with closing(sqlite3.connect(f"file:{folder / CACHE}?mode=ro", uri=True)) as cache:
            counts.append(cache.execute("SELECT count(*) FROM photos").fetchone()[0])
    if counts[0] != counts[1]:
        raise SystemExit(
            f"{counts[0] - counts[1]} photos were embedded: {index} is no index of the whole "
            f"catalogue by this version and profile"
        )


def _killed(side: Side, inserts: Sequence[Insert], clients: int) -> None:
    """Insert again, under other attributes, until every process of the service is killed."""
    again = [Insert(one.item_id, one.title + " II", _renamed(one)) for one in inserts if one.title]

    async def run() -> None:
        load = asyncio.ensure_future(_load(side, again, clients))
        await asyncio.sleep(KILLED_AFTER_S)
        for process in side.service.tree():
            process.send_signal(signal.SIGKILL)
        await load

    asyncio.run(run())
    side.service.process.wait()
    time.sleep(0.5)  # for the locks of the others


def _renamed(insert: Insert) -> bytes:
    old = json.dumps(insert.title).encode()
    new = json.dumps(insert.title + " II").encode()
    head, body = insert.request.split(b"\r\n\r\n", 1)
    body = body.replace(b'"title": ' + old, b'"title": ' + new, 1)
    length = f"Content-Length: {len(body)}".encode()
    lines = [length if line.startswith(b"Content-Length") else line for line in head.split(b"\r\n")]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def _store_s(store: Path, copy: Path, count: int) -> float:
    """Seconds of one upsert of a point, in this process: the median."""
    shutil.copytree(store, copy)
    with closing(EdgeStore(copy, "items")) as items:
        schema = items.schema
        assert schema is not None
        page = items.scroll(limit=count, spaces=tuple(schema.vectors))
        times = []
        for record in page.records:
            point = Point(record.id, record.vectors, record.payload)
            times.append(seconds(lambda: items.upsert([point])))  # noqa: B023
    return statistics.median(times)


def _lost(port: int, acknowledged: dict[str, str]) -> int:
    """Items that are not there, or older than what was acknowledged."""
    lost = 0
    for item_id, title in acknowledged.items():
        address = f"http://127.0.0.1:{port}/v1/items/{quote(item_id, safe='')}"
        try:
            with urllib.request.urlopen(address) as got:
                stored = json.load(got)["attributes"].get("title", "")
        except urllib.error.HTTPError:
            stored = None
        # one that was not acknowledged may be there all the same
        lost += stored not in (title, title + " II")
    return lost


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("catalog", type=Path, help="a CSV with id and image, photos beside it")
    made.add_argument("index", type=Path, help="an index of all of it by this version")
    made.add_argument("--other", required=True, help="the interpreter that has the other version")
    made.add_argument("--other-index", type=Path, required=True, help="one by that version")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--photos", type=int, default=1000, help="at the end of it, inserted")
    made.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    made.add_argument("--rounds", type=int, default=5)
    made.add_argument(
        "--folder", type=Path, help="on the disk that is meant; in memory, syncs are free"
    )
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""A cluster whose nodes are killed under everything at once: does a request fail, do copies differ?

Eight clients ask a service by words, by items and by photos; ``scenesearch sync`` brings its
collection to one of two catalogues and back, again and again; ``scenesearch index`` makes another
collection anew, again and again. All of them have the addresses of all nodes. One node at a time
gets SIGKILL and is started again, the next once every copy is active.

No request and no command may fail; the right answers are known from before. In the end a last sync,
and each node is asked for all points: every node has the same, and the same as a collection that
was indexed undisturbed. QDRANT_API_KEY holds the servers' key.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import shlex
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from http_load import Client
from measure import Report, parser, percentile
from served import Served, served
from server_kill import Index, Server
from service_kills import questions, same, shown

CLIENTS, PAUSE_S = 8, 1.0
"""That ask, and how long each rests, so that two cores are enough for it all."""
CHANGED = 2
"""Every so manyth product of the other catalogue is wider."""
MAY_TAKE_S = 60.0
"""What needs the cluster's consensus."""


class Seen:
    """What was observed.

    Attributes:
        statuses: of requests.
        slow_s: seconds of each request.
        wrong: answers that were other ones, described.
        runs: by command and exit code.
        unequal: runs of ``index`` that left something else.
    """

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.slow_s: list[float] = []
        self.wrong: list[str] = []
        self.runs: Counter[tuple[str, int]] = Counter()
        self.unequal = 0


def main() -> int:
    arguments = _arguments()
    os.environ.setdefault("SCENESEARCH_QDRANT_API_KEY", os.environ.get("QDRANT_API_KEY", ""))
    # the other catalogue lies elsewhere
    arguments.options += f" --image-root {shlex.quote(str(arguments.catalog.parent.resolve()))}"
    report = Report(f"{arguments.kills} SIGKILLs of a node under serve, sync and index")
    nodes = dict(node.split("=", 1) for node in arguments.node)
    with Server(nodes, 10.0) as server, TemporaryDirectory() as folder:
        other, both = _other(arguments.catalog, Path(folder))
        alone, live = (Index(server, arguments, name) for name in ("alone", "live"))
        alone.run()
        live.run()
        wanted = alone.contents()
        seen = Seen()
        options = ("--collection", live.name)
        with served(server.url, arguments.config, *options, quiet=True) as service:
            _disturbed(server, service, live, other, both, wanted, arguments, seen)
        last = live.begin("sync", arguments.catalog).wait()
        found = [live.contents(url) for url in server.urls]
        for one in (alone, live):
            server.remove(one.name)
    _report(report, seen)
    report.add("exit code of the last sync", last, at_most=0)
    report.add("nodes unlike an undisturbed index", sum(one != wanted for one in found), at_most=0)
    report.facts["points"] = len(wanted)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


def _report(report: Report, seen: Seen) -> None:
    report.add("requests answered", seen.statuses[200])
    failed = {status: n for status, n in seen.statuses.items() if status != 200}
    report.add("requests that failed", sum(failed.values()), at_most=0)
    report.add("answers that were other ones", len(seen.wrong), at_most=0)
    report.add("median answer", percentile(seen.slow_s, 0.5), "s")
    report.add("slowest answer", max(seen.slow_s), "s", at_most=MAY_TAKE_S)
    for name in ("sync", "index"):
        runs = {code: n for (command, code), n in seen.runs.items() if command == name}
        report.add(f"runs of {name}", sum(runs.values()))
        report.add(f"runs of {name} that failed", sum(runs.values()) - runs.get(0, 0), at_most=0)
    report.add("runs of index that left something else", seen.unequal, at_most=0)
    if failed or seen.wrong:
        report.facts["failed"], report.facts["wrong"] = failed, seen.wrong[:3]


def _other(catalog: Path, folder: Path) -> tuple[Path, str]:
    """The catalogue of another day, and a filter for what is there on both days.

    One category is gone, some products are wider.
    """
    with catalog.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows[::CHANGED]:
        row["width_cm"] = str(float(row["width_cm"] or 0) + 1)
    gone = rows[-1]["category"]
    other = folder / "other.csv"
    with other.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(row for row in rows if row["category"] != gone)
    return other, f"not category = {json.dumps(gone)}"


def _disturbed(
    server: Server,
    service: Served,
    live: Index,
    other: Path,
    both: str,
    wanted: dict[tuple[str, ...], Any],
    arguments: argparse.Namespace,
    seen: Seen,
) -> None:
    photos = [path.read_bytes() for path in arguments.photos]
    # how rare a word is hangs on all products, so each of the two days has its answers
    today = asyncio.run(questions(service, photos, both))
    seen.runs["sync", live.begin("sync", other).wait()] += 1
    then = asyncio.run(questions(service, photos, both))
    seen.runs["sync", live.begin("sync", arguments.catalog).wait()] += 1
    known = [(one, (right, also)) for (one, right), (_, also) in zip(today, then, strict=True)]
    stop = threading.Event()

    def syncs() -> None:
        while not stop.is_set():
            for catalog in (other, arguments.catalog):
                seen.runs["sync", live.begin("sync", catalog).wait()] += 1
                time.sleep(PAUSE_S)

    def indexes() -> None:
        while not stop.is_set():
            fresh = Index(server, arguments, "fresh")
            code = fresh.begin().wait()
            seen.runs["index", code] += 1
            seen.unequal += code == 0 and fresh.contents() != wanted
            server.remove(fresh.name)
            time.sleep(PAUSE_S)

    def asks() -> None:
        asyncio.run(_ask(service, known, arguments.seed, stop, seen))

    threads = [threading.Thread(target=one) for one in (syncs, indexes, asks)]
    for one in threads:
        one.start()
    rng = random.Random(arguments.seed)
    for kill in range(arguments.kills):
        time.sleep(rng.uniform(1.0, 5.0))
        server.hit(rng)
        server.settle(live.name)
        server.settle(f"{live.name}--meta")
        print(f"kill {kill + 1}: {dict(seen.statuses)} {dict(seen.runs)}", file=sys.stderr)
    stop.set()
    for one in threads:
        one.join()


async def _ask(
    service: Served,
    known: list[tuple[bytes, tuple[Any, Any]]],
    seed: int,
    stop: threading.Event,
    seen: Seen,
) -> None:
    rng = random.Random(seed)

    async def one() -> None:
        client = Client(service.port)
        while not stop.is_set():
            request, right = rng.choice(known)
            start = time.monotonic()
            status, body = await client.ask(request)
            seen.slow_s.append(time.monotonic() - start)
            seen.statuses[status] += 1
            if status != 200:
                print(f"{status}: {body[:300]!r}", file=sys.stderr)
            elif not any(same(shown(body), one) for one in right):
                seen.wrong.append(f"{request[-200:]!r}: {json.dumps(shown(body))[:300]}")
            await asyncio.sleep(PAUSE_S)
        client.close()

    await asyncio.gather(*(one() for _ in range(CLIENTS)))


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument(
        "node",
        nargs="+",
        help="ADDRESS=COMMAND: of a node, and what starts it in the foreground, in the order in "
        "which they are started",
    )
    made.add_argument(
        "--catalog", type=Path, required=True, help="a CSV with id, image, category, width_cm"
    )
    made.add_argument("--photos", type=Path, nargs="+", required=True)
    made.add_argument("--kills", type=int, default=30)
    made.add_argument("--config", default="offline")
    made.add_argument("--options", default="", help="further options of index, as one text")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

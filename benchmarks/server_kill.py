"""A Qdrant server that is killed again and again, under clients that write and runs that index.

Each round four clients insert, replace, patch and delete points of their own; at a seeded moment
the server gets SIGKILL and is started again by the command that was given. No client does anything
about that: each call waits, and has to come to its end. Then every point is read, its vector too:
what was acknowledged must be there, once, and whole.

Several nodes of a cluster may be given. Then one of them is hit each time, clients know all their
addresses, others search meanwhile, the next round begins when every copy is active again, and each
node is asked for all points. How long the slowest call took is said.

With --catalog, runs of ``scenesearch index`` are hit likewise, several times each: every one has to
finish by itself, exit 0, and leave what a run leaves that nobody disturbed. QDRANT_API_KEY holds
the server's key.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import uuid
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser
from numpy.typing import NDArray

from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.protocols import TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, Point, Record
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.layout import spread_of

DIM, OWN, BATCH = 32, 150, 20
"""Numbers of a vector; points of each client; of them in one write at most."""
LATEST = 6
"""Calls that are remembered of each point."""
WAIT_S = 120.0
SCHEMA = CollectionSchema({"cutout": DIM}, {"item_id": "keyword", "words": "text"})
Wanted = dict[str, tuple[int, int | None]]
"""By point: the number of the write that made it, and of its last patch."""


def main() -> int:
    arguments = _arguments()
    report = Report(
        f"{arguments.kills} SIGKILLs of a server under {arguments.writers} clients that write"
    )
    nodes = dict(node.split("=", 1) for node in arguments.node)
    with Server(nodes, arguments.timeout) as server:
        if arguments.kills:
            _writes(server, arguments, report)
        if arguments.catalog is not None:
            _indexes(server, arguments, report)
    report.print(as_json=arguments.json)
    return 0 if all(row.ok is not False for row in report.rows) else 1


class Server:
    """One server or more, each started by a command, and started again after each kill.

    Args:
        nodes: address and command of each.
        timeout: seconds that clients wait for an answer.
    """

    def __init__(self, nodes: Mapping[str, str], timeout: float) -> None:
        self._timeout = timeout
        self._commands = {url: shlex.split(command) for url, command in nodes.items()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self.url = ",".join(nodes)

    @property
    def urls(self) -> list[str]:
        """Of each node."""
        return list(self._commands)

    def __enter__(self) -> Server:
        for url in self._commands:
            self._start(url)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()
            process.wait()

    def hit(self, rng: random.Random) -> None:
        """SIGKILL to one of them; it is started again, and says that it is ready."""
        url = rng.choice(self.urls)
        process = self._processes[url]
        process.send_signal(signal.SIGKILL)
        process.wait()  # its files are free now
        if len(self._commands) > 1:
            time.sleep(rng.uniform(0, 2))
        self._start(url)

    def settle(self, name: str) -> None:
        """Wait until all copies of a collection are active."""
        from qdrant_client import QdrantClient

        ends = time.monotonic() + WAIT_S
        for url in self.urls if len(self.urls) > 1 else ():
            client = QdrantClient(url, headers=_key(), check_compatibility=False, timeout=30)
            # it may not be made yet
            while client.collection_exists(name) and not spread_of(client, name).active:
                if time.monotonic() > ends:
                    raise SystemExit(f"{url}: not all copies are active again")
                time.sleep(0.05)
            client.close()

    def store(self, name: str, url: str | None = None) -> ClientStore:
        """A collection, over all addresses or over one."""
        key = os.environ.get("QDRANT_API_KEY")
        return ClientStore(url or self.url, name, api_key=key, timeout=self._timeout)

    def remove(self, name: str) -> None:
        """A collection and its companion."""
        for one in (name, f"{name}--meta"):
            asked = urllib.request.Request(
                f"{self.urls[0]}/collections/{one}", method="DELETE", headers=_key()
            )
            with urllib.request.urlopen(asked, timeout=60):
                pass

    def _start(self, url: str) -> None:
        self._processes[url] = process = subprocess.Popen(
            self._commands[url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            try:
                with urllib.request.urlopen(f"{url}/readyz", timeout=1):
                    return
            except OSError:
                if process.poll() is not None:
                    raise SystemExit(f"{url} ended by itself") from None
                time.sleep(0.02)
        raise SystemExit(f"{url} did not start")


def _key() -> dict[str, str]:
    return {"api-key": os.environ.get("QDRANT_API_KEY", "")}


def _writes(server: Server, arguments: argparse.Namespace, report: Report) -> None:
    name = f"kill-{uuid.uuid4().hex[:8]}"
    rng = random.Random(arguments.seed)
    server.store(name).create(SCHEMA)
    writers = [Writer(server.store(name), n, arguments.seed) for n in range(arguments.writers)]
    readers = [Reader(server.store(name)) for _ in range(2 if len(server.urls) > 1 else 0)]
    lost = torn = extra = 0
    for kill in range(arguments.kills):
        stop = threading.Event()
        threads = [threading.Thread(target=one.work, args=(stop,)) for one in (*writers, *readers)]
        for thread in threads:
            thread.start()
        time.sleep(rng.uniform(0.02, 0.5))
        server.hit(rng)
        if len(server.urls) == 1:
            stop.set()
        server.settle(name)
        stop.set()
        for thread in threads:
            thread.join()
        wanted = {i: what for one in writers for i, what in one.wanted.items()}
        for url in server.urls:
            counts = compare(server.store(name, url), wanted)
            lost, torn, extra = lost + counts[0], torn + counts[1], extra + counts[2]
            if any(counts):
                time.sleep(2)
                then = compare(server.store(name, url), wanted, said=[*writers])
                print(
                    f"kill {kill}, {url}: lost, torn, extra {counts}, after 2 s {then}", flush=True
                )
    report.facts["writes acknowledged"] = sum(one.done for one in writers)
    report.facts["of them hit by a kill"] = sum(one.waited for one in writers)
    report.add("slowest write", max(one.slowest_s for one in writers), "s")
    if readers:
        report.facts["searches"] = sum(one.done for one in readers)
        report.add("slowest search", max(one.slowest_s for one in readers), "s")
        report.add("searches that failed", sum(one.failed for one in readers), at_most=0)
    report.add("writes that failed", sum(one.failed for one in writers), at_most=0)
    report.add("points lost", lost, at_most=0)
    report.add("points torn", torn, at_most=0)
    report.add("points too many", extra, at_most=0)
    server.remove(name)


class Writer:
    """A client that writes points of its own.

    Attributes:
        wanted: what it was told is stored.
        done: calls that returned.
        waited: of them, those that had to wait for the server.
        failed: calls that raised an error.
        slowest_s: seconds of the slowest.
    """

    def __init__(self, store: ClientStore, number: int, seed: int) -> None:
        self._store, self._rng = store, random.Random(seed * 1000 + number)
        self._ids = [str(uuid.UUID(int=number << 64 | n)) for n in range(OWN)]
        self._turn = 0
        self.wanted: Wanted = {}
        self.done = self.waited = self.failed = 0
        self.slowest_s = 0.0
        self._kind, self._touched = "", self._ids
        self._story: dict[str, deque[str]] = {i: deque(maxlen=LATEST) for i in self._ids}

    def story(self, point: str) -> list[str]:
        """The latest calls that wrote to a point, for who looks for a cause; none of others'."""
        return [*self._story.get(point, ())]

    def work(self, stop: threading.Event) -> None:
        """Until it is told to stop; a call that was begun is ended."""
        waits: list[float] = []
        with self._store.in_bulk(WAIT_S, waits.append):
            while not stop.is_set():
                waits.clear()
                then, start = self._change(), time.monotonic()
                about = f"{self._kind} {self._turn} begun {start:.3f}"
                try:
                    then()
                    self.slowest_s = max(self.slowest_s, time.monotonic() - start)
                except SceneSearchError as error:
                    self.failed += 1
                    print(f"a write failed: {error}")
                    return
                for i in self._touched:
                    self._story[i].append(f"{about}, took {time.monotonic() - start:.3f} {waits}")
                self.done += 1
                self.waited += bool(waits)

    def _change(self) -> Callable[[], None]:
        self._turn += 1
        turn, ids = self._turn, self._rng.sample(self._ids, self._rng.randint(1, BATCH))
        self._kind = kind = self._rng.choice(("upsert", "upsert", "patch", "delete"))
        self._touched = ids[:5] if kind == "delete" else ids
        if kind == "upsert":
            points = [Point(i, {"cutout": vector(i, turn)}, payload(i, turn)) for i in ids]

            def upsert() -> None:
                self._store.upsert(points)
                self.wanted.update(dict.fromkeys(ids, (turn, None)))

            return upsert
        if kind == "patch":

            def patch() -> None:
                self._store.set_payload({"patched": turn, "words": f"word{turn}"}, ids=ids)
                for i in ids:
                    if i in self.wanted:
                        self.wanted[i] = self.wanted[i][0], turn

            return patch

        def delete() -> None:
            self._store.delete(ids=self._touched)
            for i in self._touched:
                self.wanted.pop(i, None)

        return delete


class Reader:
    """A client that searches, and waits no longer than a service does.

    Attributes:
        done: calls that returned.
        failed: calls that raised an error.
        slowest_s: seconds of the slowest.
    """

    def __init__(self, store: ClientStore) -> None:
        self._store = store
        self.done = self.failed = 0
        self.slowest_s = 0.0

    def work(self, stop: threading.Event) -> None:
        """Until it is told to stop."""
        query = VectorQuery("cutout", np.ones(DIM, np.float32), 10, None, ("item_id",))
        while not stop.is_set():
            start = time.monotonic()
            try:
                self._store.query([query, TextQuery("word1", 10)])
                self._store.facet("item_id", limit=10)
                self.done += 1
            except SceneSearchError as error:
                self.failed += 1
                print(f"a search failed: {error}")
            self.slowest_s = max(self.slowest_s, time.monotonic() - start)


def vector(point: str, turn: int) -> NDArray[np.float32]:
    """What a write gives a point; another one each time."""
    rng = np.random.default_rng((uuid.UUID(point).int % 2**32, turn))
    row = rng.standard_normal(DIM).astype(np.float32)
    unit: NDArray[np.float32] = row / np.linalg.norm(row)
    return unit


def payload(point: str, turn: int) -> dict[str, Any]:
    """Likewise."""
    return {"item_id": point, "turn": turn, "words": f"word{turn}"}


def compare(
    store: ClientStore, wanted: Wanted, *, said: Sequence[Writer] = ()
) -> tuple[int, int, int]:
    """Points that are lost, that are torn, and that should not be there.

    With ``said``, what these have done to each of the last is printed.
    """
    records = list(scroll_all(store, spaces=("cutout",)))
    found = {r.id: r for r in records}
    strange, counted = found.keys() - wanted.keys(), store.count()
    if said:
        print(f"read {len(records)}, of them {len(found)} different, counted {counted}")
    for i in strange if said else ():
        print(f"should not be there: {i} {found[i].payload}")
        for line in (line for one in said for line in one.story(i)):
            print(f"  {line}")
    extra = len(strange) + abs(counted - len(found))
    lost = torn = 0
    for i, (turn, patched) in wanted.items():
        record = found.get(i)
        if record is None or record.payload.get("turn", 0) < turn:
            lost += 1
        elif not whole(record, turn, patched):
            torn += 1
    return lost, torn, extra


def whole(record: Record, turn: int, patched: int | None) -> bool:
    """Whether a point is all of one write, and of its last patch."""
    expected = payload(record.id, turn)
    if patched is not None:
        expected |= {"patched": patched, "words": f"word{patched}"}
    near = np.allclose(record.vectors["cutout"], vector(record.id, turn), atol=1e-5)
    return near and record.payload == expected


def _indexes(server: Server, arguments: argparse.Namespace, report: Report) -> None:
    rng = random.Random(arguments.seed)
    alone = Index(server, arguments, "alone")
    alone.run()
    wanted, kills, good = alone.contents(), 0, 0
    for run in range(arguments.index_runs):
        hurt = Index(server, arguments, f"hurt-{run}")
        process = hurt.begin()
        time.sleep(arguments.index_after)
        while process.poll() is None:
            time.sleep(rng.uniform(0.1, 1.5))
            if process.poll() is None:
                server.hit(rng)
                server.settle(hurt.name)
                kills += 1
        good += process.returncode == 0 and hurt.contents() == wanted
        if process.returncode:
            print(f"index ended with {process.returncode}")
        server.remove(hurt.name)
    server.remove(alone.name)
    report.facts["points of the catalogue"] = len(wanted)
    report.facts["kills under index"] = kills
    report.add_least("index runs that finished, equal", good, at_least=arguments.index_runs)


class Index:
    """One collection that a catalogue is indexed into."""

    def __init__(self, server: Server, arguments: argparse.Namespace, name: str) -> None:
        self._server, self.name = server, f"{name}-{uuid.uuid4().hex[:8]}"
        self._catalog = arguments.catalog
        self._options = ["--store", server.url, "--collection", self.name]
        self._options += ["--config", arguments.config, *shlex.split(arguments.options)]

    def begin(self, command: str = "index", catalog: Path | None = None) -> subprocess.Popen[bytes]:
        """Start a command, over another catalogue where one is given."""
        key = os.environ.get("QDRANT_API_KEY", "")
        environment = {**os.environ, "SCENESEARCH_QDRANT_API_KEY": key}
        called = [sys.executable, "-P", "-m", "scenesearch", command]
        called += [str(catalog or self._catalog), *self._options]
        return subprocess.Popen(called, env=environment, stdout=subprocess.DEVNULL)

    def run(self) -> None:
        """Run the command."""
        if self.begin().wait():
            raise SystemExit("index failed without any kill")

    def contents(self, url: str | None = None) -> dict[tuple[str, ...], Any]:
        """Everything stored, without ids, which hang on the collection, and times.

        Asked of one node, if its address is given.
        """
        store = self._server.store(self.name, url)
        schema = store.schema
        spaces = tuple(schema.vectors) if schema is not None else ()
        found = {}
        for record in scroll_all(store, spaces=spaces, page=500):
            kept = {k: v for k, v in record.payload.items() if k != "indexed_at"}
            place = tuple(str(kept[k]) for k in ("item_id", "photo_sha256", "region_key"))
            vectors = {s: np.round(v, 5).tolist() for s, v in record.vectors.items()}
            found[place] = (kept, vectors)
        store.close()
        return found


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument(
        "node",
        nargs="+",
        help="ADDRESS=COMMAND: of a server, and what starts it in the foreground; several are "
        "nodes of one cluster, in the order in which they are started",
    )
    made.add_argument("--kills", type=int, default=100)
    made.add_argument("--writers", type=int, default=4)
    made.add_argument("--timeout", type=float, default=10.0, help="seconds for an answer")
    made.add_argument("--catalog", type=Path, help="also index this one")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--options", default="", help="further options of index, as one text")
    made.add_argument("--index-runs", type=int, default=5)
    made.add_argument(
        "--index-after", type=float, default=0.5, help="seconds before the first kill of a run"
    )
    return made.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

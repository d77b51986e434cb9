"""Searches by an item over the service: CPU of its processes over a Qdrant server and embedded.

The same index twice: its folder, and its points copied into a collection of a server, which is
removed in the end. Both services are up and warm; a pair is the same requests by the same number
of clients, now this one first, now the other. What the server itself takes is not counted. The
ids of the answers are compared too. QDRANT_API_KEY holds the server's key.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

from http_load import Client, json_request
from measure import Report, parser
from served import Served, served

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.points import OOD_BLOB
from scenesearch.core.types import Point
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.server.client import ClientStore

ITEMS = 40
"""Different ones that are asked for, in turns."""


def main() -> int:
    arguments = _arguments()
    os.environ["SCENESEARCH_QDRANT_API_KEY"] = os.environ.get("QDRANT_API_KEY", "")
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory())) / "store"
        shutil.copytree(arguments.store, folder)
        items, points = _copy(folder, arguments.server)
        held.callback(_remove, arguments.server)
        requests = [json_request("/v1/search", {"items": {i: 1.0}, "limit": 20}) for i in items]
        sides = [
            held.enter_context(served(store, arguments.config, quiet=True))
            for store in (arguments.server, folder)
        ]
        answers = [asyncio.run(_answers(side.port, requests)) for side in sides]
        for side in sides:
            _cost(side, requests, arguments)
        spent: list[list[float]] = [[], []]
        for turn in range(arguments.pairs):
            for place in (0, 1) if turn % 2 == 0 else (1, 0):
                spent[place].append(_cost(sides[place], requests, arguments))
    report = Report(
        f"Searches by an item at {arguments.clients} clients, {arguments.config}, "
        f"{points:,} points of {arguments.store.name}: over a server / embedded, "
        f"{arguments.pairs} pairs of {arguments.requests}"
    )
    same = sum(ours == theirs for ours, theirs in zip(*answers, strict=True))
    report.add("answers with the same ids", same / len(items))
    ratios = [ours / theirs for ours, theirs in zip(*spent, strict=True)]
    report.add("server: CPU a request", 1000 * statistics.median(spent[0]), "ms")
    report.add("embedded: CPU a request", 1000 * statistics.median(spent[1]), "ms")
    report.add("server / embedded, median", statistics.median(ratios), at_most=1.15)
    report.add("smallest", min(ratios))
    report.add("largest", max(ratios))
    report.print(as_json=arguments.json)
    return 0


def _copy(folder: Path, url: str) -> tuple[list[str], int]:
    """All of an index into a collection of a server; ids of some items, and points."""
    source = EdgeStore(folder, "items")
    target = _server(url)
    schema = source.schema
    if schema is None:
        raise SystemExit(f"{folder} has no items")
    if target.schema is not None:
        raise SystemExit(f"{url} has a collection of items; this needs a server without")
    blobs = {name: source.read_blob(name) for name in (*schema.blobs, OOD_BLOB)}
    target.create(schema, {name: data for name, data in blobs.items() if data is not None})
    items: dict[str, None] = {}
    records = scroll_all(source, spaces=tuple(schema.vectors), page=500)
    for batch in batches(records, 500):
        target.upsert([Point(r.id, r.vectors, r.payload) for r in batch])
        items.update(dict.fromkeys(str(r.payload["item_id"]) for r in batch))
    points = target.count()
    source.close()
    target.close()
    every = list(items)
    return every[:: max(1, len(every) // ITEMS)][:ITEMS], points


def _server(url: str) -> ClientStore:
    return ClientStore(url, "items", api_key=os.environ.get("QDRANT_API_KEY"), timeout=60)


def _remove(url: str) -> None:
    from qdrant_client import QdrantClient

    key = os.environ.get("QDRANT_API_KEY")
    client = QdrantClient(url, headers={"api-key": key} if key else {}, check_compatibility=False)
    for name in ("items", "items--meta"):
        client.delete_collection(name)
    client.close()


def _cost(side: Served, requests: list[bytes], arguments: argparse.Namespace) -> float:
    """CPU-seconds a request."""
    before = side.cpu_s()
    asyncio.run(_load(side.port, requests, arguments.requests, arguments.clients))
    return (side.cpu_s() - before) / arguments.requests


async def _load(port: int, requests: list[bytes], count: int, clients: int) -> None:
    waiting = iter([requests[i % len(requests)] for i in range(count)])

    async def work() -> None:
        client = Client(port)
        for request in waiting:
            await _asked(client, request)
        client.close()

    await asyncio.gather(*(work() for _ in range(clients)))


async def _answers(port: int, requests: list[bytes]) -> list[list[str]]:
    client = Client(port)
    found = [json.loads(await _asked(client, request)) for request in requests]
    client.close()
    return [[match["item_id"] for match in one["matches"]] for one in found]


async def _asked(client: Client, request: bytes) -> bytes:
    status, body = await client.ask(request)
    if status != 200:
        raise SystemExit(f"the service answered {status}: {body[:300]!r}")
    return body


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index; it is copied")
    made.add_argument("server", help="URL of a Qdrant server without a collection of items")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--clients", type=int, default=4)
    made.add_argument("--pairs", type=int, default=7)
    made.add_argument("--requests", type=int, default=200, help="of each side in a pair")
    return made.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

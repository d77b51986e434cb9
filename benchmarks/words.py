"""A search by words over the service: CPU-seconds of all its processes, over another version's.

Each side is an interpreter with a version installed, serving a copy of the same index. Both stay up
and warm; a pair is the same requests by the same number of clients, now this side first, now the
other. The answers of both are compared too: ids in order, one request of each query.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from http_load import Client, json_request
from measure import Report, parser
from served import Served, served

WORDS = (
    *("white wardrobe", "red chair under $100", "lamp", "blue rug", "wooden table not white"),
    *("blue armchair under 200", "oak table", "mirror", "grey sofa", "shelf, not black"),
)


def main() -> int:
    arguments = _arguments()
    requests = [json_request("/v1/search", {"words": text, "limit": 20}) for text in WORDS]
    report = Report(
        f"Words at {arguments.clients} clients, {arguments.config}, {arguments.store.name}: "
        f"CPU a request over that of {arguments.other}, {arguments.pairs} pairs"
    )
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        sides: list[Served] = []
        for name, python in (("this", sys.executable), ("other", arguments.other)):
            store = folder / name
            shutil.copytree(arguments.store, store)
            sides.append(
                held.enter_context(served(store, arguments.config, python=python, quiet=True))
            )
        answers = [asyncio.run(_answers(side.port, requests)) for side in sides]
        same = sum(ours == theirs for ours, theirs in zip(*answers, strict=True))
        report.add("queries answered alike", same / len(WORDS))
        for side in sides:
            _cost(side, requests, arguments)
        spent: list[list[float]] = [[], []]
        for turn in range(arguments.pairs):
            for place in (0, 1) if turn % 2 == 0 else (1, 0):
                spent[place].append(_cost(sides[place], requests, arguments))
    ratios = [ours / theirs for ours, theirs in zip(*spent, strict=True)]
    report.add("this: CPU a request", 1000 * statistics.median(spent[0]), "ms")
    report.add("other: CPU a request", 1000 * statistics.median(spent[1]), "ms")
    report.add("this over other, median", statistics.median(ratios), at_most=0.35)
    report.add("this over other, smallest", min(ratios))
    report.add("this over other, largest", max(ratios))
    report.print(as_json=arguments.json)
    return 0


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
    """Ids of the matches of each request, in order."""
    client = Client(port)
    bodies = [json.loads(await _asked(client, request)) for request in requests]
    client.close()
    found = [[str(match["item_id"]) for match in body["matches"]] for body in bodies]
    if not all(found):
        raise SystemExit("a query found nothing: these words need a catalogue of furniture")
    return found


async def _asked(client: Client, request: bytes) -> bytes:
    status, body = await client.ask(request)
    if status != 200:
        raise SystemExit(f"the service answered {status}: {body[:200]!r}")
    return body


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index; it is copied for each side")
    made.add_argument("--other", required=True, help="the interpreter that has the other version")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--clients", type=int, default=8)
    made.add_argument("--requests", type=int, default=200, help="of each side in a pair")
    made.add_argument("--pairs", type=int, default=5)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

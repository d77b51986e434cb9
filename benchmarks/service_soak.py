"""A service under mixed load for long: does its memory grow, and is what it said kept?

A few clients ask by photos, words, vectors and facets without pause; one inserts items, changes
them and deletes some of them. At the end the service is killed and started again, and everything
it had acknowledged is looked for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import statistics
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable

from http_load import Outcome, closed_loop, get_request, json_request, photo_request
from measure import Report
from served import Served, served, service_parser

from scenesearch.client import AsyncClient, ServiceError
from scenesearch.core.errors import SceneSearchError

WORDS = ("white wardrobe", "red chair under $50", "black metal lamp", "round oak table")
SAMPLE_S = 15.0
"""Between two looks at the memory."""


class Ledger:
    """What the service acknowledged: the price of each item, None once it was deleted."""

    def __init__(self) -> None:
        self.prices: dict[str, float | None] = {}
        self.writes = 0
        self.failed: Counter[str] = Counter()


def main() -> int:
    arguments = _arguments()
    ledger = Ledger()
    memory: list[tuple[int, float]] = []
    with served(arguments.store, arguments.config) as service:
        reads = asyncio.run(_soak(service, arguments, ledger, memory))
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    with served(arguments.store, arguments.config) as service:
        wrong = asyncio.run(_missing(service, ledger))
    report = Report(f"{arguments.minutes:g} minutes of mixed load, {arguments.config}")
    report.add("reads answered", reads.statuses[200])
    others = sum(n for status, n in reads.statuses.items() if status != 200) + reads.refused
    report.add("reads not answered 200", others, at_most=0)
    report.add("writes acknowledged", ledger.writes)
    report.add("writes failed", ledger.failed.total(), at_most=0)
    report.add("acknowledged and lost, after a SIGKILL", wrong, at_most=0)
    _grown(report, memory, arguments)
    if ledger.failed:
        report.facts["failed"] = dict(ledger.failed)
    report.facts["memory_mb"] = " ".join(f"{value:.0f}" for _, value in memory)
    report.print(as_json=arguments.json)
    return 0


def _grown(report: Report, memory: list[tuple[int, float]], arguments: argparse.Namespace) -> None:
    """From when models and caches are filled to the end."""
    if arguments.requests:
        begun = next(i for i, (asked, _) in enumerate(memory) if asked >= arguments.after)
        early, late = memory[begun : begun + 3], memory[-3:]
        names = f"after {arguments.after:,} requests", f"after {memory[-1][0]:,}"
        goal = 1.05
    else:
        quarter = max(1, len(memory) // 4)
        early, late = memory[quarter : 2 * quarter] or memory, memory[-quarter:]
        names, goal = ("second quarter", "last quarter"), 1.1
    before, after = (statistics.median(value for _, value in part) for part in (early, late))
    report.add(f"memory, {names[0]}", before, "MB")
    report.add(f"memory, {names[1]}", after, "MB")
    report.add("the last over the first", after / before, at_most=goal)


async def _soak(
    service: Served,
    arguments: argparse.Namespace,
    ledger: Ledger,
    memory: list[tuple[int, float]],
) -> Outcome:
    end = time.monotonic() + 60 * arguments.minutes
    asked = 0

    def over() -> bool:
        if arguments.requests:
            return asked >= arguments.requests
        return time.monotonic() >= end

    def stop() -> bool:  # asked for before each request
        nonlocal asked
        asked += 1
        return over()

    photos = [path.read_bytes() for path in arguments.photos]
    requests = [photo_request("/v1/look", photo, {}) for photo in photos]
    for words in WORDS:
        requests += [json_request("/v1/search", {"words": words})] * 4
    requests += [json_request("/v1/search", {"items": {one: 1}}) for one in _some_ids(service)]
    requests += [get_request("/v1/facets?field=category")]
    random.Random(arguments.seed).shuffle(requests)
    reading, *_ = await asyncio.gather(
        closed_loop(service.port, requests, arguments.clients, math.inf, stop),
        _write(service, photos, ledger, random.Random(arguments.seed), over),
        _watch(service, memory, over, lambda: asked),
    )
    return reading


def _some_ids(service: Served) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/v1/items?limit=40") as got:
        return [str(one["id"]) for one in json.load(got)["items"]]


async def _write(
    service: Served,
    photos: list[bytes],
    ledger: Ledger,
    rng: random.Random,
    over: Callable[[], bool],
) -> None:
    """Insert, change, delete; one at a time, each noted once it is acknowledged."""
    turn = 0
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=120, retries=0) as client:
        while not over():
            item, price = f"soak-{turn % 200}", round(rng.uniform(1, 500), 2)
            there = ledger.prices.get(item) is not None
            try:
                if there and rng.random() < 0.5:
                    await client.delete_item(item)
                    ledger.prices[item] = None
                elif there:
                    await client.patch_item(item, {"price": price})
                    ledger.prices[item] = price
                else:
                    await client.put_item(item, [rng.choice(photos)], {"price": price})
                    ledger.prices[item] = price
                ledger.writes += 1
            except SceneSearchError as error:
                ledger.failed[str(error)[:80]] += 1
                ledger.prices.pop(item, None)  # done or not: nothing was said
            turn += 1


async def _watch(
    service: Served,
    memory: list[tuple[int, float]],
    over: Callable[[], bool],
    asked: Callable[[], int],
) -> None:
    while not over():
        await asyncio.sleep(SAMPLE_S)
        memory.append((asked(), service.memory() / 1e6))


async def _missing(service: Served, ledger: Ledger) -> int:
    """How many items are not as was acknowledged."""
    wrong = 0
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=120, retries=0) as client:
        for item, price in ledger.prices.items():
            try:
                stored = (await client.get_item(item)).attributes.get("price")
            except ServiceError as error:
                if error.status != 404:
                    raise
                stored = None
            wrong += stored != price
    return wrong


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--clients", type=int, default=4)
    made.add_argument("--minutes", type=float, default=30.0)
    made.add_argument(
        "--requests", type=int, default=0, help="read so often, however long it takes"
    )
    made.add_argument("--after", type=int, default=5000, help="requests that warm it up")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

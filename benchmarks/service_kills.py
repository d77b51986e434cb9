"""A service whose processes are killed all the time: is an answer ever wrong, does anything grow?

Every so often one of its processes gets SIGKILL: the engine, the one that holds the store, a
decoder, in turns. Clients ask meanwhile: by words, by items, by photos, always among the products
that nobody changes, so that each question has one right answer, known from before. One writes
items, changes and deletes them, and reads each back. An answer may be late or a 503; it may not be
another. Memory and descriptors are looked at all the time, those of the process that listens
apart, since nothing gives it a fresh start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
from http_load import Client, json_request, photo_request
from measure import Report
from served import Served, served, service_parser

from scenesearch.client import AsyncClient, ServiceError
from scenesearch.core.errors import SceneSearchError

WORDS = ("white lamp", "oak table", "blue couch", "chair under 300", "round mirror")
SAMPLE_S = 5.0
PAUSE_S = 0.2
"""Of a client between two questions, so that a soak leaves a core to others."""
FRESH_S = 60.0
"""A process that was just started grows; what is flat is looked at after so long."""
MOVED = 0.05
"""That a score may be moved by the products that are written meanwhile."""
WRITTEN = 12
"""Products that are written, again and again."""
PASSING = (0, -1, 429, 503)
"""Statuses that say: not now. The first two are connections that broke or were not made."""


class Seen:
    """What was observed.

    Attributes:
        kills: by kind of process.
        statuses: of reads.
        wrong: answers that were other ones, described.
        prices: what was acknowledged of each written item; None once it was deleted.
        samples: seconds, bytes and descriptors of the listening process, bytes and descriptors
            of all.
    """

    def __init__(self) -> None:
        self.kills: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.writes: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.prices: dict[str, float | None] = {}
        self.samples: list[tuple[float, float, int, float, int]] = []


def main() -> int:
    arguments = _arguments()
    seen = Seen()
    with served(arguments.store, arguments.config, quiet=True) as service:
        asyncio.run(_soak(service, arguments, seen))
        service.process.send_signal(signal.SIGKILL)
        service.process.wait()
    # before anything else can go wrong: an hour is in it
    report = _report(arguments, seen)
    report.print(as_json=arguments.json)
    with served(arguments.store, arguments.config, quiet=True) as service:
        lost = asyncio.run(_lost(service, seen))
    report.add("acknowledged and lost, after a SIGKILL of all", lost, at_most=0)
    report.print(as_json=arguments.json)
    return int(any(row.ok is False for row in report.rows))


def _report(arguments: argparse.Namespace, seen: Seen) -> Report:
    report = Report(f"{arguments.minutes:g} minutes, a kill every {arguments.every:g} s")
    for kind, count in sorted(seen.kills.items()):
        report.add(f"kills of {kind}", count)
    report.add("reads answered", seen.statuses[200])
    report.add("reads told to come again", sum(seen.statuses[one] for one in PASSING))
    others = {s: n for s, n in seen.statuses.items() if s != 200 and s not in PASSING}
    report.add("reads answered otherwise", sum(others.values()), at_most=0)
    report.add("writes acknowledged", seen.writes["acknowledged"])
    report.add("writes told to come again", seen.writes["come again"])
    failed = sum(n for what, n in seen.writes.items() if what.startswith("failed"))
    report.add("writes failed otherwise", failed, at_most=0)
    report.add("wrong answers", len(seen.wrong), at_most=0)
    third = max(1, len(seen.samples) // 3)
    early, late = seen.samples[third : 2 * third] or seen.samples, seen.samples[-third:]
    for name, column in (
        ("memory of the listening process", 1),
        ("its descriptors", 2),
        ("memory of all", 3),
        ("descriptors of all", 4),
    ):
        before, after = (statistics.median(one[column] for one in part) for part in (early, late))
        report.add(f"{name}, middle third", before)
        report.add(f"{name}, last over middle third", after / before, at_most=1.05)
    report.facts["otherwise"] = {**others, **{k: v for k, v in seen.writes.items() if ":" in k}}
    if seen.wrong:
        report.facts["wrong"] = seen.wrong[:5]
    return report


async def _soak(service: Served, arguments: argparse.Namespace, seen: Seen) -> None:
    end = time.monotonic() + 60 * arguments.minutes

    def over() -> bool:
        return time.monotonic() >= end

    photos = [path.read_bytes() for path in arguments.photos]
    # what is written in the soak has a price alone
    known = await questions(service, photos, "in_stock = true or in_stock = false")
    rng = random.Random(arguments.seed)
    await asyncio.gather(
        *(
            _ask(service, known, random.Random(rng.random()), seen, over)
            for _ in range(arguments.clients)
        ),
        _write(service, photos, seen, random.Random(rng.random()), over),
        _kill(service, arguments, random.Random(rng.random()), seen, over),
        _watch(service, seen, over),
    )


async def questions(service: Served, photos: list[bytes], where: str) -> list[tuple[bytes, Any]]:
    """Requests among the products of a filter, and their right answers, the same twice."""
    among = {"where": where, "limit": 8}
    requests = [json_request("/v1/search", {"words": words, **among}) for words in WORDS]
    requests += [photo_request("/v1/look", photo, {**among}) for photo in photos]
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=120) as client:
        page = await client.list_items(limit=12, where=where)
    for item in page.items:
        requests.append(json_request("/v1/search", {"items": {item.id: 1}, **among}))
    client_ = Client(service.port)
    asked = []
    for request in requests:
        answers = [shown((await client_.ask(request))[1]) for _ in range(2)]
        if answers[0] != answers[1] or not answers[0]:
            raise SystemExit(f"a question without one right answer: {request[:200]!r} {answers}")
        asked.append((request, answers[0]))
    client_.close()
    return asked


def shown(body: bytes) -> Any:
    """Items and scores of an answer, of each region."""
    answer = json.loads(body)
    return [
        [[match["item_id"], round(match["score"], 3)] for match in part["matches"]]
        for part in (answer, *answer["regions"])
    ]


def same(found: Any, right: Any) -> bool:
    """Whether lists are the same, but for what a few more products in the collection move.

    Scores are relative to the collection; equal ones may change places.
    """
    if len(found) != len(right):
        return False
    for ours, theirs in zip(found, right, strict=True):
        scores, wanted = dict(ours), dict(theirs)
        least = min(wanted.values(), default=0.0)
        apart = [abs(scores[one] - wanted[one]) for one in scores.keys() & wanted.keys()]
        at_the_end = [
            abs({**scores, **wanted}[one] - least) for one in scores.keys() ^ wanted.keys()
        ]
        if len(ours) != len(theirs) or max([0.0, *apart, *at_the_end]) > MOVED:
            return False
    return True


async def _ask(
    service: Served,
    questions: list[tuple[bytes, Any]],
    rng: random.Random,
    seen: Seen,
    over: Callable[[], bool],
) -> None:
    client = Client(service.port)
    while not over():
        request, right = rng.choice(questions)
        status, body = await client.ask(request)
        seen.statuses[status] += 1
        if status == 200 and not same(found := shown(body), right):
            seen.wrong.append(f"{request[-200:]!r}: {found}, not {right}"[:1000])
        await asyncio.sleep(PAUSE_S if status == 200 else 1.0)
    client.close()


async def _write(
    service: Served, photos: list[bytes], seen: Seen, rng: random.Random, over: Callable[[], bool]
) -> None:
    """Insert, change, delete, and read back; each noted once it is acknowledged."""
    turn = 0
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=120, retries=0) as client:
        while not over():
            turn += 1
            item, price = f"soak-{turn % WRITTEN}", round(rng.uniform(1, 500), 2)
            there = seen.prices.get(item) is not None
            try:
                if there and rng.random() < 0.3:
                    await client.delete_item(item)
                    seen.prices[item] = None
                elif there:
                    await client.patch_item(item, {"price": price})
                    seen.prices[item] = price
                else:
                    await client.put_item(item, [rng.choice(photos)], {"price": price})
                    seen.prices[item] = price
                seen.writes["acknowledged"] += 1
            except SceneSearchError as error:
                seen.prices.pop(item, None)  # done or not: nothing was said
                status = error.status if isinstance(error, ServiceError) else 0
                if status in PASSING:
                    seen.writes["come again"] += 1
                else:
                    seen.writes[f"failed: {status} {error}"[:160]] += 1
                await asyncio.sleep(1.0)
                continue
            with suppress(SceneSearchError):
                if (found := await _price(client, item)) != seen.prices[item]:
                    seen.wrong.append(f"{item}: {found}, not {seen.prices[item]}")
            await asyncio.sleep(PAUSE_S)


async def _price(client: AsyncClient, item: str) -> Any:
    try:
        return (await client.get_item(item)).attributes.get("price")
    except ServiceError as error:
        if error.status != 404:
            raise
        return None


async def _lost(service: Served, seen: Seen) -> int:
    """How many written items are not as was acknowledged."""
    async with AsyncClient(f"http://127.0.0.1:{service.port}", timeout_s=120) as client:
        return sum([await _price(client, item) != price for item, price in seen.prices.items()])


# --- killing and watching ----------------------------------------------------------------------


async def _kill(
    service: Served,
    arguments: argparse.Namespace,
    rng: random.Random,
    seen: Seen,
    over: Callable[[], bool],
) -> None:
    turn = 0
    while not over():
        await asyncio.sleep(arguments.every * rng.uniform(0.75, 1.25))
        kinds = _kinds(service, arguments.store)
        names = ("the store", "a decoder", "the engine")
        for name in names[turn % 3 :] + names[: turn % 3]:
            if found := kinds.get(name):
                with suppress(psutil.NoSuchProcess):
                    rng.choice(found).kill()
                    seen.kills[name] += 1
                break
        turn += 1


def _kinds(service: Served, store: Path) -> dict[str, list[psutil.Process]]:
    """Processes by what they are for."""
    root = psutil.Process(service.process.pid)
    kinds: dict[str, list[psutil.Process]] = {}
    for one in root.children(recursive=True):
        with suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
            line = " ".join(one.cmdline())
            if "resource_tracker" in line or not line:
                continue
            if one.ppid() == root.pid:
                name = "the engine"
            elif any(str(store.resolve()) in found.path for found in one.memory_maps()):
                name = "the store"
            else:
                name = "a decoder"
            kinds.setdefault(name, []).append(one)
    return kinds


async def _watch(service: Served, seen: Seen, over: Callable[[], bool]) -> None:
    start = time.monotonic()
    root = psutil.Process(service.process.pid)
    while not over():
        await asyncio.sleep(SAMPLE_S)
        descriptors = 0
        for one in service.tree():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                descriptors += one.num_fds()
        at = time.monotonic() - start
        if at > FRESH_S:
            own = root.memory_info().rss / 1e6, root.num_fds()
            seen.samples.append((at, *own, service.memory() / 1e6, descriptors))


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--clients", type=int, default=2)
    made.add_argument("--minutes", type=float, default=60.0)
    made.add_argument("--every", type=float, default=20.0, help="seconds between two kills")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""A service under load: closed loops of clients, overload, slow clients.

Photo, word and vector queries apart. What the cores allow is worked out from the CPU-seconds that a
request took in the same run, and from what the clients took of the same cores; and once more from
those of a request that is alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence

from http_load import (
    Client,
    Outcome,
    closed_loop,
    get_request,
    json_request,
    open_loop,
    photo_request,
)
from measure import Report, percentile
from served import Served, served, service_parser

SLOW = 200
"""Slow clients: half send their headers, half their bodies, a byte a second."""


def main() -> int:
    arguments = _arguments()
    with served(arguments.store, arguments.config) as service:
        questions = _questions(service, arguments)
        report = Report(f"A service of {_points(service):,} points, {arguments.config}")
        for name, requests in questions.items():
            sustainable = _closed_loops(report, service, name, requests, arguments)
            if "overload" in arguments.phases:
                _overload(report, service, name, requests, sustainable, arguments.attack)
        if "slow" in arguments.phases:
            _slow_clients(report, service, questions["vectors"], arguments.attack)
        report.facts["memory_mb"] = round(service.memory() / 1e6)
    report.print(as_json=arguments.json)
    return 0


def _closed_loops(
    report: Report,
    service: Served,
    name: str,
    requests: Sequence[bytes],
    arguments: argparse.Namespace,
) -> float:
    """Throughput a second of the largest loop."""
    asyncio.run(closed_loop(service.port, requests, 4, 3.0))  # everything warm
    rate = alone = 0.0
    for clients in (1, 8, 32):
        before = service.cpu_s()
        got = asyncio.run(closed_loop(service.port, requests, clients, arguments.seconds))
        cpu = service.cpu_s() - before
        rate = got.per_second
        where = f"{name}, {clients} clients"
        report.add(f"{where}: answers", rate, "1/s")
        report.add(f"{where}: p50", statistics.median(got.latencies_s) * 1e3, "ms")
        p95 = percentile(got.latencies_s, 0.95)
        report.add(f"{where}: p95 over N / throughput", p95 / (clients / rate), "", at_most=1.5)
        cost = cpu / got.statuses[200]
        alone = cost if clients == 1 else alone
        report.add(f"{where}: CPU a request", cost * 1e3, "ms")
        report.add(f"{where}: not 200", _others(got), "", at_most=0)
        if clients == 32:
            free = arguments.cores - got.cpu_s / got.wall_s
            share = "of what the cores allow"
            report.add_least(f"{where}: {share}", rate * cost / free, at_least=0.9)
            # what crowding adds to a request counts against this one
            report.add(f"{where}: {share} by the cost of a lone request", rate * alone / free)
            report.add(f"{where}: cores the clients took", got.cpu_s / got.wall_s)
    return rate


def _overload(
    report: Report,
    service: Served,
    name: str,
    requests: Sequence[bytes],
    sustainable: float,
    seconds: float,
) -> None:
    quiet = _median(service, requests)
    got = asyncio.run(open_loop(service.port, requests, 4 * sustainable, seconds))
    ended = time.perf_counter()
    where = f"{name}, four times the load"
    report.add(f"{where}: answers", got.per_second, "1/s")
    for status, count in sorted(got.statuses.items()):
        report.add(f"{where}: status {status}", count)
    wrong = sum(n for status, n in got.statuses.items() if status not in (200, 429, 503))
    report.add(f"{where}: neither 200, 429 nor 503", wrong + got.refused, at_most=0)
    back = float("inf")
    while time.perf_counter() - ended < 30:
        if _median(service, requests) <= 1.5 * quiet:
            back = time.perf_counter() - ended
            break
    report.add(f"{where}: back to normal after", back, "s", at_most=10)


def _median(service: Served, requests: Sequence[bytes]) -> float:
    """Of five requests one after the other."""
    got = asyncio.run(closed_loop(service.port, requests, 1, 1.0))
    return statistics.median(got.latencies_s) if got.latencies_s else float("inf")


def _slow_clients(
    report: Report, service: Served, requests: Sequence[bytes], seconds: float
) -> None:
    quiet = asyncio.run(closed_loop(service.port, requests, 4, seconds / 3))

    async def attacked() -> tuple[Outcome, list[float]]:
        stop = asyncio.Event()
        slow = [asyncio.create_task(_slow(service.port, i % 2 == 0, stop)) for i in range(SLOW)]
        got = await closed_loop(service.port, requests, 4, seconds)
        stop.set()
        return got, [lived for lived in await asyncio.gather(*slow) if lived is not None]

    got, lived = asyncio.run(attacked())
    before, during = percentile(quiet.latencies_s, 0.95), percentile(got.latencies_s, 0.95)
    report.add("slow clients: p95 of the others over a quiet p95", during / before, at_most=1.5)
    report.add("slow clients: others not answered 200", _others(got), at_most=0)
    report.add("slow clients: longest that a connection lived", max(lived), "s", at_most=40)


async def _slow(port: int, headers: bool, stop: asyncio.Event) -> float | None:
    """Send a byte a second, and come back when thrown out; the longest life of a connection."""
    longest = 0.0
    while not stop.is_set():
        start = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = (
                b"POST /v1/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            )
            if not headers:
                writer.write(head + b"Content-Length: 100000\r\n\r\n")
            while not stop.is_set():
                writer.write(b"X" if headers else b" ")
                await writer.drain()
                read = asyncio.create_task(reader.read(1))
                await asyncio.wait([read], timeout=1.0)
                if read.done():
                    break
                read.cancel()
            writer.close()
        except OSError:
            pass
        longest = max(longest, time.perf_counter() - start)
    return longest


def _others(got: Outcome) -> int:
    return sum(got.statuses.values()) - got.statuses[200] + got.refused


def _points(service: Served) -> int:
    async def ask() -> bytes:
        client = Client(service.port)
        _, body = await client.ask(get_request("/v1/facets?field=category&limit=1"))
        client.close()
        return body

    return int(json.loads(asyncio.run(ask()))["points"])


def _items(service: Served) -> list[str]:
    async def ask() -> bytes:
        client = Client(service.port)
        _, body = await client.ask(get_request("/v1/items?limit=50"))
        client.close()
        return body

    return [str(item["id"]) for item in json.loads(asyncio.run(ask()))["items"]]


def _questions(service: Served, arguments: argparse.Namespace) -> dict[str, list[bytes]]:
    photos = [path.read_bytes() for path in arguments.photos]
    words = ("white wardrobe", "red chair under $100", "lamp", "blue rug", "wooden table not white")
    made = {
        "words": [json_request("/v1/search", {"words": text, "limit": 20}) for text in words],
        # a stored item is asked by its vectors
        "vectors": [
            json_request("/v1/search", {"items": {item: 1.0}, "limit": 20})
            for item in _items(service)
        ],
        "photos": [
            photo_request("/v1/look", photo, {"detection_limit": 5, "limit": 20})
            for photo in photos
        ],
    }
    return {name: made[name] for name in arguments.kinds}


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--seconds", type=float, default=20.0, help="of each closed loop")
    made.add_argument(
        "--attack", type=float, default=60.0, help="seconds of overload, of slow clients"
    )
    made.add_argument("--cores", type=int, default=2)
    made.add_argument("--kinds", nargs="+", default=["words", "vectors", "photos"])
    made.add_argument("--phases", nargs="*", default=["overload", "slow"])
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""SIGTERM under load: how many accepted requests were dropped."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time

from http_load import Outcome, closed_loop, json_request, photo_request
from measure import Report
from served import served, service_parser


def main() -> int:
    arguments = _arguments()
    report = Report(f"SIGTERM under {arguments.clients} clients, {arguments.rounds} times")
    dropped = answered = late = 0
    longest = 0.0
    for _ in range(arguments.rounds):
        with served(arguments.store, arguments.config) as service:
            requests = [json_request("/v1/search", {"words": "white wardrobe"})] * 5
            requests += [photo_request("/v1/look", p.read_bytes(), {}) for p in arguments.photos]

            async def load(port: int, requests: list[bytes]) -> Outcome:
                async def stop_soon() -> None:
                    await asyncio.sleep(arguments.seconds)
                    service.process.send_signal(signal.SIGTERM)

                stopping = asyncio.create_task(stop_soon())
                got = await closed_loop(port, requests, arguments.clients, 60.0)
                await stopping
                return got

            got = asyncio.run(load(service.port, requests))
            start = time.perf_counter()
            code = service.process.wait(60)
            longest = max(longest, time.perf_counter() - start)
            answered += got.statuses[200]
            dropped += got.statuses[0]
            late += sum(n for status, n in got.statuses.items() if status not in (0, 200))
            report.facts["exit code"] = code
    report.add("answered", answered)
    report.add("answered otherwise (429, 503)", late)
    report.add("sent and never answered", dropped, at_most=0)
    report.add("from the last answer to the end of the process", longest, "s", at_most=10)
    report.print(as_json=arguments.json)
    return 0


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--clients", type=int, default=32)
    made.add_argument("--rounds", type=int, default=3)
    made.add_argument("--seconds", type=float, default=5.0, help="before the signal")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Image bombs sent to a service: what each one costs all its processes in CPU time and memory."""

from __future__ import annotations

import argparse
import asyncio
import runpy
import statistics
import sys
import time
from pathlib import Path

from http_load import Client, photo_request
from measure import Report, parser
from served import Served, served

BOMBS = Path(__file__).resolve().parents[1] / "tests" / "bombs.py"
REPEATS = 5
"""A kernel counts CPU time in ticks of 10 ms, so each bomb is sent several times."""


def main() -> int:
    arguments = _arguments()
    bombs: list[tuple[str, bytes]] = runpy.run_path(str(BOMBS))["generate"]()
    report = Report(f"{len(bombs)} image bombs, {REPEATS} times each")
    with served(arguments.store, arguments.config) as service:
        innocent = photo_request("/v1/look", arguments.photo.read_bytes(), {})
        for _ in range(4):
            _ask(service, innocent)  # workers and models are there
        idle = _idle_cpu(service)
        costs: list[tuple[float, str]] = []
        slowest, most, wrong = 0.0, 0, []
        for name, data in bombs:
            request = photo_request("/v1/look", data, {})
            held = _resident(service)
            cpu, start = service.cpu_s(), time.perf_counter()
            statuses = [_ask(service, request) for _ in range(REPEATS)]
            wall = time.perf_counter() - start
            costs.append(((service.cpu_s() - cpu - idle * wall) / REPEATS, name))
            slowest = max(slowest, wall / REPEATS)
            most = max(most, _peak_growth(held))
            wrong += [f"{name}: {status}" for status in set(statuses) if not 400 <= status < 500]
        report.add("not refused", len(wrong), at_most=0)
        report.add("CPU of the dearest", max(costs)[0] * 1e3, "ms", at_most=100)
        report.add("CPU, median", statistics.median(cost for cost, _ in costs) * 1e3, "ms")
        report.add("slowest refusal", slowest * 1e3, "ms", at_most=2000)
        report.add("peak memory of a process over what it had", most / 1e6, "MB", at_most=64)
        report.add("innocent photo answered afterwards", _ask(service, innocent))
        report.facts["dearest"] = max(costs)[1]
        if wrong:
            report.facts["not refused"] = "; ".join(wrong)
    report.print(as_json=arguments.json)
    return 0


def _ask(service: Served, request: bytes) -> int:
    async def ask() -> int:
        client = Client(service.port)
        status, _ = await client.ask(request)
        client.close()
        return status

    return asyncio.run(ask())


def _resident(service: Served) -> dict[int, int]:
    """Bytes that each process holds; from now on the kernel notes the peak anew."""
    held = {}
    for one in service.tree():
        Path(f"/proc/{one.pid}/clear_refs").write_text("5")
        held[one.pid] = one.memory_info().rss
    return held


def _peak_growth(held: dict[int, int]) -> int:
    """The most that one process had beyond what it had then, bytes."""
    growth = 0
    for pid, before in held.items():
        status = Path(f"/proc/{pid}/status").read_text()
        peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        growth = max(growth, int(peak.split()[1]) * 1024 - before)
    return growth


def _idle_cpu(service: Served) -> float:
    """CPU-seconds a second of a service that nobody asks."""
    before = service.cpu_s()
    time.sleep(3)
    return (service.cpu_s() - before) / 3


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index; a copy, if anything else uses it")
    made.add_argument("photo", type=Path, help="an innocent one")
    made.add_argument("--config", default="cpu-small")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

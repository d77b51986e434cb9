"""This version against another one: CPU-seconds of the same work, in interleaved pairs.

Each side is an interpreter with a version installed. Both stay up and warm; a pair is the same
round of work on each, now this one first, now the other. Looks, words and indexing over the Python
API; looks and words over the service, whose processes are all counted. A store is copied for each
side, because it has one owner.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
from http_load import Client, json_request, photo_request
from measure import Report
from served import Served, served, service_parser
from versions_side import WORDS

PYTHON = {"look": 12, "words": 60, "index": 60}
"""Rounds of the Python API: looks, searches, products."""
SERVICE = {"service: look": 12, "service: words": 120}
CLIENTS = 4
Round = Callable[[], float]


def main() -> int:
    arguments = _arguments()
    report = Report(f"CPU-seconds over those of {arguments.other}, {arguments.pairs} pairs")
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        sides: list[dict[str, Round]] = []
        for name, python in (("this", sys.executable), ("other", arguments.other)):
            store = folder / name
            shutil.copytree(arguments.store, store)
            sides.append(held.enter_context(_python_side(python, store, arguments)))
        _compare(report, sides, PYTHON, arguments.pairs, arguments.seed)
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        sides = []
        for name, python in (("this", sys.executable), ("other", arguments.other)):
            store = folder / name
            shutil.copytree(arguments.store, store)
            service = held.enter_context(served(store, arguments.config, python=python, quiet=True))
            sides.append(_service_side(service, arguments.photos))
        _compare(report, sides, SERVICE, arguments.pairs, arguments.seed)
    report.print(as_json=arguments.json)
    return 0


@contextmanager
def _python_side(
    python: str, store: Path, arguments: argparse.Namespace
) -> Iterator[dict[str, Round]]:
    script = Path(__file__).with_name("versions_side.py")
    command = [python, str(script), str(store), arguments.config, str(arguments.catalog)]
    with subprocess.Popen(
        [*command, *map(str, arguments.photos)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:

        def asked(kind: str, count: int) -> float:
            process.stdin.write(json.dumps([kind, count]) + "\n")
            process.stdin.flush()
            return float(json.loads(process.stdout.readline()))

        yield {kind: lambda kind=kind, n=count: asked(kind, n) for kind, count in PYTHON.items()}
        process.stdin.close()


def _service_side(service: Served, photos: list[Path]) -> dict[str, Round]:
    looks = [photo_request("/v1/look", photo.read_bytes(), {}) for photo in photos]
    words = [json_request("/v1/search", {"words": text}) for text in WORDS]

    def asked(requests: list[bytes], count: int) -> float:
        before = service.cpu_s()
        asyncio.run(_load(service.port, [requests[i % len(requests)] for i in range(count)]))
        return service.cpu_s() - before

    return {
        kind: lambda requests=requests, n=SERVICE[kind]: asked(requests, n)
        for kind, requests in (("service: look", looks), ("service: words", words))
    }


async def _load(port: int, requests: list[bytes]) -> None:
    waiting = iter(requests)

    async def work() -> None:
        client = Client(port)
        for request in waiting:
            status, body = await client.ask(request)
            if status != 200:
                raise SystemExit(f"the service answered {status}: {body[:200]!r}")
        client.close()

    await asyncio.gather(*(work() for _ in range(CLIENTS)))


def _compare(
    report: Report, sides: list[dict[str, Round]], work: dict[str, int], pairs: int, seed: int
) -> None:
    for kind, count in work.items():
        for side in sides:
            side[kind]()
        ratios, ours = [], []
        for turn in range(pairs):
            spent = {i: sides[i][kind]() for i in ((0, 1) if turn % 2 == 0 else (1, 0))}
            ratios.append(spent[0] / spent[1])
            ours.append(spent[0] / count)
        low, high = _interval(np.array(ratios), seed)
        report.add(f"{kind}: each", 1000 * float(np.median(ours)), "ms")
        report.add(f"{kind}: median ratio", float(np.median(ratios)))
        report.add(f"{kind}: lower end of its 95 % interval", low, at_most=1.03)
        report.add(f"{kind}: upper end", high)


def _interval(ratios: np.ndarray, seed: int) -> tuple[float, float]:
    """95 % of the median, by 10,000 bootstrap samples of the pairs."""
    rng = np.random.default_rng(seed)
    medians = np.median(ratios[rng.integers(0, len(ratios), (10_000, len(ratios)))], axis=1)
    low, high = np.quantile(medians, [0.025, 0.975])
    return float(low), float(high)


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--other", required=True, help="the interpreter that has the other version")
    made.add_argument("--catalog", type=Path, required=True, help="a CSV with images beside it")
    made.add_argument("--pairs", type=int, default=9)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

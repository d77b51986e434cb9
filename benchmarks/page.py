"""The web page over the wire: bytes of a visit and of a look, and the CPU that compressing takes.

A visit is the page, every part that it names and every module that those import, with what it asks
of the catalogue; a look is sent as the page sends it, and asked again by its query id as it does
when somebody refines. Bytes are those of heads and bodies that a browser receives; pictures are
JPEG on either side and are counted apart. Bytes of both versions are of the same questions in one
run. The CPU is that of all processes of this version's service, with and without
``Accept-Encoding: gzip``, in interleaved pairs; words are the cheapest answers, so that their share
is the largest.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import http.client
import json
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from http_load import Client, json_request, photo_request
from measure import Report
from served import Served, served, service_parser

ACCEPTS = "gzip, deflate, br, zstd"
OPTIONS = {"limit": 24, "per_region": 12, "detection_limit": 8, "facets": ["category"]}
"""Of a look of the page over a catalogue that has categories."""
WORDS = "white table"
IMPORTS = re.compile(r'(?:from|import) "(\.[^"]+)"')
NAMED = re.compile(r'(?:src|href)="(assets/[^"]+)"')


class Browser:
    """One connection that asks as a browser does, and counts what comes.

    Attributes:
        received: bytes of heads and bodies.
    """

    def __init__(self, port: int) -> None:
        self._one = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self.received = 0

    def get(self, path: str) -> bytes:
        """What is at an address, decompressed."""
        self._one.request("GET", path, headers={"Accept-Encoding": ACCEPTS})
        return self._read()

    def post(self, request: bytes) -> bytes:
        """The answer to a request of ``http_load``, decompressed."""
        head, _, body = request.partition(b"\r\n\r\n")
        first, *rest = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in rest)
        headers["Accept-Encoding"] = ACCEPTS
        self._one.request("POST", first.split()[1], body, headers)
        return self._read()

    def _read(self) -> bytes:
        got = self._one.getresponse()
        body = got.read()
        if got.status != 200:
            raise SystemExit(f"the service answered {got.status}: {body[:200]!r}")
        head = sum(len(name) + len(value) + 4 for name, value in got.getheaders())
        self.received += len(f"HTTP/1.1 {got.status} {got.reason}\r\n\r\n") + head + len(body)
        return gzip.decompress(body) if got.getheader("Content-Encoding") == "gzip" else body


def main() -> int:
    arguments = _arguments()
    report = Report(f"The page over the wire, {arguments.config}, {len(arguments.photos)} photos")
    with tempfile.TemporaryDirectory() as folder:
        for name, python in (("this", sys.executable), ("other", arguments.other)):
            store = Path(folder) / name
            shutil.copytree(arguments.store, store)
            with served(store, arguments.config, python=python, quiet=True) as service:
                _bytes(report, name, service, arguments.photos)
                if name == "this":
                    _cpu(report, service, arguments)
    report.print(as_json=arguments.json)
    return 0


def _bytes(report: Report, name: str, service: Served, photos: list[Path]) -> None:
    browser = Browser(service.port)
    report.add(f"{name}: a first visit", _visit(browser) / 1000, "kB")
    looks, again, pictures = [], [], []
    for photo in photos:
        request = photo_request("/v1/look", photo.read_bytes(), OPTIONS)
        look, size = _counted(browser, lambda request=request: browser.post(request))
        looks.append(size)
        answer = json.loads(look)
        refined = {**OPTIONS, "query_id": answer["query_id"], "words": "in white"}
        again.append(
            _counted(browser, lambda body=refined: browser.post(json_request("/v1/look", body)))[1]
        )
        for match in answer["matches"][:4]:
            url = match["photo_url"]
            if url is not None:
                pictures.append(_counted(browser, lambda url=url: browser.get(url))[1])
    goal = 40.0 if name == "this" else None
    report.add(f"{name}: a look, median", statistics.median(looks) / 1000, "kB", at_most=goal)
    report.add(f"{name}: a look, largest", max(looks) / 1000, "kB", at_most=goal)
    report.add(f"{name}: refined, median", statistics.median(again) / 1000, "kB")
    report.add(f"{name}: a picture of a match", statistics.median(pictures) / 1000, "kB")


def _visit(browser: Browser) -> int:
    """Bytes of everything that is loaded before a photo is chosen."""
    _, size = _counted(browser, lambda: b"".join(_load(browser)))
    return size


def _load(browser: Browser) -> list[bytes]:
    page = browser.get("/")
    waiting = [f"/{name}" for name in NAMED.findall(page.decode())]
    loaded = {path: browser.get(path) for path in waiting}
    for path in waiting:
        if path.endswith(".js"):
            for name in IMPORTS.findall(loaded[path].decode()):
                found = _beside(path, name)
                if found not in loaded:
                    loaded[found] = browser.get(found)
                    waiting.append(found)
    return [page, *loaded.values(), browser.get("/v1/facets")]


def _beside(path: str, name: str) -> str:
    parts = path.split("/")[:-1]
    for part in name.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _counted(browser: Browser, asked: Callable[[], bytes]) -> tuple[bytes, int]:
    before = browser.received
    got = asked()
    return got, browser.received - before


def _cpu(report: Report, service: Served, arguments: argparse.Namespace) -> None:
    photo = photo_request("/v1/look", arguments.photos[0].read_bytes(), OPTIONS)
    query_id = json.loads(Browser(service.port).post(photo))["query_id"]
    questions = {
        "words of 20 hits": (json_request("/v1/search", {"words": WORDS, "limit": 20}), 200),
        "a look refined": (json_request("/v1/look", {**OPTIONS, "query_id": query_id}), 40),
    }
    for name, (plain, count) in questions.items():
        zipped = plain.replace(b"\r\n", f"\r\nAccept-Encoding: {ACCEPTS}\r\n".encode(), 1)
        for request in (plain, zipped):
            _spent(service, request, count)
        ratios, more = [], []
        for turn in range(arguments.pairs):
            order = (plain, zipped) if turn % 2 == 0 else (zipped, plain)
            spent = {request: _spent(service, request, count) for request in order}
            ratios.append(spent[zipped] / spent[plain])
            more.append((spent[zipped] - spent[plain]) / count)
        report.add(f"{name}: CPU compressed over plain", statistics.median(ratios))
        report.add(f"{name}: CPU more, each", 1000 * statistics.median(more), "ms")


def _spent(service: Served, request: bytes, count: int) -> float:
    """CPU-seconds of the service for a request, asked again and again on one connection."""

    async def ask() -> None:
        client = Client(service.port)
        for _ in range(count):
            status, body = await client.ask(request)
            if status != 200:
                raise SystemExit(f"the service answered {status}: {body[:200]!r}")
        client.close()

    before = service.cpu_s()
    asyncio.run(ask())
    return service.cpu_s() - before


def _arguments() -> argparse.Namespace:
    made = service_parser(__doc__)
    made.add_argument("--other", required=True, help="the interpreter that has the other version")
    made.add_argument("--pairs", type=int, default=9)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Clients of a service on loopback: a few lines of HTTP/1.1, so that they take little of the cores.

A client of a library would cost more than the service does; these send bytes made beforehand and
read an answer's status and length.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 120.0


@dataclass
class Outcome:
    """What a load run saw.

    Attributes:
        latencies_s: of answers 200, by when they were asked for.
        statuses: how many of each; 0 for a connection that broke after a request was sent.
        refused: connections that were never made.
        wall_s: of the run.
        cpu_s: of the clients themselves.
    """

    latencies_s: list[float] = field(default_factory=list)
    started_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    refused: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @property
    def per_second(self) -> float:
        """Answers 200 a second."""
        return self.statuses[200] / self.wall_s if self.wall_s else 0.0


def json_request(path: str, body: Any, host: str = "127.0.0.1") -> bytes:
    """A POST with a JSON body, as bytes."""
    data = json.dumps(body).encode()
    return _head(path, host, "application/json", len(data)) + data


def photo_request(
    path: str, photo: bytes, options: Any, host: str = "127.0.0.1", *, part: str = "request"
) -> bytes:
    """A multipart POST with a photo and options, as bytes; ``part`` is the options' name."""
    mark = secrets.token_hex(12)
    body = (
        f'--{mark}\r\nContent-Disposition: form-data; name="{part}"\r\n'
        f"Content-Type: application/json\r\n\r\n{json.dumps(options)}\r\n"
        f'--{mark}\r\nContent-Disposition: form-data; name="photo"; filename="photo.jpg"\r\n'
        f"Content-Type: image/jpeg\r\n\r\n"
    ).encode()
    body += photo + f"\r\n--{mark}--\r\n".encode()
    return _head(path, host, f"multipart/form-data; boundary={mark}", len(body)) + body


def get_request(path: str, host: str = "127.0.0.1") -> bytes:
    """A GET, as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def _head(path: str, host: str, kind: str, length: int) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


class Client:
    """One connection, kept alive as long as the server does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body; 0 where the connection broke, -1 where none was made."""
        if self._streams is None:
            try:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                return -1, b""
        reader, writer = self._streams
        try:
            writer.write(request)
            async with asyncio.timeout(TIMEOUT_S):
                status, body, stays = await _answer(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError, TimeoutError):
            self.close()
            return 0, b""
        if not stays:
            self.close()
        return status, body

    def close(self) -> None:
        """Give the connection back."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    status = int(lines[0].split()[1])
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in lines[1:] if line)
    }
    body = await reader.readexactly(int(headers.get(b"content-length", b"0")))
    return status, body, headers.get(b"connection", b"").lower() != b"close"


async def closed_loop(
    port: int,
    requests: Sequence[bytes],
    clients: int,
    seconds: float,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """So many clients, each asking again as soon as it has its answer.

    Args:
        port: on loopback.
        requests: taken in turns.
        clients: how many.
        seconds: how long new requests are made.
        stop: ends the run early.
    """
    outcome = Outcome()
    start, cpu = time.perf_counter(), _cpu()
    turn = iter(range(10**12))

    async def one() -> None:
        client = Client(port)
        while time.perf_counter() - start < seconds and not stop():
            await _count(client, requests[next(turn) % len(requests)], outcome, start)
            if outcome.refused:
                break
        client.close()

    await asyncio.gather(*(one() for _ in range(clients)))
    outcome.wall_s = time.perf_counter() - start
    outcome.cpu_s = _cpu() - cpu
    return outcome


async def open_loop(
    port: int, requests: Sequence[bytes], per_second: float, seconds: float
) -> Outcome:
    """A request every so often, whether or not the last ones were answered."""
    outcome = Outcome()
    start, cpu = time.perf_counter(), _cpu()
    tasks: list[asyncio.Task[None]] = []

    async def one(request: bytes) -> None:
        client = Client(port)
        await _count(client, request, outcome, start)
        client.close()

    for i in range(int(per_second * seconds)):
        await asyncio.sleep(max(0.0, start + i / per_second - time.perf_counter()))
        tasks.append(asyncio.create_task(one(requests[i % len(requests)])))
    await asyncio.gather(*tasks)
    outcome.wall_s = time.perf_counter() - start
    outcome.cpu_s = _cpu() - cpu
    return outcome


async def _count(client: Client, request: bytes, outcome: Outcome, start: float) -> None:
    asked = time.perf_counter()
    status, _ = await client.ask(request)
    if status == -1:
        outcome.refused += 1
        return
    outcome.statuses[status] += 1
    if status == 200:
        outcome.latencies_s.append(time.perf_counter() - asked)
        outcome.started_s.append(asked - start)


def _cpu() -> float:
    times = os.times()
    return times.user + times.system

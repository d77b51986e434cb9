"""Servers on loopback that count their connections, and a network of made-up public addresses.

Nothing leaves the machine. A public address is served by a listener on loopback, and every other
address is really connected to, so that a fetcher that should not have asked is seen.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

import httpcore

from scenesearch.fetch.network import connect_directly

PHOTO = b"\xff\xd8\xff\xe0 a photo, as far as this goes \xff\xd9"
PUBLIC, OTHER = "93.184.216.34", "151.101.1.69"
PUBLIC_IPV6 = "2606:4700:4700::1111"
LISTENING = ("127.0.0.1", "127.1.2.3", "127.255.255.254")

Handler = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """A listener on loopback.

    Attributes:
        address: where it listens.
        port: likewise.
        connections: how many were accepted.
        requests: heads of the requests, as they came.
    """

    address: str
    port: int
    connections: int = 0
    requests: list[bytes] = field(default_factory=list)


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A server that hands the head of each request to a handler, then closes."""
    told = Server(address, 0)
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        told.connections += 1
        task = asyncio.current_task()
        tasks.add(task)
        # a client that goes away in the middle is what many of these tests are about
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            head = await reader.readuntil(b"\r\n\r\n")
            told.requests.append(head)
            await handler(head, writer)
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    server = await asyncio.start_server(accept, address, 0, ssl=tls)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for _ in range(8):  # a connection takes a few turns from its socket to its handler
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answer(
    body: bytes = PHOTO,
    status: str = "200 OK",
    headers: Sequence[str] = ("Content-Type: image/jpeg",),
) -> bytes:
    """A whole answer, with the length of its body."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def sends(*parts: bytes | float) -> Handler:
    """A handler that sends bytes as they are; a number waits for so many seconds."""

    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            if isinstance(part, bytes):
                writer.write(part)
                await writer.drain()
            else:
                await asyncio.sleep(part)

    return handler


def routes(table: Mapping[str, bytes]) -> Handler:
    """A handler that answers by ``Host`` and path: ``a.example.com/x``."""

    async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
        lines = head.decode("latin-1").split("\r\n")
        host = next(line[6:] for line in lines if line.lower().startswith("host: "))
        writer.write(table[host + lines[0].split(" ")[1]])
        await writer.drain()

    return handler


class Network:
    """Names, addresses, and who was asked for and connected to.

    Args:
        names: addresses by name; a list of lists is one answer after the other, the last again
            and again.
        served: public addresses (with ports) by the listener that stands for them.
        watched: listeners on loopback that nobody may connect to, whatever the port.
    """

    def __init__(
        self,
        names: Mapping[str, Sequence[str] | Sequence[Sequence[str]]],
        served: Mapping[tuple[str, int], Server],
        watched: Sequence[Server] = (),
    ) -> None:
        self._names = names
        self._served = served
        self._watched = {server.address: server for server in watched}
        self.asked: list[str] = []
        self.connected: list[tuple[str, int]] = []

    async def resolve(self, name: str, port: int) -> list[str]:
        """Addresses of a name."""
        answers = self._names.get(name)
        if answers is None:
            raise OSError(f"no such name: {name}")
        if answers and not isinstance(answers[0], str):
            answers = answers[min(self.asked.count(name), len(answers) - 1)]
        self.asked.append(name)
        return list(answers)

    async def connect(self, address: str, port: int) -> httpcore.AsyncNetworkStream:
        """A connection to whoever stands for an address."""
        self.connected.append((address, port))
        server = self._served.get((address, port)) or self._watched.get(address)
        if server is None and not ip_address(address).is_loopback:
            raise httpcore.ConnectError(f"nobody listens at {address}:{port}")
        where = (address, port) if server is None else (server.address, server.port)
        return await connect_directly(*where)


@contextlib.asynccontextmanager
async def watched_listeners() -> AsyncIterator[list[Server]]:
    """Listeners on several addresses of loopback, that answer with a photo if they are asked."""
    async with contextlib.AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(serving(sends(answer()), address))
            for address in LISTENING
        ]

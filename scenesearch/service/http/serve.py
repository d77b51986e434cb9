"""Starting the service, and stopping it without dropping a request."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from types import FrameType

import uvicorn
from fastapi import FastAPI

from scenesearch.config.service import ServiceSettings
from scenesearch.core.errors import ConfigError
from scenesearch.service.http.auth import check_binding
from scenesearch.service.http.depends import Shared
from scenesearch.service.http.protocol import HEAD_BYTES_MAX, protocol_for
from scenesearch.service.http.reload import ReadSettings, reload_on_signal
from scenesearch.system.tuning import HTTP, give_large_blocks_back, leave_what_stays, step_back

STOP_MARGIN_S = 5
"""Requests in flight get their deadline and this much more when the service stops."""
FORCED_S = 3.0
"""For giving the engine back when told twice to stop."""
OPEN_FILES = 8192

OpenApp = Callable[[], Awaitable[FastAPI]]
"""Starts an engine and gives the application over it."""


class DrainingServer(uvicorn.Server):
    """Told to stop, it first says so (``/readyz``, ``Connection: close``) and goes on answering.

    Then it takes what had connected, stops listening, and finishes what it has. Told by Ctrl-C, it
    stops listening right away: no load balancer has to notice first. Told twice, it stops at once.
    """

    def __init__(self, config: uvicorn.Config, shared: Shared, drain_s: float) -> None:
        super().__init__(config)
        self._shared = shared
        self._drain_s = drain_s
        self._stop_at = float("inf")
        self.on_start: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets=sockets)
        self.on_start()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begin to stop; the second signal ends it."""
        if self._shared.draining:
            self.force_exit = self.should_exit = True
            return
        self._shared.draining = True
        drain_s = 0.0 if sig == signal.SIGINT else self._drain_s
        self._stop_at = time.monotonic() + drain_s

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now."""
        if time.monotonic() >= self._stop_at:
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening and finish what was accepted."""
        self._shared.draining = True
        await self._stop_listening(sockets or [])
        await super().shutdown(sockets)
        if self.force_exit:
            for task in list(self.server_state.tasks):
                task.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.lifespan.shutdown(), FORCED_S)

    async def _stop_listening(self, sockets: Sequence[socket.socket]) -> None:
        """Take the connections that the system has accepted for us, which closing would reset."""
        waiting: list[socket.socket] = []
        for listener in sockets:
            with contextlib.suppress(OSError):  # nobody waits any more
                while True:
                    waiting.append(listener.accept()[0])
        for server in self.servers:
            server.close()
        loop = asyncio.get_running_loop()
        for connection in waiting:
            connection.setblocking(False)
            await loop.connect_accepted_socket(self._protocol, connection)

    def _protocol(self) -> asyncio.Protocol:
        kind = self.config.http_protocol_class
        return kind(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )


def make_server(app: FastAPI, settings: ServiceSettings) -> DrainingServer:
    """A server, with limits, of what :func:`~scenesearch.service.http.app.create_app` made."""
    config = uvicorn.Config(
        app,
        http=protocol_for(settings),
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level=logging.ERROR,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        h11_max_incomplete_event_size=HEAD_BYTES_MAX,
        timeout_graceful_shutdown=int(settings.deadline_s) + STOP_MARGIN_S,
    )
    return DrainingServer(config, app.state.shared, settings.drain_s)


def bind(service: ServiceSettings) -> list[socket.socket]:
    """Sockets for every address of the host, bound and not yet listening.

    Raises:
        ConfigError: open to other machines without keys; no such address here, or the port is
            taken.
    """
    check_binding(service)
    host, port = service.host.strip("[]"), service.port
    sockets: list[socket.socket] = []
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            one = socket.socket(family, kind, protocol)
            sockets.append(one)
            if os.name == "posix":
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if port == 0 and len(sockets) > 1:
                address = (address[0], port_of(sockets), *address[2:])  # noqa: PLW2901
            one.bind(address)
    except OSError as error:
        for one in sockets:
            one.close()
        raise ConfigError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}; expected an address "
            "of this machine and a port that is free: --host, --port (0 for any free one)",
            code="cannot_listen",
        ) from error
    return sockets


def port_of(sockets: Sequence[socket.socket]) -> int:
    """The port that was bound."""
    return int(sockets[0].getsockname()[1])


def run(
    service: ServiceSettings,
    sockets: list[socket.socket],
    open_app: OpenApp,
    listening: Callable[[str], None],
    read_settings: ReadSettings | None = None,
) -> None:
    """Serve until told to stop.

    Args:
        service: for how long to wait for whom.
        sockets: of :func:`bind`; closed in the end.
        open_app: starts the engine.
        listening: called with the URL when requests are answered.
        read_settings: reads them again, for SIGHUP.

    Raises:
        SceneSearchError: the engine does not start.
    """
    more_open_files()
    give_large_blocks_back()
    try:
        asyncio.run(_serve(service, open_app, sockets, listening, read_settings))
    finally:
        for one in sockets:
            one.close()


async def _serve(
    service: ServiceSettings,
    open_app: OpenApp,
    sockets: list[socket.socket],
    listening: Callable[[str], None],
    read_settings: ReadSettings | None,
) -> None:
    app = await open_app()
    server = make_server(app, service)
    if read_settings is not None:
        reload_on_signal(app.state.shared, read_settings)
    leave_what_stays()
    step_back(HTTP)  # the engine was started by now, and does not inherit it
    name = service.host.strip("[]")
    host = f"[{name}]" if ":" in name else name
    url = f"http://{host}:{port_of(sockets)}/"
    server.on_start = lambda: listening(url)
    await server.serve(sockets=sockets)


def more_open_files() -> None:
    """Each connection is an open file; a shell allows few of them unless asked."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

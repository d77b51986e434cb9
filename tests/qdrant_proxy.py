"""A way to a Qdrant server that counts what goes over it, and breaks where a test says so."""

from __future__ import annotations

import http.client
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

needs_server = pytest.mark.skipif(
    "QDRANT_URL" not in os.environ, reason="QDRANT_URL names no Qdrant server"
)

Fault = Literal["before", "after"] | int | None
"""The connection is closed before the request reaches the server or after it was carried out; or
the status of a gateway, which did not reach it."""


class Proxy:
    """Passes requests on to the server of ``QDRANT_URL``.

    Attributes:
        asked: method and path of each request but those that ask for the version.
        connections: how many were opened.
        fault: says for a method and path what goes wrong; nothing by default.
        between: called before a connection is closed.
        delay_s: gives the seconds that a request of a method and path waits before it goes on.
    """

    def __init__(self, target: str | None = None) -> None:
        self.asked: list[str] = []
        self.connections = 0
        self.fault: Callable[[str, str], Fault] = lambda method, path: None
        self.between: Callable[[], None] = lambda: None
        self.delay_s: Callable[[str, str], float] = lambda method, path: 0.0
        outer, address = self, urlsplit(target or first_url())

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                outer.connections += 1
                self._there = http.client.HTTPConnection(str(address.hostname), address.port)
                super().setup()

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path != "/":
                    outer.asked.append(f"{self.command} {urlsplit(self.path).path}")
                time.sleep(outer.delay_s(self.command, self.path))
                fault = outer.fault(self.command, self.path)
                if fault == "before":
                    outer.between()
                    self.close_connection = True
                    return
                if isinstance(fault, int):
                    self._send(fault, b"a gateway", {})
                    return
                kept = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                try:
                    self._there.request(self.command, self.path, body, kept)
                    answer = self._there.getresponse()
                    data = answer.read()
                except OSError:
                    self._there.close()
                    self.close_connection = True
                    return
                if fault == "after":
                    outer.between()
                    self.close_connection = True
                    return
                names = ("Content-Type", "Content-Encoding", "Retry-After")
                headers = {name: answer.getheader(name) for name in names}
                self._send(answer.status, data, {k: v for k, v in headers.items() if v})

            do_POST = do_PUT = do_DELETE = do_PATCH = do_GET

            def _send(self, status: int, data: bytes, headers: dict[str, str]) -> None:
                self.send_response_only(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def finish(self) -> None:
                super().finish()
                self._there.close()

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def take(self) -> list[str]:
        """What was asked since this was asked last."""
        asked, self.asked = self.asked, []
        return asked

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def first_url() -> str:
    """Of the server, or of the first node that ``QDRANT_URL`` names."""
    return os.environ["QDRANT_URL"].partition(",")[0]


def key() -> str | None:
    """Of the server."""
    return os.environ.get("QDRANT_API_KEY")


@contextmanager
def client_of() -> Iterator[QdrantClient]:
    """A client of the server."""
    from qdrant_client import QdrantClient

    client = QdrantClient(
        first_url(),
        # as a header, because the client warns of a key over http
        headers={"api-key": str(key())} if key() else None,
        check_compatibility=False,
        timeout=60,
    )
    yield client
    client.close()


@contextmanager
def collection() -> Iterator[str]:
    """A name of a collection, which is gone in the end, with those whose names begin so."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    yield name
    with client_of() as client:
        for one in client.get_collections().collections:
            if one.name.startswith(name):
                client.delete_collection(one.name)

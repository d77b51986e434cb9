"""Object storage on loopback, in a thread: as much of S3 as reading photos asks for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit

import psutil


class BucketServer:
    """What it holds, and what was asked.

    Attributes:
        objects: bytes by bucket and key, ``photos/1.png``.
        asked: methods, one a request that found something.
        readers: processes that read bytes.
    """

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.readers: set[int] = set()
        self.port = 0
        self._lock = Lock()

    @property
    def environment(self) -> dict[str, str]:
        """How fsspec finds it."""
        return {
            "FSSPEC_S3_ENDPOINT_URL": f"http://127.0.0.1:{self.port}",
            "FSSPEC_S3_KEY": "key",
            "FSSPEC_S3_SECRET": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def answer(self, handler: BaseHTTPRequestHandler, *, body: bool) -> None:
        path = unquote(urlsplit(handler.path).path).strip("/")
        data = self.objects.get(path)
        if data is None:
            handler.send_response(404)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        with self._lock:
            self.asked.append("GET" if body else "HEAD")
        etag = hashlib.md5(data).hexdigest()
        status, sent, asked = 200, data, handler.headers.get("Range")
        if asked:
            first, last = asked.removeprefix("bytes=").split("-")
            status, sent = 206, data[int(first) : int(last or len(data)) + 1]
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(sent)))
        handler.send_header("ETag", f'"{etag}"')
        handler.send_header("Last-Modified", "Mon, 02 Nov 2026 10:00:00 GMT")
        if asked:
            handler.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        handler.end_headers()
        if body:
            with self._lock:
                self.readers |= set(_processes(handler.client_address[1], self.port))
            handler.wfile.write(sent)


def _processes(port: int, server: int) -> Iterator[int]:
    for one in psutil.net_connections("tcp"):
        if one.pid and one.laddr.port == port and one.raddr and one.raddr.port == server:
            yield one.pid


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """One that runs as long as the ``with`` block."""
    bucket = BucketServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with suppress(ConnectionError):
                bucket.answer(self, body=True)

        def do_HEAD(self) -> None:
            with suppress(ConnectionError):
                bucket.answer(self, body=False)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    bucket.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield bucket
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

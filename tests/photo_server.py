"""A shop's web server on loopback, in a thread: photos with ETags, and every fault a server has."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from urllib.parse import unquote, urlsplit


class PhotoServer:
    """What is served, and what was asked.

    Attributes:
        files: photos by path.
        faults: what happens at a path instead, each time it is asked, until there is none left:
            a status, ``html``, ``short``, ``slow``, or ``to ADDRESS``.
        sent: whole photos that were transferred, by path.
        asked: requests, by path.
        conditional: requests that asked whether something changed.
        most_at_once: the most requests that were answered at the same time.
        retry_after: sent with 429 and 503.
        delay_s: before each answer.
        down: whether everything is 503.
        headers: further headers of a path's answer; one that is None is left out.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[object]] = {}
        self.sent: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.conditional = 0
        self.most_at_once = 0
        self.retry_after = "0.02"
        self.delay_s = 0.0
        self.down = False
        self.etags = True
        self.headers: dict[str, dict[str, str | None]] = {}
        self.port = 0
        self._now = 0
        self._lock = Lock()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    def add_folder(self, folder: Path) -> None:
        self.files |= {f"/{path.name}": path.read_bytes() for path in folder.iterdir()}

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            self._answer(handler)
        finally:
            with self._lock:
                self._now -= 1

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(handler.path).path)
        with self._lock:
            self.asked[path] += 1
            waiting = self.faults.get(path, [])
            fault = 503 if self.down else waiting.pop(0) if waiting else None
        time.sleep(self.delay_s)
        data = self.files.get(unquote(handler.path), self.files.get(path))
        if fault is None and data is None:
            fault = 404
        match fault:
            case int():
                headers = {"Retry-After": self.retry_after} if fault in (429, 503) else {}
                return self._send(handler, fault, b"busy", **headers)
            case "html":
                return self._send(
                    handler, 200, b"<html>gone</html>", **{"Content-Type": "image/jpeg"}
                )
            case str() if fault.startswith("to "):
                return self._send(handler, 302, b"", Location=fault.removeprefix("to "))
            case "slow":
                time.sleep(1.0)
        assert data is not None
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if handler.headers["If-None-Match"] is not None:
            with self._lock:
                self.conditional += 1
            if handler.headers["If-None-Match"] == etag:
                return self._send(handler, 304, None)
        tag = {"ETag": etag} if self.etags else {}
        self._send(handler, 200, data, short=fault == "short", **tag | self.headers.get(path, {}))
        if fault != "short":
            with self._lock:
                self.sent[path] += 1
        return None

    @staticmethod
    def _send(
        handler: BaseHTTPRequestHandler,
        status: int,
        data: bytes | None,
        short: bool = False,
        **headers: str | None,
    ) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            if value is not None:
                handler.send_header(name, value)
        if data is not None and "Content-Length" not in headers:
            handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        if data:
            handler.wfile.write(data[: len(data) // 2] if short else data)


@contextmanager
def serving() -> Iterator[PhotoServer]:
    """A server while a ``with`` lasts."""
    told = PhotoServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):
                told.answer(self)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    server = Server(("127.0.0.1", 0), Handler)
    told.port = server.server_port
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A model hub on loopback, in the layout of Hugging Face."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


class HubServer:
    """Answers for one repository.

    Attributes:
        repository: organisation and name.
        commit: of all files.
        files: by path; those of ``large`` lie elsewhere, and have a sha256.
        cut: bytes after which a transfer of a path breaks off, each once.
        spoiled: paths of which other bytes come than the hub names.
        hashed: whether files have hashes.
        ranges: whether a transfer may go on.
        moved: another name of the repository, which is redirected.
        requests: method, path and range of each.
        failing: statuses of the next answers.
    """

    def __init__(self, repository="maker/model"):
        self.repository = repository
        self.commit = "c" * 40
        self.files: dict[str, bytes] = {}
        self.large: set[str] = set()
        self.cut: dict[str, list[int]] = {}
        self.spoiled: set[str] = set()
        self.hashed = True
        self.ranges = True
        self.moved = ""
        self.requests: list[tuple[str, str, str]] = []
        self.failing: list[int] = []
        self.endpoint = ""

    def bytes_of(self, path):
        data = self.files[path]
        return data[:-1] + bytes([data[-1] ^ 1]) if path in self.spoiled else data


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextmanager
def serving(hub: HubServer) -> Iterator[HubServer]:
    """The hub, answering."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_HEAD(self):
            self.answer()

        def do_GET(self):
            self.answer()

        def answer(self):
            path = unquote(self.path)
            hub.requests.append((self.command, path, self.headers.get("Range", "")))
            if hub.failing:
                self.end(hub.failing.pop(0))
            elif path.startswith("/kept/"):
                self.file(path.removeprefix("/kept/"))
            elif hub.moved and path.startswith(f"/{hub.moved}/"):
                self.end(307, Location=path.replace(hub.moved, hub.repository, 1))
            else:
                self.resolve(path)

        def resolve(self, path):
            repository, _, rest = path.removeprefix("/").partition("/resolve/")
            revision, _, name = rest.partition("/")
            if repository != hub.repository:
                self.end(404, X_Error_Code="RepoNotFound")
            elif revision not in ("main", hub.commit):
                self.end(404, X_Error_Code="RevisionNotFound")
            elif name not in hub.files:
                self.end(404, X_Error_Code="EntryNotFound")
            elif name in hub.large:
                data = hub.files[name]
                linked = {}
                if hub.hashed:
                    linked["X_Linked_Etag"] = f'"{hashlib.sha256(data).hexdigest()}"'
                self.end(
                    302,
                    Location=f"{hub.endpoint}/kept/{name}",
                    X_Linked_Size=str(len(data)),
                    X_Repo_Commit=hub.commit,
                    **linked,
                )
            else:
                self.file(name)

        def file(self, name):
            data = hub.bytes_of(name)
            headers = {"X_Repo_Commit": hub.commit}
            if hub.hashed:
                headers["ETag"] = f'"{git_sha1(hub.files[name])}"'
            start, status = 0, 200
            given = self.headers.get("Range", "")
            if given and hub.ranges:
                start, status = int(given.removeprefix("bytes=").rstrip("-")), 206
                headers["Content_Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            body = data[start:]
            self.head(status, len(body), headers)
            if self.command == "HEAD":
                return
            cuts = hub.cut.get(name, [])
            if cuts:
                self.wfile.write(body[: cuts.pop(0)])
                self.close_connection = True
            else:
                self.wfile.write(body)

        def end(self, status, **headers):
            self.head(status, 0, headers)

        def head(self, status, length, headers):
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            for key, value in headers.items():
                self.send_header(key.replace("_", "-"), value)
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

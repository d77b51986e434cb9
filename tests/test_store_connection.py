"""The way to a server: which are taken, what is asked again, what messages keep to themselves."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import socket
import ssl
import subprocess
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import ConfigError, NoSpaceError, StoreError, StoreUnavailableError
from scenesearch.core.types import CollectionSchema
from scenesearch.store.schemas import dump_schema
from scenesearch.store.server.client import ClientStore
from scenesearch.store.server.connection import Tls

pytestmark = pytest.mark.store

Answer = tuple[int, dict[str, str], bytes] | None
"""Status, headers, body; None to close the connection."""


class Server:
    """Answers as it is told, and remembers who asked what."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.version = "1.18.2"
        self.title = "qdrant - vector search engine"
        self.asked: list[str] = []
        self.connections = 0
        self.open: list[socket.socket] = []
        self.headers: list[dict[str, str]] = []
        self.body = b""
        self.answer: Callable[[str], Answer] = empty
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                outer.connections += 1
                outer.open.append(self.request)
                super().setup()

            def do_GET(self) -> None:
                outer.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                if self.path == "/" or self.path.endswith(":6333/"):
                    self._send(root(outer.title, outer.version))
                    return
                outer.asked.append(self.path)
                self._send(outer.answer(self.path))

            do_POST = do_PUT = do_GET

            def _send(self, answer: Answer) -> None:
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._http.server_address[1]
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        if tls is not None:
            self._http.socket = tls.wrap_socket(self._http.socket, server_side=True)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def end_connections(self) -> None:
        while self.open:
            with contextlib.suppress(OSError):
                self.open.pop().shutdown(socket.SHUT_RDWR)
        time.sleep(0.05)

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


def ok(result: Any) -> Answer:
    return 200, {}, json.dumps({"result": result, "status": "ok", "time": 0.0}).encode()


def empty(path: str) -> Answer:
    """What a server without any collection says."""
    return ok({"exists": False} if path.endswith("/exists") else [])


def root(title: str, version: str) -> Answer:
    return 200, {}, json.dumps({"title": title, "version": version}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.mark.parametrize("version", ["1.18.0", "1.19.2", "1.20.0-dev", "2.0.0"])
def test_supported_servers_are_taken(server: Server, version: str) -> None:
    server.version = version

    store = ClientStore(server.url, "items")

    assert store.schema is None
    store.close()


@pytest.mark.parametrize("version", ["1.17.1", "1.9.0", "0.11.7"])
def test_an_older_server_is_refused_in_one_line_with_both_versions(
    server: Server, version: str
) -> None:
    server.version = version
    store = ClientStore(server.url, "items")

    with pytest.raises(StoreError) as caught:
        _ = store.schema

    assert version in str(caught.value)
    assert "1.18 or newer" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert server.asked == []
    store.close()


def test_what_is_no_qdrant_is_refused_as_that(server: Server) -> None:
    server.title = "elastic"
    with pytest.raises(StoreError, match="not a Qdrant server's"):
        _ = ClientStore(server.url, "items").schema

    server.title = "qdrant"
    for body in (b"<html>", b'{"hello": 1}', b'[1, "2"]'):
        server.answer = lambda _, body=body: (200, {}, body)  # type: ignore[misc]

        with pytest.raises(StoreError, match="not a Qdrant server's") as caught:
            _ = ClientStore(server.url, "items").schema

        assert "\n" not in str(caught.value)


def test_neither_key_nor_version_makes_the_client_warn(server: Server) -> None:
    server.version = "1.99.0"
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        store = ClientStore(server.url, "items", api_key="a-secret-key")
        assert store.schema is None
        time.sleep(0.2)  # its own check of versions is a thread

    assert server.headers[-1]["api-key"] == "a-secret-key"
    store.close()


def test_one_connection_is_kept_alive(server: Server) -> None:
    store = ClientStore(server.url, "items")

    for _ in range(5):
        _ = store.schema

    assert len(server.asked) == 10
    assert server.connections == 1
    store.close()


@pytest.mark.parametrize("fault", [None, (502, {}, b"bad gateway"), (503, {}, b"wait")])
def test_what_only_reads_is_asked_again(server: Server, fault: Answer) -> None:
    faults = [fault, fault]
    server.answer = lambda path: faults.pop() if faults else empty(path)
    store = ClientStore(server.url, "items")

    assert store.schema is None

    assert [path for path in server.asked if path.endswith("/points")] == [server.asked[0]] * 3
    store.close()


def test_asking_again_ends_with_the_time_that_is_left(server: Server) -> None:
    server.answer = lambda _: None
    store = ClientStore(server.url, "items", timeout=1)
    start = time.monotonic()

    with pytest.raises(StoreUnavailableError, match="no answer"):
        _ = store.schema

    assert time.monotonic() - start < 3
    assert 2 <= len(server.asked) <= 6
    store.close()


def test_a_refusal_is_not_asked_again(server: Server) -> None:
    server.answer = lambda _: (400, {}, b'{"status": {"error": "no"}}')
    store = ClientStore(server.url, "items")

    with pytest.raises(StoreError, match="no"):
        _ = store.schema

    assert len(server.asked) == 1
    store.close()


_KINDS: dict[str, tuple[Answer, type[StoreError], str]] = {
    "busy": (
        (429, {"Retry-After": "7"}, b'{"status": {"error": "slow down"}}'),
        StoreUnavailableError,
        "store_busy",
    ),
    "forbidden": (
        (403, {}, b'{"status": {"error": "write access"}}'),
        StoreError,
        "store_forbidden",
    ),
    "too large": (
        (400, {}, b"JSON payload (33554433 bytes) is larger than allowed (limit: 33554432 bytes)"),
        StoreError,
        "store_too_large",
    ),
    "full": (
        (500, {}, b"No space left on device: WAL buffer size exceeds available disk space"),
        NoSpaceError,
        "no_space",
    ),
    "limit": (
        (
            400,
            {},
            b'{"status": {"error": "Limit exceeded 200 > 100 for \\"limit\\". Help: less."}}',
        ),
        StoreError,
        "store_limit",
    ),
    "key": ((401, {}, b"Invalid API key or JWT"), StoreUnavailableError, "store_unavailable"),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_refusals_are_of_kinds(server: Server, kind: str) -> None:
    answer, error, code = _KINDS[kind]
    server.answer = lambda _: answer
    store = ClientStore(server.url, "items")

    with pytest.raises(error) as caught:
        _ = store.schema

    assert caught.value.code == code
    assert type(caught.value) is error
    if isinstance(caught.value, StoreUnavailableError) and kind == "busy":
        assert caught.value.retry_after_s == 7
    store.close()


def test_what_is_secret_in_an_address_is_sent_and_never_said(server: Server) -> None:
    server.answer = lambda _: (500, {}, b"broken")
    url = f"http://user:s3cret@127.0.0.1:{server.port}"
    store = ClientStore(url, "items", api_key="another-secret")

    with pytest.raises(StoreError) as caught:
        _ = store.schema

    assert "secret" not in str(caught.value) + repr(store)
    assert "s3cret" not in str(caught.value) + repr(store)
    assert server.headers[-1]["authorization"].startswith("Basic ")
    store.close()


def _certificate(folder: Path, name: str, authority: str | None) -> None:
    """``name.crt`` and ``name.key``, signed by an authority, or one of itself."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl makes the certificates of this test, and is not here")
    signed = ["-CA", f"{authority}.crt", "-CAkey", f"{authority}.key"] if authority else []
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command += ["-nodes", "-days", "2", "-subj", f"/CN={name}", *signed]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-out", f"{name}.crt"]
    if authority:
        # without this it would be an authority itself
        command += ["-addext", "basicConstraints=critical,CA:FALSE"]
    command += ["-keyout", f"{name}.key"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    for name, authority in (
        ("ours", None),
        ("other", None),
        ("server", "ours"),
        ("client", "ours"),
        ("stranger", "other"),
    ):
        _certificate(folder, name, authority)
    return folder


@pytest.fixture
def private_server(certificates: Path) -> Iterator[Server]:
    """Signed by an authority of its own, and open to clients that it signed."""
    context = ssl.create_default_context(
        ssl.Purpose.CLIENT_AUTH, cafile=str(certificates / "ours.crt")
    )
    context.load_cert_chain(certificates / "server.crt", certificates / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = Server(context)
    yield server
    server.close()


def _tls(folder: Path, ca: str | None, cert: str | None) -> Tls:
    return Tls(
        ca and folder / f"{ca}.crt",
        cert and folder / f"{cert}.crt",
        cert and folder / f"{cert}.key",
    )


def test_an_authority_and_a_certificate_of_ones_own(
    private_server: Server, certificates: Path
) -> None:
    tls = _tls(certificates, "ours", "client")
    store = ClientStore(private_server.url, "items", api_key="key", tls=tls)

    assert store.schema is None
    assert private_server.headers[-1]["api-key"] == "key"
    store.close()


@pytest.mark.parametrize(
    ("ca", "cert"), [(None, "client"), ("other", "client"), ("ours", None), ("ours", "stranger")]
)
def test_neither_an_unknown_server_nor_an_unknown_client_gets_anywhere(
    private_server: Server, certificates: Path, ca: str | None, cert: str | None
) -> None:
    tls = _tls(certificates, ca, cert)
    store = ClientStore(private_server.url, "items", api_key="key", timeout=1, tls=tls)

    with pytest.raises(StoreUnavailableError, match="no answer"):
        _ = store.schema

    assert private_server.headers == []
    store.close()


def test_a_file_that_is_no_certificate_is_named(certificates: Path) -> None:
    tls = Tls(certificates / "ours.key")
    store = ClientStore("https://127.0.0.1:1", "items", tls=tls)

    with pytest.raises(ConfigError, match=r"store\.ca.*ours\.key"):
        _ = store.schema


@pytest.mark.parametrize("seconds", ["1", "30"])
def test_a_server_that_says_when_is_asked_then_or_not_at_all(server: Server, seconds: str) -> None:
    busy = [(429, {"Retry-After": seconds}, b'{"status": {"error": "slow down"}}')]
    server.answer = lambda path: busy.pop() if busy else empty(path)
    store = ClientStore(server.url, "items")
    start = time.monotonic()

    if seconds == "1":
        assert store.schema is None
        assert 1 <= time.monotonic() - start < 3
    else:
        with pytest.raises(StoreUnavailableError) as caught:
            _ = store.schema
        assert caught.value.retry_after_s == 30
        assert time.monotonic() - start < 1
    store.close()


def test_a_connection_that_the_server_ended_meanwhile_is_not_used(server: Server) -> None:
    store = ClientStore(server.url, "items")
    assert store.schema is None
    asked = len(server.asked)
    server.end_connections()

    store._read_schema()

    # nothing had to be asked again
    assert len(server.asked) == asked + 2
    assert server.connections == 2
    store.close()


def test_threads_have_connections_of_their_own_and_give_them_back(server: Server) -> None:
    store = ClientStore(server.url, "items")
    started = threading.Barrier(4)

    def slowly(path: str) -> Answer:
        time.sleep(0.1)
        return empty(path)

    assert store.schema is None
    server.answer = slowly

    def ask() -> None:
        started.wait()
        store._read_schema()

    for _ in range(2):
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert server.connections == 4
    store.close()


def test_a_proxy_of_the_environment_is_used(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    store = ClientStore("http://qdrant.invalid:6333", "items")

    assert store.schema is None

    assert server.headers[-1]["host"] == "qdrant.invalid:6333"
    store.close()


ABOUT = {
    "status": "green",
    "optimizer_status": "ok",
    "segments_count": 1,
    "config": {
        "params": {"vectors": {"cutout": {"size": 4, "distance": "Cosine"}}},
        "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
        "optimizer_config": {
            "deleted_threshold": 0.2,
            "vacuum_min_vector_number": 1000,
            "default_segment_number": 0,
            "flush_interval_sec": 5,
        },
    },
    "payload_schema": {},
}
"""What a server says of the collection."""


class Copies:
    """A collection of two copies that differ, as far as scrolling goes."""

    def __init__(self, server: Server, here: list[int], there: list[int]) -> None:
        self._server, self._copies = server, (here, there)
        self.schema = dump_schema(CollectionSchema({"cutout": 4}, {"item_id": "keyword"}))

    def answer(self, path: str) -> Answer:
        asked, _, query = path.partition("?")
        if asked.endswith("--meta/points"):
            return ok([{"id": 1, "payload": {"schema": self.schema}}])
        if asked.endswith("/cluster"):
            shard = {"shard_id": 0, "state": "Active"}
            here = [{**shard, "points_count": len(self._copies[0])}]
            there = [{**shard, "peer_id": 2}]
            lies = {"peer_id": 1, "shard_count": 1, "shard_transfers": []}
            return ok({**lies, "local_shards": here, "remote_shards": there})
        if asked.endswith("/items"):
            return ok(ABOUT)
        body = json.loads(self._server.body)
        start, limit = body.get("offset") or "", body["limit"]
        pages = [
            [i for i in map(_id, sorted(copy)) if i >= start][: limit + 1] for copy in self._copies
        ]
        # as the server does it: what all copies say, and less than a page more is the end
        found = [i for i in pages[0] if "consistency=all" not in query or i in pages[1]]
        points = [{"id": i, "payload": {"item_id": i}} for i in found[:limit]]
        following = found[limit] if len(found) > limit else None
        return ok({"points": points, "next_page_offset": following})


def _id(number: int) -> str:
    return str(uuid.UUID(int=number))


@pytest.mark.parametrize("page", [3, 10, 1000])
def test_in_bulk_points_that_copies_differ_on_are_left_out_and_all_others_read(
    server: Server, page: int
) -> None:
    rng = random.Random(20)
    both = rng.sample(range(1000), 200)
    here = [*both, *rng.sample(range(1000, 2000), 40), *range(3000, 3050)]
    there = [*both, *range(200, 230), *range(2000, 2040), 5000]
    server.answer = Copies(server, here, there).answer
    store = ClientStore(server.url, "items")

    with store.in_bulk(5, lambda waited: None):
        found = [record.id for record in scroll_all(store, page=page)]
    plain = [record.id for record in scroll_all(store, page=page)]

    assert found == [_id(n) for n in sorted({*here} & {*there})]
    assert plain == [_id(n) for n in sorted(set(here))]
    store.close()

"""What leaves the service compressed, what does not, and when the bytes of a stream leave."""

from __future__ import annotations

import gzip
import http.client
import json
import re
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing

import pytest
import service_app
from page_browser import listening, site
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from scenesearch.service.http.compress import LEAST, THREAD_FROM, Compress, accepts_gzip, packed
from scenesearch.service.http.methods import Head
from scenesearch.service.http.routes.page import FOREVER

GZIP = {"Accept-Encoding": "gzip, deflate, br, zstd"}
"""As browsers ask."""
LOOK = {"per_region": 12, "limit": 24, "facets": ["category"]}
ROWS = [{"row": number, "text": "a line of some length"} for number in range(6000)]


class Answer:
    """One answer as it came over the wire."""

    def __init__(self, got: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.sent = got.status, got.headers, got.read()

    @property
    def coding(self) -> str | None:
        return self.headers["Content-Encoding"]

    @property
    def body(self) -> bytes:
        return gzip.decompress(self.sent) if self.coding == "gzip" else self.sent


def ask(address: str, path: str, method="GET", body=None, headers=GZIP) -> Answer:
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)) as one:
        one.request(method, path, body, headers)
        return Answer(one.getresponse())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The whole service over 24 coloured things, on a port; its address."""
    with site(tmp_path_factory.mktemp("served")) as found:
        yield found.address


def look(served: str, **headers: str) -> Answer:
    """A look as the page asks it."""
    mark = "a-mark"
    form = (
        f'--{mark}\r\nContent-Disposition: form-data; name="request"\r\n\r\n{json.dumps(LOOK)}\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="photo"; filename="room.png"\r\n'
        f"Content-Type: image/png\r\n\r\n"
    ).encode()
    body = form + service_app.room_photo() + f"\r\n--{mark}--\r\n".encode()
    sent = {"Content-Type": f"multipart/form-data; boundary={mark}", **headers}
    return ask(served, "/v1/look", "POST", body, sent)


def test_a_look_is_a_third_of_its_size_or_less_and_says_the_same(served: str) -> None:
    plain, zipped = look(served), look(served, **GZIP)

    assert (plain.status, zipped.status) == (200, 200)
    assert (plain.coding, zipped.coding) == (None, "gzip")
    assert plain.headers["Vary"] == zipped.headers["Vary"] == "Accept-Encoding"
    assert int(zipped.headers["Content-Length"]) == len(zipped.sent) < len(plain.sent) / 3
    seen, zipped_seen = json.loads(plain.body), json.loads(zipped.body)
    assert seen["matches"]
    assert zipped_seen["regions"] == seen["regions"]
    assert zipped_seen["matches"] == seen["matches"]


def test_a_picture_and_a_few_bytes_leave_as_they_are(served: str) -> None:
    url = json.loads(look(served).body)["matches"][0]["photo_url"]
    picture, alive = ask(served, url), ask(served, "/livez")

    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/jpeg")
    assert picture.coding is None
    assert "Accept-Encoding" not in (picture.headers["Vary"] or "")
    assert picture.headers["ETag"].startswith('"')
    assert alive.coding is None
    assert len(alive.sent) < LEAST


def test_head_says_what_get_would(served: str) -> None:
    said, got = ask(served, "/openapi.json", "HEAD"), ask(served, "/openapi.json")

    assert got.coding == "gzip"
    assert said.sent == b""
    for name in ("Content-Length", "Content-Encoding", "Vary", "Content-Type"):
        assert said.headers[name] == got.headers[name], name


def test_the_page_and_its_parts_come_compressed_once_and_are_kept(served: str) -> None:
    page = ask(served, "/")
    parts = re.findall(r'(?:src|href)="(assets/[^"]+)"', page.body.decode())

    assert len(parts) > 5
    for name in parts:
        zipped, plain = ask(served, f"/{name}"), ask(served, f"/{name}", headers={})
        assert zipped.body == plain.sent, name
        assert len(zipped.sent) <= len(plain.sent)
        assert zipped.headers["Cache-Control"] == FOREVER
        if zipped.coding == "gzip":
            assert zipped.headers["ETag"] != plain.headers["ETag"]
            assert zipped.headers["Vary"] == plain.headers["Vary"] == "Accept-Encoding"
            assert zipped.sent == packed(plain.sent, 9)


@pytest.mark.parametrize("headers", [GZIP, {}], ids=["gzip", "plain"])
def test_a_page_that_has_not_changed_is_not_sent_again(served: str, headers) -> None:
    first = ask(served, "/", headers=headers)
    again = ask(served, "/", headers={**headers, "If-None-Match": first.headers["ETag"]})

    assert (again.status, again.sent, again.coding) == (304, b"", None)
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Vary"] == "Accept-Encoding"


def test_a_tag_of_one_form_does_not_name_the_other(served: str) -> None:
    zipped = ask(served, "/")
    plain = ask(served, "/", headers={"If-None-Match": zipped.headers["ETag"]})

    assert plain.status == 200
    assert plain.sent == zipped.body


# ---------------------------------------------------------------------------------------------
# answers that the service has none of yet


class Gate:
    """An application whose stream writes its next chunk only when the reader says so."""

    def __init__(self) -> None:
        self.read = threading.Event()
        routes = [
            Route("/stream", self.stream),
            Route("/rows", self.rows),
            Route("/tagged", self.tagged),
            Route("/zip", self.zip),
            Route("/part", self.part),
            Route("/events", self.events),
        ]
        self.app = Head(Compress(Starlette(routes=routes)))

    def chunks(self) -> Iterator[str]:
        yield '{"row": 1}\n'
        if not self.read.wait(20):
            yield "never read"
        yield '{"row": 2}\n'

    async def stream(self, _request):
        return StreamingResponse(self.chunks(), media_type="application/x-ndjson")

    async def events(self, _request):
        return StreamingResponse(iter(["data: 1\n\n"]), media_type="text/event-stream")

    async def rows(self, _request):
        return JSONResponse(ROWS)

    async def tagged(self, _request):
        return Response("a" * 5000, media_type="text/plain", headers={"ETag": '"one"'})

    async def zip(self, _request):
        return Response("z" * 5000, media_type="text/plain", headers={"Content-Encoding": "br"})

    async def part(self, _request):
        return Response("p" * 5000, 206, media_type="text/plain")


@pytest.fixture
def gate() -> Iterator[tuple[Gate, str]]:
    made = Gate()
    with listening(made.app) as address:
        yield made, address


def test_a_chunk_of_a_stream_leaves_before_the_next_is_made(gate) -> None:
    made, address = gate
    with closing(http.client.HTTPConnection(address.removeprefix("http://"), timeout=30)) as one:
        one.request("GET", "/stream", headers=GZIP)
        got = one.getresponse()
        assert got.headers["Content-Encoding"] == "gzip"
        unzip = zlib.decompressobj(wbits=31)
        first = b""
        while b"\n" not in first:
            first += unzip.decompress(got.read1())
        made.read.set()
        rest = unzip.decompress(got.read()) + unzip.flush()

    assert first == b'{"row": 1}\n'
    assert rest == b'{"row": 2}\n'
    assert unzip.eof


def test_a_large_body_is_compressed_whole(gate) -> None:
    answer = ask(gate[1], "/rows")

    assert len(answer.body) > THREAD_FROM
    assert json.loads(answer.body) == ROWS
    assert int(answer.headers["Content-Length"]) == len(answer.sent)


def test_a_strong_tag_becomes_a_weak_one_where_the_bytes_are_others(gate) -> None:
    assert ask(gate[1], "/tagged").headers["ETag"] == 'W/"one"'
    assert ask(gate[1], "/tagged", headers={}).headers["ETag"] == '"one"'


def test_what_is_compressed_a_part_or_an_event_passes(gate) -> None:
    zipped, part, events = (ask(gate[1], path) for path in ("/zip", "/part", "/events"))

    assert (zipped.coding, zipped.sent) == ("br", b"z" * 5000)
    assert (part.coding, part.sent) == (None, b"p" * 5000)
    assert (events.coding, events.sent) == (None, b"data: 1\n\n")


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("*", True),
        ("br, gzip;q=0.001", True),
        ("gzip ; q=1.0", True),
        ("identity;q=0.5, gzip", True),
        ("", False),
        ("br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("*;q=0", False),
        ("identity, gzip;q=0.5", False),
        ("gzip;q=nan", False),
        ("gzip;q=-1", False),
        ("gzip;q=2", False),
        ("gzip;level=9", False),
        ("notgzip", False),
    ],
)
def test_what_a_caller_accepts(gate, given: str, accepted: bool) -> None:
    assert accepts_gzip([given]) is accepted
    assert ask(gate[1], "/tagged", headers={"Accept-Encoding": given}).coding == (
        "gzip" if accepted else None
    )

"""Photos from URLs: forbidden addresses are never connected to, and no server costs too much."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import ipaddress
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import fetch_servers as servers
import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from scenesearch.config.fetch import FetchSettings
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched, Fetcher

OTHER, PHOTO, PUBLIC, PUBLIC_IPV6 = (
    *(servers.OTHER, servers.PHOTO, servers.PUBLIC, servers.PUBLIC_IPV6),
)
Handler, Network, Server = servers.Handler, servers.Network, servers.Server
answer, routes, sends, serving = servers.answer, servers.routes, servers.sends, servers.serving
watched_listeners = servers.watched_listeners

NAMES: dict[str, Sequence[str] | Sequence[Sequence[str]]] = {
    "a.example.com": [PUBLIC],
    "b.example.com": [OTHER],
    "evil.example.org": [PUBLIC],
}
ON = FetchSettings(enabled=True, timeout_s=5, max_megabytes=1)

LITERALS = [
    *("127.0.0.1", "127.0.0.2", "127.1.2.3", "127.255.255.254", "127.1", "127.0.1", "2130706433"),
    *("0x7f000001", "0x7f.1", "0177.0.0.1", "017700000001", "0x7f.0x0.0x0.0x1", "127.0.0.1."),
    *("①②⑦.⓪.⓪.①", "127。0。0。1", "0.0.0.0", "0", "0x0", "localhost", "LOCALHOST", "localhost."),
    *("x.localhost", "ｌｏｃａｌｈｏｓｔ", "ip6-localhost", "qdrant", "metadata.google.internal"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::127.0.0.1]", "[::ffff:127.0.0.1]"),
    *("[::ffff:7f00:1]", "[::ffff:0:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]"),
    *("[2002:7f00:1::]", "[2001:0:7f00:1::1]", "[2606:4700::5efe:127.0.0.1]"),
    *("[2606:4700::200:5efe:7f00:1]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd12:3456::1]"),
    *("[ff02::1]", "[100::1]", "[2001:db8::1]", "[3fff::1]", "[2001:10::1]", "[2001:20::1]"),
    *("[2001:2::1]", "[5f00::1]", "[fd00:ec2::254]", "[fd20:ce::254]", "[::ffff:169.254.169.254]"),
    *("[64:ff9b::169.254.169.254]", "[2002:a9fe:a9fe::]", "[2002:a00:1::]", "[::ffff:10.0.0.1]"),
    *("169.254.169.254", "0xa9fea9fe", "2852039166", "0251.0376.0251.0376", "169.254.43518"),
    *("192.0.0.192", "100.100.100.200", "168.63.129.16", "169.254.170.2", "10.0.0.1", "10.1"),
    *("172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "198.18.0.1", "198.19.1.1"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255", "192.0.2.1"),
    *("198.51.100.1", "203.0.113.1", "192.88.99.1", "0.1.2.3"),
]
SHAPES = [
    *("http://u@a.example.com/", "http://u:p@a.example.com/", "http://a.example.com@127.0.0.1/"),
    *("http://127.0.0.1#@a.example.com/", "http://evil.example.org#@a.example.com/"),
    *("http://127.0.0.1\\@a.example.com/", "http://a.example.com\\@127.0.0.1/"),
    *("http:\\\\127.0.0.1\\", "http://127.0.0.1\t/", "http://127.0.0.1\n/", "ht\ntp://127.0.0.1/"),
    *(" http://127.0.0.1/", "http://127.0.0.1/ ", "http://127.0.0.1 /", "\x00http://127.0.0.1/"),
    *("http://a.example.com\r\nHost: 127.0.0.1/", "http://a.example.com/\r\nX: y"),
    *("http:127.0.0.1/", "http:/127.0.0.1/", "http:///127.0.0.1/", "//127.0.0.1/", "127.0.0.1"),
    *("a.example.com/x", "/etc/passwd", "", "http://", "http://:80/", "http://?x", "http://#x"),
    *("http://a.example.com:/", "http://a.example.com:0/", "http://a.example.com:080/"),
    *("http://a.example.com:80:80/", "http://a.example.com:8O/", "http://a.example.com:٨٠/"),
    *("http://a.example.com:-80/", "http://a.example.com:65616/", "http://a.example.com:99999/"),
    *("http://%31%32%37.0.0.1/", "http://127.0.0.1%2f@a.example.com/", "http://[::1%25lo]/"),
    *("http://[::1/", "http://::1/", "http://[127.0.0.1]/", "http://[v1.x]/", "http://1.2.3.4.5/"),
    *("http://256.1.1.1/", "http://a..example.com/", "http://a.example.com../", "http://℀.com/"),
    *("http://a.example.com／@127.0.0.1/", "http://a\u200d.example.com/", "http://\ud800.com/"),
    *(
        "http://a.example.com/\u202egpj.x",
        "http://" + "a" * 300 + ".com/",
        "http://a.com/" + "x" * 5000,
    ),
    *(
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "ftp://a.example.com/x",
        "gopher://127.0.0.1/",
    ),
    *(
        "data:image/png;base64,AAAA",
        "blob:http://127.0.0.1/x",
        "jar:http://127.0.0.1!/x",
        "dict://127.0.0.1/",
    ),
    *("\\\\127.0.0.1\\share", "javascript:alert(1)", "ws://a.example.com/", "unix:///run/x.sock"),
    *(
        "ldap://127.0.0.1/",
        "tftp://127.0.0.1/",
        "smb://127.0.0.1/x",
        "about:blank",
        "http+unix://x/",
    ),
    *(f"http://a.example.com:{port}/" for port in (22, 25, 6333, 6334, 6379, 8080, 3306, 5432)),
    *(f"http://127.0.0.1:{port}/" for port in (22, 80, 443, 6333, 8080)),
]
RESOLVED = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "100.64.0.1", "169.254.169.254"),
    *("172.16.0.1", "192.168.0.1", "192.0.0.192", "198.18.0.1", "224.0.0.1", "255.255.255.255"),
    *("::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "2002:7f00:1::", "fd00::1"),
    *("fe80::1%lo", "fec0::1", "fd00:ec2::254", "2606:4700::5efe:7f00:1", "no address"),
]
COUNTED = len(LITERALS) + len(SHAPES) + len(RESOLVED) * 3


@cache
def trusted() -> ssl.SSLContext:
    """What a fetcher trusts by itself; reading all certificates takes it 40 ms."""
    return httpcore.default_ssl_context()


def fetching(
    url: str,
    handler: Handler | None = None,
    *,
    names: Mapping[str, Sequence[str] | Sequence[Sequence[str]]] = NAMES,
    settings: FetchSettings = ON,
    check: Callable[[Network, Server], None] = lambda network, server: None,
    own: frozenset[tuple[str, int]] = frozenset(),
) -> Fetched:
    """Fetch a URL in a network of made-up public addresses; no listener may be touched."""

    async def run() -> Fetched:
        async with watched_listeners() as watched, serving(handler or sends(answer())) as server:
            public = {(a, 80): server for a in (PUBLIC, OTHER, PUBLIC_IPV6)}
            network = Network(names, public, watched)
            fetcher = Fetcher(
                settings,
                forbidden=own,
                resolve=network.resolve,
                connect=network.connect,
                tls=trusted(),
            )
            try:
                return await fetcher.fetch(url)
            finally:
                await fetcher.close()
                assert [listener.connections for listener in watched] == [0] * len(watched)
                assert {address for address, _ in network.connected} <= {PUBLIC, OTHER, PUBLIC_IPV6}
                check(network, server)

    return asyncio.run(run())


def refused(url: str, handler: Handler | None = None, **options: object) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetching(url, handler, **options)
    return caught.value


def nobody(network: Network, server: Server) -> None:
    assert network.connected == []
    assert server.connections == 0


def test_there_are_at_least_150_refused_urls() -> None:
    assert COUNTED >= 150


@pytest.mark.parametrize("host", LITERALS)
def test_an_address_that_is_not_public_is_refused_without_a_connection(host: str) -> None:
    scheme = "https" if len(host) % 2 else "http"

    assert refused(f"{scheme}://{host}/x.jpg", check=nobody).code == "address_not_allowed"


@pytest.mark.parametrize("url", SHAPES, ids=lambda url: ascii(url)[:60])
def test_a_url_of_a_bad_shape_is_refused_without_a_connection(url: str) -> None:
    assert refused(url, check=nobody).code in {"bad_url", "address_not_allowed"}


@pytest.mark.parametrize("order", ["alone", "first", "last"])
@pytest.mark.parametrize("address", RESOLVED)
def test_a_name_with_one_address_that_is_not_public_is_refused_as_a_whole(
    address: str, order: str
) -> None:
    answers = {
        "alone": [address],
        "first": [address, PUBLIC],
        "last": [PUBLIC, PUBLIC_IPV6, address],
    }[order]
    error = refused("http://a.example.com/x", names={"a.example.com": answers}, check=nobody)

    assert error.code == "address_not_allowed"
    assert address not in str(error), "a stranger learns nothing about the network inside"


def test_no_socket_is_opened_for_a_forbidden_address_even_by_the_default_connector() -> None:
    """As it is in production: the system's resolver, real sockets, and an audit hook that sees
    every connection that Python opens."""
    opened: list[object] = []
    watching = [True]

    def hook(event: str, details: tuple[object, ...]) -> None:
        if event == "socket.connect" and watching[0]:
            opened.append(details[1])

    async def run() -> None:
        fetcher = Fetcher(ON)
        for url in (*(f"http://{host}/" for host in LITERALS), *SHAPES):
            if "a.example.com" not in url:  # no name is looked up outside this machine
                with pytest.raises(FetchError):
                    await fetcher.fetch(url)
        await fetcher.close()

    sys.addaudithook(hook)
    try:
        asyncio.run(run())
    finally:
        watching[0] = False
    assert opened == []


def test_a_photo_is_fetched_from_a_public_address() -> None:
    def check(network: Network, server: Server) -> None:
        assert network.asked == ["a.example.com"]
        assert network.connected == [(PUBLIC, 80)]
        assert b"\r\nHost: a.example.com\r\n" in server.requests[0]
        assert b"\r\nAccept-Encoding: identity\r\n" in server.requests[0]
        assert b"Cookie" not in server.requests[0]
        assert b"Authorization" not in server.requests[0]

    got = fetching("http://A.example.com./x.jpg?y=1#z", check=check)

    assert got == Fetched(PHOTO, "http://a.example.com/x.jpg?y=1", "image/jpeg", 0)


@pytest.mark.parametrize(
    "url", [f"http://{PUBLIC}/x", "http://1572395042/x", "http://0x5db8d822/x"]
)
def test_a_public_address_is_fetched_from_under_its_one_spelling(url: str) -> None:
    assert fetching(url).url == f"http://{PUBLIC}/x"
    assert fetching(f"http://[{PUBLIC_IPV6}]/").url == f"http://[{PUBLIC_IPV6}]/"


def test_nothing_is_fetched_unless_it_is_switched_on() -> None:
    error = refused("http://a.example.com/", settings=FetchSettings(), check=nobody)

    assert error.code == "fetch_disabled"


@pytest.mark.parametrize(
    ("hosts", "allowed"),
    [
        (("a.example.com",), True),
        (("*.example.com",), True),
        (("example.com",), False),
        (("b.example.com", "*.a.example.com"), False),
    ],
)
def test_a_list_of_hosts_shuts_out_the_others(hosts: tuple[str, ...], allowed: bool) -> None:
    settings = ON.model_copy(update={"hosts": hosts})

    if allowed:
        assert fetching("http://a.example.com/", settings=settings).data == PHOTO
    else:
        error = refused("http://a.example.com/", settings=settings, check=nobody)
        assert error.code == "address_not_allowed"


@pytest.mark.parametrize("own", [("a.example.com", 80), (PUBLIC, 80)])
def test_the_service_and_its_store_are_not_asked_even_at_a_public_address(
    own: tuple[str, int],
) -> None:
    error = refused("http://a.example.com/", own=frozenset({own}), check=nobody)

    assert error.code == "address_not_allowed"


# --- rebinding ---------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["127.0.0.1", "::1", "169.254.169.254", "127.1.2.3"])
def test_a_name_is_resolved_once_and_the_connection_goes_where_was_checked(second: str) -> None:
    def check(network: Network, server: Server) -> None:
        assert network.asked == ["a.example.com"]
        assert network.connected == [(PUBLIC, 80)]

    got = fetching(
        "http://a.example.com/", names={"a.example.com": [[PUBLIC], [second]]}, check=check
    )

    assert got.data == PHOTO


@pytest.mark.parametrize("second", ["127.0.0.1", "::1", "10.0.0.1"])
def test_a_name_is_checked_again_when_a_redirect_leads_back_to_it(second: str) -> None:
    def check(network: Network, server: Server) -> None:
        assert network.asked == ["a.example.com"] * 2
        assert network.connected == [(PUBLIC, 80)]

    error = refused(
        "http://a.example.com/1",
        sends(answer(b"", "302 Found", ("Location: /2",))),
        names={"a.example.com": [[PUBLIC], [second]]},
        check=check,
    )

    assert error.code == "address_not_allowed"


def test_the_next_checked_address_is_tried_where_the_first_does_not_answer() -> None:
    silent = "185.199.108.153"

    async def run() -> tuple[Fetched, Network]:
        async with serving(sends(answer())) as server:
            names = {"a.example.com": [silent, PUBLIC]}
            network = Network(names, {(PUBLIC, 80): server})
            fetcher = Fetcher(ON, resolve=network.resolve, connect=network.connect)
            return await fetcher.fetch("http://a.example.com/"), network

    got, network = asyncio.run(run())

    assert got.data == PHOTO
    assert network.connected == [(silent, 80), (PUBLIC, 80)]


# --- redirects ---------------------------------------------------------------------------------


def hop(location: str, status: str = "302 Found") -> bytes:
    return answer(b"moved", status, (f"Location: {location}", "Set-Cookie: id=1; Path=/"))


@pytest.mark.parametrize("status", ["301 M", "302 F", "303 S", "307 T", "308 P"])
def test_redirects_are_followed_without_cookies(status: str) -> None:
    table = {
        "a.example.com/1": hop("/2", status),
        "a.example.com/2": hop("//b.example.com/3?x=1", status),
        "b.example.com/3?x=1": answer(),
    }

    def check(network: Network, server: Server) -> None:
        assert network.connected == [(PUBLIC, 80), (PUBLIC, 80), (OTHER, 80)]
        assert not any(b"cookie" in head.lower() for head in server.requests)

    got = fetching("http://a.example.com/1", routes(table), check=check)

    assert (got.url, got.redirects) == ("http://b.example.com/3?x=1", 2)


@pytest.mark.parametrize(
    "location",
    [
        *(f"http://{host}/" for host in LITERALS if host.isascii()),
        *("http://inside.example.com/", "http://a.example.com:6333/", "http://u:p@b.example.com/"),
        *("file:///etc/passwd", "ftp://b.example.com/", "gopher://127.0.0.1:6379/_x", "data:,x"),
        *("http://b.example.com\\@127.0.0.1/", "///127.0.0.1/", "http:127.0.0.1"),
        "http://b.example.com#@127.0.0.1/",
    ],
)
def test_every_hop_is_checked_like_the_first_url(location: str) -> None:
    hops = 1 + len(location) % 2
    table = {
        "a.example.com/1": hop("http://b.example.com/2" if hops == 2 else location),
        "b.example.com/2": hop(location),
    }
    names = {**NAMES, "inside.example.com": ["127.0.0.1"]}

    def check(network: Network, server: Server) -> None:
        assert len(network.connected) == server.connections == hops

    error = refused("http://a.example.com/1", routes(table), names=names, check=check)

    assert error.code in {"bad_url", "address_not_allowed"}


def test_a_redirect_leads_to_listed_hosts_only() -> None:
    settings = ON.model_copy(update={"hosts": ("a.example.com",)})
    error = refused(
        "http://a.example.com/1", sends(hop("http://b.example.com/")), settings=settings
    )

    assert error.code == "address_not_allowed"


@pytest.mark.parametrize("allowed", [0, 1, 3, 10])
def test_redirects_are_counted(allowed: int) -> None:
    def check(network: Network, server: Server) -> None:
        assert server.connections == allowed + 1

    settings = ON.model_copy(update={"max_redirects": allowed})
    error = refused("http://a.example.com/1", sends(hop("/1")), settings=settings, check=check)

    assert error.code == "bad_url"
    assert f"more than {allowed} times" in str(error)


def test_a_redirect_without_an_address_is_a_failure() -> None:
    error = refused("http://a.example.com/", sends(answer(b"", "302 Found", ())))

    assert (error.code, error.upstream_status) == ("fetch_failed", 302)


# --- answers -----------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"
SECRET = b"what the server says is not repeated"


@pytest.mark.parametrize(
    "status", [201, 204, 206, 300, 304, 400, 401, 403, 404, 418, 429, 500, 503]
)
def test_any_status_but_200_is_named_and_nothing_else_of_the_answer(status: int) -> None:
    body = b"" if status in {204, 304} else SECRET
    error = refused("http://a.example.com/", sends(answer(body, f"{status} {SECRET.decode()}", ())))

    assert (error.code, error.upstream_status) == ("fetch_failed", status)
    assert str(status) in str(error)
    assert SECRET.decode() not in str(error)


@pytest.mark.parametrize("kind", ["text/html", "TEXT/HTML; charset=utf-8", "application/xhtml+xml"])
def test_a_web_page_is_no_photo(kind: str) -> None:
    error = refused(
        "http://a.example.com/", sends(answer(SECRET, headers=[f"Content-Type: {kind}"]))
    )

    assert (error.code, error.upstream_status) == ("fetch_failed", 200)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        (["Content-Type: image/png; x=y"], "image/png"),
        (["Content-Type: application/octet-stream"], "application/octet-stream"),
        (["Content-Type: text/plain"], "text/plain"),
        ([], None),
    ],
)
def test_any_other_type_is_left_to_whoever_decodes(headers: list[str], kind: str | None) -> None:
    got = fetching("http://a.example.com/", sends(answer(headers=headers)))

    assert (got.content_type, got.data) == (kind, PHOTO)


@pytest.mark.parametrize(
    ("parts", "data"),
    [
        ([HEAD + b"\r\n" + PHOTO], PHOTO),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n"], b"hello"),
        ([HEAD + b"Content-Length: 5\r\n\r\nhello and more"], b"hello"),
        ([HEAD + b"Content-Length: 0\r\n\r\n"], b""),
        ([b"HTTP/1.1 100 Continue\r\n\r\n" * 3, HEAD + b"\r\n" + PHOTO], PHOTO),
        ([b"HTTP/1.0 200 OK\r\n\r\n" + PHOTO], PHOTO),
    ],
    ids=["no length", "chunked", "more than said", "empty", "interim answers", "HTTP 1.0"],
)
def test_a_body_is_what_http_says_it_is(parts: list[bytes], data: bytes) -> None:
    assert fetching("http://a.example.com/", sends(*parts)).data == data


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"Content-Length: 100\r\n\r\nshort"],
        [HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"],
        [HEAD + b"Content-Length: -5\r\n\r\nhello"],
        [HEAD + b"Content-Length: 5, 6\r\n\r\nhello"],
        [HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nhello"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello"],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"],
        [HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"],
        [HEAD + b"X: " + b"y" * 200_000 + b"\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"],
        [b"SSH-2.0-OpenSSH_9.2\r\n\r\n"],
        [b"+OK redis\r\n"],
        [b"\x00" * 1000],
        [],
    ],
    ids=lambda parts: ascii(b"".join(parts)[-50:])[:40] or "nothing",
)
def test_an_answer_that_is_broken_off_or_no_http_is_a_failure(parts: list[bytes]) -> None:
    error = refused("http://a.example.com/", sends(*parts))

    assert error.code == "fetch_failed"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "GZIP"])
def test_a_compressed_body_is_refused_before_it_grows(encoding: str) -> None:
    bomb = gzip.compress(bytes(5_000_000))
    error = refused(
        "http://a.example.com/", sends(answer(bomb, headers=[f"Content-Encoding: {encoding}"]))
    )

    assert error.code == "fetch_failed"
    assert "compressed" in str(error)


def test_a_second_encoding_header_does_not_hide_behind_the_first() -> None:
    headers = ["Content-Encoding: identity", "Content-Encoding: gzip"]

    assert refused("http://a.example.com/", sends(answer(headers=headers))).code == "fetch_failed"


def endless(head: bytes, chunk: bytes, sent: list[int]) -> Handler:
    async def handler(_: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while True:
            writer.write(chunk)
            sent[0] += len(chunk)
            await writer.drain()

    return handler


@pytest.mark.parametrize(
    ("head", "chunk"),
    [
        (HEAD + b"Content-Length: 10000000000\r\n\r\n", bytes(65_536)),
        (HEAD + b"\r\n", bytes(65_536)),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + bytes(65_536) + b"\r\n"),
    ],
    ids=["10 GB said", "no length", "chunked"],
)
def test_a_body_without_end_is_cut_at_the_limit(head: bytes, chunk: bytes) -> None:
    sent = [0]
    error = refused("http://a.example.com/", endless(head, chunk, sent))

    assert error.code == "too_many_bytes"
    assert "larger than 1 MB" in str(error)
    assert sent[0] < 12_000_000, "what is in flight when the connection is closed, no more"


@pytest.mark.parametrize(("size", "fits"), [(1_000_000, True), (1_000_001, False)])
@pytest.mark.parametrize("said", [True, False])
def test_the_limit_is_exact(size: int, fits: bool, said: bool) -> None:
    body = bytes(size)
    whole = answer(body) if said else HEAD + b"\r\n" + body

    if fits:
        assert len(fetching("http://a.example.com/", sends(whole)).data) == size
    else:
        assert refused("http://a.example.com/", sends(whole)).code == "too_many_bytes"


# --- time --------------------------------------------------------------------------------------

HURRIED = ON.model_copy(update={"timeout_s": 0.3})
DRIP: list[bytes | float] = [part for _ in range(100) for part in (b"x", 0.05)]


@pytest.mark.parametrize(
    "parts",
    [
        [HEAD + b"Content-Length: 1000\r\n\r\n", *DRIP],
        [b"HTTP/1.1 200 OK\r\nX: ", *DRIP],
        [part for _ in range(100) for part in (b"HTTP/1.1 102 Processing\r\n\r\n", 0.05)],
        [HEAD + b"Content-Length: 10\r\n\r\nhalf", 9.0],
        [9.0],
    ],
    ids=["drip", "drip in the head", "interim answers without end", "stuck", "silent"],
)
def test_all_of_it_has_one_deadline(parts: list[bytes | float]) -> None:
    began = time.monotonic()
    error = refused("http://a.example.com/", sends(*parts), settings=HURRIED)

    assert error.code == "fetch_timeout"
    assert time.monotonic() - began < 2


def test_redirects_share_the_deadline() -> None:
    error = refused(
        "http://a.example.com/1",
        sends(0.2, hop("/1")),
        settings=HURRIED.model_copy(update={"max_redirects": 10}),
    )

    assert error.code == "fetch_timeout"


async def _never(*_: object) -> object:
    await asyncio.sleep(60)
    raise AssertionError


async def _public(name: str, port: int) -> list[str]:
    return [PUBLIC]


@pytest.mark.parametrize("slow", ["resolver", "connection"])
def test_a_slow_name_and_a_slow_connection_count_too(slow: str) -> None:
    async def run() -> None:
        resolve: Callable[..., Awaitable[object]] = _never if slow == "resolver" else _public
        fetcher = Fetcher(HURRIED, resolve=resolve, connect=_never)
        await fetcher.fetch("http://a.example.com/")

    with pytest.raises(FetchError) as caught:
        asyncio.run(run())
    assert caught.value.code == "fetch_timeout"


def test_only_so_many_are_fetched_at_once() -> None:
    now = [0, 0]

    async def counted(head: bytes, writer: asyncio.StreamWriter) -> None:
        now[0] += 1
        now[1] = max(now)
        await asyncio.sleep(0.02)
        now[0] -= 1
        writer.write(answer())

    async def run() -> list[Fetched]:
        async with serving(counted) as server:
            network = Network(NAMES, {(PUBLIC, 80): server})
            fetcher = Fetcher(ON, at_once=3, resolve=network.resolve, connect=network.connect)
            return await asyncio.gather(*(fetcher.fetch("http://a.example.com/") for _ in range(9)))

    assert len(asyncio.run(run())) == 9
    assert now[1] == 3


def test_giving_up_closes_the_connection() -> None:
    async def run() -> bool:
        began, closed = asyncio.Event(), asyncio.Event()

        async def handler(head: bytes, writer: asyncio.StreamWriter) -> None:
            writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n")
            try:
                while True:
                    writer.write(b"x")
                    await writer.drain()
                    began.set()
                    await asyncio.sleep(0.01)
            except ConnectionError:
                closed.set()

        async with serving(handler) as server:
            network = Network(NAMES, {(PUBLIC, 80): server})
            fetcher = Fetcher(ON, resolve=network.resolve, connect=network.connect)
            task = asyncio.create_task(fetcher.fetch("http://a.example.com/"))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.wait_for(closed.wait(), 10)

    assert asyncio.run(run())


# --- surroundings ------------------------------------------------------------------------------


def test_proxies_and_passwords_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine a.example.com login me password secret\n")
    netrc.chmod(0o600)

    async def run() -> tuple[int, bytes]:
        async with serving(sends(answer())) as proxy, serving(sends(answer())) as server:
            for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
                monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv("NETRC", str(netrc))
            network = Network(NAMES, {(PUBLIC, 80): server})
            fetcher = Fetcher(ON, resolve=network.resolve, connect=network.connect)
            await fetcher.fetch("http://a.example.com/")
            return proxy.connections, server.requests[0]

    proxied, head = asyncio.run(run())

    assert proxied == 0
    assert b"uthorization" not in head


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for a name, and a client's that believes it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    try:
        names: list[x509.GeneralName] = [x509.IPAddress(ipaddress.ip_address(name))]
    except ValueError:
        names = [x509.DNSName(name)]
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert, private = folder / "cert.pem", folder / "key.pem"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, private)
    return server, ssl.create_default_context(cafile=str(cert))


@pytest.mark.parametrize(
    ("of", "url", "believed"),
    [
        ("a.example.com", "https://a.example.com/", True),
        ("a.example.com", "https://a.example.com/", False),
        ("b.example.com", "https://a.example.com/", True),
        (PUBLIC, f"https://{PUBLIC}/", True),
        (PUBLIC, "https://a.example.com/", True),
    ],
    ids=["right", "self-signed", "another name", "an address", "the pinned address"],
)
def test_a_certificate_must_be_believed_and_be_of_the_name(
    tmp_path: Path, of: str, url: str, believed: bool
) -> None:
    server_tls, client_tls = certificate(tmp_path, of)
    seen: list[str | None] = []
    server_tls.sni_callback = lambda _, name, __: seen.append(name)

    good = believed and of in url

    async def run() -> list[bytes]:
        async with serving(sends(answer()), tls=server_tls) as server:
            network = Network(NAMES, {(PUBLIC, 443): server})
            fetcher = Fetcher(
                ON,
                resolve=network.resolve,
                connect=network.connect,
                tls=client_tls if believed else None,
            )
            if good:
                assert (await fetcher.fetch(url)).data == PHOTO
            else:
                with pytest.raises(FetchError, match="certificate is not trusted") as caught:
                    await fetcher.fetch(url)
                assert caught.value.code == "fetch_failed"
            return server.requests

    requests = asyncio.run(run())

    assert len(requests) == int(good), "not a byte of the request before the certificate is known"
    if PUBLIC not in url:
        assert seen == ["a.example.com"], (
            "the name is what the server is asked for, not the address"
        )


def test_a_redirect_from_https_to_http_is_refused(tmp_path: Path) -> None:
    server_tls, client_tls = certificate(tmp_path, "a.example.com")

    async def run() -> Network:
        async with (
            serving(sends(hop("http://b.example.com/")), tls=server_tls) as server,
            serving(sends(answer())) as plain,
        ):
            network = Network(NAMES, {(PUBLIC, 443): server, (OTHER, 80): plain})
            fetcher = Fetcher(ON, resolve=network.resolve, connect=network.connect, tls=client_tls)
            with pytest.raises(FetchError, match="from https to http"):
                await fetcher.fetch("https://a.example.com/")
            return network

    assert asyncio.run(run()).connected == [(PUBLIC, 443)]

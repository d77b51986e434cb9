"""Which addresses a stranger may name, and how hosts and URLs are read."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from scenesearch.fetch.addresses import FORBIDDEN_IPV4, FORBIDDEN_IPV6, forbidden
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.urls import follow, listed, parse_host, parse_url

PUBLIC = [
    *("1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "93.184.216.34", "100.63.255.255"),
    *("100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0"),
    *("172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "198.51.99.255", "198.51.101.0", "203.0.112.255"),
    *("203.0.114.0", "223.255.255.255", "168.63.129.15", "168.63.129.17"),
    *("2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2400:cb00::1", "2001:200::1"),
    *("2001:4860:4860::8888", "2003::1", "3ffe:ffff::1", "2620:fe::fe"),
]
FORBIDDEN = [
    *("0.0.0.0", "0.255.255.255", "10.0.0.1", "100.64.0.1", "100.100.100.200", "100.127.255.255"),
    *("127.0.0.1", "127.255.255.254", "168.63.129.16", "169.254.169.254", "169.254.170.2"),
    *("172.16.0.1", "172.31.255.255", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1"),
    *("192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.7", "203.0.113.9", "224.0.0.1"),
    *("239.255.255.250", "240.0.0.1", "255.255.255.255", "192.31.196.1", "192.52.193.1"),
    *("192.175.48.1",),
    *("::", "::1", "::2", "::127.0.0.1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::8.8.8.8"),
    *("64:ff9b:1::a00:1", "100::1", "2001::1", "2001:0:7f00:1::", "2001:2::1", "2001:10::1"),
    *("2001:20::1", "2001:30::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::1"),
    *("2002:a9fe:a9fe::", "fc00::1", "fd00::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1"),
    *("febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1", "3fff::1", "5f00::1", "4000::1"),
    *("2606:4700::5efe:7f00:1", "2606:4700::200:5efe:a00:1", "2606:4700::5efe:8.8.8.8"),
    *("fe80::1%lo", "fe80::1%eth0", "2606:4700::1%eth0"),
    *("", "localhost", "127.1", "0x7f.0.0.1", "1.2.3.4/8", " 8.8.8.8", "8.8.8.8\n", "::ffff"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_may_be_connected_to(address: str) -> None:
    assert forbidden(address) is None


@pytest.mark.parametrize("address", FORBIDDEN)
def test_any_other_address_is_refused_with_a_reason(address: str) -> None:
    assert forbidden(address)


@pytest.mark.parametrize(
    "network", [network for network, _ in (*FORBIDDEN_IPV4, *FORBIDDEN_IPV6)], ids=str
)
def test_a_network_is_refused_from_its_first_address_to_its_last(network: object) -> None:
    assert forbidden(str(network[0]))
    assert forbidden(str(network[-1]))


def test_nothing_that_python_calls_not_global_is_let_through() -> None:
    rng = random.Random(7)
    found = [IPv4Address(rng.getrandbits(32)) for _ in range(20_000)]
    # half of them where forms are, instead of anywhere in 128 bits
    found += [
        IPv6Address(
            rng.choice((0, 0xFFFF << 32, 0x64FF9B << 96, 0x2002 << 112, 0x2001 << 112))
            | rng.getrandbits(96)
        )
        for _ in range(10_000)
    ]
    found += [IPv6Address(rng.getrandbits(128)) for _ in range(10_000)]
    let_through = [address for address in found if forbidden(str(address)) is None]

    assert len(let_through) > 10_000
    assert all(address.is_global and not address.is_multicast for address in let_through)


@pytest.mark.parametrize("public", ["8.8.8.8", "1.1.1.1"])
@pytest.mark.parametrize(
    "form",
    ["::ffff:{}", "::{}", "::ffff:0:{}", "64:ff9b::{}", "64:ff9b:1::{}", "2606:4700::5efe:{}"],
)
def test_an_ipv4_address_inside_an_ipv6_one_is_refused_even_if_it_is_public(
    form: str, public: str
) -> None:
    assert forbidden(str(ip_address(form.format(public))))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Example.COM", "example.com"),
        ("example.com.", "example.com"),
        ("my_bucket.s3.amazonaws.com", "my_bucket.s3.amazonaws.com"),
        ("r3---sn-x.example.com", "r3---sn-x.example.com"),
        ("bücher.example.com", "xn--bcher-kva.example.com"),
        ("BÜCHER.example.com", "xn--bcher-kva.example.com"),
        ("ｅｘａｍｐｌｅ。ｃｏｍ", "example.com"),
        ("аpple.com", "xn--pple-43d.com"),
        ("faß.de", "xn--fa-hia.de"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.0.0.0X1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("①②⑦.⓪.⓪.①", "127.0.0.1"),
        ("127。0。0。1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::FFFF:7F00:1]", "::ffff:7f00:1"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("127.0.0.1.nip.io", "127.0.0.1.nip.io"),
    ],
)
def test_a_host_has_one_spelling(written: str, read: str) -> None:
    spelt = parse_host(written).name

    assert spelt in {read, str(ip_address(read)) if ":" in read else read}


@pytest.mark.parametrize(
    "written",
    [
        *("", ".", "..", "a..com", ".example.com", "example..", "-a.com", "a-.com", "a b.com"),
        *("ex%61mple.com", "a,b.com", "a!b.com", "a'b.com", 'a"b.com', "a*b.com", "*.a.com"),
        *("256.0.0.1", "1.2.3.4.5", "127.0.0.0.1", "08.0.0.1", "0xg.1", "1.2.3.256", "4294967296"),
        *("1..2", "9" * 200, "a." * 200 + "com", "x" * 64 + ".com", "℀.com", "a\u200db.com"),
        *("[]", "[::1", "::1]", "[::1%25eth0]", "[fe80::1%eth0]", "[v1.fe]", "[1.2.3.4]", "[:::]"),
        *("a:b", "xn--\u00fc.com", "\ud800.com", "٠.٠.٠.٠٠٠٠٠", "example.com\u3002\u3002"),
    ],
    ids=ascii,
)
def test_what_is_no_host_is_refused(written: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_host(written)

    assert caught.value.code == "bad_url"


@pytest.mark.parametrize(
    "written",
    [
        *("localhost", "LOCALHOST.", "a.localhost", "metadata.google.internal", "printer.local"),
        *("intranet", "router.lan", "nas.home.arpa", "qdrant", "x.onion", "ｌｏｃａｌｈｏｓｔ"),
    ],
)
def test_names_of_a_local_network_are_refused_before_they_are_looked_up(written: str) -> None:
    with pytest.raises(FetchError) as caught:
        parse_host(written)

    assert caught.value.code == "address_not_allowed"


@pytest.mark.parametrize(
    ("name", "hosts", "expected"),
    [
        ("a.com", ("a.com",), True),
        ("a.com", ("A.com.",), True),
        ("b.a.com", ("a.com",), False),
        ("b.a.com", ("*.a.com",), True),
        ("c.b.a.com", ("*.a.com",), True),
        ("a.com", ("*.a.com",), False),
        ("nota.com", ("*.a.com",), False),
        ("a.com.evil.org", ("*.a.com", "a.com"), False),
        ("xn--pple-43d.com", ("apple.com",), False),
        ("z.org", ("a.com", "z.org"), True),
    ],
)
def test_a_list_of_hosts_means_whole_names(
    name: str, hosts: tuple[str, ...], expected: bool
) -> None:
    assert listed(name, hosts) is expected


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("http://a.com", "http://a.com/"),
        ("HTTPS://A.com/X.jpg", "https://a.com/X.jpg"),
        ("http://a.com?x=1", "http://a.com/?x=1"),
        ("http://a.com:80/", "http://a.com/"),
        ("https://a.com:443/", "https://a.com/"),
        ("https://a.com:80/", "https://a.com:80/"),
        ("http://a.com/p#part", "http://a.com/p"),
        ("http://a.com/ä.jpg?ö=1", "http://a.com/%C3%A4.jpg?%C3%B6=1"),
        ("http://a.com/%20x%zz", "http://a.com/%20x%zz"),
        ('http://a.com/<"x">', "http://a.com/%3C%22x%22%3E"),
        ("http://a.com/a@b:c,d;e=f", "http://a.com/a@b:c,d;e=f"),
        ("http://a.com/x?u=http://b.com/?y", "http://a.com/x?u=http://b.com/?y"),
        ("http://[2606:4700:4700::1111]/x", "http://[2606:4700:4700::1111]/x"),
    ],
)
def test_a_url_is_read_and_written_one_way(written: str, read: str) -> None:
    assert str(parse_url(written)) == read
    assert str(parse_url(read)) == read


@pytest.mark.parametrize(
    ("location", "leads_to"),
    [
        (b"/y", "https://a.com/y"),
        (b"y", "https://a.com/d/y"),
        (b"?q", "https://a.com/d/x?q"),
        (b"//b.com/y", "https://b.com/y"),
        (b"https://b.com", "https://b.com/"),
        ("https://b.com/ä".encode(), "https://b.com/%C3%A4"),
    ],
)
def test_a_redirect_leads_on(location: bytes, leads_to: str) -> None:
    assert str(follow(parse_url("https://a.com/d/x"), location)) == leads_to


@pytest.mark.parametrize(
    ("location", "code"),
    [
        (b"http://a.com/", "address_not_allowed"),
        (b"file:///etc/passwd", "bad_url"),
        (b"ftp://b.com/", "bad_url"),
        (b"gopher://b.com/", "bad_url"),
        (b"data:image/png;base64,AA", "bad_url"),
        (b"https://u:p@b.com/", "bad_url"),
        (b"https://b.com:22/", "address_not_allowed"),
        (b"https://localhost/", "address_not_allowed"),
        (b"\\\\evil\\x", "bad_url"),
        (b"/\\evil.com", "bad_url"),
        (b"ht\ttps://evil.com", "bad_url"),
        (b"https://[::1", "bad_url"),
        (b"https://", "bad_url"),
        (b"\xff\xfe", "fetch_failed"),
        (b"/" + b"x" * 5000, "bad_url"),
    ],
)
def test_a_redirect_is_read_as_strictly_as_a_url(location: bytes, code: str) -> None:
    with pytest.raises(FetchError) as caught:
        follow(parse_url("https://a.com/d/x"), location)

    assert caught.value.code == code

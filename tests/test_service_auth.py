"""Who may ask: keys, hosts, pages of other sites, and what browsers are told."""

from __future__ import annotations

import asyncio
import hmac
import logging

import pytest
import service_fakes as fakes
from pydantic import SecretStr

from scenesearch.config.service import ServiceSettings
from scenesearch.core.errors import ConfigError
from scenesearch.service.http.auth import Keyring, check_binding, host_allowed, is_loopback
from scenesearch.service.http.depends import ReadKey, WriteKey

READ, WRITE, OTHER = "read-key-0123456789", "write-key-0123456789", "other-key-0123456789"
KEYS = {"read_keys": (READ,), "write_keys": (WRITE,)}


async def nothing():
    return {}


def app_with(**service):
    """An application with a route that reads, one that writes, and one that only answers."""
    app = fakes.app_with(fakes.ScriptedBackend(), **service)
    app.get("/v1/read", name="read", dependencies=[ReadKey])(nothing)
    app.post("/v1/write", name="write", dependencies=[WriteKey])(nothing)
    app.get("/v1/bare", name="bare")(nothing)
    return app


def status(app, method, path, **headers):
    return fakes.asked(app, method, path, headers=headers).status_code


def bearer(key):
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize(
    ("headers", "read", "write"),
    [
        ({}, 401, 401),
        (bearer(READ), 200, 403),
        (bearer(WRITE), 200, 200),
        (bearer(OTHER), 401, 401),
        ({"x-api-key": READ}, 200, 403),
        ({"x-api-key": WRITE}, 200, 200),
        ({"x-api-key": OTHER}, 401, 401),
        ({"authorization": f"bearer  {WRITE} "}, 200, 200),
        ({"authorization": WRITE}, 401, 401),
        ({"authorization": f"Basic {WRITE}"}, 401, 401),
        ({"authorization": "Bearer"}, 401, 401),
        ({"authorization": "Bearer "}, 401, 401),
        (bearer(READ[:-1]), 401, 401),
        (bearer(READ + "x"), 401, 401),
        (bearer(READ.upper()), 401, 401),
        (bearer("a" * 8000), 401, 401),
        ({"authorization": b"Bearer \xff\xfe\x80"}, 401, 401),
        ({**bearer(OTHER), "x-api-key": WRITE}, 401, 401),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_key_may_do_what_it_is_for(headers, read, write):
    app = app_with(**KEYS)

    assert fakes.asked(app, "GET", "/v1/read", headers=headers).status_code == read
    assert fakes.asked(app, "POST", "/v1/write", headers=headers).status_code == write


def test_without_keys_everything_is_open():
    app = app_with()

    assert status(app, "GET", "/v1/read") == 200
    assert status(app, "POST", "/v1/write") == 200


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/livez", 200),
        ("/readyz", 200),
        ("/openapi.json", 200),
        ("/metrics", 401),
        ("/v1/read", 401),
        ("/v1/bare", 401),
        ("/v1/nowhere", 401),
        ("/v1/", 401),
        ("/nowhere", 404),
    ],
)
def test_what_is_open_to_those_without_a_key(path, expected):
    assert status(app_with(**KEYS), "GET", path) == expected


@pytest.mark.parametrize(
    "path", ["/%76%31/read", "//v1/read", "/v1/./read", "/V1/read", "/v1//read", "/./v1/read"]
)
def test_no_spelling_of_a_path_gets_around_the_keys(path):
    assert status(app_with(**KEYS), "GET", path) in {401, 404}


def test_who_has_no_key_is_told_how_and_not_read():
    app = app_with(**KEYS, max_body_megabytes=1)
    answer = fakes.asked(app, "POST", "/v1/write", content=unread())

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="scenesearch"'
    assert answer.json()["code"] == "unauthorized"


async def unread():
    yield b"x"
    raise AssertionError("the body was read")


@pytest.mark.parametrize(
    "query", ["key=", "api_key=", "api-key=", "X-API-Key=", "access_token=", "token=", "%6Bey="]
)
@pytest.mark.parametrize("settings", [{}, KEYS], ids=["open", "with keys"])
def test_a_key_in_a_url_is_refused_even_when_it_is_right(query, settings):
    answer = fakes.asked(
        app_with(**settings), "GET", f"/v1/read?a=b&{query}{READ}", headers=bearer(READ)
    )

    assert answer.status_code == 401
    assert READ not in answer.text
    assert "does not belong" in answer.json()["detail"]


def test_no_key_is_ever_logged(caplog):
    app = app_with(**KEYS)
    with caplog.at_level(logging.DEBUG):
        for key in (READ, WRITE, OTHER):
            status(app, "GET", f"/v1/read?x={key}", **bearer(key))
            status(app, "GET", f"/v1/read?key={key}")

    ours = [one.getMessage() for one in caplog.records if one.name != "httpx"]
    assert any("/v1/read" in line for line in ours)
    assert not [line for line in ours for key in (READ, WRITE, OTHER) if key in line]


def test_every_key_is_compared_whichever_fits(monkeypatch):
    compared = []

    def compare(one, other):
        compared.append((len(one), len(other)))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    keys = [SecretStr(f"key-number-{n:08d}") for n in range(5)]
    ring = Keyring(keys[:3], keys[3:])

    for asked in (keys[0], keys[4], SecretStr("x")):
        compared.clear()
        ring.access(asked.get_secret_value().encode())
        assert compared == [(32, 32)] * 5


def test_callers_are_told_apart_without_their_keys():
    ring = Keyring((SecretStr(READ),), (SecretStr(WRITE),))
    callers = {ring.access(key.encode()).caller for key in (READ, WRITE)}

    assert len(callers) == 2
    assert all(len(caller) == 8 for caller in callers)


def test_the_engine_hears_who_asks_where_there_are_keys():
    for settings, expected in ((KEYS, 8), ({}, None)):
        backend = fakes.ScriptedBackend({})
        app = fakes.app_with(backend, **settings)
        fakes.asked(app, "GET", "/v1/models", headers=bearer(READ))
        caller = backend.clients[-1]
        assert (caller and len(caller)) == expected


# --- hosts and origins -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("localhost", True),
        ("LOCALHOST:8080", True),
        ("127.0.0.1:8080", True),
        ("127.8.8.8", True),
        ("[::1]:8080", True),
        ("shop.localhost", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("evil.example:127", False),
        ("192.168.1.5", False),
        ("0.0.0.0", False),
        ("", False),
        ("localhost@evil.example", False),
    ],
)
def test_on_loopback_only_its_own_names_are_answered(host, allowed):
    answer = fakes.asked(app_with(), "GET", "/v1/read", headers={"host": host})

    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json()["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("shop.example", True),
        ("SHOP.example.:443", True),
        ("api.shop.test", True),
        ("shop.test", False),
        ("localhost", False),
        ("evil.example", False),
    ],
)
def test_named_hosts_are_answered_and_no_other(host, allowed):
    settings = ServiceSettings(allowed_hosts=("shop.example", "*.shop.test"), host="0.0.0.0")

    assert host_allowed(host, settings) is allowed


def test_beyond_loopback_any_host_is_answered_unless_some_are_named():
    assert host_allowed("anything.example", ServiceSettings(host="0.0.0.0"))


def test_probes_may_call_it_by_its_address():
    app = app_with()

    assert status(app, "GET", "/livez", host="10.1.2.3:8080") == 200
    assert status(app, "GET", "/readyz", host="10.1.2.3:8080") == 200


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        (None, True),
        ("http://localhost", True),
        ("https://localhost", True),
        ("https://page.example", True),
        ("http://page.example", False),
        ("http://localhost:3000", False),
        ("http://evil.example", False),
        ("http://localhost.evil.example", False),
        ("null", False),
        ("file://localhost", False),
        ("", False),
    ],
)
def test_without_keys_a_page_of_another_site_may_change_nothing(origin, allowed):
    app = app_with(cors_origins=("https://page.example",))
    headers = {} if origin is None else {"origin": origin}

    answer = fakes.asked(app, "POST", "/v1/write", headers=headers)
    assert answer.status_code == (200 if allowed else 403), answer.text
    if not allowed:
        assert answer.json()["code"] == "cross_site"
    assert fakes.asked(app, "GET", "/v1/read", headers=headers).status_code == 200


def test_with_keys_it_is_the_key_that_counts():
    headers = {"origin": "http://anything.example", **bearer(WRITE)}

    assert fakes.asked(app_with(**KEYS), "POST", "/v1/write", headers=headers).status_code == 200


PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization",
}


@pytest.mark.parametrize(
    ("settings", "origin", "allowed"),
    [
        ({}, "https://page.example", False),
        ({"cors_origins": ("https://page.example",)}, "https://page.example", True),
        ({"cors_origins": ("https://page.example",)}, "https://evil.example", False),
        ({"cors_origins": ("https://page.example",), **KEYS}, "https://page.example", True),
    ],
    ids=["closed", "named", "another", "named, with keys"],
)
def test_only_named_origins_may_ask_from_a_browser(settings, origin, allowed):
    app = app_with(**settings)
    headers = {"origin": origin, **PREFLIGHT}

    preflight = fakes.asked(app, "OPTIONS", "/v1/write", headers=headers)
    answer = fakes.asked(app, "GET", "/v1/read", headers={"origin": origin, **bearer(READ)})

    for one in (preflight, answer):
        assert one.headers.get("access-control-allow-origin") == (origin if allowed else None)
        assert "access-control-allow-credentials" not in one.headers
    assert (preflight.status_code == 200) is allowed
    if allowed:
        assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_page_that_may_ask_can_read_why_it_was_refused():
    app = app_with(cors_origins=("https://page.example",), **KEYS)
    answer = fakes.asked(app, "GET", "/v1/read", headers={"origin": "https://page.example"})

    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "https://page.example"


@pytest.mark.parametrize("path", ["/livez", "/v1/read", "/nowhere", "/v1/read?key=x"])
def test_every_answer_tells_browsers_to_be_careful(path):
    headers = fakes.asked(app_with(), "GET", path).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "camera=(self)" in headers["permissions-policy"]
    for part in ("default-src 'self'", "script-src 'self'", "frame-ancestors 'none'"):
        assert part in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert "server" not in headers


# --- binding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "localhost.example.org", "1.1"]
)
def test_beyond_loopback_a_key_is_needed(host):
    with pytest.raises(ConfigError, match=r"SCENESEARCH_SERVICE__WRITE_KEYS.*127\.0\.0\.1"):
        check_binding(ServiceSettings(host=host))

    check_binding(ServiceSettings(host=host, read_keys=(READ,)))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_on_loopback_no_key_is_needed(host):
    assert is_loopback(host)
    check_binding(ServiceSettings(host=host))


def test_many_at_once_each_get_their_own_answer():
    app = app_with(**KEYS)

    async def many():
        async with fakes.client_of(app) as client:
            keys = [(READ, WRITE, OTHER)[n % 3] for n in range(60)]
            answers = await asyncio.gather(
                *(client.post("/v1/write", headers=bearer(key)) for key in keys)
            )
            return {(key, answer.status_code) for key, answer in zip(keys, answers, strict=True)}

    assert asyncio.run(many()) == {(READ, 403), (WRITE, 200), (OTHER, 401)}

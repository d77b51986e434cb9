"""The shell of the service: errors as problems, strict bodies, limits, what is counted."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import pickle
import re
from functools import cache

import pytest
import service_fakes as fakes
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request

from scenesearch.config.settings import load_settings
from scenesearch.core import errors
from scenesearch.engine.remote.backend import BusyError, DeadlineError
from scenesearch.engine.tasks import ModelsTask
from scenesearch.service.http.app import create_app
from scenesearch.service.http.depends import run_task
from scenesearch.service.http.intake import read_json as read_body
from scenesearch.service.http.problems import ProblemError, clean
from scenesearch.service.http.strict_json import parse_json, read_json

ScriptedBackend, app_with = fakes.ScriptedBackend, fakes.app_with
asked, client_of = fakes.asked, fakes.client_of

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


async def models(request: Request):
    return (await run_task(request, ModelsTask())).value


def problem(answer, status):
    """The body of an answer that must be a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"] == f"https://scenesearch.dev/problems/{body['code']}"
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


ERRORS = [
    (errors.ImageError("no bytes", code="empty_image"), 400),
    (errors.ImageError("no photo", code="unsupported_image"), 415),
    (errors.ImageError("too big", code="too_many_pixels"), 413),
    (errors.ImageError("too big", code="too_many_bytes"), 413),
    (errors.ImageError("broken"), 422),
    (errors.QueryError("no such preset", code="unknown_preset"), 422),
    (errors.QueryError("gone", code="query_expired"), 410),
    (errors.FilterError("no such field"), 422),
    (errors.CatalogError("no such row"), 422),
    (errors.StoreUnavailableError("away"), 503),
    (errors.CollectionMismatchError("other models"), 503),
    (errors.InvalidVectorError("not finite"), 422),
    (errors.ModelNotFoundError("no weights"), 503),
    (errors.NoSpaceError("full"), 507),
    (errors.StoreError("may not", code="store_forbidden"), 403),
    (errors.StoreError("too large", code="store_too_large"), 413),
    (errors.StoreError("too many", code="store_limit"), 422),
    (BusyError("full", retry_after_s=7), 503),
    (BusyError("your share", retry_after_s=3, code="rate_limited"), 429),
    (DeadlineError("slow", retry_after_s=0), 503),
    (errors.SceneSearchError("away", code="fetch_failed"), 502),
    (errors.SceneSearchError("no", code="address_not_allowed"), 403),
    (errors.SceneSearchError("twice", code="idempotency_conflict"), 409),
    (errors.SceneSearchError("something"), 422),
]


@pytest.mark.parametrize(("error", "status"), ERRORS, ids=[f"{e.code}: {s}" for e, s in ERRORS])
def test_every_error_of_the_package_has_its_status(error, status):
    app = app_with(ScriptedBackend(error=error))

    answer = asked(app, path="/v1/test", route=models)

    body = problem(answer, status)
    assert (body["code"], body["detail"]) == (error.code, str(error))
    if status in {429, 503}:
        assert int(answer.headers["retry-after"]) >= 1


def test_the_engine_says_when_to_come_back():
    app = app_with(ScriptedBackend(error=BusyError("full", retry_after_s=7)))

    assert asked(app, path="/v1/test", route=models).headers["retry-after"] == "7"


def test_the_store_says_when_to_come_back_through_the_pipe_of_processes():
    error = errors.StoreUnavailableError("slow down", code="store_busy", retry_after_s=7)
    app = app_with(ScriptedBackend(error=pickle.loads(pickle.dumps(error))))

    answer = asked(app, path="/v1/test", route=models)

    assert problem(answer, 503)["code"] == "store_busy"
    assert answer.headers["retry-after"] == "7"


def test_where_the_store_stands_is_nobodys_business(caplog):
    url = "http://me:s3cret@10.0.0.7:6333/x"
    error = errors.StoreUnavailableError(f"no answer from {url}: refused; check the address")
    app = app_with(ScriptedBackend(error=error))

    with caplog.at_level(logging.WARNING, "scenesearch.service"):
        answer = asked(app, path="/v1/test", route=models)
    ready = asked(app, path="/readyz")

    assert problem(answer, 503)["detail"] == "no answer from the server: refused; check the address"
    assert ready.status_code == 503
    assert "the server" in ready.text
    for text in (answer.text, ready.text):
        assert "10.0.0.7" not in text
        assert "s3cret" not in text
    assert "10.0.0.7" in caplog.text, "whoever runs the service reads it there"


def test_a_fault_of_ours_tells_nothing_and_is_logged_with_its_id(caplog):
    app = app_with(ScriptedBackend(error=RuntimeError("secret /etc/passwd")))

    with caplog.at_level(logging.ERROR, "scenesearch.service"):
        answer = asked(app, path="/v1/test", route=models)

    body = problem(answer, 500)
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert body["request_id"] in caplog.text
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/livez/", 404, "not_found"),
        ("POST", "/livez", 405, "method_not_allowed"),
        ("BREW", "/livez", 405, "method_not_allowed"),
        ("GET", "/" + "a" * 9000, 414, "uri_too_long"),
        ("GET", "/livez?x=" + "a" * 9000, 414, "uri_too_long"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_the_framework_refuses_is_a_problem_too(method, path, status, code):
    answer = asked(app_with(), method, path)

    assert problem(answer, status)["code"] == code


def test_a_method_that_is_not_there_says_which_are():
    assert asked(app_with(), "POST", "/livez").headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1.2_Z", True),
        ("a" * 64, True),
        ("a" * 65, False),
        ("", False),
        ("a b", False),
        ("a\tb", False),
        ("<script>", False),
        ("abc\n", False),
    ],
    ids=ascii,
)
def test_an_id_from_outside_is_kept_only_when_it_is_harmless(given, kept):
    answer = asked(app_with(), headers={"X-Request-ID": given.replace("\n", "%0a")})

    assert REQUEST_ID.fullmatch(answer.headers["x-request-id"])
    assert (answer.headers["x-request-id"] == given) is kept


def test_ids_of_two_requests_differ():
    app = app_with()

    assert asked(app).headers["x-request-id"] != asked(app).headers["x-request-id"]


# --- bodies ------------------------------------------------------------------------------------


class Body(BaseModel):
    name: str
    numbers: list[float] = []


async def strict_body(request: Request):
    body = await read_body(request, Body)
    return {"name": body.name, "numbers": body.numbers}


async def own_reading(request: Request):
    return {"got": str(await read_json(request))[:50]}


@cache
def strict_app():
    app = app_with()
    router = APIRouter()
    router.post("/v1/strict", name="strict")(strict_body)
    router.post("/v1/own", name="own")(own_reading)
    app.include_router(router)
    return app


BAD_JSON = {
    "nothing there": b" ",
    "half": b'{"name": "a"',
    "NaN": b'{"name": "a", "numbers": [NaN]}',
    "infinity": b'{"name": "a", "numbers": [-Infinity]}',
    "too large a number": b'{"name": "a", "numbers": [1e400]}',
    "a million digits": b'{"name": "a", "numbers": [' + b"1" * 1_000_000 + b"]}",
    "a name twice": b'{"name": "a", "name": "b"}',
    "a name twice within": b'{"name": "a", "numbers": [{"x": 1, "x": 1}]}',
    "deep": b'{"name": ' + b"[" * 40 + b"]" * 40 + b"}",
    "very deep": b"[" * 100_000 + b"]" * 100_000,
    "deep and open": b'{"a":' * 100_000,
    "half a surrogate pair": b'{"name": "\\ud800"}',
    "half a surrogate pair in a name": b'{"\\udc00": 1, "name": "a"}',
    "a surrogate in bytes": b'{"name": "\xed\xa0\x80"}',
    "latin-1": b'{"name": "caf\xe9"}',
    "UTF-16": '{"name": "a"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"name": "a"}',
    "a comment": b'{"name": "a"} // b',
    "two of them": b'{"name": "a"}{"name": "b"}',
    "single quotes": b"{'name': 'a'}",
    "a control character": b'{"name": "a\nb"}',
}


@pytest.mark.parametrize("path", ["/v1/strict", "/v1/own"], ids=["as a model", "as it is"])
@pytest.mark.parametrize("body", BAD_JSON.values(), ids=BAD_JSON)
def test_json_that_others_would_read_differently_is_refused(path, body):
    headers = {"content-type": "application/json"}
    answer = asked(strict_app(), "POST", path, content=body, headers=headers)

    found = problem(answer, 400)
    assert found["code"] == "bad_json"
    assert len(answer.text) < 1000


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "\\ud83d\\ude00 caf\xc3\xa9", "numbers": [1, -2.5, 1e3]}',
        b'\n{"name": "a", "numbers": [' + b"1," * 4999 + b"1]}",
    ],
    ids=["a whole pair", "many numbers"],
)
def test_json_as_it_should_be_is_read(body):
    headers = {"content-type": "application/json; charset=UTF-8"}
    answer = asked(strict_app(), "POST", "/v1/strict", content=body, headers=headers)

    assert answer.status_code == 200
    assert answer.json()["name"] == json.loads(body)["name"]


@pytest.mark.parametrize("depth", [32, 33])
def test_the_limit_of_depth_is_where_it_says(depth):
    text = b"[" * depth + b"]" * depth

    if depth == 32:
        assert parse_json(text)
    else:
        with pytest.raises(ProblemError, match="deeper than 32"):
            parse_json(text)


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("application/problem+json", 200),
        ("application/json; charset=utf-16", 400),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("", 415),
        (None, 415),
        ("nonsense", 415),
        ("application/json; " * 200, 200),
    ],
    ids=lambda value: str(value)[:32],
)
@pytest.mark.parametrize("path", ["/v1/strict", "/v1/own"], ids=["as a model", "as it is"])
def test_only_json_in_utf_8_is_read(path, kind, status):
    headers = {} if kind is None else {"content-type": kind}
    answer = asked(strict_app(), "POST", path, content=b'{"name": "a"}', headers=headers)

    assert answer.status_code == status, answer.text


def test_what_is_wrong_with_a_body_is_said_and_not_echoed():
    body = {"name": {"x": "y" * 5000}, "numbers": ["not a number"] * 500}
    answer = asked(strict_app(), "POST", "/v1/strict", json=body)

    found = problem(answer, 422)
    assert found["code"] == "validation"
    assert found["errors"][0]["loc"] == ["body", "name"]
    assert found["detail"].startswith("body.name: ")
    assert len(found["errors"]) <= 20
    assert "yyyy" not in answer.text


def test_a_message_can_always_be_sent():
    assert clean("a\x00b\r\n\ud800" + "c" * 2000, 10) == "a b  ?ccc…"
    sent = clean("\ud800\x1b[31m" + "x" * 5000)
    assert len(sent) == 1000
    sent.encode()
    assert sent.isprintable()


@pytest.mark.parametrize("kind", ["gzip", "br", "deflate", "x", "identity, gzip"])
def test_compressed_bodies_are_refused(kind):
    answer = asked(
        strict_app(),
        "POST",
        "/v1/strict",
        content=gzip.compress(b'{"name": "a"}'),
        headers={"content-encoding": kind, "content-type": "application/json"},
    )

    assert problem(answer, 415)["code"] == "unsupported_media_type"


def test_a_body_said_to_be_too_large_is_refused_before_a_key_is_looked_at_twice():
    app = app_with(max_body_megabytes=1)
    answer = asked(app, "POST", "/v1/test", route=models, content=b"x" * 1_000_001)

    assert problem(answer, 413)["limit"] == 1_000_000


def test_all_bodies_together_must_fit_into_memory(monkeypatch):
    monkeypatch.setattr("scenesearch.service.http.body.ALL_BYTES_MAX", 0)
    backend = ScriptedBackend({}, delay_s=0.2)
    app = app_with(backend, max_body_megabytes=1)

    async def read(request: Request):
        await request.body()
        return await models(request)

    app.post("/v1/test", name="test")(read)

    async def post(client, size):
        return (await client.post("/v1/test", content=b"x" * size)).status_code

    async def many():
        async with client_of(app) as client:
            first = await asyncio.gather(*(post(client, 600_000) for _ in range(5)))
            return first, await post(client, 900_000)

    first, later = asyncio.run(many())

    assert sorted(first) == [200, 200, 200, 503, 503]
    assert later == 200


# --- the engine --------------------------------------------------------------------------------


def test_an_engine_that_keeps_no_deadline_is_given_up(monkeypatch):
    monkeypatch.setattr("scenesearch.service.http.depends.BACKSTOP_S", 0.05)
    backend = ScriptedBackend(delay_s=60)
    answer = asked(app_with(backend, deadline_s=0.05), path="/v1/test", route=models)

    assert problem(answer, 503)["code"] == "deadline_exceeded"
    assert backend.cancelled == 1


def test_a_client_that_leaves_ends_the_work():
    backend = ScriptedBackend(delay_s=60)
    app = app_with(backend)
    app.post("/v1/test", name="test")(models)
    sent = []

    async def leave():
        messages = [{"type": "http.request", "body": b"x", "more_body": False}]

        async def receive():
            if messages:
                return messages.pop()
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/test",
            "raw_path": b"/v1/test",
            "query_string": b"",
            "headers": [(b"host", b"localhost"), (b"content-length", b"1")],
            "http_version": "1.1",
            "scheme": "http",
        }
        await asyncio.wait_for(app(scope, receive, send), 5)

    asyncio.run(leave())

    assert backend.cancelled == 1
    assert 'route="/v1/test",status="499"' in app.state.shared.metrics.render().decode()


def test_what_an_answer_took_is_told_and_counted():
    backend = ScriptedBackend(seconds={"decode": 0.0123, "embed": 0.2})
    app = app_with(backend)

    answer = asked(app, path="/v1/test", route=models)

    assert answer.headers["server-timing"] == "decode;dur=12.3, embed;dur=200.0"
    text = asked(app, path="/metrics").text
    assert 'scenesearch_stage_seconds_sum{stage="embed"} 0.2' in text


def test_the_engine_is_closed_with_the_application():
    backend = ScriptedBackend()
    app = app_with(backend)

    async def live():
        async with app.router.lifespan_context(app):
            assert backend.closed == 0

    asyncio.run(live())

    assert backend.closed == 1


# --- health and figures ------------------------------------------------------------------------


def test_it_lives_without_asking_the_engine():
    backend = ScriptedBackend(error=errors.StoreUnavailableError("away"))
    answer = asked(app_with(backend))

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert backend.tasks == []


@pytest.mark.parametrize(
    ("backend", "reasons"),
    [
        (ScriptedBackend(), []),
        (ScriptedBackend('{"ready": true}'), []),
        (ScriptedBackend({"ready": False, "reasons": ["no collection"]}), ["no collection"]),
        (ScriptedBackend({"ready": False}), ["the engine says that it is not ready"]),
        (
            ScriptedBackend(error=errors.StoreUnavailableError("away")),
            ["store_unavailable: away"],
        ),
        (ScriptedBackend(error=BusyError("full", retry_after_s=1)), ["busy: full"]),
        (ScriptedBackend(delay_s=60), ["the engine did not say how it is within 0.1 s"]),
    ],
    ids=["ready", "as text", "reasons", "none given", "store", "busy", "silent"],
)
def test_readiness_says_why_not(backend, reasons, monkeypatch):
    monkeypatch.setattr("scenesearch.service.http.routes.health.ASK_S", 0.1)
    answer = asked(app_with(backend), path="/readyz")

    assert answer.status_code == (503 if reasons else 200)
    assert answer.json() == {"ready": not reasons, "reasons": reasons}


def test_readiness_is_asked_once_a_second_however_many_want_to_know():
    backend = ScriptedBackend(delay_s=0.02)
    app = app_with(backend)

    async def many():
        async with client_of(app) as client:
            answers = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(many()) == [200] * 20
    assert len(backend.tasks) == 1


def test_a_service_that_stops_is_not_ready_and_closes_its_connections():
    app = app_with()
    app.state.shared.draining = True

    answer = asked(app, path="/readyz")

    assert answer.status_code == 503
    assert answer.headers["connection"] == "close"
    assert asked(app).status_code == 200


def test_requests_are_counted_by_template_and_never_by_path():
    app = app_with()

    async def item(item_id: str):
        return item_id

    app.get("/v1/things/{item_id:path}", name="thing")(item)

    async def many():
        async with client_of(app) as client:
            for n in range(20):
                await client.get(f"/v1/things/{n}/x")
                await client.get(f"/nowhere/{n}")
                await client.request(f"M{n}", "/livez")
            return (await client.get("/metrics")).text

    text = asyncio.run(many())

    assert (
        'http_requests_total{method="GET",route="/v1/things/{item_id:path}",status="200"} 20.0'
    ) in text
    assert 'http_requests_total{method="GET",route="unmatched",status="404"} 20.0' in text
    assert 'http_requests_total{method="other",route="/livez",status="405"} 20.0' in text
    assert "http_requests_in_flight 1.0" in text
    assert 'scenesearch_queue_waiting{lane="heavy"} 3.0' in text
    assert 'scenesearch_queue_refused_total{lane="heavy",reason="busy"} 7.0' in text
    assert "process_resident_memory_bytes" in text


def test_two_applications_count_apart():
    first, second = app_with(), app_with()
    asked(first)

    assert 'route="/livez"' not in asked(second, path="/metrics").text


# --- the description ---------------------------------------------------------------------------


def described():
    return create_app(load_settings(), ScriptedBackend()).openapi()


def operations(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", path, operation


def test_the_description_is_openapi_3_1_with_a_licence():
    schema = described()

    assert schema["openapi"].startswith("3.1")
    assert schema["info"]["title"] == "scenesearch"
    assert schema["info"]["license"]["identifier"] == "AGPL-3.0-or-later"


def test_every_operation_documents_its_errors_as_problems():
    schema = described()
    for name, path, operation in operations(schema):
        needed = {"400", "401", "403", "408", "413", "414", "415", "422", "429", "431", "503"}
        needed |= {"404"} if "{" in path else set()
        assert needed <= set(operation["responses"]), name
        for status, named in operation["responses"].items():
            shared = named.get("$ref", "").rpartition("/")[2]
            response = schema["components"]["responses"][shared] if shared else named
            if status >= "400" and path not in {"/readyz"}:
                assert list(response["content"]) == ["application/problem+json"], (name, status)
            assert "X-Request-ID" in response["headers"], (name, status)


def test_operations_have_stable_names_of_their_own():
    names = [operation["operationId"] for _, _, operation in operations(described())]

    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z_]+", name) for name in names)


def test_every_operation_of_the_api_says_that_it_needs_a_key():
    for name, path, operation in operations(described()):
        assert bool(operation.get("security")) is (path.startswith("/v1/") or path == "/metrics"), (
            name
        )


def test_references_of_the_description_lead_somewhere():
    schema = described()
    names = set(re.findall(r"#/components/schemas/([\w.-]+)", json.dumps(schema)))

    assert names <= set(schema["components"]["schemas"])
    assert "HTTPValidationError" not in schema["components"]["schemas"]

"""Feedback: what people did with answers, kept in order, with no key in it."""

from __future__ import annotations

import asyncio
import hashlib

import pytest
import service_fakes as fakes

from scenesearch.config.settings import load_settings
from scenesearch.service.http.app import create_app
from scenesearch.service.state import State

READ, WRITE = "a-read-key-0123456789", "a-write-key-0123456789"
CLICK = {"kind": "click", "item_id": "SKU-1"}


def asking(folder, ask, *, key=None, state=True, min_free_bytes=0, **service):
    """What ``ask`` gives of a service, told its client."""

    async def run():
        kept = State(folder, min_free_bytes=min_free_bytes) if state else None
        app = create_app(load_settings(service=service), fakes.ScriptedBackend(), state=kept)
        headers = {"X-API-Key": key} if key else {}
        try:
            async with fakes.client_of(app, **headers) as client:
                return await ask(client)
        finally:
            if kept is not None:
                kept.close()

    return asyncio.run(run())


def problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


def test_feedback_is_kept_and_listed(tmp_path) -> None:
    whole = {**CLICK, "kind": "purchase", "query_id": "q-1", "region": 0, "rank": 3}

    async def ask(client):
        first = await client.post("/v1/feedback", json=CLICK)
        second = await client.post("/v1/feedback", json=whole)
        return first, second, (await client.get("/v1/feedback")).json()

    first, second, listed = asking(tmp_path, ask)

    assert (first.status_code, second.status_code) == (201, 201)
    assert listed == {"feedback": [first.json(), second.json()], "cursor": None}
    assert {name: second.json()[name] for name in whole} == whole
    assert first.json()["rank"] is None
    assert first.json()["caller"] == ""
    assert first.json()["time"].endswith("Z")


def test_feedback_says_which_key_by_a_digest_of_it(tmp_path) -> None:
    async def ask(client):
        return await client.post("/v1/feedback", json=CLICK)

    answer = asking(tmp_path, ask, key=READ, read_keys=[READ], write_keys=[WRITE])

    assert answer.json()["caller"] == hashlib.sha256(READ.encode()).hexdigest()[:8]
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert READ.encode() not in left


@pytest.mark.parametrize(
    ("method", "key", "status"),
    [("POST", READ, 201), ("GET", READ, 403), ("GET", WRITE, 200), ("POST", None, 401)],
)
def test_anybody_with_a_key_may_say_and_only_a_writer_may_list(
    tmp_path, method, key, status
) -> None:
    async def ask(client):
        body = {"json": CLICK} if method == "POST" else {}
        return await client.request(method, "/v1/feedback", **body)

    answer = asking(tmp_path, ask, key=key, read_keys=[READ], write_keys=[WRITE])

    assert answer.status_code == status, answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "love"},
        {"kind": None},
        {"item_id": ""},
        {"item_id": "x" * 513},
        {"item_id": 5},
        {"item_id": "a\u0000b"},
        {"query_id": "../x"},
        {"region": -1},
        {"region": 1.5},
        {"region": 1001},
        {"rank": "1"},
        {"rank": 10**18},
        {"rank": None},
        {"user": "me"},
    ],
    ids=str,
)
def test_what_is_no_feedback_is_refused(tmp_path, change) -> None:
    async def ask(client):
        answer = await client.post("/v1/feedback", json={**CLICK, **change})
        return answer, (await client.get("/v1/feedback")).json()

    answer, listed = asking(tmp_path, ask)

    problem(answer, 422, "validation")
    assert listed["feedback"] == []


def test_feedback_comes_in_pages_in_the_order_it_came(tmp_path) -> None:
    async def ask(client):
        for n in range(5):
            await client.post("/v1/feedback", json={**CLICK, "item_id": str(n)})
        found, cursor = [], None
        while True:
            params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
            page = (await client.get("/v1/feedback", params=params)).json()
            found.append([one["item_id"] for one in page["feedback"]])
            cursor = page["cursor"]
            if cursor is None:
                return found

    assert asking(tmp_path, ask) == [["0", "1"], ["2", "3"], ["4"]]


def test_feedback_since_a_time(tmp_path) -> None:
    async def ask(client):
        kept = (await client.post("/v1/feedback", json=CLICK)).json()
        found = []
        for since in ("0001-01-01T00:00:00+23:59", kept["time"], "9999-12-31T23:59:59-23:59"):
            answer = await client.get("/v1/feedback", params={"since": since})
            found.append(len(answer.json()["feedback"]))
        return found

    assert asking(tmp_path, ask) == [1, 1, 0]


@pytest.mark.parametrize(
    "params",
    [
        {"since": "yesterday"},
        {"since": "2026-01-31"},
        {"since": "2026-01-31T12:00:00"},
        {"since": "1.5"},
        {"limit": 0},
        {"limit": 1001},
        {"cursor": "a"},
        {"cursor": "9" * 19},
        {"cursor": "٣"},
        {"x": 1},
    ],
    ids=str,
)
def test_a_bad_page_is_refused(tmp_path, params) -> None:
    async def ask(client):
        return await client.get("/v1/feedback", params=params)

    problem(asking(tmp_path, ask), 422, "validation")


def test_a_full_disk_is_507(tmp_path) -> None:
    async def ask(client):
        return await client.post("/v1/feedback", json=CLICK)

    problem(asking(tmp_path, ask, min_free_bytes=10**18), 507, "no_space")


@pytest.mark.parametrize("path", ["/v1/feedback", "/v1/jobs"])
def test_a_service_without_state_keeps_neither(tmp_path, path) -> None:
    async def ask(client):
        return await client.get(path)

    problem(asking(tmp_path, ask, state=False), 404, "not_found")

"""One record a key: scopes, a filter that cannot be dropped, origins, expiry, limits."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta

import pytest
import service_app
import service_fakes as fakes
from pydantic import ValidationError

from scenesearch.config.service import KeySettings, ServiceSettings
from scenesearch.service.http.depends import FeedbackKey, ReadKey, SearchKey, WriteKey
from scenesearch.service.http.rate import Buckets

KEY, WRITE = "a-public-key-0123456", "a-write-key-0123456789"
SHOP = "https://shop.example"
POINT = "/v1/photos/9a4e4f0e-6d6c-5f4a-9f39-0a1a3b2a8b52"


async def nothing():
    return {}


def app_with(*keys, **service):
    app = fakes.app_with(fakes.ScriptedBackend(), keys=keys, **service)
    for name, needed in (
        ("search", SearchKey),
        ("feedback", FeedbackKey),
        ("read", ReadKey),
        ("write", WriteKey),
    ):
        app.get(f"/v1/may-{name}", name=name, dependencies=[needed])(nothing)
    return app


def ask(app, path, key=KEY, **headers):
    given = {"authorization": f"Bearer {key}"} if key else {}
    return fakes.asked(app, "GET", path, headers={**given, **headers})


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (None, {"search"}),
        (("search",), {"search"}),
        (("search", "feedback"), {"search", "feedback"}),
        (("read",), {"search", "feedback", "read"}),
        (("write",), {"search", "feedback", "read", "write"}),
    ],
)
def test_a_key_may_do_what_its_scopes_say(scopes, may):
    app = app_with({"key": KEY, **({"scopes": scopes} if scopes else {})})

    for name in ("search", "feedback", "read", "write"):
        answer = ask(app, f"/v1/may-{name}")
        assert answer.status_code == (200 if name in may else 403), name
        if name not in may:
            assert answer.json()["code"] == "forbidden"
    assert ask(app, "/v1/may-search", key="another-key-0123456").status_code == 401
    assert ask(app, "/v1/may-search", key=None).status_code == 401


def test_a_search_key_sees_no_lists_no_jobs_and_no_metrics():
    app = app_with({"key": KEY})

    for path in ("/v1/items", "/v1/jobs", "/v1/models", "/v1/scenes/facets", "/metrics"):
        assert ask(app, path).status_code == 403, path


def test_old_settings_of_keys_still_work():
    app = app_with(read_keys=(KEY,), write_keys=(WRITE,))

    assert ask(app, "/v1/may-read").status_code == 200
    assert ask(app, "/v1/may-write").status_code == 403
    assert ask(app, "/v1/may-write", key=WRITE).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": SHOP}, 200),
        ({"origin": SHOP.upper()}, 200),
        ({"origin": "https://other.example"}, 403),
        ({"origin": "http://shop.example"}, 403),
        ({"origin": "https://shop.example.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "https://other.example"}, 403),
    ],
)
def test_a_key_with_origins_is_for_their_pages_alone(headers, status):
    answer = ask(app_with({"key": KEY, "origins": (SHOP,)}), "/v1/may-search", **headers)

    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "origin_not_allowed"


def test_pages_of_a_keys_origins_may_ask_from_a_browser():
    app = app_with({"key": KEY, "origins": (SHOP,)})

    def allowed(origin):
        headers = {
            "origin": origin,
            "access-control-request-method": "POST",
            "access-control-request-headers": "authorization,content-type",
        }
        answer = fakes.asked(app, "OPTIONS", "/v1/look", headers=headers)
        return answer.headers.get("access-control-allow-origin")

    assert allowed(SHOP) == SHOP
    assert allowed("https://other.example") is None
    answer = ask(app, "/v1/may-search", origin=SHOP)
    assert answer.headers["access-control-allow-origin"] == SHOP
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


def test_a_key_ends_when_it_expires():
    soon, gone = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))

    assert ask(app_with({"key": KEY, "expires": soon}), "/v1/may-search").status_code == 200
    answer = ask(app_with({"key": KEY, "expires": gone}), "/v1/may-search")
    assert answer.status_code == 401
    assert "expired" in answer.json()["detail"]


def test_a_key_asks_so_often_and_is_told_when_to_come_back():
    app = app_with({"key": KEY, "per_minute": 3}, {"key": WRITE, "scopes": ("read",)})

    async def many():
        async with fakes.client_of(app) as client:
            headers = {"authorization": f"Bearer {KEY}"}
            own = [await client.get("/v1/may-search", headers=headers) for _ in range(4)]
            other = {"authorization": f"Bearer {WRITE}"}
            return own, [await client.get("/v1/may-search", headers=other) for _ in range(9)]

    own, others = asyncio.run(many())

    assert [one.status_code for one in own] == [200, 200, 200, 429]
    assert own[3].json()["code"] == "rate_limited"
    assert 1 <= int(own[3].headers["retry-after"]) <= 20
    assert {one.status_code for one in others} == {200}


def test_requests_flow_into_a_bucket_as_time_goes_by():
    now = [0.0]
    buckets = Buckets(lambda: now[0])

    assert [buckets.take("a", 2) for _ in range(3)] == [0, 0, 30]
    now[0] = 30
    assert [buckets.take("a", 2) for _ in range(2)] == [0, 30]
    now[0] = 3000
    assert [buckets.take("a", 2) for _ in range(3)] == [0, 0, 30], "no more than there is room for"


def test_pictures_need_no_key_where_they_are_public():
    closed, public = app_with({"key": KEY}), app_with({"key": KEY}, public_photos=True)

    assert ask(closed, POINT, key=None).status_code == 401
    assert ask(public, POINT, key=None).status_code != 401
    assert ask(public, POINT, key=None).headers["cross-origin-resource-policy"] == "cross-origin"
    assert ask(public, "/v1/may-search", key=None).status_code == 401
    assert ask(public, "/v1/photos/../may-search", key=None).status_code in (401, 404)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"key": "short"}, "at least 16"),
        ({"key": KEY, "scope": ("read",)}, "scope"),
        ({"key": KEY, "scopes": ("admin",)}, "'search', 'feedback', 'read' or 'write'"),
        ({"key": KEY, "scopes": ()}, "scopes"),
        ({"key": KEY, "where": "price < 3", "scopes": ("read",)}, "know no filter"),
        ({"key": KEY, "origins": ("shop.example",)}, "is no origin"),
        ({"key": KEY, "origins": ("https://shop.example/",)}, "is no origin"),
        ({"key": KEY, "expires": "2027-01-31T00:00:00"}, "timezone"),
    ],
)
def test_a_record_that_makes_no_sense_is_refused(values, says):
    with pytest.raises(ValidationError, match=says):
        KeySettings(**values)


def test_no_key_is_shown():
    shown = repr(ServiceSettings(keys=({"key": KEY, "origins": (SHOP,)},), write_keys=(WRITE,)))

    assert KEY not in shown
    assert WRITE not in shown


def test_a_frame_is_allowed_where_the_settings_name_its_page():
    closed = ask(app_with(), "/livez").headers
    framed = ask(app_with(frame_ancestors=(SHOP,)), "/livez").headers

    assert "frame-ancestors 'none'" in closed["content-security-policy"]
    assert closed["x-frame-options"] == "DENY"
    assert f"frame-ancestors {SHOP}" in framed["content-security-policy"]
    assert "x-frame-options" not in framed
    with pytest.raises(ValidationError, match="is no origin"):
        ServiceSettings(frame_ancestors=("'none'; script-src *",))


# --- a filter that cannot be dropped, over a real engine ----------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    keys = [
        {"key": KEY, "where": "price < 35", "scopes": ["search", "feedback"]},
        {"key": WRITE, "scopes": ["write"]},
    ]
    with service_app.serving(tmp_path_factory.mktemp("keys"), section={"keys": keys}) as found:
        yield found.client


def post(client, path, key=KEY, **asked):
    answer = client.post(path, json=asked, headers={"authorization": f"Bearer {key}"})
    return answer.json() | {"status_code": answer.status_code}


def get(client, path, key=KEY):
    return client.get(path, headers={"authorization": f"Bearer {key}"})


def prices(found):
    lists = [found["matches"], *(region["matches"] for region in found["regions"])]
    return {match["attributes"]["price"] for matches in lists for match in matches}


@pytest.mark.parametrize(
    "where", [None, "price > 1", "price > 1 or price < 1000", "not price < 35"]
)
def test_no_answer_is_outside_the_filter_of_the_key(served, where):
    photo = {"base64": base64.b64encode(service_app.room_photo()).decode()}
    asked = {} if where is None else {"where": where}

    assert max(prices(post(served, "/v1/look", WRITE, photo=photo, **asked))) > 35
    looked = post(served, "/v1/look", photo=photo, **asked)
    assert max(prices(looked), default=0) < 35
    again = post(served, "/v1/look", query_id=looked["query_id"], limit=100, **asked)
    assert max(prices(again), default=0) < 35
    words = post(served, "/v1/search", words="thing", limit=100, **asked)
    assert max(prices(words), default=0) < 35
    basket = post(served, "/v1/basket", photo=photo, budget=500, **asked)
    assert max(prices({**basket, "matches": []}), default=0) < 35


@pytest.mark.parametrize("where", ["price > 1) or (price > 1", "price < 3) --", "true) or (price"])
def test_a_filter_of_the_caller_stands_alone(served, where):
    found = post(served, "/v1/search", words="thing", where=where)

    assert (found["status_code"], found["code"]) == (422, "bad_filter")


def test_items_and_pictures_outside_the_filter_are_not_there(served):
    dear = next(
        item
        for item in get(served, "/v1/items?limit=100", WRITE).json()["items"]
        if item["attributes"]["price"] > 35
    )
    cheap = get(served, "/v1/items/red-square").json()

    assert get(served, f"/v1/items/{dear['id']}").status_code == 404
    assert get(served, dear["photos"][0]["photo_url"]).status_code == 404
    assert get(served, dear["photos"][0]["photo_url"], WRITE).status_code == 200
    assert get(served, cheap["photos"][0]["photo_url"]).status_code == 200
    assert get(served, "/v1/items").status_code == 403
    searched = post(served, "/v1/search", items={dear["id"]: 1.0})
    assert (searched["status_code"], searched["code"]) == (422, "unknown_item")
    missing = post(served, "/v1/search", items={"no such": 1.0})
    assert searched["detail"].replace(dear["id"], "X") == missing["detail"].replace("no such", "X")


def test_what_goes_with_an_item_is_within_the_filter(served):
    found = get(served, "/v1/complete?item=red-square&limit=20").json()
    all_of_it = get(served, "/v1/complete?item=red-square&limit=20", WRITE).json()

    def told(answer):
        return {s["attributes"]["price"] for g in answer["groups"] for s in g["suggestions"]}

    assert max(told(found)) < 35 < max(told(all_of_it))
    first = found["groups"][0]["suggestions"][0]
    assert get(served, first["photo_url"]).headers["content-type"] == "image/jpeg"
    assert get(served, "/v1/complete?item=white-square").status_code in (404, 422)
    assert get(served, "/v1/complete").status_code == 422


def test_facets_count_within_the_filter(served):
    own = get(served, "/v1/facets?field=price").json()
    all_of_it = get(served, "/v1/facets?field=price", WRITE).json()

    assert own["facets"]["price"]["max"] < 35 < all_of_it["facets"]["price"]["max"]
    assert own["items"] < all_of_it["items"]

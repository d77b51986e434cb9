"""The Universal Commerce Protocol: answers are as its own schemas say, photos are an extension."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
import service_app as service
import service_fakes as fakes
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource

from scenesearch.service.ucp import products
from scenesearch.service.ucp.money import bounds, price

VENDOR = Path(__file__).with_name("vendor") / "ucp" / "schemas.json"
UCP = json.loads(VENDOR.read_text(encoding="utf-8"))
COMMIT = "a2d8bf0b8f5a6fc790f677899c2c7da0684fe33d"
KEY, SOME = "a-search-key-0123456789", "a-filtered-key-01234567"
REGISTRY = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in UCP["schemas"].items()
)


def check(values, name):
    reference = {"$ref": f"https://ucp.dev/schemas/{name}"}
    Draft202012Validator(reference, registry=REGISTRY, format_checker=FormatChecker()).validate(
        values
    )
    return values


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    section = {
        "ucp": True,
        "keys": [
            {"key": KEY},
            {"key": SOME, "where": "price < 35"},
            {"key": KEY + "w", "scopes": ["write"]},
        ],
    }
    with service.serving(tmp_path_factory.mktemp("ucp"), section=section) as served:
        headers = {"Authorization": f"Bearer {KEY}w"}
        items = served.client.get("/v1/items?limit=100", headers=headers).json()["items"]
        for item in items:
            if item["id"] != "red-tall":
                more = {"currency": "EUR", "in_stock": item["id"] != "blue-wide"}
                served.client.patch(
                    f"/v1/items/{item['id']}", json={"attributes": more}, headers=headers
                ).raise_for_status()
        yield served.client


def ask(client, what, key=KEY, **asked):
    return client.post(
        f"/ucp/catalog/{what}", json=asked, headers={"Authorization": f"Bearer {key}"}
    )


def searched(client, key=KEY, **asked):
    answer = ask(client, "search", key, **asked)
    assert answer.status_code == 200, answer.text
    return check(answer.json(), "shopping/catalog_search.json#/$defs/search_response")


def ids(answer):
    return [one["id"] for one in answer["products"]]


def test_the_schemas_are_those_of_the_release():
    assert (UCP["commit"], UCP["tag"]) == (COMMIT, f"v{products.VERSION}")


def test_a_schema_that_is_not_met_is_seen(client):
    answer = searched(client, query="red")
    del answer["products"][0]["price_range"]

    with pytest.raises(Exception, match="price_range"):
        check(answer, "shopping/catalog_search.json#/$defs/search_response")


def test_the_profile_says_what_can_be_asked_and_needs_no_key(client):
    found = client.get("/.well-known/ucp").json()

    check(found["ucp"], "ucp.json#/$defs/business_schema")
    assert set(found["ucp"]["capabilities"]) == {products.SEARCH, products.LOOKUP, products.PHOTO}
    assert found["ucp"]["services"]["dev.ucp.shopping"][0]["endpoint"] == f"{service.LOCAL}/ucp"
    extension = client.get(found["ucp"]["capabilities"][products.PHOTO][0]["schema"]).json()
    Draft202012Validator.check_schema(extension)
    assert products.SEARCH in extension["$defs"]


def test_words_find_products_in_pages(client):
    first = searched(client, query="red thing", pagination={"limit": 3})
    more = {"limit": 3, "cursor": first["pagination"]["cursor"]}
    second = searched(client, query="red thing", pagination=more)

    assert first["pagination"]["has_next_page"] is True
    assert not set(ids(first)) & set(ids(second))
    (variant,) = first["products"][0]["variants"]
    assert variant["price"]["currency"] == "EUR"
    assert first["products"][0]["media"][0]["url"].startswith(f"{service.LOCAL}/v1/photos/")


def test_a_photo_finds_products_as_an_extension(client):
    photo = {"base64": base64.b64encode(service.room_photo()).decode()}
    found = searched(client, photo=photo, pagination={"limit": 4})

    assert {"red-square", "blue-wide"} <= set(ids(found))
    assert products.PHOTO in found["ucp"]["capabilities"]
    blue = next(one for one in found["products"] if one["id"] == "blue-wide")
    assert blue["variants"][0]["availability"] == {"available": False}


def test_filters_narrow_and_can_be_all_there_is(client):
    wide = {"categories": ["wide", 'a "quoted" \\ one'], "price": {"max": 3000}}
    euros = {"currency": "EUR"}
    browsed = searched(client, filters=wide, context=euros, pagination={"limit": 2})
    rest = {"limit": 9, "cursor": browsed["pagination"]["cursor"]}
    others = searched(client, filters=wide, context=euros, pagination=rest)
    found = [*browsed["products"], *others["products"]]

    assert len(found) == 3
    assert {one["categories"][0]["value"] for one in found} == {"wide"}
    assert max(one["price_range"]["max"]["amount"] for one in found) <= 3000
    assert ids(searched(client, query="thing", filters={"categories": ["none"]})) == []
    dollars = {"filters": {"price": {"max": 1}}, "context": {"currency": "USD"}}
    other = searched(client, query="thing", **dollars)
    assert ids(other) == []


def test_a_price_filter_without_a_currency_is_said_to_be_ignored(client):
    found = searched(client, query="red thing", filters={"price": {"max": 1}})

    assert found["products"]
    assert found["messages"][0]["code"] == "price_filter_ignored"


def test_what_has_no_price_in_a_currency_is_named(client):
    found = searched(client, query="red thing", pagination={"limit": 30})

    assert "red-tall" not in ids(found)
    assert "red-tall" in found["messages"][0]["content"]


def test_products_are_looked_up_once_each_and_those_that_are_gone_are_said(client):
    asked = ["red-square", "no such", "red-square", "blue-wide"]
    answer = ask(client, "lookup", ids=asked).json()
    check(answer, "shopping/catalog_lookup.json#/$defs/lookup_response")

    assert ids(answer) == ["red-square", "blue-wide"]
    (variant,) = answer["products"][0]["variants"]
    assert variant["inputs"] == [{"id": "red-square", "match": "exact"}]
    assert answer["messages"] == [{"type": "info", "code": "not_found", "content": "no such"}]
    square = ask(client, "lookup", ids=asked, filters={"categories": ["square"]}).json()
    assert ids(square) == ["red-square"]
    many = ask(client, "lookup", ids=[f"n{i}" for i in range(101)])
    assert (many.status_code, many.json()["code"]) == (400, "request_too_large")


def test_one_product_is_there_or_is_an_error_of_the_protocol(client):
    found = ask(client, "product", id="red-square").json()
    gone = ask(client, "product", id="no such").json()

    check(found, "shopping/catalog_lookup.json#/$defs/get_product_response")
    check(gone, "shopping/types/error_response.json")
    assert found["product"]["price_range"]["min"] == {"amount": 1000, "currency": "EUR"}
    assert gone["messages"][0]["code"] == "not_found"


def test_the_filter_of_a_key_holds_here_too(client):
    everything = {"limit": 50}
    found = searched(client, SOME, query="thing", pagination=everything)
    listed = searched(client, SOME, filters={"categories": ["wide", "tall"]}, pagination=everything)

    for answer in (found, listed):
        assert answer["products"]
        assert max(one["price_range"]["max"]["amount"] for one in answer["products"]) < 3500
    looked = ask(client, "lookup", SOME, ids=["blue-wide", "red-square"]).json()
    assert ids(looked) == ["red-square"]
    assert "error" in ask(client, "product", SOME, id="blue-wide").json()["ucp"]["status"]


def rpc(client, method, key=KEY, **params):
    body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    answer = client.post("/ucp/mcp", json=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["id"] == 7
    return answer.json()


def call(client, name, catalog, key=KEY):
    agent = {"ucp-agent": {"profile": "https://platform.example/agent.json"}}
    arguments = {"meta": agent, "catalog": catalog}
    return rpc(client, "tools/call", key, name=name, arguments=arguments)


def test_the_same_is_asked_as_tools(client):
    tools = rpc(client, "tools/list")["result"]["tools"]
    search = call(client, "search_catalog", {"query": "red thing", "pagination": {"limit": 3}})
    lookup = call(client, "lookup_catalog", {"ids": ["red-square", "no such"]})
    product = call(client, "get_product", {"id": "red-square"})
    found = search["result"]["structuredContent"]

    assert rpc(client, "initialize")["result"]["capabilities"] == {"tools": {}}
    assert [one["name"] for one in tools] == ["search_catalog", "lookup_catalog", "get_product"]
    for one in tools:
        Draft202012Validator.check_schema(one["inputSchema"])
    check(found, "shopping/catalog_search.json#/$defs/search_response")
    assert found == searched(client, query="red thing", pagination={"limit": 3})
    assert json.loads(search["result"]["content"][0]["text"]) == found
    check(
        lookup["result"]["structuredContent"],
        "shopping/catalog_lookup.json#/$defs/lookup_response",
    )
    check(
        product["result"]["structuredContent"],
        "shopping/catalog_lookup.json#/$defs/get_product_response",
    )


def test_what_makes_no_sense_as_a_tool_is_an_error_of_json_rpc(client):
    agentless = rpc(client, "tools/call", name="search_catalog", arguments={"catalog": {}})
    many = call(client, "lookup_catalog", {"ids": [f"n{i}" for i in range(101)]})

    assert (agentless["error"]["code"], "meta" in agentless["error"]["message"]) == (-32602, True)
    assert (many["error"]["code"], many["error"]["data"]["code"]) == (-32602, "request_too_large")
    assert call(client, "search_catalog", {})["error"]["code"] == -32602
    assert call(client, "buy_all", {})["error"]["code"] == -32602
    assert rpc(client, "resources/list")["error"]["code"] == -32601
    headers = {"Authorization": f"Bearer {KEY}"}
    told = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert client.post("/ucp/mcp", json=told, headers=headers).status_code == 202
    assert client.post("/ucp/mcp", json=[], headers=headers).status_code == 422
    assert client.post("/ucp/mcp", json=told).status_code == 401


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 400),
        ({"query": ""}, 422),
        ({"query": 3}, 422),
        ({"query": "red", "pagination": {"limit": 0}}, 422),
        ({"query": "red", "pagination": {"cursor": "x"}}, 400),
        ({"query": "red", "unknown": {"is": "ignored"}}, 200),
        ({"query": "red", "pagination": {"limit": 10_000}}, 200),
    ],
)
def test_what_makes_no_sense_is_refused_and_what_is_not_known_is_not(client, asked, status):
    assert ask(client, "search", **asked).status_code == status


def test_it_is_off_unless_asked_for_and_needs_a_key():
    off, on = fakes.app_with(), fakes.app_with(ucp=True, read_keys=(KEY,))

    assert fakes.asked(off, path="/.well-known/ucp").status_code == 404
    assert fakes.asked(off, "POST", "/ucp/catalog/search", json={"query": "x"}).status_code == 404
    assert fakes.asked(on, "POST", "/ucp/catalog/search", json={"query": "x"}).status_code == 401


@pytest.mark.parametrize(
    ("value", "currency", "amount"),
    [(19.99, "EUR", 1999), (0.1 + 0.2, "USD", 30), (500, "JPY", 500), (1.2345, "KWD", 1235)],
)
def test_amounts_are_whole_minor_units(value, currency, amount):
    assert price(value, currency) == {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("value", "currency"),
    [(1, None), (1, "eur"), (1, "EURO"), (None, "EUR"), ("1", "EUR"), (True, "EUR"), (-1, "EUR")],
)
def test_what_is_no_price_is_none(value, currency):
    assert price(value, currency) is None


def test_bounds_are_in_units_of_the_currency():
    assert bounds({"min": 5, "max": None}, "JPY") == "price >= 5"
    assert bounds({"min": None, "max": 1}, "KWD") == "price <= 0.001"
    assert bounds({"min": None, "max": None}, "EUR") == ""

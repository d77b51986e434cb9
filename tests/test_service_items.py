"""The catalogue item by item over HTTP: insert, read, change, remove; and its pictures."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from urllib.parse import quote

import httpx
import pytest
import service_app as service
from PIL import Image

from scenesearch.schemas.items import DeletedResponse, ItemResponse, ItemsResponse

KEYS = {"read_keys": ["a-key-that-only-reads"], "write_keys": ["a-key-that-may-write"]}
READ, WRITE = ({"Authorization": f"Bearer {keys[0]}"} for keys in KEYS.values())


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with service.serving(tmp_path_factory.mktemp("kept"), section=KEYS) as found:
        found.client.headers.update(WRITE)
        yield found


@pytest.fixture(scope="module")
def client(served):
    return served.client


def photo(colour="purple", shape="tall"):
    return {"base64": base64.b64encode(service.product_photo(colour, shape)).decode()}


def body(**attributes):
    return {"photos": [photo()], "attributes": attributes}


def item(response):
    return ItemResponse.model_validate_json(response.content, strict=True)


ODD_IDS = [
    *("a/b/c", "a b", "?query", "a#b", "100%", "ü-ñ-漢", "🛋", "../up", "a&b=c", "'quoted'"),
    *("<b>", "x' OR 1=1", "__proto__", "-rf", "a\\b", "a;b", "i" * 512),
]


@pytest.mark.parametrize("item_id", ODD_IDS, ids=[one[:20] for one in ODD_IDS])
def test_any_text_is_an_id(client, item_id) -> None:
    path = f"/v1/items/{quote(item_id, safe='')}"

    assert client.put(path, json=body(price=5)).status_code == 201
    assert item(client.get(path)).id == item_id
    assert item(client.patch(path, json={"attributes": {"price": 6}})).attributes["price"] == 6
    assert client.delete(path).json()["items"] == 1
    assert client.get(path).status_code == 404


def test_a_path_is_decoded_once(served) -> None:
    # the test client decodes what it sends, so this asks as a server does
    async def asked():
        transport = httpx.ASGITransport(served.app)
        async with httpx.AsyncClient(
            transport=transport, base_url=service.LOCAL, headers=WRITE
        ) as client:
            added = await client.put("/v1/items/%252F", json=body(price=5))
            removed = await client.delete("/v1/items/%252F")
        return item(added).id, removed.json()["items"]

    assert asyncio.run(asked()) == ("%2F", 1)


def test_an_item_is_new_once_and_stays_the_same(client) -> None:
    sent = {"id": "twice", **body(price=5, category="tall")}
    first, again = client.post("/v1/items", json=sent), client.post("/v1/items", json=sent)

    assert (first.status_code, again.status_code) == (201, 200)
    assert item(first) == item(again)
    assert item(first).attributes == {"price": 5, "category": "tall"}
    assert [one.regions for one in item(first).photos] == [1]
    client.delete("/v1/items/twice")


def test_a_form_brings_photos_as_files_in_order(client) -> None:
    files = [("photo", ("a.png", service.product_photo("red", "wide")))]
    files += [("photo", ("b.png", service.product_photo("blue", "wide")))]
    sent = {"item": json.dumps({"id": "formed", "attributes": {"tags": ["new", "sale"]}})}
    added = client.post("/v1/items", files=files, data=sent)

    assert added.status_code == 201
    assert len(item(added).photos) == 2
    assert item(added).attributes == {"tags": ["new", "sale"]}
    replaced = client.put("/v1/items/formed", files=files[:1], data={"item": "{}"})
    assert (replaced.status_code, len(item(replaced).photos)) == (200, 1)
    client.delete("/v1/items/formed")


def test_a_form_of_an_item_must_say_its_id(client) -> None:
    files = {"photo": service.product_photo()}

    assert client.post("/v1/items", files=files).status_code == 422
    assert client.post("/v1/items", files=files, data={"item": "{}"}).status_code == 422


def test_what_is_inserted_is_found_and_what_is_removed_is_not(client) -> None:
    look = {"photos": [photo("pink", "wide")], "limit": 5}
    client.put("/v1/items/found", json={"photos": [photo("pink", "wide")]})
    there = client.post("/v1/search", json=look).json()["matches"]
    client.delete("/v1/items/found")
    gone = client.post("/v1/search", json=look).json()["matches"]

    assert "found" in [match["item_id"] for match in there]
    assert "found" not in [match["item_id"] for match in gone]


def test_attributes_change_without_looking_at_a_photo(served, client) -> None:
    client.put("/v1/items/patched", json=body(price=5, brand="A"))
    before = served.models.embedder.embedded
    changed = client.patch(
        "/v1/items/patched", json={"attributes": {"price": 7.5, "brand": None, "on_sale": True}}
    )

    assert item(changed).attributes == {"price": 7.5, "on_sale": True}
    assert served.models.embedder.embedded == before
    client.delete("/v1/items/patched")


BAD_ITEMS = {
    "no photo": ({"id": "a", "photos": []}, 422, "validation"),
    "no photos at all": ({"id": "a"}, 422, "validation"),
    "no id": ({"photos": [photo()]}, 422, "validation"),
    "an empty id": ({"id": "", "photos": [photo()]}, 422, "validation"),
    "an id of 513": ({"id": "a" * 513, "photos": [photo()]}, 422, "validation"),
    "an id with a line break": ({"id": "a\nb", "photos": [photo()]}, 422, "validation"),
    "nine photos": ({"id": "a", "photos": [photo()] * 9}, 422, "validation"),
    "no photo in the photo": (
        {"id": "a", "photos": [{"base64": "aGVsbG8="}]},
        *(415, "unsupported_image"),
    ),
    "a price as words": ({"id": "a", **body(price="cheap")}, 422, "bad_price"),
    "a nested attribute": ({"id": "a", **body(size={"w": 1})}, 422, "validation"),
    "an attribute called id": ({"id": "a", **body(id="b")}, 422, "bad_column"),
    "another name": ({"id": "a", "photos": [photo()], "price": 5}, 422, "validation"),
}


@pytest.mark.parametrize(("sent", "status", "code"), BAD_ITEMS.values(), ids=BAD_ITEMS)
def test_a_bad_item_is_refused_and_nothing_is_stored(client, sent, status, code) -> None:
    response = client.post("/v1/items", json=sent)

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert client.get("/v1/items/a").status_code == 404


@pytest.mark.parametrize(
    ("method", "sent"),
    [("GET", None), ("DELETE", None), ("PATCH", {"attributes": {"price": 1}})],
    ids=["get", "delete", "patch"],
)
def test_what_is_not_there_is_not_found(client, method, sent) -> None:
    response = client.request(method, "/v1/items/never", json=sent)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


def test_items_are_listed_page_by_page_each_once(client) -> None:
    seen, cursor = [], None
    while True:
        query = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        response = client.get("/v1/items", params=query)
        page = ItemsResponse.model_validate_json(response.content, strict=True)
        seen += [one.id for one in page.items]
        cursor = page.cursor
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 24
    assert seen == sorted(seen)


def test_a_list_is_filtered(client) -> None:
    found = client.get("/v1/items", params={"where": "category = 'tall' and price < 30"}).json()

    assert {one["id"] for one in found["items"]} == {"red-tall", "orange-tall"}


def test_a_cursor_nobody_gave_is_refused(client) -> None:
    assert client.get("/v1/items", params={"cursor": "abc"}).json()["code"] == "bad_cursor"


@pytest.mark.parametrize(
    ("sent", "items"),
    [
        ({"ids": ["one", "two", "never"]}, 2),
        ({"where": "brand = 'gone'"}, 2),
        ({"ids": ["never"]}, 0),
    ],
    ids=["ids", "a filter", "none there"],
)
def test_items_are_removed_by_id_or_by_filter(client, sent, items) -> None:
    for name in ("one", "two"):
        client.put(f"/v1/items/{name}", json=body(brand="gone"))
    response = client.post("/v1/items/delete", json=sent)

    assert DeletedResponse.model_validate_json(response.content, strict=True).items == items
    client.post("/v1/items/delete", json={"ids": ["one", "two"]})


@pytest.mark.parametrize(
    "sent", [{}, {"ids": []}, {"ids": ["a"], "where": "price < 1"}, {"where": ""}], ids=str
)
def test_nothing_is_removed_by_accident(client, sent) -> None:
    assert client.post("/v1/items/delete", json=sent).status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "sent"),
    [
        ("POST", "/v1/items", {"id": "a", **body()}),
        ("PUT", "/v1/items/a", body()),
        ("PATCH", "/v1/items/red-tall", {"attributes": {"price": 1}}),
        ("DELETE", "/v1/items/red-tall", None),
        ("POST", "/v1/items/delete", {"ids": ["red-tall"]}),
    ],
)
def test_writing_needs_a_write_key(client, method, path, sent) -> None:
    read = client.request(method, path, json=sent, headers=READ)
    nobody = client.request(method, path, json=sent, headers={"Authorization": "Bearer wrong"})

    assert (read.status_code, nobody.status_code) == (403, 401)
    assert client.get("/v1/items/red-tall", headers=READ).status_code == 200


# --- pictures --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(client):
    return client.get("/v1/items/red-tall").json()["photos"][0]["photo_url"]


def test_a_picture_is_made_anew_and_cannot_be_taken_for_anything_else(client, url) -> None:
    shown = client.get(url)

    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["content-disposition"] == "inline"
    assert shown.headers["cache-control"] == "private, max-age=3600"
    assert Image.open(io.BytesIO(shown.content)).format == "JPEG"


@pytest.mark.parametrize("how", ["{tag}", "W/{tag}", '"other", {tag}', "*"])
def test_a_picture_is_sent_once(client, url, how) -> None:
    tag = client.get(url).headers["etag"]
    again = client.get(url, headers={"If-None-Match": how.format(tag=tag)})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_another_width_is_another_picture(client, url) -> None:
    small = client.get(url.replace("width=320", "width=32"))

    assert max(Image.open(io.BytesIO(small.content)).size) == 32
    assert small.headers["etag"] != client.get(url).headers["etag"]


def test_a_picture_that_is_not_there_is_not_found(client) -> None:
    response = client.get("/v1/photos/00000000-0000-0000-0000-000000000000")

    assert (response.status_code, response.json()["code"]) == (404, "not_found")

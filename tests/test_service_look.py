"""Look, search, tag, facets and models over HTTP, with a real engine and store beneath."""

from __future__ import annotations

import base64
import json

import pytest
import service_app as service

from scenesearch.engine.looks import NO_DETECTOR
from scenesearch.schemas.base import ModelsResponse
from scenesearch.schemas.baskets import BasketResponse
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.search import FacetsResponse
from scenesearch.schemas.tag import TagResponse


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with service.serving(tmp_path_factory.mktemp("looked")) as found:
        yield found


@pytest.fixture(scope="module")
def client(served):
    return served.client


def ask(client, path="/v1/look", **asked):
    if path == "/v1/look" and not {"photo", "query_id"} & set(asked):
        asked["photo"] = {"base64": base64.b64encode(service.room_photo()).decode()}
    return client.post(path, json=asked)


def answer(client, path="/v1/look", **asked):
    response = ask(client, path, **asked)
    assert response.status_code == 200, response.text
    LookResponse.model_validate_json(response.content, strict=True)
    return response.json()


def ids(matches):
    return [match["item_id"] for match in matches]


# --- look ------------------------------------------------------------------------------------


def test_every_object_of_a_photo_finds_its_product(client) -> None:
    found = answer(client)

    assert [ids(region["matches"])[0] for region in found["regions"]] == ["red-square", "blue-wide"]
    assert set(ids(found["matches"])[:2]) == {"red-square", "blue-wide"}
    assert found["scene"]["width"] == 240


def test_without_a_detector_an_answer_says_what_helps(served, client, monkeypatch) -> None:
    assert answer(client)["notes"] == []
    monkeypatch.setitem(served.engine.opened.parts.__dict__, "detector", None)

    assert answer(client)["notes"] == [NO_DETECTOR]
    assert answer(client, boxes=[[10, 10, 90, 90]])["notes"] == []


def test_a_form_and_json_are_answered_alike(client) -> None:
    sent = {"data": {"request": json.dumps({"limit": 4})}}
    form = client.post("/v1/look", files={"photo": service.room_photo()}, **sent).json()

    assert ids(form["matches"]) == ids(answer(client, limit=4)["matches"])


def test_no_path_of_a_file_leaves_the_service(served, client) -> None:
    asked = {"facets": ["category"], "words": "blue under $90"}
    texts = [
        ask(client, **asked).text,
        client.get("/v1/items/red-tall").text,
        client.get("/v1/models").text,
        client.get("/v1/facets").text,
        client.post("/v1/tag", files={"photo": service.room_photo()}).text,
    ]

    assert not any(str(served.folder) in text or ".png" in text for text in texts)


def test_a_photo_is_asked_again_without_any_model(served, client) -> None:
    first = answer(client, limit=3)
    before = (served.models.embedder.embedded, served.models.detector.scenes)
    again = answer(client, query_id=first["query_id"], where="price > 50", preset="style")

    assert (served.models.embedder.embedded, served.models.detector.scenes) == before
    assert again["query_id"] == first["query_id"]
    assert all(match["attributes"]["price"] > 50 for match in again["matches"])


def test_another_box_of_the_same_photo_embeds_that_box_alone(served, client) -> None:
    first = answer(client)
    before = served.models.detector.scenes
    box = [70, 112, 118, 128]
    again = answer(client, query_id=first["query_id"], boxes=[box])

    assert served.models.detector.scenes == before
    assert [region["box"] for region in again["regions"]] == [[float(side) for side in box]]
    assert ids(again["matches"])[0] == "blue-wide"


@pytest.mark.parametrize(
    ("asked", "box"),
    [
        ({"boxes": [[60, 60, 120, 120]]}, [60, 60, 120, 120]),
        ({"boxes": [[0.25, 0.25, 0.5, 0.5]], "box_format": "xyxy_norm"}, [60, 60, 120, 120]),
        ({"boxes": [[200, 200, 900, 900]]}, [200, 200, 240, 240]),
        ({"point": [20, 120]}, [10, 105, 40, 135]),
        ({"point": [0.1, 0.5], "box_format": "xyxy_norm"}, [10, 105, 40, 135]),
    ],
    ids=["pixels", "shares", "cut at the edge", "a point", "a point in shares"],
)
def test_a_place_is_said_in_pixels_or_in_shares(client, asked, box) -> None:
    assert answer(client, **asked)["regions"][0]["box"] == box


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"boxes": [[500, 500, 600, 600]]}, "bad_box"),
        ({"point": [240, 10]}, "bad_point"),
        # 53 and 54: a filter is read by its grammar, or refused
        ({"where": "no_such_field = 1"}, "bad_filter"),
        ({"where": "price = 'cheap'"}, "bad_filter"),
        ({"where": "(" * 30 + "price = 1" + ")" * 30}, "bad_filter"),
        ({"where": " or ".join(["price = 1"] * 250)}, "bad_filter"),
        ({"where": '{"must": []}'}, "bad_filter"),
        ({"where": "category ~ '.*'"}, "bad_filter"),
        ({"where": "category = 'x' OR 1=1"}, "bad_filter"),
        ({"sort": "nothing"}, "unknown_field"),
        ({"facets": ["nothing"]}, "unknown_field"),
        ({"collapse": "nothing"}, "unknown_field"),
        ({"items": {"no-such-item": 1}}, "unknown_item"),
        ({"weights": {"cutout": 0}}, "out_of_range"),
    ],
    ids=str,
)
def test_what_makes_no_sense_here_is_refused_by_name(client, asked, code) -> None:
    response = ask(client, **asked)

    assert (response.status_code, response.json()["code"]) == (422, code)


@pytest.mark.parametrize(
    "value", ["x' OR 1=1", '{"$ne": null}', "__proto__", "'; drop", "%27"], ids=str
)
def test_a_value_of_a_filter_is_only_a_value(client, value) -> None:
    quoted = value.replace("'", "\\'")
    response = ask(client, where=f"category = '{quoted}'")

    assert response.status_code in (200, 422)
    if response.status_code == 200:
        assert response.json()["matches"] == []


def test_pages_follow_one_another_without_a_gap(client) -> None:
    whole = ids(answer(client, limit=12)["matches"])
    query_id, offset, pages = answer(client, limit=1)["query_id"], 0, []
    while offset is not None and offset < 12:
        page = answer(client, query_id=query_id, limit=5, offset=offset)
        pages += page["matches"]
        offset = page["next_offset"]

    assert ids(pages)[:12] == whole
    assert [match["rank"] for match in pages] == list(range(1, len(pages) + 1))


# --- basket ------------------------------------------------------------------------------------


def basket(client, **asked):
    response = ask(client, "/v1/basket", **asked)
    assert response.status_code == 200, response.text
    BasketResponse.model_validate_json(response.content, strict=True)
    return response.json()


def test_a_photo_becomes_baskets_within_a_budget(client) -> None:
    photo = {"base64": base64.b64encode(service.room_photo()).decode()}
    found = basket(client, photo=photo, budget=100)
    first = found["baskets"][0]

    assert ids(first["choices"]) == ["red-square", "blue-wide"]
    assert first["total"] == sum(one["price"] for one in first["choices"]) <= 100
    assert len(found["regions"][0]["matches"]) == 12, "to be swapped"
    assert found["regions"][0]["matches"][0]["photo_url"].startswith("/v1/photos/")


def test_one_product_is_swapped_without_the_photo(client) -> None:
    query = answer(client)["query_id"]
    first = basket(client, query_id=query, budget=100)["baskets"][0]["choices"]
    swapped = basket(
        client,
        query_id=query,
        budget=100,
        keep={"1": first[0]["others"][0]["item_id"]},
        leave_out=[2],
    )["baskets"][0]

    assert ids(swapped["choices"]) == [first[0]["others"][0]["item_id"]]
    assert swapped["total"] + first[1]["price"] == first[0]["others"][0]["total"]
    assert swapped["missing"] == [{"number": 2, "label": first[1]["label"], "why": "left out"}]


def test_a_form_and_json_give_the_same_baskets(client) -> None:
    photo = {"base64": base64.b64encode(service.room_photo()).decode()}
    form = client.post(
        "/v1/basket",
        files={
            "photo": ("room.png", service.room_photo()),
            "request": (None, json.dumps({"budget": 60}), "application/json"),
        },
    )

    assert form.json()["baskets"] == basket(client, photo=photo, budget=60)["baskets"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({}, 422, "validation"),
        ({"budget": 0}, 422, "validation"),
        ({"budget": "800"}, 422, "validation"),
        ({"budget": 9, "keep": {"0": "red-square"}}, 422, "validation"),
        ({"budget": 9, "wher": "price < 3"}, 422, "validation"),
        ({"budget": 9, "keep": {"9": "red-square"}}, 422, "unknown_object"),
        ({"budget": 9, "keep": {"1": "nothing"}}, 422, "unknown_item"),
        ({"budget": 9, "keep": {"1": "red-square"}}, 422, "over_budget"),
    ],
)
def test_a_basket_that_makes_no_sense_is_refused_by_name(client, asked, status, code) -> None:
    photo = {"base64": base64.b64encode(service.room_photo()).decode()}
    response = ask(client, "/v1/basket", photo=photo, **asked)

    assert (response.status_code, response.json()["code"]) == (status, code), response.text


def test_a_look_is_narrowed_turn_by_turn_without_the_photo(client) -> None:
    first = answer(client, per_region=24)
    again = {"query_id": first["query_id"], "per_region": 24, "suggest": 3}
    two = [{"words": "cheaper", "object": 2}, {"where": "category = 'tall'"}]
    narrowed = answer(client, **again, refine=two)
    bound = first["regions"][1]["matches"][0]["attributes"]["price"]

    assert [turn["said"] for turn in narrowed["refined"]] == ["cheaper", "category = 'tall'"]
    assert narrowed["refined"][0]["understood"] == [f"2: price < {bound:g}"]
    own, other = (region["matches"] for region in reversed(narrowed["regions"]))
    assert {m["attributes"]["category"] for m in (*own, *other)} == {"tall"}
    assert own
    assert all(m["attributes"]["price"] < bound for m in own)
    assert any(m["attributes"]["price"] >= bound for m in other)
    # the first turn is undone by leaving it out
    assert answer(client, **again, refine=two[1:])["refined"] == narrowed["refined"][1:]
    taken = narrowed["suggestions"][0]
    more = answer(client, **again, refine=[*two, {"where": taken["where"]}])
    assert len(more["matches"]) == taken["count"]


@pytest.mark.parametrize(
    ("turns", "status", "code"),
    [
        ([{}], 422, "validation"),
        ([{"words": None}], 422, "validation"),
        ([{"words": "cheaper", "objects": 1}], 422, "validation"),
        ([{"words": "cheaper"}] * 17, 422, "validation"),
        ([{"words": "cheaper", "object": 9}], 422, "unknown_object"),
        ([{"where": "nonsense < 3"}], 422, "bad_filter"),
    ],
)
def test_a_turn_that_makes_no_sense_is_refused_by_name(client, turns, status, code) -> None:
    response = ask(client, refine=turns)

    assert (response.status_code, response.json()["code"]) == (status, code)


def test_a_forgotten_query_is_gone(client) -> None:
    response = ask(client, query_id="never-was")

    assert (response.status_code, response.json()["code"]) == (410, "query_expired")


@pytest.mark.parametrize(
    ("photo", "status", "code"),
    [
        (b"", 400, "empty_image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "unsupported_image"),
        (b"hello", 415, "unsupported_image"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 40, 422, None),
    ],
    ids=["empty", "SVG", "text", "a broken PNG"],
)
@pytest.mark.parametrize("path", ["/v1/look", "/v1/search", "/v1/tag"])
def test_what_is_no_photo_is_refused_by_name(client, path, photo, status, code) -> None:
    response = client.post(path, files={"photo": ("a<b>.png", photo)})

    assert response.status_code == status
    assert code is None or response.json()["code"] == code


# --- search ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({"words": "red square"}, "red-square"),
        # an item itself is none of those like it
        ({"items": {"blue-tall": 1.0}, "where": "group = 'blue'"}, "blue-square"),
        ({"texts": {"green": 1.0}, "where": "category = 'tall'"}, "green-tall"),
    ],
    ids=["words", "an item", "a text and a filter"],
)
def test_one_thing_is_found_by_what_is_said_of_it(client, asked, first) -> None:
    found = answer(client, "/v1/search", **asked)

    assert ids(found["matches"])[0] == first
    assert (found["scene"], found["regions"], found["query_id"]) == (None, [], None)


def test_photos_of_one_thing_find_it(client) -> None:
    photo = {"base64": base64.b64encode(service.product_photo("cyan", "tall")).decode()}
    files = {"photo": service.product_photo("cyan", "tall")}

    assert ids(answer(client, "/v1/search", photos=[photo])["matches"])[0] == "cyan-tall"
    assert ids(client.post("/v1/search", files=files).json()["matches"])[0] == "cyan-tall"


def test_a_vector_of_another_length_is_refused(client) -> None:
    response = ask(client, "/v1/search", vectors=[{"vector": [0.5, 0.5]}])

    assert (response.status_code, response.json()["code"]) == (422, "bad_vector")


def test_words_are_said_back_as_they_were_understood(client) -> None:
    parsed = answer(client, "/v1/search", words="blue thing under $70")["parsed"]

    assert parsed["colours"] == ["blue"]
    assert parsed["price"]["lt"] == 70


# --- tag, facets, models ---------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"masks": True, "ocr": True}], ids=["plain", "everything"])
def test_a_photo_is_tagged(client, asked) -> None:
    sent = {"data": {"request": json.dumps(asked)}} if asked else {}
    response = client.post("/v1/tag", files={"photo": service.room_photo()}, **sent)

    assert response.status_code == 200
    TagResponse.model_validate_json(response.content, strict=True)
    assert {one["label"] for one in response.json()["objects"]} == {"red", "blue"}
    assert all((one["mask"] is not None) == bool(asked) for one in response.json()["objects"])
    assert bool(response.json()["text"]) == bool(asked)


@pytest.mark.parametrize(
    ("query", "fields", "items"),
    [
        ("", {"category", "colour_names", "group", "price", "tags"}, 24),
        ("?field=category&field=price", {"category", "price"}, 24),
        ("?field=category&where=price%20%3C%2030&limit=2", {"category"}, 6),
    ],
    ids=["all", "some", "filtered"],
)
def test_facets_count_what_can_be_filtered_by(client, query, fields, items) -> None:
    response = client.get(f"/v1/facets{query}")

    FacetsResponse.model_validate_json(response.content, strict=True)
    assert set(response.json()["facets"]) == fields
    assert response.json()["items"] == items


def test_the_catalogue_is_counted_for_metrics(client) -> None:
    text = client.get("/metrics").text

    assert "scenesearch_items 24.0" in text
    assert "scenesearch_points 24.0" in text


def test_models_are_named_with_their_licences(client) -> None:
    response = client.get("/v1/models")

    ModelsResponse.model_validate_json(response.content, strict=True)
    assert response.json()["embedder"]["licence"] == "Apache-2.0"

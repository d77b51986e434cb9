"""The collection of scenes over HTTP: add, find, count, show, remove."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
import service_app as service
from PIL import Image

from scenesearch.schemas.scenes import (
    SceneFacetsResponse,
    ScenesAddedResponse,
    ScenesDeletedResponse,
    ScenesResponse,
)

TWO = service.room_photo()
ONE = service.png(service.shop.room(("green", "tall")))
ID = hashlib.sha256(TWO).hexdigest()


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with service.serving(tmp_path_factory.mktemp("scenes")) as found:
        yield found.client


@pytest.fixture(scope="module")
def filled(client):
    response = client.post("/v1/scenes", files=[("photo", TWO), ("photo", ONE)])
    assert response.status_code == 201, response.text
    return client


def encoded(photo):
    return {"base64": base64.b64encode(photo).decode()}


def search(client, **asked):
    response = client.post("/v1/scenes/search", json=asked)
    assert response.status_code == 200, response.text
    ScenesResponse.model_validate_json(response.content, strict=True)
    return response.json()


def test_a_scene_is_named_by_its_photo_and_kept_once(filled) -> None:
    again = filled.post("/v1/scenes", json={"photos": [encoded(TWO)]})

    added = ScenesAddedResponse.model_validate_json(again.content, strict=True).scenes
    assert [(one.id, one.status) for one in added] == [(ID, "unchanged")]


def test_a_bad_photo_costs_itself_only(filled) -> None:
    response = filled.post("/v1/scenes", json={"photos": [encoded(b"no photo"), encoded(ONE)]})

    bad, good = response.json()["scenes"]
    assert (bad["status"], bad["error"]["code"]) == ("failed", "unsupported_image")
    assert good["status"] == "unchanged"


def test_the_only_photo_being_bad_is_an_error(filled) -> None:
    response = filled.post("/v1/scenes", files={"photo": b"no photo"})

    assert (response.status_code, response.json()["code"]) == (415, "unsupported_image")


@pytest.mark.parametrize(
    "asked",
    [{"text": "red and blue"}, {"photo": encoded(TWO)}, {"item_id": "red-square"}],
    ids=["words", "a photo", "a product"],
)
def test_a_scene_is_found_by_what_is_in_it(filled, asked) -> None:
    found = search(filled, **asked)["scenes"][0]

    assert (found["id"], found["labels"]) == (ID, {"red": 1, "blue": 1})


def test_a_scene_is_found_by_a_photo_in_a_form(filled) -> None:
    sent = {"files": {"photo": TWO}, "data": {"request": '{"limit": 1}'}}
    response = filled.post("/v1/scenes/search", **sent)

    assert [one["id"] for one in response.json()["scenes"]] == [ID]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({}, "validation"),
        ({"text": "red", "item_id": "red-tall"}, "validation"),
        ({"text": " "}, "validation"),
        ({"text": "(red"}, "bad_scene_query"),
        ({"text": "unicorn"}, "unknown_label"),
        ({"item_id": "never"}, "unknown_item"),
        ({"text": "red", "limit": 0}, "validation"),
    ],
    ids=str,
)
def test_a_question_that_makes_no_sense_is_refused_by_name(filled, asked, code) -> None:
    response = filled.post("/v1/scenes/search", json=asked)

    assert (response.status_code, response.json()["code"]) == (422, code)


def test_scenes_are_counted_by_what_is_in_them(filled) -> None:
    response = filled.get("/v1/scenes/facets", params={"text": "red"})

    found = SceneFacetsResponse.model_validate_json(response.content, strict=True)
    assert found.scenes == 1
    assert {one.value for one in found.facets["labels"]} == {"red", "blue"}


def test_the_photo_of_a_scene_is_shown(filled) -> None:
    shown = filled.get(f"/v1/scenes/{ID}/photo", params={"width": 64})
    again = filled.get(
        f"/v1/scenes/{ID}/photo?width=64", headers={"If-None-Match": shown.headers["etag"]}
    )

    assert max(Image.open(io.BytesIO(shown.content)).size) == 64
    assert again.status_code == 304


def test_no_path_of_a_file_leaves_the_service(filled) -> None:
    text = filled.post("/v1/scenes/search", json={"photo": encoded(TWO)}).text

    assert "/photos/" not in text.replace("/v1/", "")
    assert "store" not in text


def test_a_scene_that_is_removed_is_gone(filled) -> None:
    scene = hashlib.sha256(ONE).hexdigest()
    gone = filled.delete(f"/v1/scenes/{scene}")

    assert ScenesDeletedResponse.model_validate_json(gone.content, strict=True).scenes == 1
    assert filled.delete(f"/v1/scenes/{scene}").status_code == 404
    assert filled.get(f"/v1/scenes/{scene}/photo").status_code == 404
    assert scene not in [one["id"] for one in search(filled, photo=encoded(ONE))["scenes"]]

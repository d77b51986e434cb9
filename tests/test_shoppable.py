"""A picture with products on it: made from a look, kept by an editor, shown."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from PIL import Image

from scenesearch.core.errors import QueryError
from scenesearch.core.types import Region, Scene
from scenesearch.look.look import Look
from scenesearch.look.shoppable import Shoppable
from scenesearch.look.values import Evidence, Match, RegionMatches


def match(item_id, photo=None, **attributes):
    evidence = (Evidence(0, "p.jpg", f"point-{item_id}", {}, 0.5),)
    return Match(item_id, 0.5, {}, evidence, attributes, photo)


@pytest.fixture
def look(tmp_path):
    pixels = np.full((200, 400, 3), 90, np.uint8)
    Image.fromarray(pixels).save(tmp_path / "room.png")
    scene = Scene(pixels, "ab" * 32, "room.png", ())
    sofas = (
        match("sofa", title="Sofa </script><b>", price=499.0, currency="EUR", in_stock=False),
        match("settee", title="Settee", price=299, brand="Acme", url="https://shop.example/settee"),
    )
    regions = (
        RegionMatches(Region("object:0", "object", (40, 60, 200, 180), "couch"), sofas),
        RegionMatches(Region("object:1", "object", (300, 20, 380, 120), "lamp"), ()),
    )
    return Look(scene, regions, ())


def test_a_look_becomes_hotspots_in_shares_of_the_photo(look):
    found = Shoppable.of(look, title="Room")
    (spot,) = found.hotspots

    assert (found.photo, found.width, found.height) == ("room.png", 400, 200)
    assert spot.box == [0.1, 0.3, 0.5, 0.9]
    assert 0.1 <= spot.x <= 0.5
    assert 0.3 <= spot.y <= 0.9
    assert [one.id for one in spot.products] == ["sofa"], "an object without a match has none"


def test_an_editor_picks_other_products(look):
    picked = Shoppable.of(look, picks={1: ["settee", "sofa"]})

    assert [one.id for one in picked.hotspots[0].products] == ["settee", "sofa"]
    assert Shoppable.of(look, picks={1: []}).hotspots == []
    assert [len(one.products) for one in Shoppable.of(look, products=2).hotspots] == [2]


@pytest.mark.parametrize(
    ("picks", "code"), [({3: ["sofa"]}, "unknown_object"), ({1: ["lamp"]}, "unknown_item")]
)
def test_a_pick_that_is_not_there_is_refused(look, picks, code):
    with pytest.raises(QueryError) as caught:
        Shoppable.of(look, picks=picks)

    assert caught.value.code == code


def test_what_is_saved_is_read_back(look, tmp_path):
    found = Shoppable.of(look, products=2, title="Room")
    found.save(tmp_path / "room.json")

    assert Shoppable.read(tmp_path / "room.json") == found


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"hotspot": []}, "hotspot: Extra inputs"),
        ({"width": "400"}, "width: Input should be a valid integer"),
        ({"format": "other/2"}, "format: Input should be"),
        ({"hotspots": [{"x": 1.2, "y": 0}]}, "hotspots.0.x: Input should be less"),
        ({"hotspots": [{"x": 0, "y": 0, "products": [{}]}]}, "hotspots.0.products.0.id"),
    ],
)
def test_what_an_editor_broke_is_named(look, tmp_path, change, says):
    values = Shoppable.of(look).to_dict() | change
    (tmp_path / "room.json").write_text(json.dumps(values))

    with pytest.raises(QueryError, match=re.escape(says)):
        Shoppable.read(tmp_path / "room.json")


def test_what_is_no_json_is_named(tmp_path):
    (tmp_path / "room.json").write_text("{")

    with pytest.raises(QueryError, match=r"room\.json is no shoppable picture"):
        Shoppable.read(tmp_path / "room.json")
    with pytest.raises(QueryError, match="cannot be read"):
        Shoppable.read(tmp_path / "none.json")


def test_prices_are_brought_up_to_date_and_what_is_gone_is_said(look):
    found = Shoppable.of(look, products=2)
    now = {"settee": {"title": "Settee", "price": 199.0}}
    fresh, gone = found.refreshed(now.get)

    assert gone == ("sofa",)
    assert [(one.id, one.price) for one in fresh.hotspots[0].products] == [("settee", 199.0)]
    assert found.refreshed(lambda _: None)[0].hotspots == []


def test_an_attribute_of_another_kind_is_left_out(look):
    fresh, _ = Shoppable.of(look).refreshed(lambda _: {"title": "T", "url": 7, "price": -1})

    assert fresh.hotspots[0].products[0].model_dump(exclude_none=True) == {
        "id": "sofa",
        "title": "T",
    }


def test_json_ld_has_products_with_offers_and_places(look):
    found = Shoppable.of(look, products=2, photo="https://shop.example/room.jpg").to_json_ld()
    sofa, settee = found["about"]

    assert found["@type"] == "ImageObject"
    assert found["contentUrl"] == "https://shop.example/room.jpg"
    assert sofa["offers"] == {
        "@type": "Offer",
        "price": 499.0,
        "priceCurrency": "EUR",
        "availability": "https://schema.org/OutOfStock",
    }
    assert settee["brand"] == {"@type": "Brand", "name": "Acme"}
    assert settee["additionalProperty"]["value"].count(" ") == 1


def test_the_page_holds_all_and_nothing_of_the_catalogue_is_markup(look, tmp_path):
    found = Shoppable.of(look, products=2, title="<i>Room</i>")
    page = found.save(tmp_path / "look.html", root=tmp_path).read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', page, re.DOTALL)

    assert json.loads(data)["name"] == "<i>Room</i>"
    assert "<i>" not in page
    assert "<b>" not in page
    assert 'href="https://shop.example/settee"' in page
    assert "sold out" in page
    assert 'src="data:image/jpeg;base64,' in page


def test_a_page_without_its_photo_is_refused(look, tmp_path):
    with pytest.raises(QueryError, match=r"the photo 'room\.png' cannot be read from"):
        Shoppable.of(look).save(tmp_path / "look.html", root=tmp_path / "elsewhere")
    with pytest.raises(ValueError, match=r"suffix '\.gif'"):
        Shoppable.of(look).save(tmp_path / "look.gif")

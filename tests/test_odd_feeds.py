"""Feeds that are odd in ways the samples of :mod:`shop_feeds` are not."""

from __future__ import annotations

import json

import pytest

from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.core.types import Item

SITE = "https://s.test"


def read(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return read_catalog(tmp_path / name, feed=FeedOptions(fetch=True)).read_all()


@pytest.mark.parametrize("delimiter", ["~", "\t", "|"])
def test_quotes_of_a_feed_with_tabs_may_be_inches(tmp_path, delimiter):
    rows = [
        ("id", "title", "link", "image_link", "price"),
        ("1", 'Lamp 12" oak', SITE, f"{SITE}/1.jpg", "15USD"),
        ("2", '"Tor" lamp', SITE, f"{SITE}/2.jpg", "15USD"),
        ("3", '"quoted, ""whole"""', SITE, f"{SITE}/3.jpg", "15USD"),
        ("4", '"Tor"lamp', SITE, f"{SITE}/4.jpg", "15USD"),
    ]
    found = read(tmp_path, "feed.txt", "\n".join(delimiter.join(row) for row in rows) + "\n")

    assert found.errors == ()
    assert [item.attributes["title"] for item in found.items] == [
        'Lamp 12" oak',
        '"Tor" lamp',
        'quoted, "whole"',
        '"Tor"lamp',
    ]


def test_a_quote_that_is_never_closed_costs_nothing_in_a_feed_with_tabs(tmp_path):
    long = "x" * 3000
    rows = [f'0\t"14 inch\t{SITE}/0.jpg']
    rows += [f"{n}\t{long}\t{SITE}/{n}.jpg" for n in range(1, 500)]
    found = read(tmp_path, "feed.txt", "id\ttitle\timage\n" + "\n".join(rows) + "\n")

    assert found.errors == ()
    assert [item.id for item in found.items] == [str(n) for n in range(500)]
    assert found.items[0].attributes["title"] == '"14 inch'


def test_text_behind_a_quote_in_a_csv_costs_its_row(tmp_path):
    text = f'id,title,link,image_link\n1,"a" b,{SITE},{SITE}/1.jpg\n2,c,{SITE},{SITE}/2.jpg\n'
    found = read(tmp_path, "feed.csv", text)

    assert [error.code for error in found.errors] == ["bad_quotes"]
    assert [item.id for item in found.items] == ["2"]


@pytest.mark.parametrize("end", [";", ";;", "; ;"])
def test_rows_that_end_with_a_delimiter_are_as_long_as_the_header(tmp_path, end):
    text = f"id;image;price\n1;{SITE}/1.jpg;12,50{end}\n2;{SITE}/2.jpg;3,50;more\n"
    found = read(tmp_path, "feed.csv", text)

    assert [(item.id, item.attributes["price"]) for item in found.items] == [("1", 12.5)]
    assert [error.code for error in found.errors] == ["ragged_row"]


def test_a_product_without_a_handle_is_not_a_photo_of_the_one_before(tmp_path):
    rows = (
        "Handle,Title,Body (HTML),Variant SKU,Variant Price,Image Src\n"
        f"stool,Stool,Ash,S-1,59,{SITE}/a.jpg\n"
        f",,,S-2,59,{SITE}/b.jpg\n"
        f",Big Mug,Clay,,9,{SITE}/m.jpg\n"
        f",,,,,{SITE}/m2.jpg\n"
    )
    found = read(tmp_path, "products_export.csv", rows)

    assert [(item.id, item.attributes["group"], item.photos) for item in found.items] == [
        ("S-1", "stool", (f"{SITE}/a.jpg", f"{SITE}/b.jpg")),
        ("S-2", "stool", (f"{SITE}/a.jpg", f"{SITE}/b.jpg")),
        ("big-mug", "big-mug", (f"{SITE}/m.jpg", f"{SITE}/m2.jpg")),
    ]


@pytest.mark.parametrize(
    ("around", "key"),
    [("lines", None), *(("wrapped", key) for key in ("items", "data", "results", "products"))],
)
def test_json_of_a_shop_is_read_whatever_it_calls_products_and_ids(tmp_path, around, key):
    products = [
        f'{{"item_id": "{n}", "title": "T", "image_url": "{SITE}/{n}.jpg"}}' for n in (1, 2)
    ]
    if around == "wrapped":
        text = f'{{"shop": "x", "{key}": [{", ".join(products)}]}}'
    else:
        text = "\n".join(products)
    found = read(tmp_path, "feed.json", text)

    assert [(item.id, item.photos) for item in found.items] == [
        ("1", (f"{SITE}/1.jpg",)),
        ("2", (f"{SITE}/2.jpg",)),
    ]


ADDRESS = "https://s.test/i/{}.jpg".format


def only(path, text):
    """A table whose photos are addresses, as text or as JSON values."""
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return read_catalog(path, feed=FeedOptions(fetch=True)).read_all()


@pytest.mark.parametrize(
    "header",
    [
        *("image,image_2,Image 3", "Image 1,Image 2,Image 3", "photo,additional_images,photo_2"),
        *("Image URL 1,Image URL 2,Image URL 3", "image_1_url,image_2_url,image_3_url"),
    ],
)
def test_photos_in_several_columns_are_all_of_the_item(header, tmp_path):
    rows = f"1,{ADDRESS(1)},{ADDRESS(2)},{ADDRESS(3)},9\n2,{ADDRESS(4)},,,9\n"
    found = only(tmp_path / "c.csv", f"id,{header},price\n{rows}")

    assert [sorted(i.photos) for i in found.items] == [[*map(ADDRESS, (1, 2, 3))], [ADDRESS(4)]]
    assert found.fields == {"price": "float"}
    assert not found.errors


def test_what_is_no_photo_stays_an_attribute(tmp_path):
    found = only(tmp_path / "c.csv", f"id,image,image_2\n1,{ADDRESS(1)},front view\n")

    assert found.items[0].attributes == {"image_2": "front view"}


def test_json_may_have_objects_for_photos_and_prices(tmp_path):
    row = {
        "id": "1",
        "images": [{"src": ADDRESS(1), "alt": "x"}, {"url": ADDRESS(2)}],
        "price": {"amount": "12.50", "currency": "EUR"},
        "availability": "out of stock",
    }
    found = only(tmp_path / "c.json", [row, {**row, "id": "2", "images": [{"alt": "x"}]}])

    assert found.items[0].photos == (ADDRESS(1), ADDRESS(2))
    assert found.items[0].attributes == {
        "price": 12.5,
        "currency": "EUR",
        "availability": "out of stock",
        "in_stock": False,
    }
    assert [error.code for error in found.errors] == ["bad_path"]


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ("price,sale_price\n10,8", {"price": 8.0, "list_price": 10.0}),
        ("price,sale_price\n10,", {"price": 10.0}),
        ("price,sale_price\n10,0", {"price": 10.0}),
        # a sale that cannot be read costs itself only
        ("price,sale_price\n10,soon", {"price": 10.0}),
        ("price,sale_price,sale_start\n10,8,2020-01-01",
         {"price": 10.0, "sale_price": 8.0, "sale_start": "2020-01-01"}),
    ],
)  # fmt: skip
def test_a_sale_of_a_table_of_ones_own_is_what_is_paid(cells, wanted, tmp_path):
    head, row = cells.split("\n")
    found = only(tmp_path / "c.csv", f"id,image,{head}\n1,{ADDRESS(1)},{row}\n")

    assert found.items[0].attributes == wanted
    assert found.fields.keys() >= wanted.keys()
    assert len(found.lost) == ("soon" in cells)


def test_a_script_of_a_shopify_product_has_its_prices_in_cents(tmp_path):
    variant = {"id": 11, "title": "Red", "option1": "Red", "price": 1990, "available": True}
    product = {
        "id": 1,
        "title": "Lamp",
        "handle": "lamp",
        "description": "<p>x</p>",
        "type": "Lamps",
        "price": 1990,
        "variants": [{**variant, "compare_at_price": 2990}],
        "images": ["//s.test/i/1.jpg", "//s.test/i/2.jpg"],
        "options": [{"name": "Color"}],
    }
    (item,) = only(tmp_path / "c.json", product).items

    assert item.photos == (ADDRESS(1), ADDRESS(2))
    assert item.attributes == {
        "group": "lamp",
        "title": "Lamp",
        "description": "x",
        "category": "Lamps",
        "categories": ("Lamps",),
        "price": 19.9,
        "list_price": 29.9,
        "in_stock": True,
        "colour": "Red",
    }


def test_codes_of_a_shopify_export_lose_the_quote_that_keeps_their_zeros(tmp_path):
    head = "Handle,Title,Body (HTML),Variant SKU,Variant Price,Variant Barcode,Image Src"
    found = only(tmp_path / "c.csv", f"{head}\nlamp,Lamp,,'0012,9,'04006,{ADDRESS(1)}\n")

    assert found.items[0].id == "0012"
    assert found.items[0].attributes["barcode"] == "04006"


def test_a_row_in_which_nothing_can_be_seen_is_none(tmp_path):
    found = only(tmp_path / "c.csv", f"id,image,price\n1,{ADDRESS(1)},9\n\u200b,,\u00a0\n")

    assert (len(found.items), found.errors) == (1, ())


def test_the_variant_of_a_meta_catalogue_is_its_options(tmp_path):
    found = only(
        tmp_path / "c.csv",
        "id,title,image[0].url,price,fb_product_category,variant\n"
        f'1,Shirt,{ADDRESS(1)},9.9EUR,1,"color:Red/Blue:Red,size:S/M:S"\n',
    )

    assert found.items[0].attributes["colour"] == "Red"
    assert found.items[0].attributes["size"] == "S"


def test_one_product_with_a_list_of_its_own_stays_one(tmp_path):
    text = f'{{"id": 1, "image": "{SITE}/1.jpg", "items": [{{"id": 2}}]}}'

    assert [item.id for item in read(tmp_path, "one.json", text).items] == ["1"]


@pytest.mark.parametrize(
    "around",
    [("<!--", "-->"), ("//<![CDATA[\n", "\n//]]>"), ("<![CDATA[", "]]>"), ("\n", "\n")],
    ids=["comment", "cdata_of_scripts", "cdata", "plain"],
)
def test_linked_data_is_read_from_behind_comments(tmp_path, around):
    product = f'{{"@type": "Product", "sku": "P", "name": "a --> b", "image": "{SITE}/1.jpg"}}'
    block = f'<script type="application/ld+json">{around[0]}{product}{around[1]}</script>'
    found = read(tmp_path, "page.html", f"<html>{block}</html>")

    assert found.items == (Item("P", (f"{SITE}/1.jpg",), {"title": "a --> b"}),)


def test_xml_of_ones_own_may_have_ids_as_attributes_and_lists_of_photos(tmp_path):
    text = (
        f'<products xmlns="urn:x"><product id="7" xml:lang="en"><images><image>{SITE}/1.jpg'
        f"</image><image>{SITE}/2.jpg</image></images><tags><tag>a</tag><tag>b</tag></tags>"
        f'</product><product id="9"><id>8</id><images><image>{SITE}/3.jpg</image></images>'
        "</product></products>"
    )
    found = read(tmp_path, "own.xml", text)

    assert found.items == (
        Item("7", (f"{SITE}/1.jpg", f"{SITE}/2.jpg"), {"tags": ("a", "b")}),
        Item("8", (f"{SITE}/3.jpg",), {}),
    )

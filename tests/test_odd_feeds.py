"""Feeds that are odd in ways the samples of :mod:`shop_feeds` are not."""

from __future__ import annotations

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

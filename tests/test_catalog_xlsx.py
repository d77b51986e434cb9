"""Excel workbooks, as shops save them; read with the library that people have for it."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import shop_feeds

from scenesearch.catalog import Catalog, FeedOptions, read_catalog
from scenesearch.core.errors import CatalogError

openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed")

TEXT_FEEDS = [
    feed for feed in shop_feeds.feeds("https://photos.shop.test") if feed.file.endswith("csv")
]


def read(path: Path, **options: Any) -> Catalog:
    return read_catalog(path, feed=FeedOptions(fetch=True), **options).read_all()


def saved(path: Path, rows: list[list[Any]], **sheets: list[list[Any]]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, more in sheets.items():
        sheet = book.create_sheet(name)
        for row in more:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("feed", TEXT_FEEDS, ids=lambda feed: feed.file)
def test_a_feed_means_the_same_in_a_workbook(feed: shop_feeds.Feed, tmp_path: Path) -> None:
    plain = tmp_path / feed.file
    plain.write_bytes(feed.data)
    text = feed.data.decode("utf-8-sig")
    delimiter = next(mark for mark in "~;,\t" if text.count(mark) > 100)
    rows = list(csv.reader(io.StringIO(text), delimiter=delimiter))
    path = saved(tmp_path / "feed.xlsx", [list(row) for row in rows])

    assert read(path).items == read(plain).items


def test_cells_are_what_people_see(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "stock.xlsx",
        [
            ["Stock list of spring"],
            [],
            ["SKU", "Title", "Image URL", "Price", "Since", "At", "New?", "Rating", "Weight", None],
            [4711, " Chair ", "https://s.test/1.jpg", 12.5, date(2026, 5, 1),
             datetime(2026, 5, 1, 8, 30), True, 4.5, 0.1 + 0.2, None],
            ["0815", "=1/0", "https://s.test/2.jpg", 1299, None, None, False, 4, 2, "note"],
            [None, None, None],
            ["A-3", "#N/A", "https://s.test/3.jpg", "12,90 €"],
        ],
    )  # fmt: skip
    found = read(path)
    one, two, three = found.items

    assert (one.id, two.id, three.id) == ("4711", "0815", "A-3")
    assert one.attributes == {
        "title": "Chair", "price": 12.5, "since": "2026-05-01", "at": "2026-05-01T08:30:00",
        "new": True, "rating": 4.5, "weight": 0.3,
    }  # fmt: skip
    assert two.attributes == {"price": 1299.0, "new": False, "rating": 4.0, "weight": 2.0}
    assert three.attributes == {"price": 12.9, "currency": "EUR"}
    assert any("1 row(s) above the header" in note for note in found.notes)


def test_the_sheet_with_rows_is_read(tmp_path: Path) -> None:
    path = saved(tmp_path / "c.xlsx", [], Products=[["id", "image"], [1, "https://s.test/1.jpg"]])

    assert [item.id for item in read(path).items] == ["1"]


def test_what_is_no_workbook_is_refused(tmp_path: Path) -> None:
    whole = saved(tmp_path / "c.xlsx", [["id", "image"], [1, "x.jpg"]]).read_bytes()
    broken = {
        "cut": whole[:-200],
        "another": b"id,image\n1,a.jpg\n",
        "empty": saved(tmp_path / "e.xlsx", []).read_bytes(),
        "no_sheet": _with(whole, "xl/worksheets/sheet1.xml", b"<worksheet"),
        "bomb": _with(whole, "xl/worksheets/sheet1.xml", b" " * 150_000_000),
    }
    for name, data in broken.items():
        path = tmp_path / f"{name}.xlsx"
        path.write_bytes(data)
        with pytest.raises(CatalogError) as caught:
            read(path)
        assert caught.value.code in ("bad_catalog", "empty_catalog"), name


def _with(workbook: bytes, name: str, data: bytes) -> bytes:
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(workbook)) as old,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for entry in old.namelist():
            new.writestr(entry, data if entry == name else old.read(entry))
    return stream.getvalue()

"""Reading catalogues as a user does: formats, folders, real data, memory."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import pickle
import tracemalloc
from pathlib import Path

import pytest

from scenesearch.catalog import RowError, item_hash, read_catalog
from scenesearch.core.errors import CatalogError
from scenesearch.core.types import Item

ROWS = [
    {
        "id": "001",
        "image": "a.jpg",
        "title": "Oak table",
        "price": "249.00",
        "in_stock": "yes",
        "width": "140",
        "tags": "wood|dining",
    },
    {
        "id": "x-2",
        "image": "sub/b.jpg",
        "title": "Lamp",
        "price": "",
        "in_stock": "no",
        "width": "",
    },
]


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for name in ("a.jpg", "sub/b.jpg"):
        (tmp_path / name).touch()
    return tmp_path


def write_csv(path: Path, rows: list[dict[str, str]] = ROWS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_csv_gives_typed_items_with_absolute_photos(shop: Path) -> None:
    catalog = read_catalog(write_csv(shop / "c.csv")).read_all()

    assert catalog.errors == ()
    assert catalog.items == (
        Item(
            "001",
            (str(shop / "a.jpg"),),
            {
                "title": "Oak table",
                "price": 249.0,
                "in_stock": True,
                "width": 140,
                "tags": ("wood", "dining"),
            },
        ),
        Item("x-2", (str(shop / "sub/b.jpg"),), {"title": "Lamp", "in_stock": False}),
    )
    assert catalog.fields == {
        "title": "text",
        "price": "float",
        "in_stock": "bool",
        "width": "integer",
        "tags": "keyword",
    }


def test_jsonl_and_parquet_say_the_same_as_csv(shop: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    wanted = read_catalog(write_csv(shop / "c.csv")).read_all()
    rows = [
        {
            "id": "001",
            "image": ["a.jpg"],
            "title": "Oak table",
            "price": 249,
            "in_stock": True,
            "width": 140,
            "tags": ["wood", "dining"],
        },
        {"id": "x-2", "image": ["sub/b.jpg"], "title": "Lamp", "in_stock": False},
    ]
    (shop / "c.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), shop / "c.parquet")

    for name in ("c.jsonl", "c.parquet"):
        assert read_catalog(shop / name).read_all() == wanted


def test_a_folder_gives_one_item_a_photo_with_the_first_folder_as_category(tmp_path: Path) -> None:
    for name in (
        "sofas/red/1.jpg",
        "sofas/2.PNG",
        "top.webp",
        "lamps/1.jpg",
        "lamps/1.png",
        "lamps/notes.txt",
        "lamps/._1.jpg",
        ".cache/x.jpg",
        "__MACOSX/x.jpg",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "again").symlink_to(tmp_path / "sofas")
    catalog = read_catalog(tmp_path).read_all()

    found = [(item.id, item.attributes.get("category")) for item in catalog.items]
    assert found == [
        ("lamps/1", "lamps"),
        ("sofas/2", "sofas"),
        ("sofas/red/1", "sofas"),
        ("top", None),
    ]
    assert [(error.row, error.code) for error in catalog.errors] == [(2, "duplicate_id")]
    assert catalog.fields == {"category": "keyword"}
    assert catalog.notes == ("1 file(s) that are not photos were left out: 'lamps/notes.txt'",)


def test_odd_file_names_in_a_folder_are_photos_or_one_error_each(tmp_path: Path) -> None:
    (tmp_path / "a|b.jpg").touch()
    (tmp_path / "[x].jpg").touch()
    (tmp_path / "two\nlines.jpg").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.jpg")).touch()
    (tmp_path / "out.jpg").symlink_to("/etc/passwd")
    catalog = read_catalog(tmp_path).read_all()

    assert [item.id for item in catalog.items] == ["[x]", "a|b"]
    assert sorted(error.code for error in catalog.errors) == [
        "bad_id",
        "bad_id",
        "image_outside_root",
    ]


@pytest.mark.parametrize("files", [[], ["notes.txt"]], ids=["nothing", "no photos"])
def test_a_folder_without_photos_is_refused(tmp_path: Path, files: list[str]) -> None:
    for name in files:
        (tmp_path / name).touch()

    with pytest.raises(CatalogError, match="has no products") as caught:
        read_catalog(tmp_path)
    assert caught.value.code == "empty_catalog"


def test_what_is_not_there_is_named_with_what_is_near(shop: Path) -> None:
    write_csv(shop / "catalog.csv")

    with pytest.raises(CatalogError, match=r"catalogue .*catalog\.cvs.*near: 'catalog\.csv'"):
        read_catalog(shop / "catalog.cvs")


def test_a_pipe_is_refused_without_being_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.csv")

    with pytest.raises(CatalogError, match="device or a pipe"):
        read_catalog(tmp_path / "c.csv")


def test_wrong_arguments_are_named(shop: Path) -> None:
    path = write_csv(shop / "c.csv")

    with pytest.raises(ValueError, match="'error', 'first', 'last' or 'merge'"):
        read_catalog(path, on_duplicate="newest")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 1"):
        read_catalog(path, max_rows=0)
    with pytest.raises(CatalogError, match="expected the folder of the photos"):
        read_catalog(path, image_root=shop / "nowhere")


def test_errors_come_in_the_order_of_the_rows_between_the_items(shop: Path) -> None:
    rows = [{"id": str(i), "image": "a.jpg" if i % 3 else "nowhere.jpg"} for i in range(9)]
    found = list(read_catalog(write_csv(shop / "c.csv", rows)))

    kinds = [one.row if isinstance(one, RowError) else one.id for one in found]
    assert kinds == [2, "1", "2", 5, "4", "5", 8, "7", "8"]


def test_a_file_that_changes_is_noticed(shop: Path) -> None:
    path = write_csv(shop / "c.csv")
    reader = read_catalog(path)
    path.write_text("id,image,width\n1,a.jpg,wide\n")

    with pytest.raises(CatalogError, match="changed while it was read"):
        reader.read_all()
    path.unlink()
    with pytest.raises(CatalogError, match="no longer there"):
        reader.read_all()


def test_reserved_names_and_second_photo_columns_are_kept_and_noted(shop: Path) -> None:
    rows = [
        {"id": "1", "image": "a.jpg", "label": "x", "Item ID": "7", "filename": "f", "color": "r"}
    ]
    catalog = read_catalog(write_csv(shop / "c.csv", rows)).read_all()

    assert catalog.items[0].attributes == {
        "attr_label": "x",
        "attr_item_id": 7,
        "filename": "f",
        "colour": "r",
    }
    assert len(catalog.notes) == 3
    assert "'attr_label'" in catalog.notes[0]


def test_a_map_names_columns_and_moves_others_aside(shop: Path) -> None:
    rows = [{"SKU": "s1", "id": "5", "Foto (gross)": "a.jpg", "Breite [cm]": "3"}]
    columns = {"id": "sku", "image": "Foto (gross)", "width": "breite [CM]"}
    catalog = read_catalog(write_csv(shop / "c.csv", rows), columns=columns).read_all()

    assert catalog.items[0].id == "s1"
    assert catalog.items[0].attributes == {"attr_id": 5, "width": 3}
    assert "attr_id" in catalog.notes[0]


def test_items_and_errors_can_be_sent_to_another_process(shop: Path) -> None:
    rows = [*ROWS, {"id": "", "image": "a.jpg"}]
    catalog = read_catalog(write_csv(shop / "c.csv", rows)).read_all()

    assert pickle.loads(pickle.dumps(catalog)) == catalog


def test_the_hash_is_of_the_attributes_and_their_types_only() -> None:
    one = Item("1", ("a.jpg",), {"price": 9.5, "tags": ("x", "y"), "title": "é"})
    same = Item("2", ("b.jpg",), {"title": "é", "tags": ("x", "y"), "price": 9.5})

    assert item_hash(one) == item_hash(same)
    values = [1, 1.0, True, "1", "true", "", ("1",), ("1", "2"), ("2", "1"), ("1\x002",)]
    assert len({item_hash(Item("1", (), {"x": value})) for value in values}) == len(values)


def test_the_hash_is_the_same_on_every_machine() -> None:
    item = Item("1", (), {"title": "Stuhl für Gäste", "price": 12.5, "in_stock": True})

    text = rb'{"in_stock":true,"price":12.5,"title":"Stuhl f\u00fcr G\u00e4ste"}'
    assert item_hash(item) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(("name", "count"), [("ikea", 2187), ("clothing", 600)])
def test_real_catalogues_have_no_errors(shared_data: Path, name: str, count: int) -> None:
    catalog = read_catalog(shared_data / name / "catalog.csv").read_all()

    assert len(catalog.items) == count
    assert catalog.errors == catalog.notes == ()
    assert all(Path(item.photos[0]).is_file() for item in catalog.items)
    assert catalog.fields["category"] == "keyword"


def test_a_real_folder_of_photos_is_a_catalogue(shared_data: Path) -> None:
    catalog = read_catalog(shared_data / "clothing").read_all()

    assert len(catalog.items) == 600
    assert {item.attributes["category"] for item in catalog.items} == {"images"}


@pytest.mark.process
@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_memory_does_not_grow_with_the_rows(shop: Path, kind: str) -> None:
    path = shop / f"c.{kind}"
    with path.open("w") as stream:
        stream.write("id,image,title\n" if kind == "csv" else "\n")
        for i in range(15_000):
            row = {"id": f"item-{i}", "image": "a.jpg", "title": f"title {i} " + "x" * 100}
            line = ",".join(row.values()) if kind == "csv" else json.dumps(row)
            stream.write(line + "\n")
    tracemalloc.start()
    try:
        count = sum(isinstance(one, Item) for one in read_catalog(path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert count == 15_000
    assert peak < 6_000_000, f"{peak:,} bytes for 15,000 rows of 130 bytes"


@pytest.mark.process
@pytest.mark.parametrize("quote", ["", '"'], ids=["bare", "quoted"])
def test_a_field_of_50_megabytes_costs_its_row_and_little_memory(shop: Path, quote: str) -> None:
    path = shop / "c.csv"
    with path.open("w") as stream:
        stream.write(f"id,image,title\n1,a.jpg,x\n2,a.jpg,{quote}")
        for _ in range(50):
            stream.write("x" * 1_000_000)
        stream.write(f"{quote}\n3,a.jpg,x\n")
    tracemalloc.start()
    try:
        catalog = read_catalog(path).read_all()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [item.id for item in catalog.items] == ["1", "3"]
    assert [(error.row, error.code) for error in catalog.errors] == [(3, "row_too_long")]
    assert peak < 40_000_000


def test_a_small_parquet_that_repeats_one_huge_value_costs_that_value_once(shop: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 3000
    title = pa.DictionaryArray.from_arrays(pa.array([0] * count, pa.int32()), ["x" * 1_500_000])
    ids = [str(i) for i in range(count)]
    table = pa.table({"id": ids, "image": ["a.jpg"] * count, "title": title})
    pq.write_table(table, shop / "c.parquet", store_schema=False)
    before = pa.default_memory_pool().max_memory()
    catalog = read_catalog(shop / "c.parquet").read_all()

    assert (shop / "c.parquet").stat().st_size < 1_000_000
    assert len(catalog.items) == count
    assert [(lost.code, lost.count) for lost in catalog.lost] == [("field_too_long", count)]
    assert pa.default_memory_pool().max_memory() < max(before, 100_000_000)

"""Where photos may be, and ids that repeat."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from scenesearch.catalog import read_catalog
from scenesearch.catalog.paths import PhotoPaths
from scenesearch.catalog.records import CellError
from scenesearch.core.types import Item


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("photos/a.jpg", "photos/b.jpg", "photos/c.jpg", "photos/Sofa-1.JPG", "x/y.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    return tmp_path


def read(shop: Path, text: str, **options: object) -> tuple[list[tuple[object, ...]], list[str]]:
    (shop / "c.csv").write_text(text)
    catalog = read_catalog(shop / "c.csv", **options).read_all()  # type: ignore[arg-type]
    names = [(item.id, *(Path(photo).name for photo in item.photos)) for item in catalog.items]
    return names, [error.code for error in catalog.errors]


def test_relative_paths_start_from_the_image_root(shop: Path) -> None:
    rows = "id,image\n1,a.jpg\n2,photos/a.jpg\n"

    assert read(shop, rows, image_root=shop / "photos") == ([("1", "a.jpg")], ["image_not_found"])
    assert read(shop, rows) == ([("2", "a.jpg")], ["image_not_found"])


def test_absolute_paths_need_an_image_root_they_are_inside_of(shop: Path) -> None:
    rows = f"id,image\n1,{shop}/photos/a.jpg\n2,{shop}/x/y.jpg\n"

    assert read(shop, rows) == ([], ["image_outside_root"] * 2)
    found = read(shop, rows, image_root=shop / "photos")
    assert found == ([("1", "a.jpg")], ["image_outside_root"])


def test_an_image_root_that_is_a_link_works_by_both_of_its_names(shop: Path) -> None:
    (shop / "link").symlink_to("photos")
    rows = f"id,image\n1,a.jpg\n2,{shop}/link/b.jpg\n3,{shop}/photos/c.jpg\n"

    names = [("1", "a.jpg"), ("2", "b.jpg"), ("3", "c.jpg")]
    assert read(shop, rows, image_root=shop / "link") == (names, [])


def test_a_relative_manifest_path_gives_absolute_photos(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop / "c.csv").write_text("id,image\n1,photos/a.jpg\n")
    monkeypatch.chdir(shop)
    (item,) = read_catalog("c.csv").read_all().items

    assert item.photos == (str(shop / "photos/a.jpg"),)


def test_a_sibling_folder_with_the_same_start_is_outside(shop: Path) -> None:
    (shop / "photos2").mkdir()
    (shop / "photos2/a.jpg").touch()
    paths = PhotoPaths(shop / "photos", shop / "photos", allow_absolute=True)

    with pytest.raises(CellError) as caught:
        paths.resolve(f"{shop}/photos2/a.jpg")
    assert caught.value.code == "image_outside_root"


@pytest.mark.parametrize(
    ("photo", "near"),
    [
        ("photos/sofa-1.jpg", "'Sofa-1.JPG'"),
        ("photos/Sofa_1.JPG", "'Sofa-1.JPG'"),
        ("nowhere/a.jpg", "there is one in .*photos"),
        ("nowhere/gone.jpg", "nor its folder"),
    ],
)
def test_a_missing_photo_is_named_with_what_is_near(shop: Path, photo: str, near: str) -> None:
    with pytest.raises(CellError, match=near) as caught:
        PhotoPaths(shop, shop, allow_absolute=False).resolve(photo)
    assert str(shop / photo) in str(caught.value)


def test_a_link_out_of_the_root_says_nothing_about_what_is_there(shop: Path) -> None:
    (shop / "photos/there").symlink_to(shop / "x/y.jpg")
    (shop / "photos/missing").symlink_to(shop / "x/nothing.jpg")
    paths = PhotoPaths(shop / "photos", shop / "photos", allow_absolute=False)
    messages = []
    for name in ("there", "missing"):
        with pytest.raises(CellError) as caught:
            paths.resolve(name)
        messages.append(str(caught.value).replace(name, ""))

    assert messages[0] == messages[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_may_not_be_read_costs_a_row(shop: Path) -> None:
    (shop / "photos").chmod(0)
    try:
        with pytest.raises(CellError, match="Permission denied"):
            PhotoPaths(shop, shop, allow_absolute=False).resolve("photos/a.jpg")
    finally:
        (shop / "photos").chmod(0o755)


def test_an_item_has_its_photos_in_order_and_each_once(shop: Path) -> None:
    rows = "id,image\n1,photos/b.jpg|photos/a.jpg|photos/../photos/b.jpg\n"

    assert read(shop, rows) == ([("1", "b.jpg", "a.jpg")], [])


def attributes(shop: Path, text: str, **options: object) -> dict[str, object]:
    (shop / "c.csv").write_text(text)
    catalog = read_catalog(shop / "c.csv", **options).read_all()  # type: ignore[arg-type]
    return {item.id: dict(item.attributes) for item in catalog.items}


REPEATED = "id,image,brand,size\n1,photos/a.jpg,x,\n2,photos/a.jpg,,\n1,photos/b.jpg,{},L\n"


@pytest.mark.parametrize(
    ("policy", "brand", "wanted"),
    [
        ("error", "y", {"1": {"brand": "x"}, "2": {}}),
        ("first", "y", {"1": {"brand": "x"}, "2": {}}),
        ("last", "y", {"2": {}, "1": {"brand": "y", "size": "L"}}),
        ("merge", "", {"2": {}, "1": {"brand": "x", "size": "L"}}),
        ("merge", "y", {"2": {}, "1": {"brand": "x"}}),
    ],
    ids=["error", "first", "last", "merge", "merge refused"],
)
def test_a_repeated_id_is_what_the_caller_says(
    shop: Path, policy: str, brand: str, wanted: dict[str, object]
) -> None:
    found = attributes(shop, REPEATED.format(brand), on_duplicate=policy)

    assert list(found.items()) == list(wanted.items())


def test_merged_rows_join_their_photos(shop: Path) -> None:
    rows = "id,image,title\n" + "".join(f"1,photos/{name}.jpg,\n" for name in "abca")
    found = read(shop, rows, on_duplicate="merge")

    assert found == ([("1", "a.jpg", "b.jpg", "c.jpg")], [])


def test_a_held_item_is_given_at_its_last_row(shop: Path) -> None:
    rows = "".join(f"{i},photos/{name}.jpg\n" for i in range(3) for name in "ab")
    (shop / "c.csv").write_text("id,image\n" + rows)
    found = iter(read_catalog(shop / "c.csv", on_duplicate="merge"))
    first = next(found)

    assert isinstance(first, Item)
    assert (first.id, len(first.photos)) == ("0", 2)


def test_left_out_rows_are_counted_in_the_notes(shop: Path) -> None:
    (shop / "c.csv").write_text("id,image\n" + "1,photos/a.jpg\n" * 3 + "1,photos/b.jpg\n")
    reader = read_catalog(shop / "c.csv", on_duplicate="first")

    assert reader.notes == ()
    assert reader.read_all().notes == (
        "2 row(s) that repeat another exactly were left out",
        "1 row(s) were left out for the first of the same id",
    )
    assert reader.row_count == 4

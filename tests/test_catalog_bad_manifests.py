"""Every bad manifest costs what it should: the file or the row, by code and line; nothing else."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import bad_manifests
import bad_manifests_cells
import bad_manifests_typed
import pytest

from scenesearch.catalog import RowError, read_catalog
from scenesearch.core.errors import CatalogError

MANIFESTS = vars(bad_manifests)

HERE = Path(__file__).parent
MORE = [vars(bad_manifests_cells), vars(bad_manifests_typed)]
CASES = [case for module in (MANIFESTS, *MORE) for case in module["cases"]()]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.mktemp("manifests")
    outside = base / "elsewhere"
    outside.mkdir()
    (outside / "x.jpg").touch()
    folder = base / "shop"
    for name in MANIFESTS["PHOTOS"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "link.jpg").symlink_to("a.jpg")
    (folder / "out.jpg").symlink_to(outside / "x.jpg")
    (folder / "outside").symlink_to(outside)
    (folder / "loop.jpg").symlink_to("loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return folder


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_manifest_gives_its_good_rows_and_names_its_bad_ones(case: Any, photos: Path) -> None:
    path = photos / case.file
    path.write_bytes(case.data)
    try:
        if case.refused:
            with pytest.raises(CatalogError) as caught:
                read_catalog(path, **case.options).read_all()

            assert caught.value.code == case.refused, str(caught.value)
            check_message(str(caught.value))
            return
        reader = read_catalog(path, **case.options)
        catalog = reader.read_all()

        assert tuple(item.id for item in catalog.items) == case.ids, catalog.errors
        assert tuple((e.row, e.column, e.code) for e in catalog.errors) == case.errors
        assert tuple((lost.row, lost.column, lost.code) for lost in catalog.lost) == case.lost
        for error in (*catalog.errors, *catalog.lost):
            check_message(error.message)
        assert reader.read_all() == catalog, "a second walk must give the same"
    finally:
        path.unlink()


def check_message(message: str) -> None:
    assert "expected" in message or "; " in message or ": " in message
    assert len(message) < 1500
    assert not any(unicodedata.category(char) in ("Cc", "Cs") for char in message), repr(message)


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 250
    assert sum(bool(case.refused or case.errors or case.lost) for case in CASES) >= 120


def test_a_row_error_reads_as_one_line() -> None:
    assert str(RowError(3, "price", "bad_price", "no")) == "row 3, price: no"
    assert str(RowError(3, None, "ragged_row", "no")) == "row 3: no"


def test_every_code_is_in_the_docs() -> None:
    text = (HERE.parent / "docs" / "catalog.md").read_text(encoding="utf-8")
    codes = {error[2] for case in CASES for error in (*case.errors, *case.lost)}
    codes |= {case.refused for case in CASES if case.refused}

    assert len(codes) > 40
    assert [code for code in sorted(codes) if f"`{code}`" not in text] == []

"""Types of columns and checks of cells, as tables."""

from __future__ import annotations

import contextlib
import csv
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.catalog import read_catalog
from scenesearch.catalog.attributes import ColumnType, value_of_cell, value_of_text
from scenesearch.catalog.records import CellError
from scenesearch.catalog.values import KNOWN_VALUES, id_of
from scenesearch.core.errors import CatalogError

NAUGHTY = [
    "undefined", "null", "None", "NaN", "true", "FALSE", "0", "-0", "1.0", "1/2", "1E+02",
    "0x0", "1e1000", "Infinity", "٠١٢", "１２３", ",", ";", "'", "\"", "\"\"", "'\"'", "`",
    "\\", "\\\\n", "/", "//", "../../../../etc/passwd%00", "~", "$HOME", "%d%s%n", "{0}",
    "{{7*7}}", "${jndi:ldap://x}", "<script>alert(1)</script>", "'; DROP TABLE items; --",
    "1 OR 1=1", "=cmd|' /C calc'!A0", "+1", "-1", "@x", "#", "#!/bin/sh", "--version",
    "-rf", "*", "?", "[", "]", "[1]", "{}", "nil", "\u00a0", "\u3000x", "\ufeffx",
    "a\u200bb", "\u202ereversed", "Z͑ͫa̴lgo", "Ω≈ç√", "ß", "İi", "ﬁ", "ſ", "社會科學院",
    "ثم نفس", "🛋️", "👩\u200d👩\u200d👧", "🇦🇶", "𝔘𝔫𝔦", "\U0010ffff", "a" * 500, "CON", "a.",
    " .",
]  # fmt: skip


def test_naughty_ids_and_titles_are_kept_verbatim(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    with (tmp_path / "c.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "image", "title"])
        writer.writerows([text, "a.jpg", text] for text in NAUGHTY)
    catalog = read_catalog(tmp_path / "c.csv").read_all()

    wanted = [text.strip(" ") for text in NAUGHTY]
    assert len(NAUGHTY) >= 60
    assert catalog.errors == ()
    assert [item.id for item in catalog.items] == wanted
    assert [item.attributes["title"] for item in catalog.items] == wanted


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "20", "-3", "0"], "integer"),
        (["9007199254740992", "-9007199254740992"], "integer"),
        (["9007199254740993"], "keyword"),
        (["1" * 5000], "text"),
        (["001", "002"], "keyword"),
        (["+1"], "keyword"),
        (["-0"], "float"),
        (["1", "2.5"], "float"),
        (["1e3", ".5", "-0.25"], "float"),
        (["1e400"], "keyword"),
        (["00.5"], "keyword"),
        (["1."], "keyword"),
        (["1,5"], "keyword"),
        (["1_000"], "keyword"),
        (["٣"], "keyword"),
        (["0x10"], "keyword"),
        (["nan"], "keyword"),
        (["inf"], "keyword"),
        (["1", "n/a"], "keyword"),
        (["true", "False", "TRUE"], "bool"),
        (["yes", "no"], "keyword"),
        (["true", "1"], "keyword"),
        (["red", "blue"], "keyword"),
        (["x" * 200], "keyword"),
        (["x" * 201, "y"], "text"),
        ([], "keyword"),
    ],
    ids=lambda value: ",".join(value)[:30] if isinstance(value, list) else value,
)
def test_a_csv_column_has_a_type_when_all_its_cells_agree(cells: list[str], kind: str) -> None:
    column = ColumnType()
    for row, cell in enumerate(cells):
        column.add_text(cell, row)

    assert column.field_type() == kind
    values = [value_of_text(cell, column.field_type()) for cell in cells]
    python = {"integer": int, "float": float, "bool": bool}.get(kind, str)
    assert [type(value) for value in values] == [python] * len(cells)


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        ([1, 2], "integer", [1, 2]),
        ([1, 2.5], "float", [1.0, 2.5]),
        ([True, False], "bool", [True, False]),
        ([True, 1], "keyword", ["true", "1"]),
        (["001", 1, 1.5], "keyword", ["001", "1", "1.5"]),
        ([2**63, 1], "keyword", [str(2**63), "1"]),
        (["a", " b "], "keyword", ["a", "b"]),
        (["a", "x" * 201], "text", ["a", "x" * 201]),
        ([["a", "b", "a"], "c", []], "keyword", [("a", "b"), "c", None]),
        ([[1, True, None, " "]], "keyword", [("1", "true")]),
        (["", " "], "keyword", [None, None]),
    ],
    ids=str,
)
def test_a_typed_column_keeps_its_type_and_a_mixed_one_becomes_keywords(
    cells: list[Any], kind: str, values: list[Any]
) -> None:
    column = ColumnType()
    for cell in cells:
        column.add_value(cell)

    assert column.field_type() == kind
    found = [value_of_cell(cell, column.field_type()) for cell in cells]
    assert found == values
    assert [type(one) for one in found] == [type(one) for one in values]


def test_a_note_says_why_a_column_of_numbers_is_text() -> None:
    column = ColumnType()
    for row, cell in enumerate([*"123456", "n/a", "7"], start=2):
        column.add_text(cell, row)

    assert "row 8 has 'n/a' after 6 plain numbers" in (column.note() or "")


def test_a_note_says_that_a_column_is_mixed() -> None:
    mixed, numbers, large = ColumnType(), ColumnType(), ColumnType()
    for column, cells in ((mixed, [1, "a"]), (numbers, [1, 1.5]), (large, [2**64])):
        for cell in cells:
            column.add_value(cell)

    assert "mixes integer, text" in (mixed.note() or "")
    assert numbers.note() is None
    assert "beyond 2^53" in (large.note() or "")


@pytest.mark.parametrize(
    ("name", "cell", "value"),
    [
        ("price", "12", 12.0),
        ("price", " 1299.00 ", 1299.0),
        ("price", 0, 0.0),
        ("price", 9.5, 9.5),
        ("price", "", None),
        ("in_stock", "Yes", True),
        ("in_stock", "FALSE", False),
        ("in_stock", "0", False),
        ("in_stock", 1, True),
        ("in_stock", True, True),
        ("in_stock", "", None),
        ("tags", "a|b, c|a", ("a", "b, c")),
        ("tags", "a, b ,,c", ("a", "b", "c")),
        ("tags", '["a", "b, c"]', ("a", "b, c")),
        ("tags", ["a", 5, None], ("a", "5")),
        ("tags", "one", ("one",)),
        ("tags", "", ()),
        ("colour", "red", "red"),
        ("colour", ["red", "blue"], ("red", "blue")),
        ("category", 12, "12"),
        ("url", "https://x.test/a?b=c", "https://x.test/a?b=c"),
        ("url", "HTTP://x.test", "HTTP://x.test"),
        ("url", "/p/1:2", "/p/1:2"),
        ("title", "=1+1", "=1+1"),
    ],
    ids=str,
)
def test_known_columns_take_these(name: str, cell: Any, value: Any) -> None:
    found = KNOWN_VALUES[name](cell)

    assert found == value
    assert type(found) is type(value)


@settings(deadline=None)
@given(
    st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text()), st.none())
)
def test_no_cell_ever_breaks_a_check(cell: Any) -> None:
    for check in (id_of, *KNOWN_VALUES.values()):
        try:
            value = check([] if cell is None and check is not id_of else cell)
        except CellError as error:
            value = (error.code, str(error))
        json.dumps(value, allow_nan=False)


CELL = st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30
).filter(lambda text: "\0" not in text)
ID = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=30).filter(
    lambda text: text.strip(" ") != ""
)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.tuples(ID, CELL, CELL),
        min_size=1,
        max_size=8,
        unique_by=lambda row: unicodedata.normalize("NFC", row[0].strip(" ")),
    ),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_what_the_csv_module_writes_is_read_back_verbatim(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str]],
    delimiter: str,
    end: str,
    quoting: Any,
    codec: str,
) -> None:
    # With QUOTE_MINIMAL the writer only quotes line ends of its own kind.
    if any(char in text for row in rows for text in row for char in "\r\n"):
        quoting = csv.QUOTE_ALL
    folder = tmp_path_factory.getbasetemp() / "round-trip"
    folder.mkdir(exist_ok=True)
    (folder / "a.jpg").touch()
    with (folder / "c.csv").open("w", newline="", encoding=codec) as stream:
        writer = csv.writer(stream, delimiter=delimiter, lineterminator=end, quoting=quoting)
        writer.writerow(["id", "image", "title", "description"])
        writer.writerows([one, "a.jpg", two, three] for one, two, three in rows)
    catalog = read_catalog(folder / "c.csv").read_all()

    space = " \t\r\n"
    assert catalog.errors == ()
    assert [item.id for item in catalog.items] == [row[0].strip(space) for row in rows]
    for item, row in zip(catalog.items, rows, strict=True):
        wanted = {"title": row[1].strip(space), "description": row[2].strip(space)}
        assert item.attributes == {name: text for name, text in wanted.items() if text}


@settings(deadline=None)
@given(data=st.binary(max_size=400), kind=st.sampled_from(["csv", "jsonl", "parquet"]))
def test_any_bytes_give_a_catalogue_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes, kind: str
) -> None:
    path = tmp_path_factory.getbasetemp() / f"any.{kind}"
    path.write_bytes(b"id,image,x\n" + data if kind == "csv" else data)
    with contextlib.suppress(CatalogError):
        catalog = read_catalog(path).read_all()

        assert catalog.items == ()

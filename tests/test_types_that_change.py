"""A column may hold whole numbers for months and a decimal one day: nothing stops half done."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shop

from scenesearch.api import SceneSearch
from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.cli.main import main
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import Between
from scenesearch.core.errors import CatalogError
from scenesearch.sync.plan import SyncRules

RULES = SyncRules(allow_mass_delete=True, audit=False)
Row = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(autouse=True)
def _surroundings(clean_surroundings, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    shop.colour_shop(folder / "photos")
    return folder


class Feed:
    """A feed that is written anew each day, and the collection that follows it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.names = sorted(p.name for p in (folder / "photos").iterdir())[:5]
        self.path = folder / f"{home.name}.csv"

    def write(self, column: str, cells: list[object], price: float = 1.0) -> None:
        stream = io.StringIO()
        writer = csv.writer(stream)
        writer.writerow(["id", "image", "price", column])
        for name, cell in zip(self.names, cells, strict=False):
            writer.writerow([name, f"photos/{name}", price, cell])
        self.path.write_text(stream.getvalue())

    def stored(self, home: Path | None = None) -> dict[str, Row]:
        with SceneSearch(home or self.home) as front:
            records = list(scroll_all(front._opened.store))
            names = set(front._opened.fields())
        keys = {"price", "rating", "size", "item_hash"} & (names | {"item_hash"})
        return {
            r.payload["item_id"]: {k: r.payload[k] for k in sorted(keys) if k in r.payload}
            for r in records
        }

    def fields(self) -> dict[str, str]:
        with SceneSearch(self.home) as front:
            return dict(front._opened.fields())


@pytest.fixture
def feed(photos: Path, tmp_path: Path) -> Feed:
    return Feed(photos, tmp_path / "store")


def sync(shop_feed: Feed, **options: Any) -> Any:
    with SceneSearch(shop_feed.home) as front:
        return front.sync(shop_feed.path, rules=RULES, **options)


DAYS: dict[str, tuple[list[object], list[object], str, list[object]]] = {
    # first day, second day, what the field is then, what is stored then
    "whole numbers, then a decimal": ([4, 5, 3], [4, 5, 4.5], "float", [4.0, 5.0, 4.5]),
    "decimals, then whole numbers": ([4.5, 5.5], [4, 5], "float", [4.0, 5.0]),
    "whole numbers, then 4.0": ([4, 5], ["4.0", 5], "integer", [4, 5]),
    "words, then numbers": (["large", "XL"], [4, 5.5], "keyword", ["4", "5.5"]),
    "numbers, then a word": ([4, 5], [4, "n/a"], "integer", [4, None]),
    "numbers, then a word and a decimal": ([4, 5], ["n/a", 4.5], "float", [None, 4.5]),
    "decimals, then a word": ([4.5, 5], ["oops", 5], "float", [None, 5.0]),
    "true, then a number": (["true", "false"], ["true", "1"], "bool", [True, True]),
    "true, then a word": (["true", "false"], ["maybe", "no"], "bool", [None, False]),
    "numbers, then beyond 64 bits": ([4, 5], [4, 10**20], "integer", [4, None]),
    "a code with zeros, then numbers": (["007", "008"], [7, 8], "keyword", ["7", "8"]),
    "short words, then long ones": (["a", "b"], ["a", "b" * 300], "keyword", ["a", "b" * 300]),
}


@pytest.mark.parametrize(
    ("case", "how"),
    [
        pytest.param(
            case, ("sync", "index")[place % 2], marks=[pytest.mark.e2e] if place > 3 else []
        )
        for place, case in enumerate(DAYS)
    ],
    ids=lambda name: name.replace(" ", "-"),
)
def test_the_next_day_is_stored_whole_or_its_cell_is_named(case: str, how: str, feed: Feed) -> None:
    first, second, kind, wanted = DAYS[case]
    feed.write("rating", first)
    sync(feed)
    feed.write("rating", second, price=2.0)
    with SceneSearch(feed.home) as front:
        plan = front.sync(feed.path, rules=RULES, dry_run=True)
        done = front.sync(feed.path, rules=RULES) if how == "sync" else front.index(feed.path)
    found = feed.stored()

    assert feed.fields()["rating"] == kind
    assert [found[name].get("rating") for name in feed.names[: len(wanted)]] == wanted
    assert [type(found[name].get("rating")) for name in feed.names[: len(wanted)]] == [
        type(value) for value in wanted
    ]
    assert {row["price"] for row in found.values()} == {2.0}, "the rest of the row is stored"
    assert not done.rows
    lost = [note for note in done.notes if "1 cell(s) were left out" in note]
    assert bool(lost) == (None in wanted)
    assert set(lost) <= set(plan.notes), "the dry run says the same"


def test_prices_and_deletions_of_the_same_run_are_made(feed: Feed) -> None:
    feed.write("rating", [4, 5, 3, 2])
    sync(feed)
    feed.write("rating", [4, 5, 4.5], price=9.0)
    done = sync(feed)
    with SceneSearch(feed.home) as front:
        high = [
            r.payload["item_id"]
            for r in scroll_all(front._opened.store, where=Between("rating", gt=4.2))
        ]
        whole = [
            r.payload["rating"]
            for r in scroll_all(front._opened.store, where=Between("rating", lt=4.2))
        ]
        again = front.sync(feed.path, rules=RULES)

    assert done.plan.delete == (feed.names[3],)
    assert sorted(high) == sorted(feed.names[1:3])
    assert whole == [4.0]
    assert again.plan.unchanged == 3, "and it is done"


@pytest.mark.store
def test_after_every_day_the_collection_is_that_of_a_fresh_index(
    feed: Feed, tmp_path: Path
) -> None:
    days: list[list[object]] = [[4, 5, 3], [4, 5, 4.5], [4, 5], [1, 2, 3, 4], [4.25, 5, 3, 2, 1]]
    for number, cells in enumerate(days):
        feed.write("rating", cells, price=float(number))
        sync(feed)
        fresh = tmp_path / f"fresh{number}"
        with SceneSearch(fresh) as front:
            front.index(feed.path, feed=FeedOptions(types={"rating": feed.fields()["rating"]}))

        assert feed.stored() == feed.stored(fresh)


def test_a_declared_type_holds_from_the_first_day(feed: Feed, monkeypatch) -> None:
    feed.write("size", [1, 2, "wide"])
    with SceneSearch(feed.home) as front:
        done = front.index(feed.path, feed=FeedOptions(types={"size": "float"}))

    assert feed.fields()["size"] == "float"
    assert [feed.stored()[n].get("size") for n in feed.names[:3]] == [1.0, 2.0, None]
    assert [note for note in done.notes if note.startswith("size: 1 cell(s)")]
    with pytest.raises(CatalogError, match="'size' is to be of type keyword, and is float"):
        sync(feed, dry_run=True, feed=FeedOptions(types={"size": "keyword"}))


def test_the_settings_declare_types_too(feed: Feed, tmp_path: Path) -> None:
    feed.write("rating", [4, 5, 3])
    profile = tmp_path / "profile.yaml"
    profile.write_text("fields: {rating: float}\n")
    with SceneSearch(feed.home, config=profile) as front:
        front.index(feed.path)

    assert feed.fields()["rating"] == "float"


def test_the_command_refuses_in_the_dry_run_what_it_would_refuse(
    feed: Feed, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.write("rating", [4, 5, 3])
    sync(feed)
    code: Callable[..., int] = lambda *a: _run(monkeypatch, *a)  # noqa: E731
    for command in ("sync", "index"):
        for more in ((), ("--dry-run",)):
            status = code(
                command, feed.path, "--store", feed.home, "--type", "rating=keyword", *more
            )

            assert status == 2
            assert "is integer in the collection" in capsys.readouterr().err


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, arguments)])
    return main()


def rows_of(tmp_path: Path, form: str, values: list[Any]) -> Path:
    """One column of values, in a file of a form."""
    (tmp_path / "a.jpg").touch()
    rows = [{"id": str(n), "image": "a.jpg", "x": value} for n, value in enumerate(values)]
    path = tmp_path / f"c.{form}"
    if form == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with path.open("w", newline="") as file:
            table = csv.writer(file)
            table.writerow(["id", "image", "x"])
            lists = (json.dumps(v) if isinstance(v, list) else v for v in values)
            table.writerows([n, "a.jpg", value] for n, value in enumerate(lists))
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_whole_numbers_that_others_would_round_are_text(form: str, tmp_path: Path) -> None:
    exact = read_catalog(rows_of(tmp_path, form, [2**53, -(2**53)])).read_all()
    beyond = read_catalog(rows_of(tmp_path, form, [2**53 + 1, 5])).read_all()

    assert exact.fields["x"] == "integer"
    assert exact.items[0].attributes["x"] == 2**53
    assert beyond.fields["x"] == "keyword"
    assert [item.attributes["x"] for item in beyond.items] == [str(2**53 + 1), "5"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_vectors_are_no_attributes_and_are_named(form: str, tmp_path: Path) -> None:
    vectors = [[0.25 * n + i for i in range(16)] for n in range(3)]
    found = read_catalog(rows_of(tmp_path, form, vectors)).read_all()

    assert "x" not in found.fields
    assert all("x" not in item.attributes for item in found.items)
    assert any("vectors (lists of 16 numbers)" in note for note in found.notes)

    # what the collection has already, and short lists, stay what they are
    path = tmp_path / f"c.{form}"
    kept = read_catalog(path, stored={"x": "keyword"}).read_all()

    assert kept.items[0].attributes["x"]
    for others in ([vectors[0], [0.5]], [[0.5, 1.5]] * 2, [["a"] * 16] * 2):
        found = read_catalog(rows_of(tmp_path, form, others)).read_all()
        assert found.fields["x"] in ("keyword", "text"), others

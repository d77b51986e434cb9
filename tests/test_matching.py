"""Query photos by the folder: a line a match, failures as lines, and a run that goes on."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import shop

from scenesearch import RunOptions, SceneSearch, load_settings
from scenesearch.core.errors import ConfigError, QueryError
from scenesearch.matching.rows import Found, MatchRow, SearchedObject
from scenesearch.matching.table import COLUMNS

pytestmark = pytest.mark.usefixtures("clean_surroundings")


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def front(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    catalog = shop.write_catalog(folder, shop.colour_shop(folder / "photos"))
    with SceneSearch(folder / "store", config=load_settings()) as found:
        found.index(catalog)
        yield found


@pytest.fixture
def photos(tmp_path):
    """Two rooms, a grey wall, the first room again, and what is no photo."""
    folder = tmp_path / "photos"
    shop.save(shop.room(("red", "square"), ("blue", "wide")), folder / "a.png")
    shop.save(shop.room(("green", "tall")), folder / "b.png")
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())
    (folder / "d.jpg").write_text("no photo")
    return folder


def run(front, out, photos, **options):
    return front.match_to(out, photos, run=RunOptions(batch=1, workers=1), **options)


def table(out):
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_every_object_has_its_matches_and_a_failure_is_a_line(front, photos, tmp_path):
    done = run(front, tmp_path / "out.jsonl", photos, top=2)
    lines = table(tmp_path / "out.jsonl")
    first = [one for one in lines if one["rank"] == 1]

    assert (done.photos, done.done, done.failed, done.same_content) == (4, 3, 1, 1)
    assert [(one["source"][-5:], one["object"], one["item_id"]) for one in first] == [
        ("a.png", 1, "red-square"),
        ("a.png", 2, "blue-wide"),
        ("b.png", 1, "green-tall"),
        ("c.png", 1, "red-square"),
        ("c.png", 2, "blue-wide"),
    ]
    assert first[0]["price"] == 10.0
    assert {one["rank"] for one in lines} == {1, 2, None}
    assert [(one["source"][-5:], one["error"]) for one in lines if one["error"]] == [
        ("d.jpg", "unsupported_image")
    ]


@pytest.mark.store
def test_a_second_run_searches_what_is_new_alone(front, photos, tmp_path):
    out = tmp_path / "out.csv"
    run(front, out, photos)
    before = out.read_bytes()
    again = run(front, out, photos)

    assert (again.done, again.skipped, again.failed) == (0, 3, 1)
    assert out.read_bytes() == before

    shop.save(shop.room(("blue", "tall")), photos / "new.png")
    assert run(front, out, photos).done == 1
    assert run(front, out, photos, top=1).done == 4, "another answer is wanted"
    assert run(front, out, photos, top=1, where="price < 50").done == 4


@pytest.mark.store
def test_a_run_that_is_interrupted_goes_on(front, photos, tmp_path):
    out = tmp_path / "out.jsonl"
    seen = []

    def interrupted(progress):
        seen.append(progress.photos)
        if progress.photos == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        front.match_to(out, photos, run=RunOptions(batch=1, workers=1), progress=interrupted)
    assert not out.exists()

    done = run(front, out, photos)
    assert (seen, done.skipped, done.photos) == ([1], 1, 4)
    assert len({one["source"] for one in table(out)}) == 4


def test_a_photo_of_one_thing_is_searched_as_one(front, tmp_path):
    shop.save(shop.product("blue", "tall"), tmp_path / "photos" / "a.png")
    run(front, tmp_path / "out.jsonl", tmp_path / "photos", top=1, one_thing=True)
    (line,) = table(tmp_path / "out.jsonl")

    assert (line["object"], line["box"], line["item_id"]) == (1, None, "blue-tall")


@pytest.mark.store
def test_all_formats_have_the_same_table(front, photos, tmp_path):
    for name in ("out.jsonl", "out.csv", "out.parquet"):
        run(front, tmp_path / name, photos, top=3)
    parquet = pd.read_parquet(tmp_path / "out.parquet")
    csv = pd.read_csv(tmp_path / "out.csv")

    assert tuple(parquet.columns) == tuple(csv.columns) == COLUMNS
    lines = table(tmp_path / "out.jsonl")
    for name in ("source", "item_id", "score", "price", "error"):
        values = [one[name] for one in lines]
        for found in (parquet, csv):
            told = [None if pd.isna(value) else value for value in found[name]]
            assert told == values, name


def test_an_object_without_a_match_has_a_line_and_says_why(front, photos, tmp_path):
    run(front, tmp_path / "out.jsonl", photos / "b.png", where="price > 1000")
    (line,) = table(tmp_path / "out.jsonl")

    assert (line["object"], line["item_id"], line["note"]) == (1, None, "no good match")


def test_a_row_is_read_back_as_it_was_written():
    match = Found(1, "SKU", 0.5, {"title": "Sofa", "price": 9.5})
    row = MatchRow("a.png", "ab", 4, 3, (SearchedObject(1, None, 0.0, None, (match,)),), ("odd",))

    assert MatchRow.from_dict(row.to_dict()).to_dict() == row.to_dict()
    with pytest.raises(ValueError, match="source"):
        MatchRow.from_dict({})


def test_what_makes_no_sense_is_said_before_any_work(front, photos, tmp_path):
    with pytest.raises(ConfigError, match=r"expected \.jsonl, \.parquet, \.csv"):
        run(front, tmp_path / "out.xlsx", photos)
    with pytest.raises(QueryError, match="prize"):
        run(front, tmp_path / "out.csv", photos, where="prize < 3")
    assert not (tmp_path / "out.csv.ledger").exists()

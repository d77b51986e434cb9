"""Vectors that came with the catalogue: a space of the collection beside those of the photos."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import service_app as service
import shop
from fakes.store import MemoryStore

from scenesearch import wiring
from scenesearch.api import SceneSearch, generations
from scenesearch.api.opened import Opened
from scenesearch.api.verifying import verify_store
from scenesearch.catalog import FeedOptions, read_catalog
from scenesearch.catalog.check import check_catalog
from scenesearch.catalog.kept_items import item_of_json, item_to_json
from scenesearch.cli.main import main
from scenesearch.config.settings import load_settings
from scenesearch.core.batches import scroll_all
from scenesearch.core.errors import CatalogError, QueryError
from scenesearch.core.types import Item
from scenesearch.store.priced import unwrapped
from scenesearch.sync.plan import SyncRules

FEED = FeedOptions(vectors=("clip",))
RULES = SyncRules(allow_mass_delete=True, audit=False)
SIZE = 16


def vector(item: Item, turn: float = 0.0) -> list[float]:
    """Of an item: its colour, and a little of its shape, which is what the model sees."""
    row = np.zeros(SIZE)
    row[shop.NAMES.index(str(item.attributes["group"]))] = 1.0
    row[8 + list(shop.SIZES).index(str(item.attributes["category"]))] = 0.1
    row[15] = turn
    return [float(one) for one in 3 * row]


def write(path: Path, items: Sequence[Item], vectors: Sequence[Any], name: str = "clip") -> Path:
    rows = [
        {"id": item.id, "image": item.photos[0], **item.attributes, name: one}
        for item, one in zip(items, vectors, strict=True)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(autouse=True)
def _surroundings(clean_surroundings, monkeypatch):
    monkeypatch.setenv("SCENESEARCH_CUTOUT__MATTING", "never")


@pytest.fixture(scope="module")
def items(tmp_path_factory) -> list[Item]:
    return shop.colour_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def catalog(items, tmp_path) -> Path:
    return write(tmp_path / "c.jsonl", items, [vector(one) for one in items])


def opened(folder: Path, kind: str = "embedded", **more: Any) -> SceneSearch:
    config = load_settings(None, min_free_megabytes=0, cache_dir=folder / "cache", **more)
    front = SceneSearch(folder / "store", config=config)
    if kind == "memory":
        front._opened.store = MemoryStore()
    return front


def index(front: SceneSearch, path: Path, feed: FeedOptions | None = FEED) -> Any:
    return front.index(path, feed=feed, image_root="/").report


def sync(front: SceneSearch, path: Path, feed: FeedOptions | None = None) -> Any:
    return front.sync(path, rules=RULES, feed=feed, image_root="/").report


def stored(front: SceneSearch) -> dict[str, Any]:
    """What the points of each item have in the space, and their hash."""
    found: dict[str, Any] = {}
    for record in scroll_all(front.store, spaces=("clip",)):
        row = record.vectors.get("clip")
        said = None if row is None else row.round(5).tolist(), record.payload["item_hash"]
        assert found.setdefault(record.payload["item_id"], said) == said
    return found


# --- reading -------------------------------------------------------------------------------


def table(tmp_path: Path, form: str, cells: Sequence[Any]) -> Path:
    (tmp_path / "a.jpg").touch()
    path = tmp_path / f"c.{form}"
    rows = [{"id": str(n), "image": "a.jpg", "My Vec": cell} for n, cell in enumerate(cells)]
    if form == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        lines = (f'{r["id"]},a.jpg,"{"" if r["My Vec"] is None else r["My Vec"]}"' for r in rows)
        path.write_text("\n".join(["id,image,My Vec", *lines]))
    return path


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_column_of_vectors_becomes_a_space_and_a_bad_one_loses_its_cell(form, tmp_path):
    good = [[0.5, -1.25, 3.0], [1.0, 2.0, 0.0]]
    # as JSON that is no JSON it would cost the row
    unknown = None if form == "jsonl" else float("nan")
    bad = [[1.0, 2.0], [unknown, 1.0, 1.0], [0.0, 0.0, 0.0], [1e300, 1.0, 1.0]]
    path = table(tmp_path, form, [*good, None, [], *bad])

    found = read_catalog(path, feed=FeedOptions(vectors=("My Vec",))).read_all()

    assert "my_vec" not in found.fields
    rows = [
        {k: np.frombuffer(v, "<f4").tolist() for k, v in i.vectors.items()} for i in found.items
    ]
    assert rows == [{"my_vec": good[0]}, {"my_vec": good[1]}, *[{}] * 6]
    assert not found.errors
    (lost,) = found.lost
    assert (lost.column, lost.code, lost.count) == ("my_vec", "bad_vector", 4)
    assert "a vector of 2 numbers: expected 3" in lost.message


@pytest.mark.parametrize(
    "text", ["[0.5, -1, 2e0]", "0.5 -1 2", "[0.5 -1.\n  2.]", "0.5;-1;2", " [0.5,-1,2] "]
)
def test_texts_of_numbers_are_vectors(text, tmp_path):
    path = table(tmp_path, "jsonl", [text])
    (item,) = read_catalog(path, feed=FeedOptions(vectors=("my_vec",))).read_all().items

    assert np.frombuffer(item.vectors["my_vec"], "<f4").tolist() == [0.5, -1.0, 2.0]


@pytest.mark.parametrize(
    ("asked", "cells", "spaces", "message"),
    [
        ("myvex", [[1.0, 2.0]], None, r"no column is called that \(near: my_vec\)"),
        ("colour", [[1.0, 2.0]], None, "--column my_colour=colour --vectors my_colour"),
        ("my_vec", [[1.0, 2.0]], {}, "made without such vectors"),
        ("my_vec", [[1.0, 2.0]], {"my_vec": 3}, "vectors of 2 numbers, expected 3"),
        ("my_vec", ["red", "green"], None, "holds no vector: 'red' is no vector"),
        ("my_vec", [[]], None, "its cells are empty"),
    ],
)
def test_a_column_that_cannot_be_one_is_refused(asked, cells, spaces, message, tmp_path):
    path = table(tmp_path, "jsonl", cells)

    with pytest.raises(CatalogError, match=message):
        read_catalog(path, feed=FeedOptions(vectors=(asked,)), spaces=spaces)


def test_an_item_waits_in_a_file_with_its_vectors():
    for vectors in (None, {}, {"clip": np.float32([1, 2]).tobytes()}):
        item = Item("1", ("a.jpg",), {"tags": ("x",)}, vectors)
        assert item_of_json(json.loads(json.dumps(item_to_json(item)))) == item


def test_the_check_offers_the_option_and_then_says_what_it_does(items, catalog):
    before = check_catalog(read_catalog(catalog, image_root="/"))
    after = check_catalog(read_catalog(catalog, image_root="/", feed=FEED))

    assert any(
        "lists of 16 numbers" in note and "--vectors clip keeps them" in note
        for note in before.notes
    )
    assert {one.header: one.field for one in before.columns}["clip"] == ""
    assert {one.header: one.type for one in after.columns}["clip"] == "vectors of 16 numbers"
    assert not after.problems
    assert not after.notes


def test_a_broken_vector_does_not_hide_that_the_column_has_some(items, tmp_path):
    rows = [vector(one) for one in items]
    path = write(tmp_path / "c.jsonl", items, [*rows[:-2], "-", rows[0][:7]])

    assert any("--vectors clip" in n for n in read_catalog(path, image_root="/").notes)


# --- searching -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", pytest.param("embedded", marks=pytest.mark.store)])
def test_items_are_compared_by_their_vectors_as_well(kind, items, catalog, tmp_path):
    with opened(tmp_path, kind) as front:
        index(front, catalog)
        assert dict(front.store.schema.vectors)["clip"] == SIZE
        ask: Callable[..., Any] = lambda **more: [  # noqa: E731
            match.item_id for match in front.search(items="red-tall", limit=2, **more).matches
        ]
        by_looks, by_both = ask(catalogue_weight=0), ask(catalogue_weight=20)
        alone = ask(weights={"clip": 1.0})
        scores = front.search(items="red-tall").matches[0].evidence[0].scores

    assert all(one.endswith("-tall") for one in by_looks)
    assert set(by_both) == set(alone) == {"red-square", "red-wide"}
    assert set(scores) >= {"cutout", "context", "clip"}


def test_a_photo_has_no_such_vector_and_finds_what_it_did(items, catalog, tmp_path):
    photo = shop.product("blue", "wide")
    with opened(tmp_path, "memory") as front:
        index(front, catalog)
        found = front.search(photos=photo).to_dict()["matches"]
        words = front.search("blue thing").to_dict()["matches"]
    plain = FeedOptions(ignore_columns=("clip",))
    with opened(tmp_path / "plain", "memory") as front:
        index(front, catalog, plain)
        wanted = front.search(photos=photo).to_dict()["matches"]
        wanted_words = front.search("blue thing").to_dict()["matches"]

    assert found == wanted
    assert words == wanted_words


def test_a_vector_of_the_caller_is_searched_in_its_space(items, catalog, tmp_path):
    row = np.float32(vector(items[0]))
    with opened(tmp_path, "memory") as front:
        index(front, catalog)
        match = front.search(vectors=[(row, 1.0, "clip")]).matches[0]
        with pytest.raises(QueryError, match=r"of shape \(16,\), got one of shape \(3,\)"):
            front.search(vectors=[(row[:3], 1.0, "clip")])
        with pytest.raises(QueryError, match="of the space 'clop'; the collection has clip"):
            front.search(vectors=[(row, 1.0, "clop")])

    assert match.item_id == items[0].id
    assert match.score == pytest.approx(1.0, abs=1e-4)


# --- what must not be lost -----------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", pytest.param("embedded", marks=pytest.mark.store)])
def test_a_sync_makes_vectors_as_a_fresh_index_does(kind, items, catalog, tmp_path):
    with opened(tmp_path, kind) as front:
        index(front, catalog)
        first = stored(front)
        assert sync(front, catalog).changed == 0

        # one changes, one goes, one is broken, one comes with another price
        rows: list[Any] = [vector(one) for one in items]
        rows[1], rows[2], rows[3] = vector(items[1], 0.5), None, [1.0]
        dearer = Item(items[4].id, items[4].photos, {**items[4].attributes, "price": 999.0})
        changed = [*items[:4], dearer, *items[5:]]
        report = sync(front, write(catalog, changed, rows))
        now = stored(front)
        again = sync(front, catalog)

    assert (report.changed, report.embedded) == (4, 0)
    assert again.changed == 0
    assert (now[items[2].id][0], now[items[3].id][0]) == (None, None)
    assert now[items[1].id][0] != first[items[1].id][0]
    assert now[items[5].id] == first[items[5].id]
    with opened(tmp_path / "fresh", kind) as fresh:
        index(fresh, catalog)
        assert stored(fresh) == now


def test_a_catalogue_without_the_column_leaves_them_as_they_are(items, catalog, tmp_path):
    with opened(tmp_path, "memory") as front:
        index(front, catalog)
        before = {one: row for one, (row, _) in stored(front).items()}
        rows = [{"id": i.id, "image": i.photos[0], **i.attributes} for i in items]
        catalog.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        sync(front, catalog)
        assert {one: row for one, (row, _) in stored(front).items()} == before

        # nor do attributes that are set alone, or another photo
        front.set_attributes([Item(items[0].id, (), {"title": "New"})])
        other = Item(items[1].id, (*items[1].photos, items[2].photos[0]), items[1].attributes)
        front.put([other])
        assert {one: row for one, (row, _) in stored(front).items()} == before
        assert len({r.id for r in scroll_all(front.store)}) == len(items) + 1


def test_a_collection_that_has_none_gets_none(items, catalog, tmp_path):
    with opened(tmp_path, "memory") as front:
        index(front, catalog, None)
        with pytest.raises(CatalogError, match="made without such vectors"):
            index(front, catalog)

        assert "clip" not in front.store.schema.vectors


@pytest.mark.store
def test_they_survive_another_generation_a_backup_and_a_look_at_everything(
    items, catalog, tmp_path, monkeypatch
):
    folder = tmp_path
    with opened(folder, index={"vectors": ["clip"]}) as front:
        index(front, catalog, None)
        before = stored(front)
        config = front.settings
    with closing(Opened(folder / "store", config)) as one:
        assert verify_store(one, deep=True).sound
    with closing(Opened(folder / "store", config)) as one:
        generations.do(one, "build", {"config": {}})
    # written while there are two
    rows = [vector(one, 0.25) for one in items]
    with opened(folder) as front:
        sync(front, write(catalog, items, rows))
        after = stored(front)
    assert after != before
    with closing(Opened(folder / "store", config)) as one:
        generations.do(one, "switch", {"generation": 2})
    with opened(folder) as front:
        assert front._opened.stored_as == "items--g2"
        assert stored(front) == after
    with closing(Opened(folder / "store", config)) as one:
        assert verify_store(one, deep=True).sound

    for command, place in (("backup", "store"), ("restore", "back/store")):
        words = (command, folder / "copy", "--store", folder / place)
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, words)])
        assert main() == 0
    with opened(folder / "back") as front:
        assert stored(front) == after


@pytest.mark.store
def test_a_damaged_one_comes_back_with_the_next_run(items, catalog, tmp_path):
    with opened(tmp_path) as front:
        index(front, catalog)
        before, config = stored(front), front.settings
    store: Any = unwrapped(wiring.build_store(config, tmp_path / "store", "items"))
    with closing(store):
        point = store.inspect(limit=1).points[0]
        raw = store._open()
        spoilt = {**point.vectors, "clip": -point.vectors["clip"]}
        operation = raw.requests.upsert([point.id], [spoilt], [dict(point.payload)])
        store._write(raw, operation, "spoil")
    with closing(Opened(tmp_path / "store", config)) as one:
        assert not verify_store(one, deep=True).sound
    with closing(Opened(tmp_path / "store", config)) as one:
        assert verify_store(one, deep=True, repair=True).sound
    with opened(tmp_path) as front:
        # what is damaged is not kept, and what nobody else knows comes from the catalogue
        item = str(point.payload["item_id"])
        assert stored(front)[item][0] is None
        report = sync(front, catalog)
        assert (report.changed, report.embedded) == (1, 0)
        assert stored(front) == before


# --- over REST -----------------------------------------------------------------------------


def test_an_item_that_is_put_brings_its_vector(items, catalog, tmp_path):
    with opened(tmp_path) as front:
        index(front, catalog)
    photo = {"base64": base64.b64encode(Path(items[0].photos[0]).read_bytes()).decode()}
    row = vector(items[0], 0.75)
    with service.serving(tmp_path, indexed=False) as served:

        def put(**attributes: Any) -> Any:
            sent = {"photos": [photo], "attributes": {"title": "New", **attributes}}
            return served.client.put("/v1/items/new", json=sent)

        def first(**options: Any) -> str:
            asked = {"vectors": [{"vector": row, "space": "clip"}], **options}
            found = served.client.post("/v1/search", json=asked).json()
            return str(found["matches"][0]["item_id"])

        assert put(clip=row).status_code == 201
        assert first() == "new"
        # nothing said of it, it stays; no numbers, it goes
        assert put().status_code == 200
        assert first() == "new"
        assert put(clip=[]).status_code == 200
        assert first() != "new"
        for wrong, code in (({"clip": row[:3]}, "bad_vector"), ({"clop": row}, "bad_vector")):
            answer = put(**wrong)
            assert (answer.status_code, answer.json()["code"]) == (422, code)

        answer = served.client.post("/v1/search", json={"items": {"red-tall": 1.0}, "limit": 2,
                                                        "catalogue_weight": 20})  # fmt: skip
        found = {match["item_id"] for match in answer.json()["matches"]}
        assert found == {"red-square", "red-wide"}


# --- the command line ----------------------------------------------------------------------


def test_the_commands(items, catalog, tmp_path, monkeypatch, capsys):
    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["scenesearch", *map(str, words)])
        code = main()
        return code, capsys.readouterr().out

    where = ("--store", tmp_path / "store")
    code, out = run("catalog", "check", catalog, "--image-root", "/", "--vectors", "clip")
    assert code == 0
    assert "vectors of 16 numbers" in out
    code, out = run("catalog", "check", catalog, "--image-root", "/", "--vectors", "clip", "--json")
    assert json.loads(out)["sample"]["vectors"]["clip"] == pytest.approx(vector(items[0]), abs=1e-6)
    code, _ = run("index", catalog, "--image-root", "/", "--vectors", "clip", *where)
    assert code == 0
    query = tmp_path / "q.json"
    query.write_text(json.dumps(vector(items[3])))
    code, out = run("search", "--vector", f"clip={query}", *where, "--json")
    assert json.loads(out)["matches"][0]["item_id"] == items[3].id
    np.save(tmp_path / "q.npy", np.float32(vector(items[3])))
    code, out = run("search", "--vector", f"clip={tmp_path / 'q.npy'}", *where, "--json")
    assert json.loads(out)["matches"][0]["item_id"] == items[3].id
    query.write_text('["a"]')
    code, _ = run("search", "--vector", f"clip={query}", *where)
    assert code == 2

"""The front door, over a real embedded store and models that fake."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import shop
from PIL import Image
from sparse import copy_tree

from scenesearch import SceneSearch, load_settings
from scenesearch.core.conditions import AllOf, Between, Equals
from scenesearch.core.errors import (
    CatalogError,
    ConfigError,
    FilterError,
    ImageError,
    QueryError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.core.types import Item
from scenesearch.images import load_scene

SETTINGS = load_settings(None, embedder={"whiten": 0})


@pytest.fixture(scope="module", autouse=True)
def parts():
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield shop.use_fakes(monkeypatch)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("shop")


@pytest.fixture(scope="module")
def items(folder):
    return shop.colour_shop(folder / "photos")


@pytest.fixture(scope="module")
def catalog(folder, items):
    return shop.write_catalog(folder, items)


@pytest.fixture(scope="module")
def template(tmp_path_factory, catalog, parts):
    """A store with the whole catalogue; making one takes longer than copying it."""
    path = tmp_path_factory.mktemp("template") / "store"
    with SceneSearch(path, config=SETTINGS) as front:
        front.index(catalog)
    return path


@pytest.fixture(scope="module")
def reader(template, tmp_path_factory):
    """The whole catalogue, for tests that only ask."""
    path = copy_tree(template, tmp_path_factory.mktemp("reader") / "store")
    with SceneSearch(path, config=SETTINGS) as reader:
        yield reader


@pytest.fixture
def front(template, tmp_path):
    """The whole catalogue, for tests that write."""
    copy_tree(template, tmp_path / "store")
    with opened(tmp_path) as front:
        yield front


def opened(tmp_path, **more):
    return SceneSearch(tmp_path / "store", **{"config": SETTINGS, **more})


def changed_catalog(folder, items, tmp_path):
    """Another manifest over the same photos."""
    return shop.write_catalog(folder, items, f"{tmp_path.name}.csv")


def ids(look):
    return [match.item_id for match in look.matches]


# --- indexing ----------------------------------------------------------------------------------


def test_a_catalogue_is_indexed_and_searched(tmp_path, catalog):
    room = shop.save(shop.room(("red", "square"), ("blue", "tall")), tmp_path / "room.png")

    with opened(tmp_path) as front:
        outcome = front.index(catalog)
        look = front.shop_the_look(room, where="price < 100")

    assert (outcome.report.added, outcome.rows) == (24, ())
    assert {"red-square", "blue-tall"} == set(ids(look)[:2])
    assert look.matches[0].attributes["category"] in {"square", "tall"}
    assert look.scene.source == room
    assert [found.region.label for found in look.regions] == ["red", "blue"]


def test_an_index_is_there_when_it_is_opened_again(front, catalog):
    outcome = front.index(catalog)

    assert front.count() == 24
    assert (outcome.report.unchanged, outcome.report.embedded) == (24, 0)
    assert front._opened.parts.embedder.loads == 0


def test_several_photos_of_an_item_are_one_item(tmp_path, folder, items):
    both = Item("both", (items[0].photos[0], items[1].photos[0]), {"title": "two"})
    catalog = changed_catalog(folder, [both], tmp_path)

    with opened(tmp_path) as front:
        front.index(catalog)

        assert front.count() == 2
        assert front.get("both") == Item("both", both.photos, {"title": "two"})


def test_bad_rows_are_left_out_and_told(tmp_path, folder, items):
    catalog = changed_catalog(folder, items, tmp_path)
    with catalog.open("a", encoding="utf-8") as file:
        file.write("late,photos/nothing.png,,,,,\n,photos/red-tall.png,Nameless,,,,\n")

    with opened(tmp_path) as front:
        outcome = front.index(catalog)

        assert [(e.row, e.column) for e in outcome.rows] == [(26, "image"), (27, "id")]
        assert front.count() == 24


@pytest.mark.parametrize("choice", ["strict", "prune"])
def test_bad_rows_stop_a_run_that_must_be_strict_or_could_delete(tmp_path, folder, items, choice):
    catalog = changed_catalog(folder, items, tmp_path)
    with catalog.open("a", encoding="utf-8") as file:
        file.write(",photos/red-tall.png,Nameless,,,,\n")

    with opened(tmp_path) as front:
        with pytest.raises(CatalogError, match="row 26") as caught:
            front.index(catalog, **{choice: True})

        assert caught.value.code == "bad_rows"
        assert front.store.schema is None


def test_pruning_removes_what_the_catalogue_lost(tmp_path, folder, items, front):
    catalog = changed_catalog(folder, items[:5], tmp_path)

    outcome = front.index(catalog, prune=True)

    assert outcome.report.removed == 19
    assert front.count() == 5


def test_a_dry_run_tells_what_would_happen_and_leaves_no_trace(tmp_path, catalog):
    with opened(tmp_path) as front:
        outcome = front.index(catalog, dry_run=True)

    assert outcome.report is None
    assert len(outcome.plan.items) == 24
    assert not (tmp_path / "store").exists()
    assert front._opened.parts.embedder.loads == 0


def test_a_dry_run_over_a_collection_changes_nothing(front, folder, items, tmp_path):
    before = shop.contents(front.store)
    changed = [Item(i.id, i.photos, {**i.attributes, "price": 1.0}) for i in items[:3]]
    catalog = changed_catalog(folder, changed, tmp_path)

    outcome = front.index(catalog, dry_run=True, prune=True)

    assert (len(outcome.plan.items), len(outcome.plan.gone)) == (3, 21)
    assert shop.contents(front.store) == before


def test_a_column_that_was_just_indexed_can_be_searched_at_once(front, folder, items, tmp_path):
    front.search(items="red-tall", facets=("category",))
    with_depth = [
        Item(item.id, item.photos, {**item.attributes, "depth": n}) for n, item in enumerate(items)
    ]

    front.index(changed_catalog(folder, with_depth, tmp_path))
    look = front.search(items="red-tall", where="depth < 3", sort="depth")

    assert [match.attributes["depth"] for match in look.matches] == [0, 1]  # 2 is red-tall itself


def test_what_was_just_fitted_is_used_at_once(tmp_path, folder):
    settings = load_settings(None, embedder={"whiten": 8})
    pictures = shop.pattern_items(folder / "patterns", 40)
    with SceneSearch(tmp_path / "other", config=settings) as front:
        front.index(changed_catalog(folder, pictures, tmp_path))
        look = front.search(photos=pictures[7].photos[0])

    assert look.matches[0].item_id == "p007"
    assert look.matches[0].parts["similarity"] == pytest.approx(1, abs=1e-4)


def test_two_collections_share_a_store_and_its_embeddings(template, tmp_path, catalog):
    copy_tree(template, tmp_path / "store")

    with opened(tmp_path, collection="two") as front:
        report = front.index(catalog).report

        assert (report.added, report.embedded, report.from_cache) == (24, 0, 24)


def test_progress_is_told(tmp_path, catalog):
    said = []

    with opened(tmp_path) as front:
        front.index(catalog, progress=lambda *one: said.append(one))

    assert {stage for stage, _, _ in said} == {"scan", "embed", "store"}


# --- searching ---------------------------------------------------------------------------------


def encoded(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "source",
    [
        pytest.param(shop.save, id="path as text"),
        pytest.param(lambda image, path: Path(shop.save(image, path)), id="path"),
        pytest.param(lambda image, path: encoded(image), id="bytes"),
        pytest.param(lambda image, path: io.BytesIO(encoded(image)), id="file"),
        pytest.param(lambda image, _: Image.fromarray(image), id="Pillow"),
        pytest.param(lambda image, path: image, id="array"),
        pytest.param(lambda image, path: load_scene(image), id="scene"),
    ],
)
def test_a_photo_may_come_from_anywhere(reader, tmp_path, source):
    image = shop.room(("red", "square"), ("blue", "tall"))

    look = reader.shop_the_look(source(image, tmp_path / "room.png"))

    assert set(ids(look)[:2]) == {"red-square", "blue-tall"}


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ({"text": "green"}, "green-"),
        ({"text": ["green", "cyan"]}, ("green-", "cyan-")),
        ({"text": {"pink": 1.0, "purple": -0.2}}, "pink-"),
        ({"items": "red-tall"}, ("red-", "orange-", "pink-")),
        ({"items": ["red-tall", "red-wide"]}, ("red-", "orange-", "pink-")),
        ({"items": {"red-tall": 1.0, "pink-tall": -0.2}}, ("red-", "orange-")),
        ({"photos": shop.product("cyan", "wide")}, "cyan-wide"),
        ({"photos": [shop.product("cyan", "wide")]}, "cyan-wide"),
        ({"photos": shop.product("red"), "text": {"blue": 2.0}}, ("blue-", "purple-")),
    ],
    ids=[
        *("a word", "words", "weighted words", "an item", "items", "weighted items"),
        *("a photo", "photos", "a photo and words"),
    ],
)
def test_one_thing_is_searched_by_any_mixture(reader, asked, first):
    assert reader.search(**asked).matches[0].item_id.startswith(first)


def test_vectors_of_the_caller_are_searched(reader):
    vector = reader._opened.parts.embedder.embed_images([shop.product("cyan")])[0]

    assert reader.search(vectors=vector).matches[0].item_id.startswith("cyan")
    assert ids(reader.search(vectors=[(vector, 1.0)])) == ids(reader.search(vectors=vector))


def test_a_filter_is_a_text_or_a_condition(reader):
    text = reader.search(text="red", where="price between 20 and 40 and category = wide")
    value = reader.search(
        text="red",
        where=AllOf((Between("price", gte=20, lte=40), Equals("category", "wide"))),
    )

    assert ids(text) == ids(value)
    assert set(ids(text)) == {"orange-wide", "yellow-wide", "green-wide"}


@pytest.mark.parametrize(
    ("where", "said"), [("prize < 3", "price"), ("price <", "expected"), ("price < x", "x")]
)
def test_a_filter_that_makes_no_sense_is_refused(reader, where, said):
    with pytest.raises(FilterError, match=said):
        reader.search(text="red", where=where)


def test_the_settings_decide_what_is_not_given(template, tmp_path):
    settings = load_settings(None, search={"limit": 3, "per_region": 1})
    copy_tree(template, tmp_path / "store")

    with opened(tmp_path, config=settings) as front:
        room = shop.room(("red", "square"))

        assert len(front.shop_the_look(room).matches) == 3
        assert len(front.shop_the_look(room).regions[0].matches) == 1
        assert len(front.shop_the_look(room, limit=7).matches) == 7


def test_an_option_that_is_none_is_refused_with_those_that_are(reader):
    with pytest.raises(QueryError, match="'limits'") as caught:
        reader.search(text="red", limits=3)

    assert "diversity" in str(caught.value)
    assert "where" not in str(caught.value).split(";")[0]
    assert caught.value.code == "unknown_option"


def test_a_photo_that_cannot_be_read_is_named(reader, tmp_path):
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"no photo")

    with pytest.raises(ImageError, match=r"broken\.jpg"):
        reader.shop_the_look(path)


def test_the_regions_of_a_photo_need_no_collection(tmp_path):
    with opened(tmp_path) as front:
        regions = front.regions(shop.room(("red", "square"), ("blue", "tall")))

    assert [region.label for region in regions] == ["red", "blue"]
    assert not (tmp_path / "store").exists()


def test_a_photo_is_prepared_once_and_asked_about_many_times(reader):
    prepared = reader.prepare(shop.room(("red", "square"), ("blue", "tall")))
    before = reader._opened.parts.embedder.embedded

    wide = reader.answer(prepared, where="category = wide")
    cheap = reader.answer(prepared, where="price < 15", limit=2)

    assert reader._opened.parts.embedder.embedded == before
    assert {match.attributes["category"] for match in wide.matches} == {"wide"}
    assert len(cheap.matches) == 2


def test_the_rules_of_the_regions_can_be_changed_for_one_photo(reader):
    room = shop.room(("red", "square"), ("blue", "tall"))

    prepared = reader.prepare(room, regions={"limit": 1, "whole": "on"})

    assert [one.region.key for one in prepared.encoded] == ["object:0", "whole"]


def test_loading_is_done_once_whatever_comes_after(front):
    front.load()
    front.load()
    front.shop_the_look(shop.room(("red", "square")))

    assert front._opened.parts.embedder.loads == 1


def test_what_a_notebook_shows_is_one_line_without_arrays(reader, template):
    room = shop.room(("red", "square"), ("blue", "tall"))
    prepared, regions = reader.prepare(room), reader.regions(room)

    assert repr(reader).startswith("SceneSearch('")
    assert repr(reader).endswith("/store', collection='items')")
    assert repr(prepared) == "PreparedQuery(2 regions, 0 other parts)"
    assert repr(regions[:1]) == "[Region('object:0', red, 10, 105, 40, 135)]"
    assert repr(reader.answer(prepared).regions[0]) == f"RegionMatches({regions[0]!r}: 8 matches)"


def test_likeness_is_the_mean_cosine_between_points(reader):
    points = {
        record.payload["item_id"]: record.id for record in reader.store.scroll(fields=["item_id"])
    }

    def likeness(*names):
        return reader.likeness([points[name] for name in names])

    assert likeness("red-tall") == 0.0  # one point is not like another
    assert likeness("red-tall", "pink-tall") > likeness("red-tall", "cyan-wide")
    assert reader.likeness([]) == 0.0


# --- items -------------------------------------------------------------------------------------


def test_an_item_is_read_back_as_it_was_in_the_catalogue(reader, items):
    found = reader.get("red-tall")

    assert found.id == "red-tall"
    assert [Path(p).name for p in found.photos] == ["red-tall.png"]
    wanted = items[2].attributes
    assert {
        k: tuple(v) if isinstance(v, list) else v for k, v in found.attributes.items()
    } == wanted
    assert reader.get("nothing") is None


def test_items_are_counted_by_filter(reader):
    assert reader.count() == 24
    assert reader.count("category = wide and price > 40") == 4
    assert reader.count(Equals("tags", "new")) == 6


@pytest.mark.parametrize(
    ("chosen", "gone"),
    [
        ({"ids": ["nothing"]}, 0),
        ({"ids": ["red-tall", "blue-tall"], "where": "group = red"}, 1),
        pytest.param({"ids": ["red-tall", "red-wide"]}, 2, marks=pytest.mark.store),
        pytest.param({"where": "group = red"}, 3, marks=pytest.mark.store),
    ],
    ids=["unknown id", "both", "ids", "filter"],
)
def test_items_are_deleted_by_id_by_filter_or_by_both(front, chosen, gone):
    assert front.delete(**chosen) == gone
    assert front.count() == 24 - gone


def test_an_item_is_never_left_half_whichever_of_its_photos_was_meant(tmp_path, folder, items):
    both = Item("both", (items[0].photos[0], items[3].photos[0]), {"title": "two"})
    with opened(tmp_path) as front:
        front.index(changed_catalog(folder, [both, items[1]], tmp_path))
        one = f"photo_sha256 = '{load_scene(both.photos[1]).sha256}'"

        assert front.count(one) == 1
        assert front.delete(ids=[items[1].id], where=one) == 0
        assert front.delete(where=one) == 2
        assert front.get("both") is None
        assert front.count() == 1


def test_an_id_is_deleted_however_its_letters_are_composed(tmp_path, folder, items):
    item = Item("caf\u00e9", items[0].photos, {"title": "cup"})
    with opened(tmp_path) as front:
        front.index(changed_catalog(folder, [item], tmp_path))

        assert front.delete(ids=["cafe\u0301"]) == 1


def test_nothing_is_deleted_when_nothing_was_chosen(front):
    with pytest.raises(QueryError):
        front.delete()
    with pytest.raises(FilterError):
        front.delete(where="price <")

    assert front.count() == 24


def test_a_deleted_item_comes_back_from_the_cache(front, catalog):
    front.delete(ids=["red-tall"])

    report = front.index(catalog).report

    assert (report.added, report.embedded, report.from_cache) == (1, 0, 1)
    assert front.get("red-tall") is not None


# --- opening and closing -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda front: front.search(text="red"), id="search"),
        pytest.param(lambda front: front.shop_the_look(shop.room()), id="look"),
        pytest.param(lambda front: front.search(text="red", where="price < 3"), id="filter"),
        pytest.param(lambda front: front.get("a"), id="get"),
        pytest.param(lambda front: front.delete(ids=["a"]), id="delete"),
        pytest.param(lambda front: front.count(), id="count"),
    ],
)
def test_without_a_collection_everything_says_to_index_first(tmp_path, call):
    with opened(tmp_path) as front, pytest.raises(StoreError, match="index") as caught:
        call(front)

    assert caught.value.code == "no_collection"
    assert not (tmp_path / "store").exists()


def test_a_store_that_is_open_elsewhere_is_refused_and_free_after_closing(front, tmp_path):
    front.count()
    with opened(tmp_path) as second, pytest.raises(StoreUnavailableError, match="this process"):
        second.count()
    front.close()
    with opened(tmp_path) as third:
        assert third.count() == 24


def test_closing_gives_the_models_back_and_may_be_done_twice(front):
    front.search(text="red")
    parts = front._opened.parts

    front.close()
    front.close()

    assert parts.closed


def test_an_error_inside_still_closes(template, tmp_path):
    copy_tree(template, tmp_path / "store")
    with pytest.raises(ZeroDivisionError), opened(tmp_path) as front:
        _ = 1 / (front.count() - 24)
    with opened(tmp_path) as front:
        assert front.count() == 24


def test_opening_costs_nothing_and_touches_nothing(tmp_path, parts):
    before = len(parts.made)

    opened(tmp_path)

    assert list(tmp_path.iterdir()) == []
    assert len(parts.made) == before


@pytest.mark.parametrize(
    ("name", "error"), [("No Such", StoreError), ("../up", StoreError), ("", StoreError)]
)
def test_a_bad_name_of_a_collection_is_refused(tmp_path, name, error):
    with opened(tmp_path, collection=name) as front, pytest.raises(error, match="lower-case"):
        front.count()


def test_a_config_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    with pytest.raises(ConfigError, match="cpu-small"):
        SceneSearch(tmp_path, config="no-such-profile")


def test_a_store_that_is_a_file_is_an_error_of_the_store(tmp_path, catalog):
    (tmp_path / "store").write_text("not a folder")

    with opened(tmp_path) as front, pytest.raises(StoreError, match="store"):
        front.index(catalog)


def test_an_embedding_cache_that_is_something_else_is_an_error_that_names_it(tmp_path, catalog):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "embeddings.sqlite").write_bytes(b"something else " * 200)

    with opened(tmp_path) as front, pytest.raises(StoreError, match=r"embeddings\.sqlite"):
        front.index(catalog)


def test_scores_are_finite_numbers(reader):
    look = reader.shop_the_look(shop.room(("red", "square")), limit=24)

    assert np.isfinite([match.score for match in look.matches]).all()

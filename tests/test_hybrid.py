"""Searching by plain words: what is found, what is moved, and what was understood."""

from __future__ import annotations

import json
import sys
from dataclasses import replace

import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder
from fakes.store import MemoryStore

from scenesearch.cli.main import main
from scenesearch.config.search import SearchOptions, WordWeights
from scenesearch.core.conditions import Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import CollectionSchema, Item, Point
from scenesearch.index.item_points import words_of
from scenesearch.search import by_words as hybrid
from scenesearch.search.query import Query
from scenesearch.search.searcher import Searcher
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.server.client import ClientStore
from scenesearch.words import ParsedWords, parse_words


def items_of(folder):
    """Like the colour shop, with words that say what the pictures do not."""
    made = []
    for item in shop.colour_shop(folder):
        colour, shape = item.id.split("-")
        attributes = {
            **item.attributes,
            # the texts of items do not name their colours
            "title": f"{'velvet' if colour in ('red', 'green') else 'oak'} thing",
            "tags": ("new",) if shape == "tall" else (),
            "in_stock": colour != "pink",
        }
        made.append(Item(item.id, item.photos, attributes))
    return made


FIELDS = {"in_stock": "bool"}


@pytest.fixture(scope="module")
def items(tmp_path_factory):
    return items_of(tmp_path_factory.mktemp("photos"))


def open_store(kind, folder):
    if kind == "client":
        from qdrant_client import QdrantClient

        return ClientStore(QdrantClient(":memory:"), "items")
    return MemoryStore() if kind == "memory" else EdgeStore(folder, "items")


def make_searcher(store, items, *, colours=True, has_text=False):
    encoder = shop.make_encoder(FakeEmbedder(128, has_text=has_text), colours=colours)
    shop.Shop(store, encoder=encoder).index(items, fields=FIELDS)
    return Searcher(store, encoder, detector=FakeDetector)


@pytest.fixture(scope="module")
def searcher(items):
    return make_searcher(MemoryStore(), items)


def ask(searcher, words, /, **parts):
    names = set(Query.__dataclass_fields__)
    query = Query(words=words, **{k: v for k, v in parts.items() if k in names})
    return searcher.look(query, SearchOptions(**{k: v for k, v in parts.items() if k not in names}))


def ids(look):
    return [match.item_id for match in look.matches]


def colours(look, count):
    return {item.split("-")[0] for item in ids(look)[:count]}


def shapes(look, count):
    return {item.split("-")[1] for item in ids(look)[:count]}


# --- words alone -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["memory", "edge", "client"])
def test_colour_and_category_are_found_over_every_store(kind, items, tmp_path):
    searcher = make_searcher(open_store(kind, tmp_path / "store"), items)
    expected = make_searcher(MemoryStore(), items)

    for words in ("blue tall", "red thing", "velvet wide under 60", "green not tall"):
        found, same = ask(searcher, words, limit=24), ask(expected, words, limit=24)

        # a score at the edge of two roundings may change places with its neighbour
        scores = [[m.parts["similarity"] for m in look.matches] for look in (found, same)]
        assert scores[0] == pytest.approx(scores[1], abs=2e-4), words
        parts = [{m.item_id: dict(m.parts) for m in look.matches} for look in (found, same)]
        assert parts[0].keys() == parts[1].keys(), words
        for item, one in parts[0].items():
            assert one == pytest.approx(parts[1][item], abs=2e-4), (words, item)
    assert ids(ask(searcher, "blue tall"))[0] == "blue-tall"


def test_items_with_more_points_than_expected_are_scored_by_the_best_of_them(searcher, monkeypatch):
    words = ("blue tall", "green not tall", "velvet not red", "wide velvet")
    expected = [ask(searcher, one, limit=24) for one in words]

    # every list of hits is full at first, and has to be asked for again
    monkeypatch.setattr(hybrid, "POINTS", 1)
    monkeypatch.setattr(hybrid, "MORE", 2)

    for look, one in zip(expected, words, strict=True):
        assert ask(searcher, one, limit=24).matches == look.matches, one


def test_the_best_have_both_and_then_come_those_with_one(searcher):
    look = ask(searcher, "red square", limit=24)

    assert ids(look)[0] == "red-square"
    assert shapes(look, 8) == {"square"}, "a category is a preference that colour alone cannot beat"


def test_without_a_category_the_colour_decides(searcher):
    assert set(ids(ask(searcher, "blue thing"))[:3]) == {"blue-square", "blue-wide", "blue-tall"}


def test_words_find_what_no_picture_shows(searcher):
    look = ask(searcher, "velvet", limit=24)

    assert {item.split("-")[0] for item in ids(look)} == {"red", "green"}
    assert all(match.parts["words"] > 0 for match in look.matches)


def test_a_text_of_the_catalogue_that_names_the_colour_counts_beside_the_photo(items, tmp_path):
    named = [
        Item(i.id, i.photos, {**i.attributes, "title": "orange thing"}) if i.id == "red-wide" else i
        for i in items
    ]
    searcher = make_searcher(MemoryStore(), named)

    parts = {m.item_id: m.parts["words_colour"] for m in ask(searcher, "orange", limit=24).matches}
    assert parts["red-wide"] > parts["red-square"]


def test_a_price_filters_and_is_in_no_list(searcher):
    look = ask(searcher, "thing under 25", limit=24)

    assert {match.attributes["price"] for match in look.matches} == {10.0, 20.0}
    assert look.parsed.price.lt == 25


def test_stock_filters(searcher):
    assert "pink" not in colours(ask(searcher, "thing in stock", limit=24), 24)
    assert colours(ask(searcher, "thing not in stock", limit=24), 24) == {"pink"}


def test_a_filter_of_the_words_and_one_of_the_caller_both_hold(searcher):
    look = ask(searcher, "thing under 25", where=Equals("category", "tall"), limit=24)

    assert sorted(ids(look)) == ["orange-tall", "red-tall"]


def test_only_a_price_gives_everything_it_lets_through(searcher):
    look = ask(searcher, "under 25", limit=24, sort="-price")

    assert len(look.matches) == 6
    assert [match.attributes["price"] for match in look.matches] == [20.0] * 3 + [10.0] * 3


def test_a_category_is_a_filter_only_when_it_is_strict(searcher):
    soft = searcher.understand("tall thing")
    strict = searcher.understand("tall thing", strict_category=True)

    assert shapes(ask(searcher, soft, limit=24), 8) == {"tall"}
    assert shapes(ask(searcher, strict, limit=24), 24) == {"tall"}
    told = replace(soft, categories=("tall",), remaining="square")
    assert shapes(ask(searcher, told, limit=24), 24) >= {"tall"}


def test_words_are_read_once_for_each_part_of_a_catalogue(searcher, monkeypatch):
    read = []

    def counted(words, vocabulary, fields, *, strict_category):
        read.append((words, strict_category))
        return parse_words(words, vocabulary, fields, strict_category=strict_category)

    monkeypatch.setattr("scenesearch.search.searcher.parse_words", counted)
    everywhere = searcher.understand("tall red")
    part = searcher.understand("tall red", within=Equals("category", "wide"))

    assert searcher.understand("tall red") is everywhere
    assert searcher.understand("tall red", within=Equals("category", "wide")) is part
    assert searcher.understand("tall red", strict_category=True).strict_category
    assert (everywhere.categories, part.categories) == (("tall",), ())
    assert read == [("tall red", False), ("tall red", False), ("tall red", True)]


@pytest.mark.parametrize(
    ("words", "gone"),
    [
        ("square not red", lambda item: item == "red-square"),
        ("velvet not wide", lambda item: item.endswith("wide")),
        ("tall not velvet", lambda item: item in ("red-tall", "green-tall")),
    ],
    ids=["colour", "category", "word"],
)
def test_what_is_not_wanted_comes_after_its_like(searcher, words, gone):
    found = ids(ask(searcher, words, limit=24))
    wanted = found[0].split("-")[1] if "velvet not" not in words else None
    alike = [item for item in found if wanted is None or item.endswith(wanted)]
    alike = alike if wanted else alike[:6]

    assert any(gone(item) for item in alike)
    first = next(i for i, item in enumerate(alike) if gone(item))
    assert all(gone(item) for item in alike[first:])


def test_only_what_is_not_wanted_still_is_a_question(searcher):
    look = ask(searcher, "not red", limit=24)

    assert len(look.matches) == 24
    assert {item.split("-")[0] for item in ids(look)[-3:]} == {"red"}


def test_a_correction_is_searched_instead_of_the_text(searcher):
    parsed = searcher.understand("red square under 15")

    look = ask(searcher, replace(parsed, price=None, colours=("blue",)))

    assert ids(look)[0] == "blue-square"
    assert look.parsed.colours == ("blue",)


def test_a_colour_that_nobody_knows_is_refused_in_a_correction(searcher):
    with pytest.raises(QueryError, match="unknown colour 'reddd'"):
        ask(searcher, ParsedWords("x", colours=("reddd",)))


def test_the_answer_says_what_was_understood(searcher):
    look = ask(searcher, "large red square under 50 eur")

    data = look.to_dict()["parsed"]
    assert data["colours"] == ["red"]
    assert data["categories"] == ["square"]
    assert data["price"] == {"lt": 50.0}
    assert data["remaining"] == "large"
    assert set(look.matches[0].parts) >= {"similarity", "words_colour", "words_category"}
    assert ask(searcher, None, items=(("red-tall", 1.0),)).to_dict()["parsed"] is None


def test_what_follows_the_ranking_works_on_words_too(searcher):
    look = ask(searcher, "velvet thing", collapse="group", facets=("category",), diversity=0.3)

    assert len({match.attributes["group"] for match in look.matches}) == len(look.matches)
    assert dict(look.facets["category"]).keys() == {"square", "wide", "tall"}
    assert look.matches[0].variants


def test_the_same_words_give_the_same_answer(searcher):
    first, second = (ask(searcher, "new velvet under 60", limit=24) for _ in range(2))

    assert [(m.item_id, m.score) for m in first.matches] == [
        (m.item_id, m.score) for m in second.matches
    ]


def test_every_part_of_a_score_is_between_nothing_and_all(searcher):
    look = ask(searcher, "velvet blue square not tall", items=(("red-tall", 1.0),), limit=24)

    for match in look.matches:
        assert all(-1e-6 <= value <= 1 + 1e-6 for value in match.parts.values()), match


def test_a_weight_of_nothing_takes_a_part_out(searcher):
    look = ask(searcher, "red square", word_weights=WordWeights(category=0.0), limit=24)

    assert all("words_category" not in match.parts for match in look.matches)
    assert colours(look, 3) == {"red"}


def test_all_weights_of_nothing_leave_the_filter(searcher):
    nothing = WordWeights(lexical=0, colour=0, category=0, unwanted=0)

    assert len(ask(searcher, "red thing under 25", word_weights=nothing, limit=24).matches) == 6


def test_words_that_no_text_has_say_nothing_against_a_category(searcher):
    look = ask(searcher, "tall qwertyuiop", limit=3)

    assert shapes(look, 3) == {"tall"}
    assert all("words" not in match.parts for match in look.matches)
    assert look.matches[0].score > 0.5


def test_words_that_no_item_has_find_nothing_and_say_so(searcher):
    look = ask(searcher, "qwertyuiop", limit=24)

    assert look.matches == ()
    assert look.notes == ("nothing like this in the catalogue",)
    # a blue thing is not for that the thing that was asked for
    assert ask(searcher, "blue qwertyuiop").matches == ()
    filtered = ask(searcher, "qwertyuiop under 25", limit=24)
    assert filtered.notes == ("nothing like this in the catalogue that passes the filter",)


# --- words and other parts ---------------------------------------------------------------------


def test_an_item_and_words_find_what_is_like_both(searcher):
    plain = ask(searcher, None, items=(("red-tall", 1.0),))
    look = ask(searcher, "blue", items=(("red-tall", 1.0),))

    assert "red-tall" not in ids(look)
    assert not ids(plain)[0].startswith("blue")
    assert ids(look)[0].startswith("blue")
    assert {"cutout", "words_colour"} <= set(look.matches[0].parts)


def test_a_photo_and_words_find_what_is_like_both(searcher):
    photo = shop.scene(shop.product("red", "tall"))

    look = ask(searcher, "square", products=((photo, 1.0),))

    assert ids(look)[0] == "red-square"


def test_a_model_that_reads_is_given_the_words(items):
    searcher = make_searcher(MemoryStore(), items, has_text=True)

    look = ask(searcher, "red thing")

    assert colours(look, 3) == {"red"}
    assert {"cutout", "words", "words_colour"} <= set(look.matches[0].parts)


# --- words beside a photo with several objects -------------------------------------------------


ROOM = (("red", "square"), ("blue", "tall"))


def test_words_move_every_region_of_a_photo(searcher):
    room = shop.scene(shop.room(*ROOM))
    plain, look = (ask(searcher, w, scene=room, per_region=24) for w in (None, "green"))

    for before, after in zip(plain.regions, look.regions, strict=True):
        names = [[m.item_id for m in found.matches] for found in (before, after)]
        assert set(names[0]) == set(names[1]), "words bring no candidate of their own"
        first = [next(i for i, n in enumerate(one) if n.startswith("green")) for one in names]
        assert first[1] < first[0]
    assert look.parsed.colours == ("green",)


def test_a_price_filters_every_region_of_a_photo(searcher):
    look = ask(searcher, "under 35", scene=shop.scene(shop.room(*ROOM)), per_region=24)

    every = [m for found in look.regions for m in found.matches]
    assert every
    assert all(match.attributes["price"] < 35 for match in every)


def test_without_a_boost_words_move_nothing(searcher):
    room = shop.scene(shop.room(*ROOM))
    plain = ask(searcher, None, scene=room)

    look = ask(searcher, "green tall", scene=room, word_weights=WordWeights(boost=0.0))

    assert ids(look) == ids(plain)


def test_words_beside_boxes_and_items_are_one_question(searcher):
    look = ask(
        searcher,
        "wide velvet not blue",
        scene=shop.scene(shop.room(*ROOM)),
        boxes=((8, 100, 44, 140),),
        items=(("green-wide", 0.5),),
    )

    assert len(look.regions) == 1
    assert "green-wide" not in ids(look)
    assert {"words", "words_category", "words_not"} <= set(look.matches[0].parts)


# --- collections that lack something -----------------------------------------------------------


def test_without_a_colour_space_the_texts_name_colours(items):
    searcher = make_searcher(MemoryStore(), items, colours=False)

    look = ask(searcher, "red tall", limit=24)

    assert shapes(look, 8) == {"tall"}
    assert "words_colour" not in look.matches[0].parts


def test_without_categories_words_still_find(tmp_path):
    searcher = make_searcher(MemoryStore(), shop.pattern_items(tmp_path, 8))

    assert ids(ask(searcher, "pattern 3"))[0] == "p003"


def older(items):
    """A collection as it was before there were words."""
    encoder = shop.make_encoder(FakeEmbedder(64), colours=True)
    run = shop.Shop(MemoryStore(), encoder=encoder)
    run.index(items, fields=FIELDS)
    schema = run.store.schema
    fields = {name: kind for name, kind in schema.fields.items() if name != WORDS}
    records = run.store.scroll(limit=1000, spaces=tuple(schema.vectors)).records
    old = MemoryStore()
    old.create(CollectionSchema(schema.vectors, fields, schema.metadata))
    old.upsert(
        [
            replace_payload(record, {WORDS: None, "item_hash": record.payload["item_hash"][2:]})
            for record in records
        ]
    )
    return shop.Shop(old, encoder=encoder, cache=run.cache)


def replace_payload(record, changes):
    return Point(record.id, record.vectors, {**record.payload, **changes})


def test_an_older_collection_says_what_to_do_and_needs_no_model_for_it(items):
    run = older(items)
    with pytest.raises(QueryError, match="index its catalogue again"):
        ask(Searcher(run.store, run.encoder), "velvet thing")
    before = run.embedder.embedded

    report = run.index(items, fields=FIELDS)

    assert run.embedder.embedded == before
    assert report.changed == len(items)
    assert colours(ask(Searcher(run.store, run.encoder), "velvet", limit=24), 24) == {
        "red",
        "green",
    }
    assert run.index(items, fields=FIELDS).unchanged == len(items)


def test_words_follow_a_change_of_attributes(items):
    run = shop.Shop(MemoryStore(), encoder=shop.make_encoder(FakeEmbedder(64), colours=True))
    run.index(items, fields=FIELDS)
    changed = [replace(items[0], attributes={"title": "walnut"}), *items[1:]]

    run.index(changed, fields=FIELDS)

    searcher = Searcher(run.store, run.encoder)
    assert ids(ask(searcher, "walnut"))[0] == items[0].id
    assert {payload[WORDS] for payload in run.of(items[0].id)} == {"walnut"}
    assert WORDS not in ask(searcher, "walnut").matches[0].attributes


def test_the_words_of_an_item_are_those_people_search_by():
    item = Item(
        "1",
        ("a.jpg",),
        {"tags": ("new", "oak"), "title": "KALLAX", "price": 9.5, "url": "x", "brand": "IKEA"},
    )

    assert words_of(item) == "KALLAX / IKEA / new / oak"
    assert words_of(Item("1", ("a.jpg",), {"price": 9.5})) == ""


# --- what makes no sense -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [("", "empty"), ("  ", "empty"), ("a" * 1001, "1001 characters")],
    ids=["empty", "blank", "too long"],
)
def test_words_that_are_no_question_are_refused(searcher, words, message):
    with pytest.raises(QueryError, match=message):
        ask(searcher, words)


# --- the front door ----------------------------------------------------------------------------


@pytest.fixture
def front(monkeypatch, tmp_path):
    shop.use_fakes(monkeypatch)
    monkeypatch.setenv("SCENESEARCH_CACHE_DIR", str(tmp_path / "cache"))
    from scenesearch.api import SceneSearch

    catalog = shop.write_catalog(tmp_path, items_of(tmp_path))
    with SceneSearch(tmp_path / "store") as front:
        front.index(catalog)
        yield front


def test_the_front_door_takes_words_alone_beside_a_photo_and_corrected(front):
    first, *others = ids(front.search("red square under 15"))
    assert first == "red-square"
    assert sorted(others) == ["red-tall", "red-wide"]
    assert ids(front.search(words="blue tall"))[0] == "blue-tall"
    parsed = front.understand("blue tall")
    assert ids(front.search(replace(parsed, categories=("wide",))))[0] == "blue-wide"
    look = front.shop_the_look(shop.room(*ROOM), words="under 35")
    assert all(match.attributes["price"] < 35 for match in look.matches)


def test_the_command_line_searches_by_words_and_says_what_it_understood(
    front, tmp_path, capsys, monkeypatch
):

    front.close()
    store = str(tmp_path / "store")

    arguments = ["search", "red squares under $15", "--store", store, "--json"]
    monkeypatch.setattr(sys, "argv", ["scenesearch", *arguments])

    code = main()

    said = capsys.readouterr()
    assert code == 0
    assert "understood: colour red; category square; price < 15 USD" in said.err
    data = json.loads(said.out)
    assert data["parsed"]["colours"] == ["red"]
    assert data["matches"][0]["item_id"] == "red-square"


def test_who_types_the_id_of_an_item_gets_that_item_first(items, tmp_path):
    wanted = items[3]
    coded = [replace(item, id=f"402.414.{i:02}") for i, item in enumerate(items)]
    found = make_searcher(MemoryStore(), coded)

    assert ids(ask(found, "402.414.03"))[0] == "402.414.03"
    assert ids(ask(found, " 402.414.03 "))[0] == "402.414.03"
    assert coded[3].photos == wanted.photos
    assert "402.414.03" not in ids(ask(found, "402.414.03", where=Equals("item_id", "402.414.04")))
    # an id of nothing is a text like any other
    assert ids(ask(found, "999.999.99")) == []

"""Turns: what is said of an answer, for everything or one object, and what an answer suggests."""

from __future__ import annotations

import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder

from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Between, Equals, Not
from scenesearch.core.errors import FilterError, QueryError
from scenesearch.core.turns import MAX_TURNS, Turn
from scenesearch.look.values import Match
from scenesearch.search.query import Query
from scenesearch.search.searcher import Searcher
from scenesearch.search.suggestions import suggestions
from scenesearch.words.comparisons import Comparison, read_comparison
from scenesearch.words.parsed import joined

FIELDS = {
    "price": "float",
    "brand": "keyword",
    "colour_names": "keyword",
    "category": "keyword",
    "width_cm": "float",
    "height_cm": "integer",
    "title": "text",
}


@pytest.fixture(scope="module")
def searcher(tmp_path_factory):
    encoder = shop.make_encoder(FakeEmbedder(128, has_text=True), colours=True)
    run = shop.Shop(encoder=encoder)
    run.index(shop.colour_shop(tmp_path_factory.mktemp("photos")))
    return Searcher(run.store, run.encoder, detector=FakeDetector)


ROOM = (("red", "square"), ("blue", "tall"))


def look(searcher, *turns, words=None, room=ROOM, **options):
    scene = None if room is None else shop.scene(shop.room(*room))
    refine = tuple(Turn(words=one) if isinstance(one, str) else one for one in turns)
    query = Query(scene=scene, words=words, refine=refine)
    return searcher.look(query, SearchOptions(**{"per_region": 40, "limit": 40, **options}))


def prices(matches):
    return [match.attributes["price"] for match in matches]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cheaper", ("price", "less")),
        ("something a bit cheaper please", ("price", "less")),
        ("günstiger", ("price", "less")),
        ("moins cher", ("price", "less")),
        ("más barato", ("price", "less")),
        ("more expensive", ("price", "more")),
        ("wider", ("width_cm", "more")),
        ("smaller ones", ("width_cm", "less")),
        ("taller than that", ("height_cm", "more")),
        ("longer", ("width_cm", "more")),
        ("deeper", (None, "more")),
        ("not that brand", ("brand", "other")),
        ("another brand", ("brand", "other")),
        ("a different colour", ("colour_names", "other")),
        ("the same brand", ("brand", "same")),
        ("only that maker", ("brand", "same")),
        ("not that one", ("item_id", "other")),
        ("something else", ("item_id", "other")),
    ],
)
def test_comparisons_are_read(text, expected):
    assert read_comparison(text, FIELDS) == Comparison(*expected)


@pytest.mark.parametrize(
    "text",
    ["in walnut", "not blue", "other rooms", "under 50", "this", "the same walnut", "", "no"],
)
def test_words_that_say_something_by_themselves_are_no_comparison(text):
    assert read_comparison(text, FIELDS) is None


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        (Comparison("price", "less"), Between("price", lt=20.0)),
        (Comparison("price", "more"), Between("price", gt=20.0)),
        (Comparison("brand", "other"), Not(Equals("brand", "Nord"))),
        (Comparison("brand", "same"), Equals("brand", "Nord")),
        (Comparison("colours", "other"), Not(Equals("colours", "red"))),
        (Comparison("item_id", "other"), Not(Equals("item_id", "a"))),
        (Comparison("width", "less"), None),
        (Comparison("brand", "less"), None),
        (Comparison(None, "less"), None),
    ],
)
def test_a_comparison_with_the_first_match_is_a_filter(comparison, expected):
    first = {"price": 20, "brand": "Nord", "colours": ["red", "blue"]}

    assert comparison.with_first("a", first) == expected


def test_cheaper_is_cheaper_than_the_first_match_of_each_object(searcher):
    before, after = look(searcher), look(searcher, "cheaper")

    for was, now in zip(before.regions, after.regions, strict=True):
        bound = prices(was.matches)[0]
        assert [m.item_id for m in now.matches] == [
            m.item_id for m in was.matches if m.attributes["price"] < bound
        ]
    assert after.refined[0].said == "cheaper"
    assert [text.split(":")[0] for text in after.refined[0].understood] == ["1", "2"]


def test_a_turn_is_about_what_the_turns_before_it_leave(searcher):
    once, twice = look(searcher, "cheaper"), look(searcher, "cheaper", "cheaper")

    for was, now in zip(once.regions, twice.regions, strict=True):
        if was.matches:
            assert all(price < prices(was.matches)[0] for price in prices(now.matches))
    # the second is undone by leaving it out
    assert [m.item_id for m in look(searcher, "cheaper").matches] == [
        m.item_id for m in once.matches
    ]


def test_a_comparison_that_is_sent_with_what_it_was_with_means_what_it_meant(searcher):
    said = look(searcher, "cheaper")
    kept = Turn("cheaper", to=said.refined[0].to)
    filtered = Turn(where="category = tall")
    after = look(searcher, filtered, kept)
    first = [region.matches[0].attributes["price"] for region in look(searcher).regions]

    assert after.refined[1].understood == said.refined[0].understood
    for region, bound in zip(after.regions, first, strict=True):
        assert all(price < bound for price in prices(region.matches))
    # without it, it is about what the filter leaves
    anew = look(searcher, filtered, "cheaper").refined[1]
    assert anew.to != said.refined[0].to


def test_an_item_that_a_comparison_names_is_there(searcher):
    with pytest.raises(QueryError, match="no such item"):
        look(searcher, Turn("cheaper", to={1: "nothing"}))


def test_not_that_one_leaves_it_out_of_its_own_object_alone(searcher):
    before, after = look(searcher), look(searcher, Turn("not that one", object=1))

    gone = before.regions[0].matches[0].item_id
    assert gone not in {match.item_id for match in after.regions[0].matches}
    assert [m.item_id for m in after.regions[1].matches] == [
        m.item_id for m in before.regions[1].matches
    ]


def test_a_filter_of_one_object_leaves_the_others_as_they_are(searcher):
    before = look(searcher)
    bound = sorted(prices(before.regions[1].matches))[3]
    after = look(searcher, Turn(where=f"price <= {bound}", object=2))

    assert [m.item_id for m in after.regions[0].matches] == [
        m.item_id for m in before.regions[0].matches
    ]
    assert after.regions[1].matches
    assert all(price <= bound for price in prices(after.regions[1].matches))
    # nobody is in the list of the whole look but by an object that lets it through
    for match in after.matches:
        own = {e.region for e in match.evidence}
        assert 0 in own or match.attributes["price"] <= bound


def test_words_of_one_object_move_it_alone(searcher):
    before, after = look(searcher), look(searcher, Turn("blue", object=1))

    assert [(m.item_id, m.score) for m in after.regions[1].matches] == [
        (m.item_id, m.score) for m in before.regions[1].matches
    ]
    assert "words_colour" in after.regions[0].matches[0].parts
    assert "words_colour" not in after.regions[1].matches[0].parts


def test_turns_of_words_add_up_to_one_text(searcher):
    turned = look(searcher, "tall", "under 1000", words="red", room=None)
    at_once = look(searcher, words="red, tall, under 1000", room=None)

    assert [m.item_id for m in turned.matches] == [m.item_id for m in at_once.matches]
    # what was understood of the words is of the words, and each turn says its own
    assert (turned.parsed.text, turned.parsed.price) == ("red", None)
    assert [turn.understood for turn in turned.refined] == [("category tall",), ("price < 1000",)]


def test_a_later_turn_takes_back_what_it_contradicts(searcher):
    red, not_red = (searcher.understand(words) for words in ("red", "not red"))
    both = joined(red, not_red)

    assert (both.colours, both.not_colours) == ((), ("red",))
    assert joined(not_red, red).colours == ("red",)
    assert joined(not_red, red).not_colours == ()


def test_bounds_of_two_turns_hold_both(searcher):
    turned = look(searcher, "over 10", "under 40", "under 30", words="red", room=None)

    assert all(10 < price < 30 for price in prices(turned.matches))


def test_what_the_catalogue_has_no_field_for_is_left_out_and_said(searcher):
    plain, turned = look(searcher), look(searcher, "wider")

    assert [m.item_id for m in turned.matches] == [m.item_id for m in plain.matches]
    assert turned.notes == ("'wider' is left out: the catalogue has no such field",)
    assert turned.refined[0].understood == ()


def test_the_pages_of_a_narrowed_list_are_parts_of_one(searcher):
    query = Query(scene=shop.scene(shop.room(*ROOM)), refine=(Turn("cheaper"),))
    options = SearchOptions(limit=3)
    whole = searcher.look(query, SearchOptions(limit=9)).matches
    parts = [m for at in (0, 3, 6) for m in searcher.look(query, options, offset=at).matches]

    assert [m.item_id for m in parts] == [m.item_id for m in whole]


@pytest.mark.parametrize(
    ("turn", "error", "said"),
    [
        (Turn(), QueryError, "neither words nor a filter"),
        (Turn("  "), QueryError, "neither words nor a filter"),
        (Turn("cheaper", object=0), QueryError, "from 1"),
        (Turn("cheaper", object=3), QueryError, "one of 1 to 2"),
        (Turn(where="nonsense < 3"), FilterError, "nonsense"),
    ],
)
def test_a_turn_that_makes_no_sense_is_refused(searcher, turn, error, said):
    with pytest.raises(error, match=said):
        look(searcher, turn)


def test_too_many_turns_are_refused(searcher):
    with pytest.raises(QueryError, match="17 turns, expected at most 16"):
        look(searcher, *["cheaper"] * (MAX_TURNS + 1))


def match(number, **attributes):
    return Match(str(number), 1.0, {}, (), attributes, None)


def test_a_list_suggests_what_splits_it():
    titles = ["Chair with arms", "Chair with arms, oak", "Stool", "Stool, oak", "Stool, tall"]
    brands = ["Nord", "Nord", "Nord", "Sued", "Sued"]
    matches = [
        match(i, title=t, brand=b, price=10.0 * i, item_group_id="g")
        for i, (t, b) in enumerate(zip(titles, brands, strict=True), 1)
    ]
    found = suggestions(matches, {**FIELDS, "item_group_id": "keyword"}, limit=8)

    assert [(one.text, one.where, one.count) for one in found] == [
        ("Nord", '"brand" = "Nord"', 3),
        ("Sued", '"brand" = "Sued"', 2),
        # "arms" and "under 30" would keep the same two
        ("chair", '"title" = "chair"', 2),
        ("oak", '"title" = "oak"', 2),
    ]


def test_a_suggestion_keeps_as_many_as_it_says(searcher):
    whole = look(searcher, suggest=6)
    own = [one for one in whole.suggestions if one.object == 2]

    assert own
    for one in own:
        narrowed = look(searcher, Turn(where=one.where, object=2))
        kept = {m.item_id for m in narrowed.regions[1].matches}
        before = {m.item_id for m in whole.regions[1].matches}
        assert len(kept & before) == one.count


def test_what_was_said_is_not_suggested(searcher):
    said = look(searcher, words="tall", suggest=20)

    assert "tall" not in {one.text for one in said.suggestions}

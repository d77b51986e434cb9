"""Boosts: what fields add to the similarity, from the text of a filter to the ranked answer."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import shop
from fakes.models import FakeDetector, FakeEmbedder
from fakes.store import MemoryStore

from scenesearch.cli.main import main
from scenesearch.config.search import SearchOptions
from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.conditions import AllOf, AnyOf, Between, Equals, Not, OneOf
from scenesearch.core.errors import ConfigError, QueryError
from scenesearch.core.types import Hit
from scenesearch.search.boosts import LogOf, fields_of, gain_of, read_boosts
from scenesearch.search.query import Query
from scenesearch.search.rank.candidates import Answer, boost
from scenesearch.search.rank.pipeline import rank
from scenesearch.search.searcher import Searcher

FIELDS = {
    "brand": "keyword",
    "title": "text",
    "in_stock": "bool",
    "sales": "integer",
    "price": "float",
}


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("in_stock = true", Equals("in_stock", True)),
        ("in_stock", Equals("in_stock", True)),
        ("sales", LogOf("sales")),
        (" price ", LogOf("price")),
        ("price < 50", Between("price", lt=50.0)),
        ("not brand = X", Not(Equals("brand", "X"))),
        (Equals("price", 5), Equals("price", 5.0)),
        (LogOf("sales"), LogOf("sales")),
    ],
    ids=str,
)
def test_a_boost_is_a_filter_or_a_field_with_numbers(written, read):
    assert read_boosts({written: 0.1}, FIELDS) == {read: 0.1}


def test_reading_what_was_read_changes_nothing():
    once = read_boosts({"in_stock": 0.1, "sales": 0.02}, FIELDS)

    assert read_boosts(once, FIELDS) == once


def test_two_texts_of_one_meaning_add_up():
    read = read_boosts({"in_stock": 0.1, "in_stock = true": 0.05}, FIELDS)

    assert read == {Equals("in_stock", True): pytest.approx(0.15)}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("prize", "price"),
        ("brand", "brand"),
        ("price < ", "price <"),
        ("in_stock = 3", "true or false"),
        (LogOf("brand"), "expected integer or float"),
        (Equals("colour", "red"), "colour"),
    ],
    ids=str,
)
def test_a_boost_that_means_nothing_here_is_refused_with_its_text(written, said):
    with pytest.raises(QueryError, match="The boost") as refused:
        read_boosts({written: 0.1}, FIELDS)

    assert refused.value.code == "bad_boost"
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "boosts",
    [{"sales": 2}, {"sales": float("nan")}, {"sales": "0.1"}, {"sales": True}, "sales", ["sales"]],
    ids=str,
)
def test_a_weight_is_a_number_of_minus_1_to_1(boosts):
    with pytest.raises(QueryError, match="-1 to 1"):
        SearchOptions(boosts=boosts)


def test_the_fields_of_a_boost_are_all_that_it_names():
    condition = AnyOf(
        (
            AllOf((Equals("a", 1), Not(Between("b", lt=2)))),
            OneOf("c", (1, 2)),
            Equals("a", 2),
        )
    )

    assert fields_of(condition) == ("a", "b", "c")
    assert fields_of(LogOf("sales")) == ("sales",)


# --- gains -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "gain"),
    [
        ({}, 0.0),
        ({"in_stock": True}, 0.05),
        ({"in_stock": False, "brand": "X"}, -0.1),
        ({"in_stock": True, "brand": "X"}, -0.05),
        ({"sales": 999}, 0.02 * np.log(1000)),
        ({"sales": -5}, 0.0),
        ({"sales": None}, 0.0),
        ({"title": "A Velvet sofa"}, 0.2),
    ],
    ids=str,
)
def test_gains_add_up_over_the_boosts_that_hold(payload, gain):
    boosts = {"in_stock = true": 0.05, "brand = X": -0.1, "sales": 0.02, "title = velvet": 0.2}

    assert gain_of(read_boosts(boosts, FIELDS), FIELDS)(payload) == pytest.approx(gain)


def test_boosting_brings_nothing_into_a_list():
    scores = np.array([[0.5, np.nan], [0.1, 0.2]], np.float32)

    boosted = boost(scores, np.array([0.1, 0.3], np.float32))

    assert np.array_equal(boosted, np.array([[0.6, np.nan], [0.2, 0.5]], np.float32), True)
    assert scores[0, 0] == np.float32(0.5)


# --- ranking -----------------------------------------------------------------------------------


def ranked(scores, gains, **options):
    hits = [
        [Hit(f"{i}", s, {"item_id": i, "gain": gains.get(i, 0.0)}) for i, s in row.items()]
        for row in scores
    ]
    return rank(
        [Answer(region, "cutout", found) for region, found in enumerate(hits)],
        np.ones(len(scores), np.float32),
        {"cutout": 1.0},
        SearchOptions(**options),
        lambda items: np.eye(len(items), dtype=np.float32),
        gain=lambda payload: payload["gain"],
    )


def names(ranking):
    return "".join(ranking.candidates.items[i] for i in ranking.ordered)


@pytest.mark.parametrize(
    ("gain", "order"), [(0.0, "abc"), (0.05, "abc"), (0.15, "bac"), (-0.35, "acb")]
)
def test_a_boost_passes_what_is_more_alike_by_less_than_its_weight(gain, order):
    assert names(ranked([{"a": 0.9, "b": 0.8, "c": 0.5}], {"b": gain})) == order


@pytest.mark.parametrize("fusion", ["best_rank", "share", "best_score", "reciprocal_rank"])
@pytest.mark.parametrize("gain", [-5.0, -0.5, 0.5, 5.0])
def test_no_boost_however_large_loses_an_item_or_the_order(fusion, gain):
    found = ranked([{"a": 0.9, "b": 0.8, "c": -1.0}], {"b": gain, "c": gain}, fusion=fusion)

    assert sorted(names(found)) == ["a", "b", "c"]
    assert names(found).index("b") < names(found).index("c")
    assert [found.candidates.items[i] for i in found.region_order(0, 3)] == (
        ["a", "b", "c"] if gain < 0 or gain == 0.0 else ["b", "a", "c"] if gain < 1 else list("bca")
    )


def test_an_exact_match_is_not_lost_among_those_that_boosts_bring_above_1():
    found = ranked([{"a": 1.0, "b": 0.98}], {"a": 0.1, "b": 0.1})

    assert names(found) == "ab"


def test_the_least_score_judges_what_looks_alike_not_what_is_boosted():
    found = ranked([{"a": 0.6, "b": 0.4}], {"a": -0.5, "b": 0.5}, score_min=0.5)

    assert names(found) == "a"


# --- search ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    encoder = shop.make_encoder(FakeEmbedder(128), colours=True)
    indexed = shop.Shop(MemoryStore(), encoder=encoder)
    indexed.index(shop.colour_shop(tmp_path_factory.mktemp("photos")))
    return indexed


@pytest.fixture(scope="module")
def searcher(run):
    return Searcher(run.store, run.encoder, detector=FakeDetector)


PHOTO = (("red", "square"), ("blue", "tall"))


def look(searcher, boosts, **more):
    scene = shop.scene(shop.room(*PHOTO))
    return searcher.look(Query(scene=scene), SearchOptions(boosts=boosts, **more))


def test_a_boost_moves_each_region_s_list_and_the_fused_one(searcher):
    plain, boosted = look(searcher, {}), look(searcher, {"category = wide": 1.0})

    assert [r.matches[0].item_id for r in plain.regions] == ["red-square", "blue-tall"]
    assert [r.matches[0].attributes["category"] for r in boosted.regions] == ["wide", "wide"]
    assert boosted.matches[0].attributes["category"] == "wide"


def test_a_match_shows_its_boost_beside_an_untouched_similarity(searcher):
    plain = {m.item_id: m for m in look(searcher, {}).regions[0].matches}
    boosted = look(searcher, {"price": 0.001, "category = wide": -0.01}).regions[0].matches

    assert boosted
    for match in boosted:
        wide = match.attributes["category"] == "wide"
        expected = 0.001 * np.log1p(match.attributes["price"]) - 0.01 * wide
        assert match.parts["boost"] == pytest.approx(expected, abs=1e-6)
        one = next(iter(plain.values()))
        # what a score of 0 is, from any match without a boost
        zero = (one.parts["similarity"] - one.score) / (1 - one.score)
        raised = (match.parts["similarity"] + expected - zero) / (1 - zero)
        assert match.score == pytest.approx(min(max(raised, 0), 1), abs=1e-5)
        if match.item_id in plain:
            before = plain[match.item_id].parts
            assert match.parts["similarity"] == pytest.approx(before["similarity"], abs=1e-6)
            assert "boost" not in before


def test_words_alone_are_boosted_too(searcher):
    plain = searcher.look(Query(words="red thing"), SearchOptions())
    boosted = searcher.look(Query(words="red thing"), SearchOptions(boosts={"category = wide": 1}))

    assert plain.matches[0].attributes["category"] != "wide" or len(plain.matches) > 1
    assert {m.attributes["category"] for m in boosted.matches[:1]} == {"wide"}
    assert boosted.matches[0].parts["boost"] == pytest.approx(1.0)


def test_an_unknown_field_is_refused_before_any_model_runs(run):
    embedder = FakeEmbedder(128)
    encoder = shop.make_encoder(embedder, colours=True)

    with pytest.raises(QueryError, match="colour"):
        look(Searcher(run.store, encoder, detector=FakeDetector), {"colour = red": 0.1})
    assert embedder.embedded == 0


# --- settings and command line -----------------------------------------------------------------


def test_boosts_are_a_setting(tmp_path):
    path = tmp_path / "boosts.yaml"
    path.write_text('search:\n  boosts:\n    "in_stock = true": 0.05\n', encoding="utf-8")

    assert load_settings(path).search.boosts == {"in_stock = true": 0.05}
    assert Settings().search.boosts == {}


def test_a_setting_out_of_range_is_refused(tmp_path):
    path = tmp_path / "boosts.yaml"
    path.write_text("search:\n  boosts:\n    sales: 5\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="sales"):
        load_settings(path)


@pytest.fixture(scope="module")
def catalogue_store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    catalogue = shop.write_catalog(folder, shop.colour_shop(folder))
    with pytest.MonkeyPatch.context() as monkeypatch:
        shop.use_fakes(monkeypatch)
        monkeypatch.setattr(
            sys, "argv", ["scenesearch", "index", str(catalogue), "--store", str(folder / "store")]
        )
        assert main() == 0
    shop.save(shop.room(*PHOTO), folder / "room.png")
    return folder


@pytest.fixture
def cli(catalogue_store, monkeypatch, capsys):
    """``scenesearch look`` of the room: exit code, stdout, stderr."""
    shop.use_fakes(monkeypatch)

    def run(*arguments):
        capsys.readouterr()
        given = [catalogue_store / "room.png", "--store", catalogue_store / "store", *arguments]
        monkeypatch.setattr(sys, "argv", ["scenesearch", "look", *map(str, given)])
        return main(), *capsys.readouterr()

    return run


def test_the_command_line_takes_boosts_with_their_weight_first(cli):
    code, out, _ = cli("--boost", "1: category = wide", "--boost", "-0.5: price < 15", "--json")

    answer = json.loads(out)
    assert code == 0
    assert answer["matches"][0]["attributes"]["category"] == "wide"
    gains = {m["item_id"]: m["parts"]["boost"] for m in answer["matches"]}
    assert gains["red-wide"] == pytest.approx(0.5)
    assert gains["blue-tall"] == 0


def test_a_boost_is_printed_beside_the_similarity(cli):
    _, out, _ = cli("--boost", "0.25: category = wide")

    fused = out.partition("fused:")[2].splitlines()
    assert all(("wide" in line) == ("(+0.250)" in line) for line in fused if line.strip())


@pytest.mark.parametrize("text", ["category = wide", "x: price", "0.1:", "0.1 price"])
def test_a_boost_without_its_weight_is_explained(cli, text):
    code, _, err = cli("--boost", text)

    assert code != 0
    assert "WEIGHT: WHAT" in err


def test_a_boost_on_an_unknown_field_names_the_boost(cli):
    code, _, err = cli("--boost", "0.1: prize < 5")

    assert code != 0
    assert "prize < 5" in err
    assert "price" in err

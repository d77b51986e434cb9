"""One declaration of every option of a search, and all that is made of it."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from pathlib import Path

import numpy as np
import pytest

from scenesearch import SceneSearch, load_settings
from scenesearch.cli.search_flags import OF_ANSWERS, OF_PHOTOS
from scenesearch.config.options import bounds, offered
from scenesearch.config.search import SearchOptions, WordWeights
from scenesearch.config.search_keywords import SearchKeywords
from scenesearch.core.conditions import Equals, Not
from scenesearch.core.errors import ConfigError, QueryError
from scenesearch.schemas.look import LookOptions

ROOT = Path(__file__).resolve().parents[1]
FIELDS = SearchOptions.model_fields


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("options_tool", ROOT / "tools" / "options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_is_made_of_the_options_is_up_to_date(tool):
    for path, made in tool.TARGETS.items():
        assert path.read_text(encoding="utf-8") == made(), "run python tools/options.py"


def test_a_file_that_is_out_of_date_is_named_and_written_anew(tool, tmp_path, monkeypatch, capsys):
    page = tmp_path / "options.md"
    page.write_text("old")
    monkeypatch.setattr(tool, "TARGETS", {page: tool.page_text})
    monkeypatch.setattr(sys, "argv", ["options.py", "--check"])

    assert tool.main() == 1
    assert str(page) in capsys.readouterr().err
    monkeypatch.setattr(sys, "argv", ["options.py"])
    assert tool.main() == 0
    assert page.read_text() == tool.page_text()


def test_every_option_has_a_sentence_and_every_number_a_range():
    for model in (SearchOptions, WordWeights):
        for name, field in model.model_fields.items():
            assert field.description, name
            assert not field.description.endswith("."), name
            if isinstance(field.default, int | float):
                assert bounds(field), name


def test_the_defaults_are_within_the_ranges():
    for name in SearchOptions.names():
        SearchOptions().changed({name: FIELDS[name].default})


@pytest.mark.parametrize("method", ["shop_the_look", "search", "answer"])
def test_help_shows_each_option_with_its_default(method):
    shown = inspect.signature(getattr(SceneSearch, method)).parameters

    assert list(shown)[-len(SearchOptions.names()) :] == SearchOptions.names()
    assert (shown["limit"].default, shown["limit"].annotation) == (20, "int")
    assert all(one.kind is not one.VAR_KEYWORD for one in shown.values())


def test_keywords_flags_and_fields_of_the_service_are_options():
    assert list(SearchKeywords.__annotations__) == SearchOptions.names()
    rest = {name for name, field in FIELDS.items() if offered(field)}
    assert rest <= set(LookOptions.model_fields)
    assert {*OF_ANSWERS, *OF_PHOTOS} == rest - {"weights"}


def test_the_service_says_what_the_options_say_and_takes_no_more():
    for name in SearchOptions.names():
        sent, field = LookOptions.model_fields.get(name), FIELDS[name]
        if sent is None:
            continue
        assert (sent.description, sent.default) == (field.description, field.default)
        if span := bounds(field):
            low, high = bounds(sent)
            assert span[0] <= low <= high <= span[1]


@pytest.mark.parametrize(
    ("values", "code", "says"),
    [
        ({"limit": 0}, "out_of_range", "limit is 0, expected a whole number 1 to 1000"),
        ({"limit": True}, "out_of_range", "limit is True, expected a whole number"),
        ({"limit": "7"}, "out_of_range", "limit is '7', expected a whole number"),
        ({"limit": 10**400}, "out_of_range", "expected a whole number 1 to 1000"),
        ({"score_min": 2}, "out_of_range", "score_min is 2, expected 0 to 1"),
        ({"score_min": "low"}, "out_of_range", "score_min is 'low', expected 0 to 1"),
        ({"sort": 5}, "bad_option", "sort is 5, expected a text"),
        ({"facets": "price"}, "bad_option", "facets are 'price', expected a list of at most 32"),
        ({"where": "price < 5"}, "bad_option", "where is 'price < 5', expected a condition"),
        ({"fusion": "sum"}, "bad_fusion", "No fusion 'sum'; expected one of best_rank"),
        ({"preset": "exat"}, "bad_preset", "did you mean 'exact'"),
        ({"limits": 3}, "unknown_option", "Unknown option 'limits'; expected one of agreement"),
        ({"limits": 3, "limit": 0}, "unknown_option", "'limits'"),
        ({"word_weights": {"hue": 1}}, "unknown_option", "'word_weights.hue'; expected one of"),
        ({"word_weights": {"kind": 101}}, "out_of_range", "word_weights.kind is 101, expected 0"),
        ({"word_weights": 1}, "bad_option", "word_weights are 1, expected numbers by name"),
        ({"boosts": {"sales": 2}}, "out_of_range", "boosts are {'sales': 2}, expected"),
    ],
    ids=str,
)
def test_a_wrong_option_of_a_caller_says_what_was_got_and_expected(values, code, says):
    with pytest.raises(QueryError) as caught:
        SearchOptions(**values)

    assert caught.value.code == code
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"limit": 0}, "search.limit: Input should be greater than or equal to 1, got 0"),
        ({"where": "in_stock"}, "search.where: a filter comes with each search"),
        ({"word_weights": {"hue": 1}}, "unknown setting 'search.word_weights.hue'"),
        ({"preset": "exat"}, "search.preset: Input should be 'exact'"),
    ],
    ids=str,
)
def test_a_wrong_option_of_the_settings_is_an_error_of_the_settings(values, says):
    with pytest.raises(ConfigError) as caught:
        load_settings(search=values)

    assert says in str(caught.value)


def test_settings_read_text_as_numbers_for_it_may_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("SCENESEARCH_SEARCH__LIMIT", "7")
    monkeypatch.setenv("SCENESEARCH_SEARCH__BOOSTS", '{"in_stock = true": 0.05}')
    monkeypatch.setenv("SCENESEARCH_SEARCH__WORD_WEIGHTS__COLOUR", "2")
    monkeypatch.setenv("SCENESEARCH_SEARCH__FACETS", '["brand"]')

    assert load_settings().search == SearchOptions(
        limit=7,
        boosts={"in_stock = true": 0.05},
        word_weights=WordWeights(colour=2),
        facets=("brand",),
    )


def test_numbers_of_numpy_and_conditions_are_taken_as_they_are():
    options = SearchOptions(
        limit=np.int64(3),
        diversity=np.float32(0.5),
        where=Not(Equals("brand", "X")),
        boosts={Equals("brand", "Y"): 0.1},
    )

    assert (options.limit, options.diversity) == (3, 0.5)
    assert options.where == Not(Equals("brand", "X"))
    assert options.boosts == {Equals("brand", "Y"): 0.1}


def test_a_change_leaves_the_rest_and_what_it_was_made_from():
    configured = SearchOptions(limit=5, sort="price", facets=("brand",))
    changed = configured.changed({"limit": None, "sort": None, "preset": "style"})

    assert changed == SearchOptions(limit=5, facets=("brand",), preset="style")
    assert (configured.sort, configured.preset) == ("price", "similar")


def test_a_filter_is_no_option_of_those_that_are_given_by_name():
    with pytest.raises(QueryError, match="Unknown option 'where'") as caught:
        SearchOptions().changed({"where": Equals("brand", "X")})

    assert caught.value.code == "unknown_option"

"""What a dictionary says of names, and what a catalogue's words make of it."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.words.parse import parse_words
from scenesearch.words.relations import Relations, shipped_relations
from scenesearch.words.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def dictionary() -> Relations:
    return shipped_relations()


@pytest.mark.parametrize(
    ("text", "other", "least", "most"),
    [
        ("dresser", "chest of drawers", 1, 1),
        ("dresser", "chest of 3 drawers", 0, 0.5),
        ("drapes", "curtains", 1, 1),
        ("ottoman", "pouffe", 1, 1),
        ("loveseat", "three-seat sofa", 0.7, 0.9),
        ("bedsheet", "sheet", 0.5, 1),
        ("trousers", "jeans", 0.7, 0.9),
        ("couch", "kitchen tap", 0, 0),
        ("chair", "table", 0, 0),  # both are furniture, as nearly everything here is
        ("office chair", "chair", 0, 0),  # of compounds that it has not, nothing
        ("qwxzk", "sofa", 0, 0),
        ("", "", 0, 0),
    ],
)
def test_a_dictionary_says_how_nearly_two_names_are_one_thing(
    dictionary: Relations, text: str, other: str, least: float, most: float
) -> None:
    assert least <= dictionary.kinship(text, [other])[0] <= most


def test_many_are_asked_as_one_by_one(dictionary: Relations) -> None:
    others = ["sofa", "chest", "", "mirror", "looking glass"]
    for text in ("couch", "dresser", "mirror"):
        alone = [dictionary.kinship(text, [other])[0] for other in others]
        assert np.array_equal(dictionary.kinship(text, others), alone)


SHOP = Vocabulary(
    {
        "chest of 3 drawers": 11,
        "wardrobe": 33,
        "sideboard": 2,
        "chopping board": 8,
        "tv bench": 7,
        "tablet stand": 1,
        "clothes stand": 2,
        "desk": 11,
        "table lamp": 12,
        "desk chair": 1,
        "chair": 31,
        "chair, outdoor": 7,
        "wall lamp": 11,
        "mirror": 29,
        "bedside table": 7,
        "cabinet": 5,
        "lockable cabinet": 2,
        "curtains, 1 pair": 15,
    }
)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("dresser", "chest of 3 drawers"),
        ("drapes", "curtains, 1 pair"),
        ("chest of drawers", "chest of 3 drawers"),
        ("garden chair", "chair, outdoor"),
        ("office chair", "desk chair"),
    ],
)
def test_what_is_meant_comes_first(text: str, first: str) -> None:
    parsed = parse_words(text, SHOP, {})
    worth = {**dict.fromkeys(parsed.categories, 1.0), **parsed.fits}
    assert max(worth, key=lambda name: worth[name]) == first


def test_another_thing_of_which_the_same_is_said_counts_where_the_thing_is_near() -> None:
    assert "tv bench" in parse_words("tv stand", SHOP, {}).near
    assert "bedside table" in parse_words("bedside cabinet", SHOP, {}).near
    # a desk chair is no desk lamp
    assert "desk chair" not in parse_words("desk lamp", SHOP, {}).near


def test_a_word_that_is_said_of_many_things_tells_none_of_them() -> None:
    kinds = ("lamp", "shelf", "clock", "cabinet", "panel", "hook", "rail", "mount", "storage")
    walls = Vocabulary({"mirror": 29, **{f"wall {kind}": 5 for kind in kinds}})
    parsed = parse_words("wall mirror", walls, {})
    assert parsed.categories == ("mirror",)
    assert not parsed.near


def test_numbers_and_what_a_thing_comes_with_bring_up_nothing_else() -> None:
    shop = Vocabulary({"duvet, 12 tog": 3, "wardrobe with 2 doors": 9})
    assert parse_words("duvet", shop, {}).lexical == "duvet duvets"
    assert parse_words("wardrobe", shop, {}).lexical == "wardrobe wardrobes"


def test_a_title_can_name_what_the_category_does_not() -> None:
    parsed = parse_words("coffee table", Vocabulary({"coffee table": 3}), {})
    assert parsed.titled("Oak coffee tables, set of two")
    assert not parsed.titled("A table for tea")
    assert not parse_words("", Vocabulary({}), {}).titled("anything")

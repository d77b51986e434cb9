"""The table of meanings that comes with the package, and what ranking makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.search.rank.named import naming
from scenesearch.words.meaning import Meaning, shipped_meaning

SAME = [
    ("couch", "three-seat sofa"),
    ("settee", "sofa"),
    ("nightstand", "bedside table"),
    ("rug", "carpet"),
    ("Houseplant", "plant pot"),
    ("potted plant", "Houseplant"),
    ("chairs", "Chair"),
    ("Studio couch", "couch"),
    ("television", "tv"),
    ("sofa", "Home > Living room > Sofas"),
]
OTHER = [
    ("chair", "kitchen tap"),
    ("chair", "mirror"),
    ("couch", "wall shelf"),
    ("potted plant", "bunk bed"),
    ("cat", "bookcase"),
]


@pytest.fixture(scope="module")
def table() -> Meaning:
    return shipped_meaning()


@pytest.mark.parametrize(("one", "other"), SAME)
def test_names_of_one_kind_of_thing_are_alike(table: Meaning, one: str, other: str) -> None:
    assert table.alike(one, [other])[0] > 0.5
    assert table.alike(other, [one])[0] == table.alike(one, [other])[0]


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_names_of_other_things_are_not(table: Meaning, one: str, other: str) -> None:
    assert table.alike(one, [other])[0] < 0.1


@pytest.mark.parametrize("text", ["", "  ", "qwxzk", "沙发", "the of with", "👍", "12 34"])
def test_what_the_table_does_not_know_is_like_nothing(table: Meaning, text: str) -> None:
    assert table.vector(text) is None
    assert table.cosines(text, ["sofa", text]).tolist() == [0, 0]


def test_vectors_have_length_one_and_do_not_depend_on_case_or_plural(table: Meaning) -> None:
    for text in ("sofa", "chest of drawers", "a red lamp"):
        assert np.linalg.norm(table.vector(text)) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(table.vector("SOFA"), table.vector("sofa"))
    assert np.array_equal(table.vector("wardrobes"), table.vector("wardrobe"))


def test_a_label_speaks_for_what_is_called_alike_and_for_nothing_else(table: Meaning) -> None:
    payloads = [
        {"category": "sofa"},
        {"category": ["kitchen tap"], "title": "sofa"},
        {"category": "", "title": "Couch, grey"},
        {"title": None},
        {},
    ]
    found = naming(["couch", None, "qwxzk"], payloads, table)
    assert found.shape == (3, 5)
    assert found[0, 0] == 1
    assert found[0, 1] == 0  # the category is what it is, whatever the title says
    assert found[0, 2] > 0.5
    assert not found[0, 3:].any()
    assert not found[1:].any()


def test_without_regions_or_items_there_is_nothing(table: Meaning) -> None:
    assert naming([], [{"category": "sofa"}], table).shape == (0, 1)
    assert naming(["couch"], [], table).shape == (1, 0)


def test_names_in_another_language_have_no_say(table: Meaning) -> None:
    french = [{"title": t} for t in ("matelas", "lit", "canapé", "rideaux", "tapis")]
    assert table.vector("lit") is not None
    assert not naming(["lamp", "bed"], french, table).any()
    # a strange name among known ones keeps none of these from speaking
    assert naming(["bed"], [{"title": "bed"}, {"title": "canapé"}], table)[0, 0] == 1

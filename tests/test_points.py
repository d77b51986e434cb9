"""Ids and payloads of what is stored."""

from __future__ import annotations

import json
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scenesearch.core.errors import CollectionMismatchError
from scenesearch.core.points import (
    FIELDS,
    MUST_MATCH,
    check_models,
    colours_of,
    colours_payload,
    point_id,
)
from scenesearch.core.types import Colour, Item
from scenesearch.index.item_points import item_payload


def test_an_id_never_changes():
    # written down once: every stored collection hangs on it
    assert point_id("items", "A-1", "ab" * 32, "whole") == "1cde36fe-9fa1-521f-9585-5ed484209ddd"


@given(st.tuples(*[st.text(min_size=1)] * 4), st.tuples(*[st.text(min_size=1)] * 4))
def test_different_parts_give_different_ids_and_equal_parts_equal_ones(one, other):
    # the separator is a control character that no collection name, digest or region key has
    parts = [tuple(part.replace("\x1f", "") for part in parts) for parts in (one, other)]

    assert (point_id(*parts[0]) == point_id(*parts[1])) == (parts[0] == parts[1])


def test_an_id_is_a_version_five_uuid():
    assert uuid.UUID(point_id("items", "1", "00", "object:3")).version == 5


def test_a_payload_holds_the_attributes_as_json_values():
    item = Item("A", ("a.jpg",), {"price": 9.5, "tags": ("x", "y"), "in_stock": True})

    payload = item_payload(item, "hash")

    assert payload == {
        "item_id": "A",
        "item_hash": "hash",
        "price": 9.5,
        "tags": ["x", "y"],
        "in_stock": True,
        "words": "x / y",
    }
    assert json.loads(json.dumps(payload)) == payload


def test_colours_are_read_back_as_they_were_written():
    colours = (Colour("red", (53.2, 80.1, 67.2), 0.75), Colour("white", (100.0, 0.0, 0.0), 0.25))

    payload = json.loads(json.dumps(colours_payload(colours)))

    assert colours_of(payload) == colours
    assert payload["colour_names"] == ["red", "white"]


def test_a_colour_that_occurs_twice_is_named_once():
    two = (Colour("red", (53.0, 80.0, 67.0), 0.5), Colour("red", (40.0, 60.0, 40.0), 0.5))

    assert colours_payload(two)["colour_names"] == ["red"]
    assert len(colours_of(colours_payload(two))) == 2


def test_no_colours_are_an_empty_list():
    assert colours_of({}) == ()
    assert colours_payload(()) == {"colours": [], "colour_names": []}


def test_what_is_filtered_by_is_declared():
    assert {"item_id", "photo_sha256", "region", "label"} <= set(FIELDS)


def test_the_same_models_are_accepted():
    check_models({"embedder": "a", "more": "x"}, {"embedder": "a"})


@pytest.mark.parametrize(
    ("found", "named"),
    [({"embedder": "a", "schema": "1"}, "'a'"), ({"schema": "1"}, "None")],
    ids=["another", "missing"],
)
def test_other_models_are_refused_with_both_sides(found, named):
    with pytest.raises(CollectionMismatchError) as caught:
        check_models(found, {"embedder": "b", "schema": "1"})

    assert f"embedder: collection has {named}" in str(caught.value)
    assert "'b'" in str(caught.value)
    assert "schema" not in str(caught.value)
    assert caught.value.code == "collection_mismatch"


def test_a_search_compares_only_what_it_must():
    found = {"schema": "1", "embedder": "a", "background": "255-255-255", "remover": "x"}

    check_models(found, {**found, "remover": "y"}, MUST_MATCH)

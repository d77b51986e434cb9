"""The nearest points of a batch, without those of the items that were asked with."""

from __future__ import annotations

import numpy as np
import pytest
from fakes.store import MemoryStore

from scenesearch.core.conditions import Equals
from scenesearch.core.protocols import VectorQuery
from scenesearch.core.types import CollectionSchema, Point
from scenesearch.search.nearest import SPARE, nearest

FIELDS = {"item_id": "keyword", "kind": "keyword"}


def turned(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def uuid(number: int) -> str:
    return f"00000000-0000-0000-0000-{number:012d}"


@pytest.fixture
def store():
    """An item with many points where others have one, each a little further from the query."""
    many, others = 3 * SPARE, 40
    points = [(f"own-{n}", "own", 0.001 * n) for n in range(many)]
    points += [(f"{n}", f"item-{n:02d}", 0.1 + 0.01 * n) for n in range(others)]
    store = MemoryStore()
    store.create(CollectionSchema({"a": 2}, FIELDS, {}))
    store.upsert(
        [
            Point(uuid(i), {"a": turned(angle)}, {"item_id": item, "kind": "xy"[i % 2]})
            for i, (_, item, angle) in enumerate(points)
        ]
    )
    return store


def found(store, **options):
    (answer,) = nearest(store, [{"a": turned(0.0)}], {"a": "a"}, **options)
    return [hit.payload["item_id"] for hit in answer.hits]


def test_items_to_leave_out_take_no_place_however_many_points_they_have(store):
    assert found(store, limit=10, without={"own"}) == [f"item-{n:02d}" for n in range(10)]


def test_where_few_points_are_left_out_the_engine_is_asked_once(store, monkeypatch):
    asked = []
    query = store.query
    monkeypatch.setattr(store, "query", lambda queries: asked.append(queries) or query(queries))

    both = {"item-00", "item-03"}
    items = found(store, limit=10, without=both, where=lambda _: Equals("kind", "x"))

    assert len(asked) == 1
    assert len(items) == 10
    assert both.isdisjoint(items)


def test_a_store_with_too_few_points_gives_what_it_has(store):
    assert len(found(store, limit=100, without={"own"})) == 40


def test_regions_are_asked_in_the_spaces_they_have_and_nothing_is_asked_without_any(store):
    answers = nearest(store, [{}, {"a": turned(0.2)}], {"b": "b", "a": "a"}, limit=3)

    assert [(answer.region, answer.space, len(answer.hits)) for answer in answers] == [(1, "a", 3)]
    assert nearest(store, [{}], {"a": "a"}, limit=3) == []


def test_the_answer_is_that_of_a_filter(store):
    (hits,) = store.query([VectorQuery("a", turned(0.0), 60, None, ("item_id",))])
    expected = [hit.payload["item_id"] for hit in hits if hit.payload["item_id"] != "item-05"]

    assert found(store, limit=30, without={"item-05"}) == expected[:30]

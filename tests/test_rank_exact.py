"""Sums that decide ties: in whatever order their terms come, and wherever a vector stands."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from scenesearch.complete.anchors import weighted_anchors
from scenesearch.search.rank.agree import agree
from scenesearch.search.rank.exact import products, sum_of
from scenesearch.search.rank.rerank import late_interaction
from scenesearch.tagging.vocabulary import Kind, Kinds

VALUES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(values=VALUES, seed=st.integers(0, 99))
def test_a_sum_does_not_depend_on_the_order(values, seed):
    mixed = values[:, np.random.default_rng(seed).permutation(values.shape[1])]

    assert sum_of(values, axis=1).tolist() == sum_of(mixed, axis=1).tolist()
    assert sum_of(values.T, axis=0).tolist() == sum_of(mixed.T, axis=0).tolist()


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
@pytest.mark.parametrize("columns", [5, 17, 101])
def test_equal_vectors_have_equal_products_wherever_they_stand(rows, columns):
    rng = np.random.default_rng(rows * columns)
    asked = rng.normal(size=(rows, 320)).astype(np.float32)
    same = np.repeat(rng.normal(size=(1, 320)).astype(np.float32), columns, axis=0)
    found = products(asked, same)

    assert found == pytest.approx(asked @ same.T, abs=1e-3)
    assert [len(set(row.tolist())) for row in found] == [1] * rows


@pytest.mark.parametrize("photos", [2, 5, 17])
def test_the_second_look_says_the_same_of_the_same_photo(photos):
    rng = np.random.default_rng(photos)
    query = rng.normal(size=(49, 112)).astype(np.float32)
    same = np.repeat(rng.normal(size=(1, 49, 112)).astype(np.float32), photos, axis=0)

    assert len(set(late_interaction(query, same).tolist())) == 1


def test_who_has_the_last_vote_is_decided_by_id():
    # two items tie for the one vote that is left; the engine may give them in either order
    first = agree(np.float32([[0.5, 0.5]]), ["b", "a"], ["lamp", "rug"], weight=1, voters=1)
    second = agree(np.float32([[0.5, 0.5]]), ["a", "b"], ["rug", "lamp"], weight=1, voters=1)

    assert first.tolist() == [[0.5, 1.5]]
    assert second.tolist() == [[1.5, 0.5]]


def test_the_order_of_detections_plays_no_part_in_the_kind_of_a_scene():
    kinds = Kinds((Kind("kitchen", ("kitchen",), ("oven", "sink", "cup")),))
    found = {"oven": 0.1, "sink": 0.2, "cup": 0.3, "person": 0.4}
    reverse = dict(reversed(found.items()))

    assert sum(found.values()) != sum(reverse.values())
    assert kinds.by_labels(found) == kinds.by_labels(reverse)


def test_anchors_are_in_the_order_of_their_ids():
    assert list(weighted_anchors(["b", "a"])) == list(weighted_anchors(["a", "b"]))

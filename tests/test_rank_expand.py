"""A query moves towards its trusted neighbours."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.search.nearest import expand

EAST, NORTH, WEST = (np.array(v, np.float32) for v in ([1, 0], [0, 1], [-1, 0]))


def unit(*values):
    vector = np.array(values, np.float64)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def floats(*values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    ("neighbours", "scores", "options", "expected"),
    [
        # one neighbour at 60 degrees weighs 0.5 ** 3
        ([unit(1, 3**0.5)], [0.5], {}, unit(1 + 0.125 * 0.5, 0.125 * 3**0.5 / 2)),
        ([unit(1, 3**0.5)], [0.5], {"alpha": 0}, unit(1.5, 3**0.5 / 2)),
        ([unit(1, 3**0.5)], [0.5], {"alpha": 1}, unit(1.25, 3**0.5 / 4)),
        # 0.8 ** 3 = 0.512 each, on both sides: the query only gets longer
        ([unit(0.8, 0.6), unit(0.8, -0.6)], [0.8, 0.8], {}, EAST),
        ([unit(0.8, 0.6), NORTH], [0.8, 0.0], {}, unit(1 + 0.512 * 0.8, 0.512 * 0.6)),
        ([unit(0.8, 0.6)], [0.8], {"floor": 0.81}, EAST),
        ([WEST], [-1.0], {"floor": -1}, EAST),
        ([EAST], [1.0], {}, EAST),
    ],
    ids=[
        "cube",
        "alpha_0_is_the_mean",
        "alpha_1",
        "both_sides_cancel",
        "below_the_floor_is_left_out",
        "none_above_the_floor",
        "negative_cosines_weigh_nothing",
        "itself",
    ],
)
def test_expansion_by_hand(neighbours, scores, options, expected):
    moved = expand(EAST, np.stack(neighbours), floats(*scores), **options)

    assert moved == pytest.approx(expected, abs=1e-6)
    assert moved.dtype == np.float32


def test_a_neighbour_exactly_at_the_floor_is_trusted():
    neighbour = unit(0.5, 0.75**0.5)

    assert not np.array_equal(expand(EAST, neighbour[None], floats(0.5), floor=0.5), EAST)


@pytest.mark.parametrize("scores", [[], [0.4], [float("nan")]], ids=["none", "far", "nan"])
def test_without_trusted_neighbours_the_query_stays_bit_for_bit(scores):
    query = unit(0.3, 0.7)
    neighbours = np.ones((len(scores), 2), np.float32)

    assert np.array_equal(expand(query, neighbours, floats(*scores)), query)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 8), floor=st.sampled_from([0.0, 0.3, 0.7]))
def test_expansion_equals_the_sum_and_changes_no_input(seed, count, floor):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count + 1, 5)) + 1
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    query, neighbours = vectors[0], vectors[1:]
    # not by BLAS, which was seen to raise a flag for numbers that are none, once in many runs
    scores = (neighbours * query).sum(axis=1)
    before = vectors.copy()
    moved = expand(query, neighbours, scores, floor=floor)
    total = query.astype(np.float64)
    for vector, score in zip(neighbours, scores, strict=True):
        if score >= floor:
            total = total + float(score) ** 3 * vector

    assert moved == pytest.approx(total / np.linalg.norm(total), abs=1e-5)
    assert np.linalg.norm(moved) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(vectors, before)


def test_expanding_brings_the_query_nearer_to_its_neighbours():
    rng = np.random.default_rng(0)
    centre = rng.normal(size=32)
    cloud = centre + 0.8 * rng.normal(size=(12, 32))
    cloud = (cloud / np.linalg.norm(cloud, axis=1, keepdims=True)).astype(np.float32)
    query, neighbours = cloud[0], cloud[1:]
    moved = expand(query, neighbours, neighbours @ query, floor=0.2)

    assert (neighbours @ moved).mean() > (neighbours @ query).mean() + 0.05
    assert moved @ unit(*centre) > query @ unit(*centre)

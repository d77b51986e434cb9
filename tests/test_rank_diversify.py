"""MMR, fields as similarity, and variants together."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.search.rank.diversify import collapse, mmr, same_picture, same_value

# 0 and 1 are nearly the same thing, 2 is alike a little, 3 is something else
ALIKE = np.array(
    [[1.0, 0.9, 0.4, 0.0], [0.9, 1.0, 0.3, 0.0], [0.4, 0.3, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]],
    np.float32,
)
FALLING = np.array([1.0, 0.95, 0.6, 0.3], np.float32)


@st.composite
def problems(draw):
    n = draw(st.integers(0, 9))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    vectors = rng.normal(size=(n, 4))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    relevance = np.sort(rng.uniform(0, 1, n))[::-1]
    return relevance.astype(np.float32).copy(), (vectors @ vectors.T).astype(np.float32)


def by_brute_force(relevance, similarity, diversity, limit):
    """Carbonell and Goldstein's formula, the largest similarity to what was picked before."""
    picked, left = [], list(range(len(relevance)))
    while left and len(picked) < limit:

        def value(i):
            nearest = max([0.0, *(float(similarity[i, j]) for j in picked)])
            return (1 - diversity) * float(relevance[i]) - diversity * nearest

        best = max(left, key=lambda i: (round(value(i), 6), -i))
        picked.append(best)
        left.remove(best)
    return picked


@pytest.mark.parametrize(
    ("diversity", "expected"),
    [
        # step 2 of 0.5: 1 gives .475 - .45 = .025, 2 gives .3 - .2 = .1, 3 gives .15
        # step 3: 1 gives .025 still, 2 gives .1 still
        (0.5, [0, 3, 2, 1]),
        # step 2 of 0.3: 1 gives .665 - .27 = .395, 2 gives .42 - .12 = .3, 3 gives .21
        (0.3, [0, 1, 2, 3]),
        # step 2 of 0.4: 1 gives .57 - .36 = .21, 2 gives .36 - .16 = .2, 3 gives .18
        # step 3: 2 gives .2 still
        (0.4, [0, 1, 2, 3]),
        # step 2 of 0.45: 1 gives .5225 - .405 = .1175, 2 gives .33 - .18 = .15, 3 gives .165
        (0.45, [0, 3, 2, 1]),
        (0.0, [0, 1, 2, 3]),
        # relevance plays no part: 3 is unlike 0; then 2 (.4) before 1 (.9)
        (1.0, [0, 3, 2, 1]),
    ],
)
def test_mmr_by_hand(diversity, expected):
    assert mmr(FALLING, ALIKE, diversity=diversity, limit=4) == expected


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (2, 2), (4, 4), (99, 4)])
def test_the_limit_cuts_without_changing_what_comes_first(limit, count):
    full = mmr(FALLING, ALIKE, diversity=0.5, limit=4)

    assert mmr(FALLING, ALIKE, diversity=0.5, limit=limit) == full[:count]


@settings(deadline=None)
@given(problem=problems(), diversity=st.sampled_from([0.2, 0.5, 0.8, 1.0]))
def test_mmr_equals_the_formula_of_the_paper(problem, diversity):
    relevance, similarity = problem
    before = relevance.copy(), similarity.copy()
    picked = mmr(relevance, similarity, diversity=diversity, limit=20)

    assert picked == by_brute_force(relevance, similarity, diversity, 20)
    assert np.array_equal(relevance, before[0])
    assert np.array_equal(similarity, before[1])


@settings(deadline=None)
@given(problem=problems())
def test_no_diversity_keeps_the_order(problem):
    relevance, similarity = problem

    assert mmr(relevance, similarity, diversity=0, limit=20) == list(range(len(relevance)))


@settings(deadline=None)
@given(problem=problems(), diversity=st.floats(0, 1))
def test_mmr_only_reorders_and_starts_with_the_best(problem, diversity):
    relevance, similarity = problem
    picked = mmr(relevance, similarity, diversity=diversity, limit=20)

    assert sorted(picked) == list(range(len(relevance)))
    assert picked[:1] == [0][: len(relevance)]


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_a_diversity_out_of_range_is_refused(diversity):
    with pytest.raises(ValueError, match="0 to 1"):
        mmr(FALLING, ALIKE, diversity=diversity, limit=4)


def test_opposites_count_as_no_more_different_than_strangers():
    similarity = np.array([[1, 0, -1], [0, 1, 0], [-1, 0, 1]], np.float32)

    assert mmr(FALLING[:3], similarity, diversity=0.9, limit=3) == [0, 1, 2]


def test_same_value_compares_what_is_there():
    values = ["red", None, "blue", "red", None, ("a", "b"), ("a", "b")]
    expected = [
        [float(i == j or (a is not None and a == b)) for j, b in enumerate(values)]
        for i, a in enumerate(values)
    ]

    assert same_value(values).tolist() == expected
    assert same_value([]).shape == (0, 0)


def test_diversity_by_a_field_takes_the_values_in_turn():
    brands = ["x", "x", "x", "y", "y", None]
    relevance = np.linspace(1, 0.9, 6).astype(np.float32)

    assert mmr(relevance, same_value(brands), diversity=0.5, limit=6) == [0, 3, 5, 1, 2, 4]


@pytest.mark.parametrize(
    ("keys", "groups"),
    [
        (["a", None, "a", "b"], [[0, 2], [1], [3]]),
        ([None, None], [[0], [1]]),
        (["a", "b", "b", "a", "b"], [[0, 3], [1, 2, 4]]),
        ([0, "", False], [[0, 2], [1]]),
        ([], []),
    ],
    ids=["some", "missing_stay_alone", "interleaved", "falsy_values_are_values", "empty"],
)
def test_variants_stand_where_the_first_of_them_stood(keys, groups):
    assert collapse(keys) == groups


@settings(deadline=None)
@given(keys=st.lists(st.sampled_from(["a", "b", "c", None]), max_size=20))
def test_collapsing_loses_and_doubles_nothing(keys):
    groups = collapse(keys)
    firsts = [group[0] for group in groups]

    assert sorted(position for group in groups for position in group) == list(range(len(keys)))
    assert firsts == sorted(firsts)
    assert all(len({keys[i] for i in group}) == 1 for group in groups)


@pytest.mark.parametrize(
    ("other", "colour", "same"),
    [
        pytest.param("0" * 16, "red", True, id="the same picture"),
        pytest.param("0" * 15 + "f", "red", True, id="4 bits apart"),
        pytest.param("0" * 14 + "1f", "red", False, id="5 bits apart"),
        pytest.param("0" * 16, "blue", False, id="another colour"),
        pytest.param(None, "red", False, id="no hash"),
        pytest.param("12", "red", False, id="no hash of ours"),
    ],
)
def test_near_duplicate_pictures_share_a_key(other, colour, same):
    keys = same_picture(["0" * 16, other], ["red", colour])

    assert (keys[0] == keys[1]) is same


def test_pictures_join_the_first_and_not_each_other():
    # a chain: each is 4 bits from the one before it, and 8 from the one before that
    chain = ["0" * 16, "0" * 15 + "f", "0" * 14 + "ff"]

    assert same_picture(chain, ["red"] * 3) == [0, 0, 2]

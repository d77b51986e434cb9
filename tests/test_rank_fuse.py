"""Several regions' lists to one, by tables worked out by hand and by plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from scenesearch.search.rank.fuse import fuse, order, ranks

NAN = np.nan
METHODS = ["best_rank", "share", "reciprocal_rank", "best_score"]
LEVELS = [NAN, -0.6, 0.0, 0.1, 0.35, 0.36, 0.7, 0.99]
SCORES = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    elements=st.sampled_from(LEVELS),
)


def ones(count):
    return np.ones(count, np.float32)


def by_brute_force(scores, weights, method, k=60.0, sharpness=40.0):
    """The docstring of fuse, in plain loops and float64."""
    regions, items = scores.shape
    contributions = np.zeros((regions, items))
    for r in range(regions):
        row = {i: float(scores[r, i]) for i in range(items) if not math.isnan(scores[r, i])}
        weight = float(weights[r] / max(weights))
        for i, score in row.items():
            rank = 1 + sum(other > score for other in row.values())
            if method == "reciprocal_rank":
                share = float(weights[r] / sum(weights))
                contributions[r, i] = share * (1 + k) / (k + rank)
            elif method == "share":
                total = sum(math.exp(sharpness * (x - max(row.values()))) for x in row.values())
                power = math.exp(sharpness * (score - max(row.values())))
                contributions[r, i] = weight * power / total
            elif method == "best_rank":
                contributions[r, i] = 1 / (rank + 1 - 0.98 * weight * (score + 1) / 2)
            else:
                contributions[r, i] = weight * (score + 1) / 2
    if method == "reciprocal_rank":
        return contributions.sum(axis=0)
    return contributions.max(axis=0)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ([0.5, 0.9, NAN, 0.5], [2, 1, math.inf, 2]),
        ([0.1, 0.2, 0.3], [3, 2, 1]),
        ([0.4, 0.4, 0.4], [1, 1, 1]),
        ([0.9, 0.5, 0.5, 0.1], [1, 2, 2, 4]),
        ([NAN, NAN], [math.inf, math.inf]),
        ([-0.2, -0.1], [2, 1]),
        ([], []),
    ],
    ids=["tie_and_gap", "rising", "all_equal", "tie_leaves_a_gap", "absent", "negative", "none"],
)
def test_ranks_start_at_one_and_ties_share_the_better(row, expected):
    result = ranks(np.array([row], np.float32))

    assert result.tolist() == [expected]
    assert result.dtype == np.float32


@settings(deadline=None)
@given(scores=SCORES)
def test_ranks_count_what_is_strictly_better(scores):
    found = ranks(scores)

    for row, rank in zip(scores, found, strict=True):
        for value, one in zip(row, rank, strict=True):
            assert one == (math.inf if math.isnan(value) else 1 + np.sum(row > value))


# region 0 ranks a, b; region 1 ranks c, b; d is in neither
TABLE = np.array([[0.9, 0.8, NAN, NAN], [NAN, 0.6, 0.7, NAN]], np.float32)


@pytest.mark.parametrize(
    ("method", "weights", "expected"),
    [
        ("best_rank", (1, 1), [1 / 1.069, 1 / 2.118, 1 / 1.167, 0]),
        ("best_rank", (1, 2), [1 / 1.5345, 1 / 2.216, 1 / 1.167, 0]),
        ("share", (1, 1), [0.982014, 0.017986, 0.982014, 0]),
        ("share", (1, 2), [0.491007, 0.017986, 0.982014, 0]),
        ("reciprocal_rank", (1, 1), [0.5, 61 / 62, 0.5, 0]),
        ("reciprocal_rank", (1, 3), [0.25, 61 / 62, 0.75, 0]),
        ("best_score", (1, 1), [0.95, 0.9, 0.85, 0]),
        ("best_score", (1, 2), [0.475, 0.8, 0.85, 0]),
    ],
    ids=lambda value: "-".join(map(str, value)) if isinstance(value, tuple) else None,
)
def test_fusion_by_hand(method, weights, expected):
    fused = fuse(TABLE, np.array(weights, np.float32), method=method)

    assert fused.scores.tolist() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("method", "ranking"),
    [("best_rank", "acb"), ("share", "acb"), ("reciprocal_rank", "bac"), ("best_score", "abc")],
)
def test_the_fusions_disagree_where_they_should(method, ranking):
    fused = fuse(TABLE, ones(2), method=method)

    assert "".join("abcd"[i] for i in order(fused.scores, tuple("abcd"))) == ranking


def test_parameters_of_the_fusions_reach_them():
    sharp = fuse(TABLE, ones(2), method="share", sharpness=1).scores
    small_k = fuse(TABLE, ones(2), method="reciprocal_rank", k=1).scores

    assert sharp[0] == pytest.approx(1 / (1 + math.exp(-0.1)), abs=1e-5)
    assert small_k[1] == pytest.approx(2 / 3, abs=1e-5)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_fusion_equals_the_plain_loops(method, scores, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 5, len(scores)).astype(np.float32)
    before = scores.copy()
    fused = fuse(scores, weights, method=method)

    assert fused.scores == pytest.approx(by_brute_force(scores, weights, method), rel=1e-4)
    assert np.array_equal(scores, before, equal_nan=True)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_contributions_explain_the_score(method, scores, seed):
    weights = np.random.default_rng(seed).uniform(0.1, 5, len(scores)).astype(np.float32)
    fused = fuse(scores, weights, method=method)

    assert fused.contributions.shape == scores.shape
    assert (fused.contributions[np.isnan(scores)] == 0).all()
    assert np.allclose(fused.contributions.sum(axis=0), fused.scores)
    if method != "reciprocal_rank":
        assert ((fused.contributions > 0).sum(axis=0) <= 1).all()


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(scores=SCORES)
def test_scores_lie_in_0_to_1_and_are_0_for_what_no_region_has(method, scores):
    fused = fuse(scores, ones(len(scores)), method=method)
    absent = np.isnan(scores).all(axis=0)

    assert (fused.scores[absent] == 0).all()
    assert (fused.scores[~absent] > 0).all()
    assert (fused.scores <= 1 + 1e-6).all()


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(scores=SCORES, factor=st.sampled_from([0.25, 3.0]))
def test_only_the_ratio_of_weights_matters(method, scores, factor):
    weights = np.arange(1, len(scores) + 1, dtype=np.float32)
    first = fuse(scores, weights, method=method).scores
    second = fuse(scores, weights * np.float32(factor), method=method).scores

    assert np.allclose(first, second, rtol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_the_order_of_equally_weighted_regions_and_of_items_plays_no_part(method, scores, seed):
    rng = np.random.default_rng(seed)
    regions, items = rng.permutation(len(scores)), rng.permutation(scores.shape[1])
    names = tuple("abcdef"[: scores.shape[1]])
    shuffled_names = tuple(names[i] for i in items)
    first = fuse(scores, ones(len(scores)), method=method).scores
    second = fuse(scores[regions][:, items], ones(len(scores)), method=method).scores

    ranking = [names[i] for i in order(first, names)]
    assert [shuffled_names[i] for i in order(second, shuffled_names)] == ranking


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None)
@given(row=arrays(np.float32, st.integers(1, 8), elements=st.sampled_from(LEVELS), unique=False))
def test_one_region_alone_keeps_its_own_order(method, row):
    names = tuple("abcdefgh"[: len(row)])
    alone = [i for i in range(len(row)) if not math.isnan(row[i])]
    expected = sorted(alone, key=lambda i: (-row[i], names[i]))

    assert order(fuse(row[None], ones(1), method=method).scores, names) == expected


@settings(deadline=None)
@given(scores=SCORES, seed=st.integers(0, 99))
def test_best_rank_never_lets_a_second_place_overtake_a_first(scores, seed):
    weights = np.random.default_rng(seed).uniform(0.01, 5, len(scores)).astype(np.float32)
    best = ranks(scores).min(axis=0)
    fused = fuse(scores, weights, method="best_rank").scores
    names = tuple("abcdef"[: scores.shape[1]])
    listed = [best[i] for i in order(fused, names)]

    assert listed == sorted(listed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (2, 0)], ids=str)
def test_nothing_to_fuse_gives_nothing(method, shape):
    fused = fuse(np.zeros(shape, np.float32), ones(shape[0]), method=method)

    assert fused.scores.tolist() == [0] * shape[1]
    assert fused.contributions.shape == shape


@pytest.mark.parametrize(
    ("scores", "items", "expected"),
    [
        ([0.5, 0.9, 0.5, 0.0], "bcad", [1, 2, 0]),
        ([0.5, 0.5, 0.5], "cab", [1, 2, 0]),
        ([0, NAN, 0.1], "abc", [2]),
        ([0, 0], "ab", []),
        ([], "", []),
        ([0.1, 0.3, 0.3, 0.2, 0.2], "edcba", [2, 1, 4, 3, 0]),
    ],
    ids=["ties_by_id", "all_equal", "nan_left_out", "nothing_ranked", "empty", "two_ties"],
)
def test_order_falls_by_score_and_breaks_ties_by_id(scores, items, expected):
    assert order(np.array(scores, np.float32), tuple(items)) == expected


@settings(deadline=None)
@given(scores=arrays(np.float32, st.integers(0, 30), elements=st.sampled_from([NAN, 0, 0.2, 0.4])))
def test_order_equals_sorting_by_score_and_id(scores):
    names = tuple(f"{(7 * i) % 31:02d}" for i in range(len(scores)))
    expected = sorted(
        (i for i in range(len(scores)) if scores[i] > 0), key=lambda i: (-scores[i], names[i])
    )

    assert order(scores, names) == expected


def test_between_regions_another_score_may_decide_than_within_them():
    scores = np.array([[0.9, 0.5, np.nan], [np.nan, 0.6, 0.95]], np.float32)
    between = np.array([[0.8, 0.5, np.nan], [np.nan, 0.6, 0.7]], np.float32)
    weights = np.ones(2, np.float32)

    plain = fuse(scores, weights, method="best_rank")
    other = fuse(scores, weights, between=between, method="best_rank")

    assert order(plain.scores, ("a", "b", "c")) == [2, 0, 1]
    assert order(other.scores, ("a", "b", "c")) == [0, 2, 1]

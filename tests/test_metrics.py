"""Retrieval metrics against tables worked out by hand, and against scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.evaluation.metrics import (
    average_precision,
    bootstrap_interval,
    hit,
    ndcg,
    precision,
    recall,
)


def row(text):
    """``"x.x"``: right, wrong, right."""
    return np.array([mark == "x" for mark in text], np.bool_)


LOG3 = 1 / math.log2(3)  # the gain of the second place

TABLE = [
    # ranked, right in all, k, hit, recall, precision, ndcg, average precision
    ("x", 1, 1, 1, 1, 1, 1, 1),
    (".", 1, 1, 0, 0, 0, 0, 0),
    (".x", 1, 1, 0, 0, 0, 0, 0),
    (".x", 1, 2, 1, 1, 0.5, LOG3, 0.5),
    ("xx", 2, 2, 1, 1, 1, 1, 1),
    ("x.x", 2, 3, 1, 1, 2 / 3, 1.5 / (1 + LOG3), (1 + 2 / 3) / 2),
    ("x..", 4, 3, 1, 0.25, 1 / 3, 1 / (1 + LOG3 + 0.5), 0.25),
    ("xxx", 9, 3, 1, 1 / 3, 1, 1, 1 / 3),
    ("x", 1, 10, 1, 1, 0.1, 1, 1),
    ("", 3, 5, 0, 0, 0, 0, 0),
]
IDS = [f"{ranked or 'nothing'} of {total} at {k}" for ranked, total, k, *_ in TABLE]


@pytest.mark.parametrize(("ranked", "total", "k", "h", "r", "p", "n", "ap"), TABLE, ids=IDS)
def test_metrics_are_those_worked_out_by_hand(ranked, total, k, h, r, p, n, ap):
    found = row(ranked)

    assert hit(found, k) == h
    assert recall(found, total, k) == pytest.approx(r)
    assert precision(found, k) == pytest.approx(p)
    assert ndcg(found, total, k) == pytest.approx(n)
    assert average_precision(found, total, k) == pytest.approx(ap)


def test_without_right_items_everything_is_zero_and_nothing_divides_by_it():
    found = row("...")

    assert [recall(found, 0, 3), ndcg(found, 0, 3), average_precision(found, 0, 3)] == [0, 0, 0]


@settings(deadline=None)  # the first call imports scikit-learn
@given(st.lists(st.booleans(), min_size=2, max_size=40), st.integers(1, 50))
@pytest.mark.e2e
def test_ndcg_and_average_precision_agree_with_scikit_learn(marks, k):
    from sklearn.metrics import average_precision_score, ndcg_score

    relevant = np.array(marks)
    if not relevant.any():
        return
    falling = -np.arange(len(marks), dtype=float)

    assert ndcg(relevant, int(relevant.sum()), k) == pytest.approx(
        ndcg_score([relevant.astype(int)], [falling], k=k)
    )
    assert average_precision(relevant, int(relevant.sum()), len(marks)) == pytest.approx(
        average_precision_score(relevant, falling)
    )


@given(st.lists(st.booleans(), max_size=30), st.integers(0, 40), st.integers(1, 40))
def test_every_metric_lies_between_zero_and_one(marks, more, k):
    relevant = np.array(marks, np.bool_)
    total = int(relevant.sum()) + more

    for value in (
        hit(relevant, k),
        precision(relevant, k),
        recall(relevant, total, k),
        ndcg(relevant, total, k),
        average_precision(relevant, total, k),
    ):
        assert 0 <= value <= 1 + 1e-9


def test_an_interval_holds_the_mean_and_narrows_with_the_sample():
    rng = np.random.default_rng(5)
    few, many = rng.random(20), rng.random(2000)

    low, high = bootstrap_interval(few)
    narrow = bootstrap_interval(many)

    assert low < few.mean() < high
    assert narrow[1] - narrow[0] < (high - low) / 4


def test_an_interval_is_near_the_normal_one_where_that_holds():
    values = np.random.default_rng(1).normal(3.0, 2.0, 4000)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))

    low, high = bootstrap_interval(values)

    assert low == pytest.approx(values.mean() - half, abs=0.01)
    assert high == pytest.approx(values.mean() + half, abs=0.01)


def test_an_interval_is_the_same_every_time_and_of_the_level_asked_for():
    values = np.random.default_rng(2).random(50)

    wide, narrow = bootstrap_interval(values, level=0.99), bootstrap_interval(values, level=0.5)

    assert bootstrap_interval(values, level=0.99) == wide
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_an_interval_of_nothing_is_nothing():
    assert bootstrap_interval(np.zeros(0)) == (0.0, 0.0)

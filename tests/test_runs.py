"""Runs of equals are put in order, and nothing else is moved."""

from __future__ import annotations

import random

from scenesearch.core.runs import sort_runs


def test_runs_are_what_sorting_by_both_keys_gives():
    draw = random.Random(0)
    for _ in range(300):
        rows = [(draw.randrange(6), draw.random()) for _ in range(draw.randrange(12))]
        ranked = sorted(rows, key=lambda row: row[0])
        equal = [i for i in range(len(ranked) - 1) if ranked[i][0] == ranked[i + 1][0]]

        sort_runs(ranked, equal, lambda row: row[1])

        assert ranked == sorted(rows)


def test_only_those_in_runs_are_asked_for_their_key():
    asked = []

    sort_runs([5, 4, 3, 2, 1], [1], lambda one: asked.append(one) or one)

    assert sorted(asked) == [3, 4]

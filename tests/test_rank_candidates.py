"""Lists of hits to score matrices, and several spaces to one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scenesearch.core.types import Hit
from scenesearch.search.rank.candidates import Answer, blend, gather

NAN = np.nan


def hits(*pairs, **fields):
    return [Hit(f"{item}-{i}", score, {"item_id": item, **fields}) for i, (item, score) in
            enumerate(pairs)]  # fmt: skip


def matrix(rows):
    return np.array(rows, np.float32)


def test_every_item_of_any_list_is_a_column_in_order_of_first_appearance():
    found = gather(
        [
            Answer(1, "cutout", hits(("b", 0.9), ("a", 0.5))),
            Answer(0, "cutout", hits(("c", 0.7), ("a", 0.6))),
            Answer(0, "context", hits(("a", 0.3))),
        ],
        2,
    )

    assert found.items == ("b", "a", "c")
    assert np.array_equal(
        found.scores["cutout"], matrix([[NAN, 0.6, 0.7], [0.9, 0.5, NAN]]), equal_nan=True
    )
    assert np.array_equal(
        found.scores["context"], matrix([[NAN, 0.3, NAN], [NAN, NAN, NAN]]), equal_nan=True
    )


def test_an_item_with_several_points_keeps_its_best():
    found = gather([Answer(0, "cutout", hits(("a", 0.9), ("b", 0.8), ("a", 0.2), ("b", 0.1)))], 1)

    assert found.items == ("a", "b")
    assert found.scores["cutout"].tolist() == [pytest.approx([0.9, 0.8])]


def test_the_payload_is_that_of_the_first_hit():
    found = gather(
        [
            Answer(0, "cutout", hits(("a", 0.1), ("a", 0.05), photo="first.jpg")),
            Answer(0, "context", hits(("a", 0.9), ("b", 0.8), photo="second.jpg")),
        ],
        1,
    )

    assert [payload["photo"] for payload in found.payloads] == ["first.jpg", "second.jpg"]


def test_columns_lead_from_every_hit_back_to_its_item():
    answers = [
        Answer(0, "cutout", hits(("a", 0.9), ("b", 0.8), ("a", 0.7))),
        Answer(1, "cutout", []),
        Answer(1, "context", hits(("c", 0.5), ("b", 0.4))),
    ]
    found = gather(answers, 2)

    assert [column.tolist() for column in found.columns] == [[0, 1, 0], [], [2, 1]]
    for answer, column in zip(answers, found.columns, strict=True):
        assert [found.items[i] for i in column] == [h.payload["item_id"] for h in answer.hits]


@pytest.mark.parametrize(
    ("answers", "shape"),
    [([], None), ([Answer(0, "cutout", [])], (3, 0))],
    ids=["nothing_asked", "nothing_found"],
)
def test_no_hits_give_no_items_and_blend_to_no_columns(answers, shape):
    found = gather(answers, 3)

    assert found.items == ()
    assert [s.shape for s in found.scores.values()] == ([shape] if shape else [])
    assert blend(found.scores, {"cutout": 1.0}, 3).shape == (3, 0)


@settings(deadline=None)
@given(
    lists=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.sampled_from(["cutout", "context"]),
            st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-10, 10)), max_size=8),
        ),
        max_size=5,
        unique_by=lambda one: one[:2],
    )
)
def test_gathering_equals_a_dictionary_of_maxima(lists):
    answers = [
        Answer(r, s, hits(*sorted(((i, v / 10) for i, v in pairs), key=lambda p: -p[1])))
        for r, s, pairs in lists
    ]
    found = gather(answers, 3)
    best = {}
    for region, space, pairs in lists:
        for item, value in pairs:
            key = (space, region, item)
            best[key] = max(best.get(key, -9), value / 10)

    assert sorted(found.items) == sorted({item for _, _, item in best})
    for space, scores in found.scores.items():
        for region in range(3):
            for column, item in enumerate(found.items):
                want = best.get((space, region, item), NAN)
                assert scores[region, column] == pytest.approx(want, nan_ok=True)


@pytest.mark.parametrize(
    ("scores", "weights", "expected"),
    [
        ({"cutout": [[0.8, 0.4]]}, {"cutout": 0.7}, [[0.8, 0.4]]),
        (
            {"cutout": [[0.8, 0.4]], "context": [[0.2, 0.6]]},
            {"cutout": 0.75, "context": 0.25},
            [[0.65, 0.45]],
        ),
        (
            {"cutout": [[0.8, 0.4]], "context": [[0.2, 0.6]]},
            {"cutout": 3, "context": 1},
            [[0.65, 0.45]],
        ),
        (
            # b is missing in context: the lowest of that list, 0.2, stands in
            {"cutout": [[0.8, 0.4, NAN]], "context": [[0.2, NAN, 0.6]]},
            {"cutout": 0.5, "context": 0.5},
            [[0.5, 0.3, 0.5]],
        ),
        (
            # the second region has no list in context and is judged by its cutout alone
            {"cutout": [[0.8, 0.4], [0.6, NAN]], "context": [[0.2, 0.6], [NAN, NAN]]},
            {"cutout": 0.5, "context": 0.5},
            [[0.5, 0.5], [0.6, NAN]],
        ),
        ({"cutout": [[0.8, NAN]], "colour": [[NAN, 0.9]]}, {"colour": 1}, [[NAN, 0.9]]),
        ({"cutout": [[0.8]]}, {"colour": 1}, [[NAN]]),
        ({"cutout": [[-0.4, -0.8, NAN]]}, {"cutout": 1}, [[-0.4, -0.8, NAN]]),
    ],
    ids=[
        "one_space",
        "weighted_mean",
        "weights_need_no_sum_of_one",
        "missing_gets_the_floor",
        "no_list_no_say",
        "unweighted_space_left_out",
        "no_weighted_space",
        "negative_cosines",
    ],
)
def test_blending_by_hand(scores, weights, expected):
    result = blend({k: matrix(v) for k, v in scores.items()}, weights, len(expected))

    assert result.dtype == np.float32
    assert np.allclose(result, matrix(expected), equal_nan=True)


VALUES = st.sampled_from([NAN, -0.9, -0.2, 0.0, 0.3, 0.31, 0.8, 1.0])


@settings(deadline=None)
@given(
    cutout=arrays(np.float32, (3, 5), elements=VALUES),
    context=arrays(np.float32, (3, 5), elements=VALUES),
    weight=st.sampled_from([0.1, 0.5, 2.0]),
)
def test_a_blend_lies_between_its_parts_and_changes_neither(cutout, context, weight):
    before = cutout.copy(), context.copy()
    result = blend({"cutout": cutout, "context": context}, {"cutout": 1, "context": weight}, 3)
    seen = ~np.isnan(cutout) | ~np.isnan(context)
    every = np.concatenate([cutout, context], axis=1)
    low = np.nanmin(np.where(np.isnan(every), 9, every), axis=1, keepdims=True)
    high = np.nanmax(np.where(np.isnan(every), -9, every), axis=1, keepdims=True)

    assert np.array_equal(~np.isnan(result), seen)
    assert ((result >= low - 1e-6) | ~seen).all()
    assert ((result <= high + 1e-6) | ~seen).all()
    assert np.array_equal(cutout, before[0], equal_nan=True)
    assert np.array_equal(context, before[1], equal_nan=True)


def test_what_a_space_did_not_return_never_overtakes_what_it_did():
    """Both are equal in the first space; only the second one's list tells them apart."""
    scores = {"cutout": matrix([[0.5, 0.5, 0.4]]), "context": matrix([[0.3, NAN, 0.35]])}
    result = blend(scores, {"cutout": 1, "context": 1}, 1)[0]

    assert result[0] >= result[1]

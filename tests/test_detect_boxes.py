"""Suppressing, filtering and joining detections."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.core.types import Detections
from scenesearch.images.geometry import iou
from scenesearch.models.detect.boxes import concatenate, keep_labels, keep_large, suppress


def detections(boxes, labels=None, masks=None):
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.linspace(0.9, 0.1, n).astype(np.float32),
        tuple(labels or [f"#{i}" for i in range(n)]),
        tuple(masks or [None] * n),
    )


@st.composite
def random_detections(draw):
    n = draw(st.integers(0, 12))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    corners = rng.uniform(0, 60, (n, 2))
    return detections(np.hstack([corners, corners + rng.uniform(1, 60, (n, 2))]))


def by_brute_force(found, overlap):
    kept = []
    for i, box in enumerate(found.boxes):
        if all(iou(box[None], found.boxes[j][None])[0, 0] <= overlap for j in kept):
            kept.append(i)
    return tuple(found.labels[i] for i in kept)


@pytest.mark.parametrize(
    ("second", "overlap", "kept"),
    [
        ((0, 0, 10, 10), 0.7, ("couch",)),
        ((0, 0, 10, 8), 0.7, ("couch",)),
        ((0, 0, 10, 7), 0.7, ("couch", "armchair")),
        ((0, 0, 10, 7), 0.69, ("couch",)),
        ((5, 5, 15, 15), 0.7, ("couch", "armchair")),
        ((0, 0, 10, 10), 1.0, ("couch", "armchair")),
    ],
    ids=["same", "above", "just_not_above", "lower_limit", "elsewhere", "off"],
)
def test_suppression_ignores_labels_and_keeps_the_first(second, overlap, kept):
    found = detections([(0, 0, 10, 10), second], ["couch", "armchair"])

    assert suppress(found, overlap).labels == tuple(kept)


@pytest.mark.parametrize(
    ("labels", "height", "kept"),
    [
        (("couch", "Studio couch"), 6, 1),
        (("chair", "Chair"), 6, 1),
        (("chair", "Chair"), 5, 2),
        (("chair", "Couch"), 6, 2),
        (("chair", "armchair"), 6, 2),
    ],
)
def test_boxes_of_one_name_are_one_object_sooner(labels, height, kept):
    found = detections([(0, 0, 10, 10), (0, 0, 10, height)], labels)

    assert len(suppress(found, 0.7)) == kept
    assert len(suppress(found, 1.0)) == 2


def test_a_suppressed_box_suppresses_nothing_itself():
    chain = detections([(0, 0, 10, 10), (2, 0, 12, 10), (4, 0, 14, 10)])

    assert suppress(chain, 0.5).labels == ("#0", "#2")


@settings(deadline=None)
@given(found=random_detections(), overlap=st.sampled_from([0.2, 0.5, 0.7]))
def test_suppression_equals_the_textbook_loop(found, overlap):
    kept = suppress(found, overlap)

    assert kept.labels == by_brute_force(found, overlap)
    assert suppress(kept, overlap).labels == kept.labels


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [
        ((), (), ("Couch", "lamp", "Person")),
        (("couch",), (), ("Couch",)),
        (("PERSON", "LAMP"), (), ("lamp", "Person")),
        ((), ("person",), ("Couch", "lamp")),
        (("person", "lamp"), ("Person",), ("lamp",)),
        (("chair",), (), ()),
    ],
    ids=["all", "one", "any_case", "all_but", "exclusion_wins", "none"],
)
def test_labels_are_kept_whatever_their_case(include, exclude, kept):
    found = detections([(0, 0, 1, 1)] * 3, ["Couch", "lamp", "Person"])

    assert keep_labels(found, include, exclude).labels == kept


@pytest.mark.parametrize(
    ("share", "kept"),
    [(0, ("#0", "#1", "#2")), (0.01, ("#0", "#1")), (0.011, ("#0",)), (1, ())],
    ids=["no_limit", "exactly_the_limit", "above", "whole_photo"],
)
def test_small_boxes_are_dropped_by_their_share_of_the_photo(share, kept):
    found = detections([(0, 0, 100, 50), (0, 0, 20, 10), (5, 5, 5, 9)])

    assert keep_large(found, share, (200, 100)).labels == kept


def test_joining_keeps_the_order_and_the_masks():
    mask = np.ones((1, 1), bool)
    joined = concatenate(
        [
            detections([(0, 0, 1, 1)], ["a"], [mask]),
            Detections.empty(),
            detections([(1, 1, 2, 2), (2, 2, 3, 3)], ["b", "c"]),
        ]
    )

    assert joined.labels == ("a", "b", "c")
    assert joined.masks == (mask, None, None)
    assert joined.boxes[:, 0].tolist() == [0, 1, 2]


@pytest.mark.parametrize("parts", [[], [Detections.empty()]], ids=["nothing", "empty"])
def test_joining_nothing_gives_nothing(parts):
    assert len(concatenate(parts)) == 0
    assert len(suppress(concatenate(parts), 0.5)) == 0

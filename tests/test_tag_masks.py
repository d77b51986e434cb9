"""Masks of regions as COCO's run lengths, checked against pycocotools itself."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from scenesearch.images.geometry import pixel_box
from scenesearch.tagging.masks import decode_mask, encode_mask


@st.composite
def masked_boxes(draw):
    """A photo's size, a box that may reach outside it, and a mask of the box's pixels."""
    width, height = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    x1, y1 = draw(st.floats(-3, width - 0.5)), draw(st.floats(-3, height - 0.5))
    box = (x1, y1, x1 + draw(st.floats(0.5, 45)), y1 + draw(st.floats(0.5, 45)))
    left, top, right, bottom = pixel_box(box, (width, height))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mask = rng.random((bottom - top, right - left)) < draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    return mask, box, (width, height)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@given(masked_boxes())
def test_the_mask_comes_back_in_its_place_and_is_what_pycocotools_reads(drawn):
    mask, box, (width, height) = drawn

    runs = encode_mask(mask, box, (width, height))

    x1, y1, x2, y2 = pixel_box(box, (width, height))
    wanted = np.zeros((height, width), bool)
    wanted[y1:y2, x1:x2] = mask
    assert np.array_equal(decode_mask(runs), wanted)
    theirs = coco.decode({"size": runs["size"], "counts": runs["counts"].encode()})
    assert np.array_equal(theirs.astype(bool), wanted)
    assert coco.area({**runs, "counts": runs["counts"].encode()}) == mask.sum()
    assert json.loads(json.dumps(runs)) == runs


@pytest.mark.parametrize("shape", [(4, 3), (3, 5), (0, 4)], ids=str)
def test_a_mask_of_another_shape_than_its_box_is_refused(shape):
    with pytest.raises(ValueError, match=r"has shape \(3, 4\), got"):
        encode_mask(np.ones(shape, bool), (1, 1, 5, 4), (10, 10))


@pytest.mark.parametrize(
    "runs",
    [
        {},
        {"size": [2, 2]},
        {"size": [2, 2, 1], "counts": "04"},
        {"size": [2, -2], "counts": "04"},
        {"size": [2, 2], "counts": [0, 4]},
        {"size": "22", "counts": "04"},
    ],
    ids=["empty", "no counts", "three sides", "a negative side", "plain counts", "text for size"],
)
def test_what_is_no_run_length_is_refused(runs):
    with pytest.raises(ValueError, match="expected run lengths as"):
        decode_mask(runs)


def test_a_large_photo_costs_little_text():
    runs = encode_mask(np.ones((1000, 1500), bool), (500.0, 700.0, 2000.0, 1700.0), (4000, 3000))

    assert len(runs["counts"]) < 10_000
    assert decode_mask(runs).sum() == 1_500_000

"""Letterboxing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenesearch.images.letterbox import letterbox, stretch


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (100, 50, (0, 56, 224, 168)),
        (50, 100, (56, 0, 168, 224)),
        (600, 600, (0, 0, 224, 224)),
        (224, 224, (0, 0, 224, 224)),
        (2000, 3, (0, 111, 224, 112)),
        (1, 1, (0, 0, 224, 224)),
    ],
    ids=["wide", "tall", "square", "as_is", "sliver", "pixel"],
)
def test_letterbox_centres_the_whole_picture(width, height, box):
    image = np.full((height, width, 3), 10, np.uint8)
    result = letterbox(image, 224, (200, 100, 50))
    left, top, right, bottom = box
    inside = np.zeros((224, 224), bool)
    inside[top:bottom, left:right] = True

    assert result.shape == (224, 224, 3)
    assert (result[inside] == 10).all()
    assert (result[~inside] == (200, 100, 50)).all()


def test_letterbox_averages_fine_patterns_instead_of_sampling_them():
    checks = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    result = letterbox(np.repeat(checks[:, :, None], 3, axis=2), 64)

    assert np.abs(result.astype(int) - 127).max() < 20


def test_letterbox_refuses_a_side_below_one():
    with pytest.raises(ValueError, match="at least 1"):
        letterbox(np.zeros((2, 2, 3), np.uint8), 0)


@settings(deadline=None)
@given(
    width=st.integers(1, 300),
    height=st.integers(1, 300),
    side=st.integers(1, 64),
    seed=st.integers(0, 9),
)
def test_what_is_left_over_is_split_evenly_and_no_colour_is_invented(width, height, side, seed):
    grey = int(np.random.default_rng(seed).integers(0, 250))
    result = letterbox(np.full((height, width, 3), grey, np.uint8), side, (255, 255, 255))
    inside = (result != 255).all(axis=2)
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))

    assert np.isin(result, (grey, 255)).all()
    assert inside.sum() == len(rows) * len(columns)
    assert max(len(rows), len(columns)) == side
    for used in (rows, columns):
        assert 0 <= (side - 1 - used[-1]) - used[0] <= 1


def test_letterbox_makes_a_new_picture_and_reads_read_only_ones():
    image = np.full((8, 8, 3), 5, np.uint8)
    image.flags.writeable = False
    result = letterbox(image, 8)
    result[:] = 0

    assert (image == 5).all()


def test_a_picture_is_stretched_over_the_whole_square():
    image = np.zeros((10, 40, 3), np.uint8)
    image[:, 20:] = 255

    found = stretch(image, 20)

    assert found.shape == (20, 20, 3)
    assert found[:, :8].max() == 0
    assert found[:, 12:].min() == 255
    with pytest.raises(ValueError, match="at least 1 pixel"):
        stretch(image, 0)

"""Hashes near others: exactly what comparing all with all gives."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.attributes.hamming import MAX_RADIUS, HammingIndex, as_bits, count_bits
from scenesearch.attributes.phash import hamming


def hashes(rng, count, near=40):
    """Random hashes, some of them a few bits away from others, some equal."""
    values = rng.integers(0, 2**64, count, dtype=np.uint64)
    for place in range(near):
        bits = rng.choice(64, place % 14, replace=False)
        mask = np.uint64(sum(1 << int(bit) for bit in bits))
        values[-1 - place] = values[place] ^ mask
    return values


@pytest.mark.parametrize("radius", range(MAX_RADIUS + 1))
def test_every_pair_within_the_radius_is_found_and_no_other(radius):
    rng = np.random.default_rng(radius)
    stored, asked = hashes(rng, 400), hashes(rng, 50)
    asked[:45] = stored[:45]
    found = HammingIndex(stored).within(asked, radius)

    distances = count_bits(asked[:, None] ^ stored[None, :])
    query, row = np.nonzero(distances <= radius)
    assert len(row) > 45
    assert found.query.tolist() == query.tolist()
    assert found.row.tolist() == row.tolist()
    assert found.distance.tolist() == distances[query, row].tolist()


def test_more_queries_than_fit_in_one_go_are_numbered_through():
    stored = hashes(np.random.default_rng(0), 2500, near=0)
    found = HammingIndex(stored).within(stored, 0)

    assert found.query.tolist() == found.row.tolist() == list(range(2500))


@pytest.mark.parametrize(("stored", "asked"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_is_near_nothing(stored, asked):
    found = HammingIndex(np.arange(stored, dtype=np.uint64)).within(
        np.arange(10, 10 + asked, dtype=np.uint64), 0
    )

    assert [len(column) for column in found] == [0, 0, 0]


def test_hex_digits_become_the_same_bits():
    rng = np.random.default_rng(0)
    texts = [f"{int(value):016x}" for value in rng.integers(0, 2**64, 50, dtype=np.uint64)]
    bits = as_bits(texts)

    assert count_bits(bits ^ bits[0]).tolist() == [hamming(texts[0], text) for text in texts]


@pytest.mark.parametrize("radius", [-1, MAX_RADIUS + 1])
def test_a_radius_it_was_not_made_for_is_refused(radius):
    with pytest.raises(ValueError, match=f"0 to {MAX_RADIUS} bits, got {radius}"):
        HammingIndex(np.zeros(1, np.uint64)).within(np.zeros(1, np.uint64), radius)


@pytest.mark.parametrize("text", ["", "12", "0" * 17, "x" * 16])
def test_what_is_no_hash_is_refused(text):
    with pytest.raises(ValueError):
        as_bits(["0" * 16, text])

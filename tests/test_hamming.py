"""Hashes as numbers."""

from __future__ import annotations

import numpy as np
import pytest

from scenesearch.attributes.hamming import as_bits, popcount


def test_hex_digits_become_the_same_bits():
    rng = np.random.default_rng(0)
    texts = [f"{int(value):016x}" for value in rng.integers(0, 2**64, 50, dtype=np.uint64)]
    bits = as_bits(texts)

    assert popcount(bits ^ bits[0]).tolist() == [
        (int(texts[0], 16) ^ int(text, 16)).bit_count() for text in texts
    ]


@pytest.mark.parametrize("text", ["", "12", "0" * 17, "x" * 16])
def test_what_is_no_hash_is_refused(text):
    with pytest.raises(ValueError):
        as_bits(["0" * 16, text])

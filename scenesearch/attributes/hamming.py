"""All pairs of 64-bit hashes within a Hamming distance, exactly, without comparing all pairs.

Multi-index hashing (M. Norouzi, A. Punjani, D. J. Fleet, "Fast Search in Hamming Space with
Multi-Index Hashing", CVPR 2012): the hash is cut into m blocks; two hashes that differ in at most
d bits differ in at most d // m bits of some block, so looking up every block with up to that many
bits flipped finds all of them. Few long blocks need many look-ups, many short ones bring many
candidates; the number of blocks is chosen by what both are expected to cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from math import comb

import numpy as np
from numpy.typing import NDArray

BITS = 64
MAX_DISTANCE = 24
"""Beyond this, unlike pictures are as near as like ones (they differ in about 32 bits)."""
_CHUNK = 1_000_000
"""Candidate pairs compared at a time: bounds the memory."""
_LOOK_UP = 4.0
"""What looking up one key costs, in comparisons of two candidates (measured)."""
_POPCOUNT = np.array([n.bit_count() for n in range(1 << 16)], np.uint8)

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]


def near_pairs(hashes: NDArray[np.uint64], distance: int) -> Pairs:
    """Every pair of different hashes that differ in at most ``distance`` bits.

    Args:
        hashes: shape (n,), each value once.
        distance: 0 to :data:`MAX_DISTANCE`.

    Returns:
        Indices of the first and the second of each pair, first < second, shape (p,) each, sorted;
        and how many bits differ, shape (p,).

    Raises:
        ValueError: the distance is out of range, or a hash is there twice.

    >>> first, second, bits = near_pairs(np.array([0, 7, 255], np.uint64), 5)
    >>> list(zip(first.tolist(), second.tolist(), bits.tolist()))
    [(0, 1, 3), (1, 2, 5)]
    """
    if not 0 <= distance <= MAX_DISTANCE:
        raise ValueError(f"distance must be 0 to {MAX_DISTANCE} bits, got {distance}")
    n = len(hashes)
    if len(np.unique(hashes)) != n:
        raise ValueError("each hash must be there once; group equal hashes first")
    codes = np.zeros(0, np.int64)
    if n >= 2:
        count = _block_count(n, distance)
        edges = [round(BITS * i / count) for i in range(count + 1)]
        parts = [
            _block_pairs(hashes, low, high - low, distance // count, distance)
            for low, high in pairwise(edges)
        ]
        codes = np.unique(np.concatenate(parts))
    first, second = codes // max(n, 1), codes % max(n, 1)
    return first, second, popcount(hashes[first] ^ hashes[second])


def as_bits(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of 16 hexadecimal digits as numbers, shape (n,), uint64.

    Raises:
        ValueError: one is not of that form.
    """
    for text in hashes:
        if len(text) != 16:
            raise ValueError(f"a hash must have 16 hexadecimal digits, got {text!r}")
    return np.array([int(text, 16) for text in hashes], np.uint64)


def popcount(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """How many bits are set in each value, shape (n,), 0 to 64."""
    words = np.ascontiguousarray(values).view(np.uint16).reshape(-1, 4)
    return np.asarray(_POPCOUNT[words].sum(axis=1, dtype=np.uint8))


def _block_count(n: int, distance: int) -> int:
    """The number of blocks that is expected to be cheapest for hashes that are spread evenly."""

    def cost(count: int) -> float:
        width, radius = BITS / count, distance // count
        flips = sum(comb(round(width), bits) for bits in range(radius + 1))
        return count * flips * n * (_LOOK_UP + n / 2 ** (width + 1))

    return min(range(1, distance + 2), key=cost)


def _block_pairs(
    hashes: NDArray[np.uint64], shift: int, width: int, radius: int, distance: int
) -> NDArray[np.int64]:
    """Codes ``first * n + second`` of the near pairs whose block differs in at most ``radius``."""
    n = len(hashes)
    mask = np.uint64((1 << width) - 1)
    keys = (hashes >> np.uint64(shift)) & mask
    order = np.argsort(keys, kind="stable").astype(np.int64)
    ordered = keys[order]
    found = [np.zeros(0, np.int64)]
    for flips in range(radius + 1):
        for bits in combinations(range(width), flips):
            flip = np.uint64(sum(1 << bit for bit in bits))
            wanted = keys ^ flip
            start = np.searchsorted(ordered, wanted, "left")
            counts = np.searchsorted(ordered, wanted, "right") - start
            for who in _chunks(counts):
                sizes = counts[who]
                first = np.repeat(who, sizes)
                within = np.arange(len(first)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
                second = order[np.repeat(start[who], sizes) + within]
                upper = first < second
                first, second = first[upper], second[upper]
                near = popcount(hashes[first] ^ hashes[second]) <= distance
                found.append(first[near] * n + second[near])
    return np.unique(np.concatenate(found))


def _chunks(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Indices of those with candidates, in runs of about :data:`_CHUNK` candidates."""
    who = np.flatnonzero(counts)
    if len(who):
        edges = np.flatnonzero(np.diff(np.cumsum(counts[who]) // _CHUNK)) + 1
        yield from np.split(who, edges)

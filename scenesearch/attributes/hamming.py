"""64-bit hashes within a Hamming distance of others: exact, without comparing all with all.

If two hashes differ in at most r bits, then one of their four 16-bit blocks differs in at most
r // 4 of them (pigeonhole; M. Norouzi, A. Punjani, D. J. Fleet, "Fast Search in Hamming Space with
Multi-Index Hashing", CVPR 2012). So hashes are sorted by each block, the few values near each
block of a query are looked up, and only what is found there is compared in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_RADIUS = 11
"""Above it there are so many block values to look up that comparing all with all is faster."""
_BLOCKS, _BITS = 4, 16
_QUERIES = 1024


class Pairs(NamedTuple):
    """What :meth:`HammingIndex.within` finds; three arrays of one length.

    Attributes:
        query: which of the queries, ascending.
        row: which of the indexed hashes; ascending within a query.
        distance: bits that differ, 0 to the radius.
    """

    query: NDArray[np.int64]
    row: NDArray[np.int64]
    distance: NDArray[np.int64]


class HammingIndex:
    """Finds which of ``n`` hashes are near others.

    Args:
        hashes: shape (n,), uint64; see :func:`as_bits`. Equal ones are found separately.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self._hashes = np.ascontiguousarray(hashes, np.uint64)
        self._order: list[NDArray[np.int64]] = []
        self._starts: list[NDArray[np.int64]] = []
        for block in range(_BLOCKS):
            values = _block(self._hashes, block)
            order = np.argsort(values, kind="stable").astype(np.int64)
            self._order.append(order)
            # starts[v]: where block value v begins in the order
            self._starts.append(np.searchsorted(values[order], np.arange(2**_BITS + 1)))

    def within(self, queries: NDArray[np.uint64], radius: int) -> Pairs:
        """Every pair of a query and an indexed hash that differ in at most ``radius`` bits.

        Args:
            queries: shape (m,), uint64.
            radius: 0 to :data:`MAX_RADIUS`.

        Raises:
            ValueError: the radius is outside that.
        """
        if not 0 <= radius <= MAX_RADIUS:
            raise ValueError(f"radius must be 0 to {MAX_RADIUS} bits, got {radius}")
        queries = np.ascontiguousarray(queries, np.uint64)
        masks = _masks(radius // _BLOCKS)
        parts = [
            self._within(queries[start : start + _QUERIES], radius, masks, start)
            for start in range(0, len(queries), _QUERIES)
        ]
        if not parts:
            nothing = np.zeros(0, np.int64)
            return Pairs(nothing, nothing, nothing)
        return Pairs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))

    def _within(
        self, queries: NDArray[np.uint64], radius: int, masks: NDArray[np.int64], offset: int
    ) -> Pairs:
        found: list[NDArray[np.int64]] = []
        for block in range(_BLOCKS):
            probes = _block(queries, block)[:, None] ^ masks[None, :]  # (m, masks)
            first = self._starts[block][probes].ravel()
            counts = self._starts[block][probes + 1].ravel() - first
            # the ranges first..first+counts, one after the other
            ends = np.cumsum(counts)
            total = int(ends[-1]) if len(ends) else 0
            places = np.arange(total) - np.repeat(ends - counts - first, counts)
            query = np.repeat(np.arange(len(queries)), len(masks)).repeat(counts)
            # one number for each pair: the blocks find many pairs more than once
            found.append(query * len(self._hashes) + self._order[block][places])
        pairs = np.unique(np.concatenate(found))
        query, row = np.divmod(pairs, max(len(self._hashes), 1))
        distance = count_bits(queries[query] ^ self._hashes[row])
        near = distance <= radius
        return Pairs(query[near] + offset, row[near], distance[near])


def as_bits(hashes: Sequence[str]) -> NDArray[np.uint64]:
    """Hashes of 16 hexadecimal digits as numbers, shape (n,), uint64.

    Raises:
        ValueError: one is not of that form.
    """
    for text in hashes:
        if len(text) != 16:
            raise ValueError(f"a hash must have 16 hexadecimal digits, got {text!r}")
    return np.array([int(text, 16) for text in hashes], np.uint64)


def count_bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many bits of each value are 1, 0 to 64; same shape.

    The parallel count of H. S. Warren, "Hacker's Delight", 2nd edition, figure 5-2.

    >>> count_bits(np.array([0, 1, 255, 2**64 - 1], np.uint64)).tolist()
    [0, 1, 8, 64]
    """
    v = values.astype(np.uint64)
    v = v - ((v >> np.uint64(1)) & np.uint64(0x5555555555555555))
    pairs = np.uint64(0x3333333333333333)
    v = (v & pairs) + ((v >> np.uint64(2)) & pairs)
    v = (v + (v >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    with np.errstate(over="ignore"):
        v = (v * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return v.astype(np.int64)


def _block(hashes: NDArray[np.uint64], block: int) -> NDArray[np.int64]:
    return ((hashes >> np.uint64(_BITS * block)) & np.uint64(2**_BITS - 1)).astype(np.int64)


def _masks(flips: int) -> NDArray[np.int64]:
    """Every 16-bit value with at most ``flips`` bits set."""
    return np.array(
        [
            sum(1 << bit for bit in bits)
            for count in range(flips + 1)
            for bits in combinations(range(_BITS), count)
        ],
        np.int64,
    )

"""Diversity after fusion: near-duplicates out, variants together. Pure numpy."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray


def mmr(
    relevance: NDArray[np.float32],
    similarity: NDArray[np.float32],
    *,
    diversity: float,
    limit: int,
) -> list[int]:
    """Maximal marginal relevance: each pick is relevant and unlike what was picked before.

    Carbonell and Goldstein, SIGIR 1998. ``diversity`` is 1 - lambda of the paper: 0 keeps the
    order of relevance, 1 looks at differences only.

    Args:
        relevance: shape (n,), 0 to 1, in falling order.
        similarity: shape (n, n), 1 for the same thing, 0 or less for unlike ones.
        diversity: 0 to 1.
        limit: how many to pick.

    Returns:
        Indices in the new order; equal values keep the order given.

    Raises:
        ValueError: diversity outside 0 to 1.

    >>> same = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 1]], np.float32)
    >>> mmr(np.array([1, 0.9, 0.5], np.float32), same, diversity=0.5, limit=3)
    [0, 2, 1]
    """
    if not 0 <= diversity <= 1:
        raise ValueError(f"diversity must be 0 to 1, got {diversity}")
    picked: list[int] = []
    nearest = np.zeros(len(relevance), np.float32)
    left = np.ones(len(relevance), np.bool_)
    for _ in range(min(limit, len(relevance))):
        value = (1 - diversity) * relevance - diversity * nearest
        best = int(np.argmax(np.where(left, value, -np.inf)))
        picked.append(best)
        left[best] = False
        nearest = np.maximum(nearest, similarity[best])
    return picked


def same_value(values: Sequence[Hashable | None]) -> NDArray[np.float32]:
    """Similarity by a field: 1 where two values are equal and not missing, shape (n, n).

    >>> same_value(["a", "b", "a", None])[0].tolist()
    [1.0, 0.0, 1.0, 0.0]
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([-1 if v is None else numbers.setdefault(v, len(numbers)) for v in values])
    result: NDArray[np.float32] = (
        (codes[:, None] == codes[None, :]) & (codes[:, None] >= 0)
    ).astype(np.float32)
    np.fill_diagonal(result, 1)
    return result


def collapse(keys: Sequence[Hashable | None]) -> list[list[int]]:
    """Positions with the same key as one group, where the first of it stands.

    Args:
        keys: of a ranked list; None is a group of its own.

    >>> collapse(["a", None, "a", "b"])
    [[0, 2], [1], [3]]
    """
    groups: dict[Hashable, list[int]] = {}
    for position, key in enumerate(keys):
        # a tuple of one, for what has no key, never equals a tuple of two
        groups.setdefault((position,) if key is None else (key, None), []).append(position)
    return list(groups.values())


def same_picture(
    hashes: Sequence[str | None], colours: Sequence[Hashable | None], *, bits: int = 4
) -> list[int | None]:
    """Keys for :func:`collapse` that make near-duplicate pictures one.

    A picture joins the first before it whose perceptual hash differs in at most ``bits`` and
    whose main colour is the same: the hash sees grey only, and of different products within 4
    bits three in four had another colour.

    Args:
        hashes: 16 hex digits each, or None.
        colours: main colour of each, or None where it has none.
        bits: of 64.

    >>> same_picture(["0" * 16, "0" * 15 + "1", "f" * 16, None], ["red", "red", "red", "red"])
    [0, 0, 2, None]
    """
    known = [h is not None and len(h) == 16 for h in hashes]
    numbers = np.array(
        [int(h, 16) if h is not None and ok else 0 for h, ok in zip(hashes, known, strict=True)],
        np.uint64,
    )
    rows = np.unpackbits(numbers[:, None].view(np.uint8), axis=1)
    keys: list[int | None] = []
    firsts: list[int] = []
    for i, ok in enumerate(known):
        if not ok:
            keys.append(None)
            continue
        near = [
            j
            for j in firsts
            if colours[j] == colours[i] and int((rows[j] != rows[i]).sum()) <= bits
        ]
        keys.append(near[0] if near else i)
        if not near:
            firsts.append(i)
    return keys

"""From everything that could be said of a picture to the few tags that are. Pure rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.tagging.rows import Tag
from scenesearch.tagging.vocabulary import fold

Vectors = Callable[[Sequence[str]], NDArray[np.float32]]
"""Words to rows of shape (words, dim), L2-normalised."""


def choose(
    tags: Iterable[Tag], *, limit: int, vectors: Vectors | None = None, same: float = 1.0
) -> tuple[Tag, ...]:
    """The best tags, without two for one thing.

    Args:
        tags: in any order, names as tags are written.
        limit: the largest number.
        vectors: of a text tower, where there is one; tags whose cosine is above ``same`` are one.
        same: -1 to 1.

    Returns:
        Best score first; of equal scores a label comes before a zero-shot tag, then by name.

    >>> found = [("rug", 0.5), ("sofa", 0.4), ("sofas", 0.9)]
    >>> [tag.name for tag in choose([Tag(*one, "label") for one in found], limit=5)]
    ['sofas', 'rug']
    """
    best: dict[str, Tag] = {}
    for tag in sorted(tags, key=lambda tag: (-tag.score, tag.source, tag.name)):
        best.setdefault(fold(tag.name), tag)
    ranked = list(best.values())
    if vectors is None:
        return tuple(ranked[:limit])
    rows = vectors([tag.name for tag in ranked])
    kept: list[int] = []
    for i in range(len(ranked)):
        if len(kept) == limit:
            break
        if not kept or float((rows[kept] @ rows[i]).max()) <= same:
            kept.append(i)
    return tuple(ranked[i] for i in kept)

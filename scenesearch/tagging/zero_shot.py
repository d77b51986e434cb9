"""Which words a picture is like, by a model that embeds both, and the few of them that are tags.

A. Radford et al., "Learning Transferable Visual Models From Natural Language Supervision" (CLIP,
2021), section 3.1: a class is the normalised mean of the embeddings of several prompts that name
it, and its probability is the softmax over the scaled cosines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.protocols import Embedder
from scenesearch.tagging.rows import Tag
from scenesearch.tagging.vocabulary import fold

Vectors = Callable[[Sequence[str]], NDArray[np.float32]]
"""Words to rows of shape (words, dim), L2-normalised."""

LOGIT_SCALE = 100.0
"""The cosines are multiplied by this before the softmax: CLIP's temperature is learned and was
held at 100 (section 2.5), and open_clip's models are trained with the same bound."""

TEMPLATES = (
    "a photo of a {}.",
    "a photo of the {}.",
    "a close-up photo of a {}.",
    "a good photo of a {}.",
    "a photo of one {}.",
)
"""Of the 80 that CLIP's authors averaged on ImageNet; the first few give most of the gain."""


class Prompts:
    """Words to vectors, each worked out once.

    Args:
        embedder: one with a text tower.
        templates: with a ``{}`` each where the word goes.
    """

    def __init__(self, embedder: Embedder, templates: Sequence[str] = TEMPLATES) -> None:
        self._embedder = embedder
        self._templates = tuple(templates)
        self._known: dict[str, NDArray[np.float32]] = {}

    def vectors(self, words: Iterable[str]) -> NDArray[np.float32]:
        """Shape (number of words, dim), rows L2-normalised, in the order given."""
        words = list(words)
        new = [word for word in dict.fromkeys(words) if word not in self._known]
        if new:
            texts = [template.format(word) for word in new for template in self._templates]
            rows = self._embedder.embed_texts(texts)
            means = rows.reshape(len(new), len(self._templates), -1).mean(axis=1)
            self._known.update(zip(new, _unit(means), strict=True))
        if not words:
            return np.zeros((0, self._embedder.dim), np.float32)
        return np.stack([self._known[word] for word in words])


class ZeroShot:
    """Chooses among named classes.

    Args:
        prompts: words to vectors.
        classes: names with the words for each, at least one each; the mean of the words stands
            for the class.
    """

    def __init__(self, prompts: Prompts, classes: Mapping[str, Sequence[str]]) -> None:
        self._names = tuple(classes)
        words = [word for group in classes.values() for word in group]
        vectors = prompts.vectors(words)
        starts = np.cumsum([0, *(len(group) for group in classes.values())])
        self._rows = _unit(np.stack([vectors[a:b].mean(axis=0) for a, b in pairwise(starts)]))

    def best(
        self, vectors: NDArray[np.float32], *, limit: int, floor: float
    ) -> list[list[tuple[str, float]]]:
        """The likeliest classes of each picture.

        Args:
            vectors: shape (n, dim), L2-normalised.
            limit: the largest number for each.
            floor: smallest share of the softmax, 0 to 1.

        Returns:
            n lists of (name, share), best first, ties by name.
        """
        shares = softmax(LOGIT_SCALE * (vectors @ self._rows.T))
        answers = []
        for row in shares:
            order = sorted(range(len(row)), key=lambda i: (-row[i], self._names[i]))[:limit]
            answers.append([(self._names[i], float(row[i])) for i in order if row[i] >= floor])
        return answers


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


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Shares of each row of shape (n, classes), summing to 1.

    >>> softmax(np.array([[0.0, 0.0]], np.float32)).tolist()
    [[0.5, 0.5]]
    """
    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float64)


def _unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    # words whose vectors cancel out have no direction; then every picture is equally unlike them
    norms = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return np.asarray(rows / norms, np.float32)

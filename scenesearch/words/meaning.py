"""How near two short texts are in meaning: couch and sofa, nightstand and bedside table.

A table of 128 numbers for each of 60,000 English words and short phrases (models/meaning.md): what
a sentence model makes of the word, moved towards what it makes of the word's synonyms and of their
hypernyms in a public dictionary. A text is the sum of its words (Wieting, Bansal, Gimpel and
Livescu, "Towards universal paraphrastic sentence embeddings", ICLR 2016). No model runs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.types import Vector
from scenesearch.system.resources import resource_dir
from scenesearch.words.spellings import spellings
from scenesearch.words.stems import stem
from scenesearch.words.tokens import GLUE, tokenise

LONGEST = 4
"""Words of the longest phrase that is looked for as one."""
PHRASE = 1.5
"""Weight of a phrase that the table has as one, where a word counts 1."""
UNLIKE, ALIKE = 0.38, 0.53
"""Cosines of texts that are not, and that are, about one kind of thing; unlike things lie at 0.2 +-
0.16. See docs/decisions/words.md."""


class Meaning:
    """The table.

    Args:
        path: an .npz of ``words`` (sorted, utf-8, one a line) and ``vectors`` (int8, a row each).
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._words = arrays["words"].tobytes().decode("utf-8").split("\n")
            self._vectors: NDArray[np.int8] = arrays["vectors"]
        self.vector = lru_cache(maxsize=20_000)(self._vector)
        # the names of one answer are asked about for each of its labels
        self._rows = lru_cache(maxsize=8)(self._stacked)

    def _vector(self, text: str) -> Vector | None:
        """Of length 1, shape (128,), or None where the table has no word of a text.

        Args:
            text: of any case; the last step of a path ("Furniture > Sofas") is what it names.
        """
        words = [token.text for token in tokenise(text.lower().rsplit(">", 1)[-1])]
        total = np.zeros(self._vectors.shape[1], np.float32)
        start = 0
        while start < len(words):
            length, row = self._longest(words[start : start + LONGEST])
            if row is not None and not (length == 1 and words[start] in GLUE):
                vector = self._vectors[row].astype(np.float32)
                total += (PHRASE if length > 1 else 1.0) / np.linalg.norm(vector) * vector
            start += length
        size = float(np.linalg.norm(total))
        return total / np.float32(size) if size > 0 else None

    def longest(self, words: Sequence[str]) -> int:
        """How many of the first words are one name; 1 where they are none."""
        return self._longest(words[:LONGEST])[0]

    def _longest(self, words: Sequence[str]) -> tuple[int, int | None]:
        """How many of the first words the table has as one, and its row."""
        # "a back" is no "aback"
        for length in range(1 if words[0] in GLUE else len(words), 0, -1):
            *first, last = words[:length]
            for ending in dict.fromkeys((last, stem(last))):
                for name in spellings([*first, ending]):
                    # words that stand apart are not joined: a desk top is no desktop
                    row = self._row(name) if length == 1 or " " in name else None
                    if row is not None:
                        return length, row
        return 1, None

    def _row(self, word: str) -> int | None:
        row = bisect_left(self._words, word)
        return row if row < len(self._words) and self._words[row] == word else None

    def cosines(self, text: str, others: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(others),), -1 to 1; 0 where the table knows nothing of a text."""
        asked = self.vector(text)
        if asked is None or not others:
            return np.zeros(len(others), np.float32)
        # the last bits are the machine's, and must decide nothing
        return np.round(self._rows(tuple(others)) @ asked, 5)

    def _stacked(self, texts: tuple[str, ...]) -> NDArray[np.float32]:
        """Vectors of texts, zeros where there is none."""
        found = np.zeros((len(texts), self._vectors.shape[1]), np.float32)
        for row, text in zip(found, texts, strict=True):
            vector = self.vector(text)
            if vector is not None:
                row[:] = vector
        return found

    def alike(self, text: str, others: Sequence[str]) -> NDArray[np.float32]:
        """Whether texts are about the same kind of thing, 0 to 1, shape (len(others),)."""
        between = (self.cosines(text, others) - UNLIKE) / (ALIKE - UNLIKE)
        alike: NDArray[np.float32] = np.clip(between, 0, 1).astype(np.float32)
        return alike


@cache
def shipped_meaning() -> Meaning:
    """The table that comes with the package, read when it is first asked for."""
    return Meaning(resource_dir("models") / "meaning.npz")

"""What a dictionary says of two names: the same thing, one a kind of the other, or two of a kind.

A table of vectors knows that a dresser is near a wardrobe; a dictionary knows that it is a chest of
drawers. Meanings, their usual order and what lies above each are those of Open English WordNet
(models/meaning.md); how near two of them are falls with the steps between them, as in Wu and
Palmer, "Verb semantics and lexical selection", ACL 1994, but counted, since only the nearest
relations say anything about goods.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from scenesearch.system.resources import resource_dir
from scenesearch.words.spellings import spellings
from scenesearch.words.stems import stem
from scenesearch.words.tokens import tokenise

STEPS = (1.0, 0.8, 0.6)
"""What meanings are worth that lie so many steps apart: the same, one above, two of a kind."""
RARER = 0.85
"""What each place further down its word's list takes from a meaning."""
BROAD = 60
"""Things under a meaning from which on two of its kind have little in common: furniture."""


class _Step(NamedTuple):
    """A meaning that a name has, or that lies above one."""

    meaning: int
    steps: int
    worth: float


class Relations:
    """The dictionary.

    Args:
        path: an .npz of ``words`` (sorted, utf-8, one a line), of each the ``meanings`` from its
            ``first`` on, of each meaning those ``above`` it from its ``begin`` on, and how many lie
            ``beneath`` it.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as arrays:
            self._words = arrays["words"].tobytes().decode("utf-8").split("\n")
            self._first, self._meanings = arrays["first"].tolist(), arrays["meanings"].tolist()
            self._begin, self._above = arrays["begin"].tolist(), arrays["above"].tolist()
            self._beneath = arrays["beneath"].tolist()
        # the names of a catalogue are asked about for each word that is searched
        self._indexed = lru_cache(maxsize=8)(self._index)

    def kinship(self, text: str, others: Sequence[str]) -> NDArray[np.float32]:
        """How nearly the dictionary says that texts name the same, 0 to 1, shape (len(others),).

        Args:
            text: of any case. Of a compound that the dictionary has not as one, as "office chair",
                it says nothing: what its last word alone says, everything of that kind shares.
            others: texts of which the longest name that they end with is what they name.
        """
        best = np.zeros(len(others), np.float32)
        reached = self._indexed(tuple(others))
        for meaning, steps, worth in self._reach(text, whole=True):
            for other, more, as_much in reached.get(meaning, ()):
                apart = steps + more
                if apart >= len(STEPS) or (apart and self._beneath[meaning] > BROAD):
                    continue
                best[other] = max(best[other], STEPS[apart] * worth * as_much)
        return best

    def names(self, text: str) -> bool:
        """Whether the dictionary has all of a text as one name."""
        words = [token.text for token in tokenise(text.lower())]
        return bool(self._rows(words))

    def _index(self, others: tuple[str, ...]) -> Mapping[int, list[tuple[int, int, float]]]:
        """Which of the texts reach a meaning, in how many steps, and what they are worth."""
        found: dict[int, list[tuple[int, int, float]]] = {}
        for number, other in enumerate(others):
            for meaning, steps, worth in self._reach(other):
                found.setdefault(meaning, []).append((number, steps, worth))
        return found

    def _reach(self, text: str, *, whole: bool = False) -> list[_Step]:
        words = [token.text for token in tokenise(text.lower())]
        for start in range(1 if whole else len(words)):
            rows = self._rows(words[start:])
            if rows:
                return [
                    _Step(meaning, steps, RARER**place)
                    for row in rows
                    for place, of in enumerate(
                        self._meanings[self._first[row] : self._first[row + 1]]
                    )
                    for meaning, steps in self._upwards(of)
                ]
        return []

    def _rows(self, words: Sequence[str]) -> list[int]:
        """Of the word as it is and of its singular: pants are worn under a pant."""
        if not words:
            return []
        *before, last = words
        found = []
        for ending in dict.fromkeys((last, stem(last))):
            for name in spellings([*before, ending]):
                row = bisect_left(self._words, name)
                if row < len(self._words) and self._words[row] == name:
                    found.append(row)
                    break
        return found

    def _upwards(self, meaning: int) -> list[tuple[int, int]]:
        found, level = {meaning: 0}, [meaning]
        for steps in range(1, len(STEPS)):
            level = [h for m in level for h in self._above[self._begin[m] : self._begin[m + 1]]]
            for above in level:
                found.setdefault(above, steps)
        return list(found.items())


@cache
def shipped_relations() -> Relations:
    """The dictionary that comes with the package, read when it is first asked for."""
    return Relations(resource_dir("models") / "relations.npz")

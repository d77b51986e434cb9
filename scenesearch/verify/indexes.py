"""The indexes of payload fields against a scan of the payloads, and searches by words."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from scenesearch.core.conditions import Between, Equals
from scenesearch.core.protocols import Store, TextQuery
from scenesearch.core.types import Stored
from scenesearch.filters.evaluate import words
from scenesearch.store.bm25 import query_terms, term, tokens

ASKED = 2_000
"""Values of one field that are asked for one by one; of more, ranges or a drawn part."""
FOUND = 10_000
"""Words that more points have are not searched for."""
BESIDE = 2e-3
"""Scores of words may be beside what they should be by this part."""


class Values:
    """What payloads say of each indexed field.

    Args:
        fields: types by name.

    Attributes:
        counts: points by value; of texts by word.
    """

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.counts: dict[str, Counter[Any]] = {name: Counter() for name in fields}

    def add(self, points: Sequence[Stored]) -> None:
        """Count a page of points."""
        for point in points:
            for name, kind in self._fields.items():
                value = point.payload.get(name)
                if value is None:
                    continue
                listed = value if isinstance(value, list) else [value]
                if kind == "text":
                    listed = [word for text in listed for word in words(str(text))]
                elif kind == "bool":
                    listed = [bool(one) for one in listed]
                self.counts[name].update(set(listed))

    def differences(self, store: Store) -> Iterator[tuple[str, str]]:
        """Fields whose index says something else, and what."""
        for name, kind in self._fields.items():
            counts = self.counts[name]
            if kind in ("keyword", "integer", "bool"):
                found = Counter(dict(store.facet(name, limit=len(counts) + 10)))
                if found != counts:
                    wrong = sorted(map(str, ((found - counts) + (counts - found)).keys()))
                    yield name, f"{len(wrong)} values, such as {wrong[0]!r}"
                continue
            asked = _ranges(name, counts) if kind == "float" else _words(name, counts)
            wrong = [str(what) for what, where, n in asked if store.count(where) != n]
            if wrong:
                yield name, f"{len(wrong)} values, such as {wrong[0]}"


def _ranges(name: str, counts: Counter[float]) -> Iterator[tuple[str, Between, int]]:
    # no field of ours of this type has lists, in which two values of a range are one point
    ordered = sorted(float(value) for value in counts)
    step = max(1, -(-len(ordered) // ASKED))
    for start in range(0, len(ordered), step):
        part = ordered[start : start + step]
        where = Between(name, gte=part[0], lte=part[-1])
        yield f"{part[0]} to {part[-1]}", where, sum(counts[value] for value in part)


def _words(name: str, counts: Counter[str]) -> Iterator[tuple[str, Equals, int]]:
    chosen = sorted(counts)
    if len(chosen) > ASKED:
        chosen = sorted(random.Random(0).sample(chosen, ASKED))
    for word in chosen:
        yield repr(word), Equals(name, word), counts[word]


class Words:
    """The vectors of words, to compare searches with.

    Attributes:
        texts: points that have any word.
    """

    def __init__(self) -> None:
        self._having: dict[int, dict[str, float]] = {}
        self._words: dict[str, int] = {}
        self.texts = 0

    def add(self, points: Sequence[Stored], field: str) -> None:
        """Note a page of points."""
        for point in points:
            if not point.words:
                continue
            self.texts += 1
            for place, value in point.words.items():
                self._having.setdefault(place, {})[point.id] = value
            for word in tokens(point.payload.get(field)):
                self._words.setdefault(word, term(word))

    def differences(self, store: Store, *, scores: bool) -> list[str]:
        """Words that a search does not find as it should, sorted.

        Args:
            store: the collection.
            scores: compare them too; not where several shards count rarity each by itself.
        """
        chosen = sorted(
            word for word, place in self._words.items() if len(self._having[place]) <= FOUND
        )
        if len(chosen) > ASKED:
            chosen = sorted(random.Random(0).sample(chosen, ASKED))
        return [word for word in chosen if not self._found(store, word, scores=scores)]

    def _found(self, store: Store, word: str, *, scores: bool) -> bool:
        ((place,), _) = query_terms(word)
        having = self._having[place]
        (hits,) = store.query([TextQuery(word, len(having) + 10)])
        if {hit.id for hit in hits} != having.keys():
            return False
        rarity = math.log(1 + (self.texts - len(having) + 0.5) / (len(having) + 0.5))
        return not scores or all(
            math.isclose(hit.score, rarity * having[hit.id], rel_tol=BESIDE, abs_tol=1e-5)
            for hit in hits
        )

"""What the words of a query add to the engine's answers: lexical search, colours, categories.

Each part gives every candidate a score of 0 to 1 and becomes one more list beside those of the
vector spaces, with a weight of its own; blending, fusion, diversity and all that follows stay as
they are. A query without a photo also finds candidates by its words; on the objects of a photo
words only move what the object itself has found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any

from scenesearch.attributes.colour_vector import palette_vector
from scenesearch.attributes.names import written_names
from scenesearch.conditions import AllOf, Condition, OneOf
from scenesearch.points import COLOUR
from scenesearch.protocols import WORDS, Store, VectorQuery
from scenesearch.query import SearchOptions
from scenesearch.query_vectors import SpaceVectors
from scenesearch.rank.candidates import Answer
from scenesearch.store.evaluate import words
from scenesearch.types import CollectionSchema, FieldType, Hit, Vector
from scenesearch.words import ParsedWords, Vocabulary

CATEGORY = "category"
"""The field that categories are looked up in."""

MAX_CATEGORIES = 10_000
"""Categories that words can name: the largest ones."""

LEXICAL, WORD_COLOUR, WORD_CATEGORY, UNWANTED = (
    *("words", "words_colour", "words_category", "words_not"),
)
"""Names of the parts, as they stand in ``Match.parts``."""

POINTS, MORE = 4, 8
"""Points an item that are asked for at first, and how many times more where those were too few."""

NAMED = 0.5
"""How much a colour counts that an item's texts name, against the one its photos have."""

_DIGITS = 4

Scored = Mapping[str, float]
"""Scores by item; an item that is missing has 0."""


@dataclass(frozen=True, slots=True, eq=False)
class WordSearch:
    """The words of one query over one collection.

    Args:
        store: the collection.
        schema: of the collection.
        parsed: what was understood.
        options: how the answer is made.
        where: filter of the whole query, that of the words included.
        spaces: what the collection calls each space that is asked in.
    """

    store: Store
    schema: CollectionSchema
    parsed: ParsedWords
    options: SearchOptions
    where: Condition | None
    spaces: Mapping[str, str]

    @property
    def fields(self) -> tuple[str, ...]:
        """Payload fields that the words need of every hit."""
        named = self.parsed.categories or self.parsed.not_categories
        wanted = {CATEGORY: named, WORDS: self._palette is not None}
        return tuple(name for name, used in wanted.items() if used and name in self.schema.fields)

    @property
    def _has_category(self) -> bool:
        return CATEGORY in self.fields

    def add(
        self,
        answers: Sequence[Answer],
        weights: Mapping[str, float],
        alone: SpaceVectors | None,
    ) -> tuple[list[Answer], dict[str, float]]:
        """The engine's answers with those of the words, and the weights of all.

        Args:
            answers: the engine's.
            weights: of the spaces.
            alone: vectors by space of a query without a photo; None for one with a photo.
        """
        if alone is None:
            return self.beside(answers, weights)
        return self.alone(answers, alone, weights)

    def alone(
        self, answers: Sequence[Answer], asked: SpaceVectors, weights: Mapping[str, float]
    ) -> tuple[list[Answer], dict[str, float]]:
        """Answer a query without a photo: candidates by words and by vectors, scored by all.

        Args:
            answers: the engine's, for the vectors of the query; empty where it has none.
            asked: the vectors by space.
            weights: of the spaces.

        Returns:
            Answers of one region and the weights of their spaces, heaviest first.
        """
        by_words, coloured = self._found()
        lists = [*(answer.hits for answer in answers), *by_words, *coloured]
        candidates: dict[str, Hit] = {}
        for hit in (hit for hits in lists for hit in hits):
            candidates.setdefault(hit.payload["item_id"], hit)
        candidates = dict(sorted(candidates.items()))
        # who stands in a list of the nearest stands there with its best point
        of_space = {answer.space: _best(answer.hits) for answer in answers}
        factor = self.options.word_weights.vectors / (sum(weights.values()) or 1)
        parts: dict[str, tuple[Scored, float]] = {}
        for space, vector in asked.items():
            known = of_space.get(space, {})
            cosines = self._near(self.spaces[space], vector, candidates, known)
            parts[space] = (_stretched(cosines, candidates), weights[space] * factor)
        of_part = {COLOUR: _best([hit for hits in coloured for hit in hits])}
        if self.parsed.free == self.parsed.lexical:
            of_part[LEXICAL] = _best([hit for hits in by_words for hit in hits])
        parts |= self._parts(candidates, of_part)
        if not parts:
            # nothing to rank by, as for "under $50": everything that the filter lets through
            parts[LEXICAL] = ({}, 1.0)
        ordered = sorted(parts.items(), key=lambda part: -part[1][1])
        return (
            [Answer(0, name, _hits(candidates, scores)) for name, (scores, _) in ordered],
            {name: weight for name, (_, weight) in ordered},
        )

    def beside(
        self, answers: Sequence[Answer], weights: Mapping[str, float]
    ) -> tuple[list[Answer], dict[str, float]]:
        """Move the answers of a photo's regions; no region gets a candidate it has not found.

        Args:
            answers: the engine's.
            weights: of the spaces.
        """
        of_region: dict[int, dict[str, Hit]] = {}
        for answer in answers:
            found = of_region.setdefault(answer.region, {})
            for hit in answer.hits:
                found.setdefault(hit.payload["item_id"], hit)
        of_region = {region: dict(sorted(found.items())) for region, found in of_region.items()}
        every = {item: hit for found in of_region.values() for item, hit in found.items()}
        parts = self._parts(every, {})
        total = sum(weight for _, weight in parts.values())
        factor = self.options.word_weights.boost * sum(weights.values()) / (total or 1)
        added = [
            Answer(region, name, _hits(found, scores))
            for region, found in of_region.items()
            for name, (scores, _) in parts.items()
        ]
        more = {name: weight * factor for name, (_, weight) in parts.items() if weight * factor > 0}
        return [*answers, *added], {**weights, **more}

    # candidates

    def _found(self) -> tuple[list[Sequence[Hit]], list[Sequence[Hit]]]:
        """Lists of points that the words bring up: by their text, and by their colours."""
        parsed, limit, fields = self.parsed, self.options.candidates, self._asked_fields
        by_words: list[Sequence[Hit]] = []
        coloured: list[Sequence[Hit]] = []
        if parsed.lexical:
            by_words.append(
                self.store.search_text(parsed.lexical, limit=limit, where=self.where, fields=fields)
            )
        if self._palette is not None:
            wheres = [self.where]
            if self._has_category and parsed.categories:
                # the best of the category might not be among the best of all
                of_kind = OneOf(CATEGORY, (*parsed.categories, *parsed.kinds))
                wheres.append(_and(self.where, of_kind))
            coloured += self.store.query(
                [VectorQuery(COLOUR, self._palette, limit, where, fields) for where in wheres]
            )
        if not any(by_words) and not any(coloured):
            page = self.store.scroll(where=self.where, limit=limit, fields=fields)
            by_words.append([Hit(record.id, 0.0, record.payload) for record in page])
        return by_words, coloured

    @property
    def _asked_fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("item_id", *self.options.fields, *self.fields)))

    # scores

    def _parts(
        self, candidates: Mapping[str, Hit], known: Mapping[str, Scored]
    ) -> dict[str, tuple[Scored, float]]:
        """Scores by part, with the weight of each; parts that the words say nothing of are not.

        Args:
            candidates: a hit of each item.
            known: what was found out of some of them: cosines to the colours, relevance.
        """
        parsed, weights = self.parsed, self.options.word_weights
        parts: dict[str, tuple[Scored, float]] = {}
        if parsed.free:
            scores = self._lexical(parsed.free, candidates, known.get(LEXICAL, {}))
            best = max(scores.values(), default=0.0) or 1.0
            parts[LEXICAL] = ({item: s / best for item, s in scores.items()}, weights.lexical)
        if self._palette is not None:
            near = self._near(COLOUR, self._palette, candidates, known.get(COLOUR, {}))
            named = self._named(candidates)
            told = NAMED if named else 0.0
            scores = {i: (1 - told) * near.get(i, 0.0) + told * (i in named) for i in candidates}
            parts[WORD_COLOUR] = (scores, weights.colour)
        if parsed.categories and self._has_category:
            worth = dict.fromkeys(parsed.kinds, weights.kind)
            worth |= dict.fromkeys(parsed.categories, 1.0)
            scores = {i: worth.get(str(h.payload.get(CATEGORY)), 0) for i, h in candidates.items()}
            parts[WORD_CATEGORY] = (scores, weights.category)
        unwanted = self._unwanted(candidates)
        if unwanted:
            scores = {i: 1 - max(one.get(i, 0.0) for one in unwanted) for i in candidates}
            parts[UNWANTED] = (scores, weights.unwanted)
        return {name: part for name, part in parts.items() if part[1] > 0}

    def _unwanted(self, candidates: Mapping[str, Hit]) -> list[Scored]:
        parsed = self.parsed
        found: list[Scored] = []
        if COLOUR in self.schema.vectors:
            palettes = [_palette_of((name,)) for name in parsed.not_colours]
            found += [self._near(COLOUR, palette, candidates, {}) for palette in palettes]
        if parsed.not_categories and self._has_category:
            out = frozenset(parsed.not_categories)
            found.append({i: 1.0 for i, h in candidates.items() if h.payload.get(CATEGORY) in out})
        if parsed.not_words:
            found.append(dict.fromkeys(self._lexical(parsed.unwanted, candidates, {}), 1.0))
        return found

    def _named(self, candidates: Mapping[str, Hit]) -> frozenset[str]:
        """Items whose texts have a colour that was asked for, however it is written."""
        written = _written(self.parsed.colours)
        return frozenset(
            item
            for item, hit in candidates.items()
            if _says(str(hit.payload.get(WORDS, "")).lower(), written)
        )

    @property
    def _palette(self) -> Vector | None:
        """The colours asked for as a vector, where the collection has such vectors."""
        if not self.parsed.colours or COLOUR not in self.schema.vectors:
            return None
        return _palette_of(self.parsed.colours)

    def _lexical(self, text: str, items: Iterable[str], known: Scored) -> dict[str, float]:
        """Relevance of the items to a text, by the best point of each; the known stays."""

        def ask(where: Condition, limit: int) -> Sequence[Hit]:
            return self.store.search_text(text, limit=limit, where=where, fields=("item_id",))

        return self._completed(known, items, ask)

    def _near(
        self, space: str, vector: Vector, items: Iterable[str], known: Scored
    ) -> dict[str, float]:
        """Cosines of the items to a vector, by the best point of each; the known stay."""

        def ask(where: Condition, limit: int) -> Sequence[Hit]:
            return self.store.query([VectorQuery(space, vector, limit, where, ("item_id",))])[0]

        return self._completed(known, items, ask)

    def _completed(
        self,
        known: Scored,
        items: Iterable[str],
        ask: Callable[[Condition, int], Sequence[Hit]],
    ) -> dict[str, float]:
        missing = tuple(item for item in items if item not in known)
        if not missing:
            return dict(known)
        where: Condition = _and(self.where, OneOf("item_id", missing))
        limit = POINTS * len(missing)
        hits = ask(where, limit)
        while len(hits) == limit:
            # the best point decides, so an item with many of them must not push others out
            limit *= MORE
            hits = ask(where, limit)
        return {**known, **_best(hits)}


@lru_cache(maxsize=256)
def _palette_of(colours: tuple[str, ...]) -> Vector:
    """These colours in equal shares; few are asked for, again and again."""
    found = palette_vector(dict.fromkeys(colours, 1.0))
    found.setflags(write=False)
    return found


def vocabulary_of(store: Store, fields: Mapping[str, FieldType]) -> Vocabulary:
    """The categories of a collection that words can name."""
    if fields.get(CATEGORY) != "keyword":
        return Vocabulary()
    found = store.facet(CATEGORY, limit=MAX_CATEGORIES)
    return Vocabulary({str(value): count for value, count in found})


def dense_text(parsed: ParsedWords) -> str:
    """What a model that reads text is given: colours, then categories and what else was said."""
    categories = parsed.categories[:1] if len(parsed.categories) == 1 else ()
    words = (*parsed.colours, parsed.remaining, *(categories or parsed.lexical.split()[:1]))
    return " ".join(word for word in words if word)


def filtered(where: Condition | None, parsed: ParsedWords | None) -> Condition | None:
    """A filter, and what the words ask for as one."""
    return where if parsed is None else _and(where, parsed.where)


def _and(one: Condition | None, other: Condition | None) -> Any:
    if one is None or other is None:
        return one or other
    return AllOf((one, other))


def _best(hits: Sequence[Hit]) -> dict[str, float]:
    scores: dict[str, float] = {}
    for hit in hits:  # best first
        scores.setdefault(str(hit.payload["item_id"]), hit.score)
    return scores


def _stretched(scores: Mapping[str, float], items: Iterable[str]) -> dict[str, float]:
    """Cosines over 0 to 1; an item without one is as bad as the worst."""
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {i: (scores.get(i, low) - low) / (high - low) if high > low else 1.0 for i in items}


def _hits(candidates: Mapping[str, Hit], scores: Scored) -> list[Hit]:
    """Every candidate with its score, best first; equal ones stay as they come."""
    # engines differ in the last bits, and what is equal is to be ordered by id
    exact = [round(scores.get(item, 0.0), _DIGITS) for item in candidates]
    hits = [
        Hit(hit.id, score, hit.payload)
        for hit, score in zip(candidates.values(), exact, strict=True)
    ]
    return sorted(hits, key=attrgetter("score"), reverse=True)


@lru_cache(maxsize=64)
def _written(colours: tuple[str, ...]) -> tuple[tuple[tuple[str, re.Pattern[str]], ...], ...]:
    """Every way to write one of the colours: its words, and what finds each as a whole word."""
    return tuple(
        tuple((word, _whole(word)) for word in sorted(words(name)))
        for name, colour in written_names().items()
        if colour in colours
    )


def _whole(word: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])")


def _says(text: str, written: tuple[tuple[tuple[str, re.Pattern[str]], ...], ...]) -> bool:
    # most texts have most words not at all, which is seen sooner without a pattern
    return any(all(word in text and found.search(text) for word, found in name) for name in written)

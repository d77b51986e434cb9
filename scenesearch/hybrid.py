"""What the words of a query add to the engine's answers: lexical search, colours, categories.

Each part gives every candidate a score of 0 to 1 and becomes one more list beside those of the
vector spaces, with a weight of its own; blending, fusion, diversity and all that follows stay as
they are. A query without a photo also finds candidates by its words; on the objects of a photo
words only move what the object itself has found.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from scenesearch.attributes.colour_vector import palette_vector
from scenesearch.attributes.names import written_names
from scenesearch.conditions import AllOf, Condition, Equals, OneOf
from scenesearch.points import COLOUR
from scenesearch.protocols import WORDS, Store, VectorQuery
from scenesearch.query import SearchOptions
from scenesearch.query_vectors import SpaceVectors
from scenesearch.rank.candidates import Answer
from scenesearch.store.evaluate import matches
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

NAMED = 0.5
"""How much a colour counts that an item's texts name, against the one its photos have."""

WORD_FIELDS: Mapping[str, FieldType] = {WORDS: "text"}
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
    """

    store: Store
    schema: CollectionSchema
    parsed: ParsedWords
    options: SearchOptions
    where: Condition | None

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
        lists = [*(answer.hits for answer in answers), *self._found()]
        candidates: dict[str, Hit] = {}
        for hit in (hit for hits in lists for hit in hits):
            candidates.setdefault(hit.payload["item_id"], hit)
        among = self._among(candidates)
        factor = self.options.word_weights.vectors / (sum(weights.values()) or 1)
        parts: dict[str, tuple[Scored, float]] = {}
        for space, vector in asked.items():
            cosines = self._near(space, vector, among)
            parts[space] = (_stretched(cosines, candidates), weights[space] * factor)
        parts |= self._parts(candidates, among)
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
        every = {item: hit for found in of_region.values() for item, hit in found.items()}
        parts = self._parts(every, self._among(every))
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

    def _found(self) -> list[Sequence[Hit]]:
        """Lists of points that the words bring up."""
        parsed, limit, fields = self.parsed, self.options.candidates, self._asked_fields
        lists: list[Sequence[Hit]] = []
        if parsed.lexical:
            lists.append(
                self.store.search_text(parsed.lexical, limit=limit, where=self.where, fields=fields)
            )
        if self._palette is not None:
            wheres = [self.where]
            if self._has_category and parsed.categories:
                # the best of the category might not be among the best of all
                of_kind = OneOf(CATEGORY, (*parsed.categories, *parsed.kinds))
                wheres.append(_and(self.where, of_kind))
            lists += self.store.query(
                [VectorQuery(COLOUR, self._palette, limit, where, fields) for where in wheres]
            )
        if not any(lists):
            page = self.store.scroll(where=self.where, limit=limit, fields=fields)
            lists.append([Hit(record.id, 0.0, record.payload) for record in page])
        return lists

    @property
    def _asked_fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(("item_id", *self.options.fields, *self.fields)))

    # scores

    def _among(self, candidates: Mapping[str, Hit]) -> _Among:
        where = _and(self.where, OneOf("item_id", tuple(candidates)))
        # every point of the candidates, since the best of an item decides
        return _Among(where, self.store.count(where) if candidates else 0)

    def _parts(
        self, candidates: Mapping[str, Hit], among: _Among
    ) -> dict[str, tuple[Scored, float]]:
        """Scores by part, with the weight of each; parts that the words say nothing of are not.

        Args:
            candidates: a hit of each item.
            among: their points.
        """
        parsed, weights = self.parsed, self.options.word_weights
        parts: dict[str, tuple[Scored, float]] = {}
        if parsed.free:
            scores = self._lexical(parsed.free, among)
            best = max(scores.values(), default=1.0)
            parts[LEXICAL] = ({item: s / best for item, s in scores.items()}, weights.lexical)
        if self._palette is not None:
            near = self._near(COLOUR, self._palette, among)
            named = self._named(candidates)
            told = NAMED if named else 0.0
            scores = {i: (1 - told) * near.get(i, 0.0) + told * (i in named) for i in candidates}
            parts[WORD_COLOUR] = (scores, weights.colour)
        if parsed.categories and self._has_category:
            worth = dict.fromkeys(parsed.kinds, weights.kind)
            worth |= dict.fromkeys(parsed.categories, 1.0)
            scores = {i: worth.get(str(h.payload.get(CATEGORY)), 0) for i, h in candidates.items()}
            parts[WORD_CATEGORY] = (scores, weights.category)
        unwanted = self._unwanted(candidates, among)
        if unwanted:
            scores = {i: 1 - max(one.get(i, 0.0) for one in unwanted) for i in candidates}
            parts[UNWANTED] = (scores, weights.unwanted)
        return {name: part for name, part in parts.items() if part[1] > 0}

    def _unwanted(self, candidates: Mapping[str, Hit], among: _Among) -> list[Scored]:
        parsed = self.parsed
        found: list[Scored] = []
        if COLOUR in self.schema.vectors:
            palettes = [_palette_of((name,)) for name in parsed.not_colours]
            found += [self._near(COLOUR, palette, among) for palette in palettes]
        if parsed.not_categories and self._has_category:
            out = frozenset(parsed.not_categories)
            found.append({i: 1.0 for i, h in candidates.items() if h.payload.get(CATEGORY) in out})
        if parsed.not_words:
            found.append(dict.fromkeys(self._lexical(parsed.unwanted, among), 1.0))
        return found

    def _named(self, candidates: Mapping[str, Hit]) -> frozenset[str]:
        """Items whose texts have a colour that was asked for, however it is written."""
        written = [n for n, colour in written_names().items() if colour in self.parsed.colours]
        wanted = [(name, name.split()) for name in written]
        named = set()
        for item, hit in candidates.items():
            text = str(hit.payload.get(WORDS, ""))
            lowered = text.lower()
            # most texts have none of them, which is quickly seen
            near = [n for n, parts in wanted if all(part in lowered for part in parts)]
            if any(matches(Equals(WORDS, name), hit.payload, WORD_FIELDS) for name in near):
                named.add(item)
        return frozenset(named)

    @property
    def _palette(self) -> Vector | None:
        """The colours asked for as a vector, where the collection has such vectors."""
        if not self.parsed.colours or COLOUR not in self.schema.vectors:
            return None
        return _palette_of(self.parsed.colours)

    def _lexical(self, text: str, among: _Among) -> dict[str, float]:
        if not among.points:
            return {}
        hits = self.store.search_text(
            text, limit=among.points, where=among.where, fields=("item_id",)
        )
        return _best(hits)

    def _near(self, space: str, vector: Vector, among: _Among) -> dict[str, float]:
        if not among.points:
            return {}
        asked = VectorQuery(space, vector, among.points, among.where, ("item_id",))
        return _best(self.store.query([asked])[0])


class _Among(NamedTuple):
    """The points of some candidates.

    Attributes:
        where: a filter that only they pass.
        points: how many there are.
    """

    where: Condition
    points: int


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
    """Every candidate with its score, best first, ties by item."""
    # engines differ in the last bits, and what is equal is to be ordered by id
    exact = {item: round(scores.get(item, 0.0), _DIGITS) for item in candidates}
    ranked = sorted(candidates, key=lambda item: (-exact[item], item))
    return [candidates[item]._replace(score=exact[item]) for item in ranked]

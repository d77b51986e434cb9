"""What the words of a query add to the engine's answers: lexical search, colours, categories.

Each part gives every candidate a score of 0 to 1 and becomes one more list beside those of the
vector spaces, with a weight of its own; blending, fusion, diversity and all that follows stay as
they are. A query without a photo also finds candidates by its words; on the objects of a photo
words only move what the object itself has found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scenesearch.attributes.colour_vector import palette_vector
from scenesearch.attributes.names import written_names
from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Condition, Equals, OneOf, all_of
from scenesearch.core.points import COLOUR
from scenesearch.core.protocols import WORDS, Store, TextQuery, VectorQuery
from scenesearch.core.types import CollectionSchema, FieldType, Hit, Vector, make_hits
from scenesearch.filters.evaluate import words
from scenesearch.search.rank.candidates import Answer, first_hits
from scenesearch.search.vectors import SpaceVectors
from scenesearch.words import ParsedWords, Vocabulary

CATEGORY = "category"
"""The field that categories are looked up in."""

TITLE = "title"
"""The field in which a thing of another category may be called one."""

MAX_CATEGORIES = 10_000
"""Categories that words can name: the largest ones."""

LEXICAL, WORD_COLOUR, WORD_CATEGORY, UNWANTED, WORD_ID = (
    *("words", "words_colour", "words_category", "words_not", "words_id"),
)
"""Names of the parts, as they stand in ``Match.parts``."""

POINTS, MORE = 4, 8
"""Points an item that are asked for at first, and how many times more where those were too few."""

TOLD = 0.25
"""How much of a category is a thing whose title names it, where its category does not."""
NAMED = 0.5
"""How much a colour counts that an item's texts name, against the one its photos have."""

ID_WEIGHT = 10.0
"""More than all other parts together: who types an item's id wants that item."""
MAX_ID = 100

_CODE = re.compile(r"\S*\d\S*")
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
        needed: payload fields that the ranking needs of every hit.
    """

    store: Store
    schema: CollectionSchema
    parsed: ParsedWords
    options: SearchOptions
    where: Condition | None
    spaces: Mapping[str, str]
    needed: tuple[str, ...] = ()

    @property
    def fields(self) -> tuple[str, ...]:
        """Payload fields that the words need of every hit."""
        named = self.parsed.categories or self.parsed.not_categories
        wanted = {CATEGORY: named, TITLE: named, WORDS: self._palette is not None}
        return tuple(name for name, used in wanted.items() if used and name in self.schema.fields)

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
        candidates = dict(sorted(first_hits(lists).items()))
        factor = self.options.word_weights.vectors / (sum(weights.values()) or 1)
        # who stands in a list of the nearest stands there with its best point
        known = {answer.space: _best([answer.hits]) for answer in answers}
        known[WORD_COLOUR] = _best(coloured)
        if self.parsed.free == self.parsed.lexical:
            known[LEXICAL] = _best(by_words)
        queries = self._queries()
        for space, vector in asked.items():
            queries[space] = VectorQuery(self.spaces[space], vector, 1)
        found = self._completed(queries, candidates, known)
        parts: dict[str, tuple[Scored, float]] = {
            space: (_stretched(found[space], candidates), weights[space] * factor)
            for space in asked
        }
        parts |= self._parts(candidates, found)
        candidates = self._spoken_for(candidates, parts, asked)
        if not parts:
            # nothing to rank by, as for "under $50": everything that the filter lets through
            parts[LEXICAL] = ({}, 1.0)
        ordered = sorted(parts.items(), key=lambda part: -part[1][1])
        hits = _hits(candidates)
        return (
            [Answer(0, name, hits(scores)) for name, (scores, _) in ordered],
            {name: weight for name, (_, weight) in ordered},
        )

    def _spoken_for(
        self,
        candidates: dict[str, Hit],
        parts: Mapping[str, tuple[Scored, float]],
        asked: Collection[str],
    ) -> dict[str, Hit]:
        """The candidates without those that nothing says are what was asked for.

        Where words name a thing, its colour or not being something else makes nothing that thing,
        and a desk is no desk lamp; pictures that a vector found say so by themselves.
        """
        parsed = self.parsed
        if asked or not (parsed.categories or parsed.free or self._code):
            return candidates
        named = WORD_CATEGORY if WORD_CATEGORY in parts else LEXICAL
        saying = [parts[name][0] for name in (named, WORD_ID) if name in parts]
        said = {item for scores in saying for item, score in scores.items() if score > 0}
        return {i: hit for i, hit in candidates.items() if i in said} if saying else candidates

    def beside(
        self, answers: Sequence[Answer], weights: Mapping[str, float]
    ) -> tuple[list[Answer], dict[str, float]]:
        """Move the answers of a photo's regions; no region gets a candidate it has not found.

        Args:
            answers: the engine's.
            weights: of the spaces.
        """
        lists: dict[int, list[Sequence[Hit]]] = {}
        for answer in answers:
            lists.setdefault(answer.region, []).append(answer.hits)
        of_region = {r: dict(sorted(first_hits(found).items())) for r, found in lists.items()}
        every = {item: hit for found in of_region.values() for item, hit in found.items()}
        parts = self._parts(every, self._completed(self._queries(), every, {}))
        total = sum(weight for _, weight in parts.values())
        factor = self.options.word_weights.boost * sum(weights.values()) / (total or 1)
        added = [
            Answer(region, name, hits(scores))
            for region, hits in ((region, _hits(found)) for region, found in of_region.items())
            for name, (scores, _) in parts.items()
        ]
        more = {name: weight * factor for name, (_, weight) in parts.items() if weight * factor > 0}
        return [*answers, *added], {**weights, **more}

    # candidates

    def _found(self) -> tuple[list[Sequence[Hit]], list[Sequence[Hit]]]:
        """Lists of points that the words bring up: by their text, and by their colours."""
        parsed, limit = self.parsed, self.options.candidates
        fields = tuple(dict.fromkeys(("item_id", *self.needed, *self.fields)))
        texts: list[VectorQuery | TextQuery] = []
        colours: list[VectorQuery | TextQuery] = []
        if parsed.lexical:
            texts.append(TextQuery(parsed.lexical, limit, self.where, fields))
        if self._palette is not None:
            wheres = [self.where]
            if CATEGORY in self.fields and parsed.categories:
                # the best of the category might not be among the best of all
                of_kind = OneOf(CATEGORY, (*parsed.categories, *parsed.kinds))
                wheres.append(all_of(self.where, of_kind))
            colours += [
                VectorQuery(COLOUR, self._palette, limit, where, fields) for where in wheres
            ]
        found: list[Sequence[Hit]] = [*self.store.query([*texts, *colours])]
        by_words, coloured = found[: len(texts)], found[len(texts) :]
        if self._code:
            where = all_of(self.where, Equals("item_id", self._code))
            page = self.store.scroll(where=where, limit=1, fields=fields)
            by_words.append([Hit(record.id, 0.0, record.payload) for record in page])
        if not any(by_words) and not any(coloured):
            page = self.store.scroll(where=self.where, limit=limit, fields=fields)
            by_words.append([Hit(record.id, 0.0, record.payload) for record in page])
        return by_words, coloured

    # scores

    def _queries(self) -> dict[str, VectorQuery | TextQuery]:
        """What the words ask the store about candidates, by name.

        Filter, limit and fields are chosen when they are asked.
        """
        parsed = self.parsed
        queries: dict[str, VectorQuery | TextQuery] = {}
        if parsed.free:
            queries[LEXICAL] = TextQuery(parsed.free, 1)
        if self._palette is not None:
            queries[WORD_COLOUR] = VectorQuery(COLOUR, self._palette, 1)
        if COLOUR in self.schema.vectors:
            for name in parsed.not_colours:
                queries[f"{UNWANTED} {name}"] = VectorQuery(COLOUR, _palette_of((name,)), 1)
        if parsed.not_words:
            queries[UNWANTED] = TextQuery(parsed.unwanted, 1)
        return queries

    def _parts(
        self, candidates: Mapping[str, Hit], found: Mapping[str, Scored]
    ) -> dict[str, tuple[Scored, float]]:
        """Scores by part, with the weight of each; parts that the words say nothing of are not.

        Args:
            candidates: a hit of each item.
            found: what the store said to :meth:`_queries`.
        """
        parsed, weights = self.parsed, self.options.word_weights
        parts: dict[str, tuple[Scored, float]] = {}
        best = max(found.get(LEXICAL, {}).values(), default=0.0)
        # words that no text has, such as "settee", say nothing against what is of their category
        if LEXICAL in found and (best > 0 or not parsed.categories):
            scores = {item: score / (best or 1.0) for item, score in found[LEXICAL].items()}
            parts[LEXICAL] = (scores, weights.lexical)
        if WORD_COLOUR in found:
            near, named = found[WORD_COLOUR], self._named(candidates)
            told = NAMED if named else 0.0
            scores = {i: (1 - told) * near.get(i, 0.0) + told * (i in named) for i in candidates}
            parts[WORD_COLOUR] = (scores, weights.colour)
        if parsed.categories and CATEGORY in self.fields:
            worth = dict.fromkeys(parsed.kinds, weights.kind)
            worth |= dict.fromkeys(parsed.categories, 1.0)
            worth |= parsed.fits
            scores = {
                item: worth.get(str(hit.payload.get(CATEGORY)), 0.0)
                or (TOLD if parsed.titled(str(hit.payload.get(TITLE) or "")) else 0.0)
                for item, hit in candidates.items()
            }
            parts[WORD_CATEGORY] = (scores, weights.category)
        if self._code in candidates:
            parts[WORD_ID] = ({self._code: 1.0}, ID_WEIGHT)
        unwanted = self._unwanted(candidates, found)
        if unwanted:
            scores = {i: 1 - max(one.get(i, 0.0) for one in unwanted) for i in candidates}
            parts[UNWANTED] = (scores, weights.unwanted)
        return {name: part for name, part in parts.items() if part[1] > 0}

    def _unwanted(self, candidates: Mapping[str, Hit], found: Mapping[str, Scored]) -> list[Scored]:
        parsed = self.parsed
        names = [f"{UNWANTED} {name}" for name in parsed.not_colours]
        unwanted = [found[name] for name in names if name in found]
        if parsed.not_categories and CATEGORY in self.fields:
            out = frozenset(parsed.not_categories)
            kinds = {item: hit.payload.get(CATEGORY) for item, hit in candidates.items()}
            unwanted.append({item: 1.0 for item, kind in kinds.items() if kind in out})
        if UNWANTED in found:
            unwanted.append(dict.fromkeys(found[UNWANTED], 1.0))
        return unwanted

    def _named(self, candidates: Mapping[str, Hit]) -> frozenset[str]:
        """Items whose texts have a colour that was asked for, however it is written."""
        colours = self.parsed.colours
        return frozenset(
            item
            for item, hit in candidates.items()
            if _says(str(hit.payload.get(WORDS, "")), colours)
        )

    @property
    def _code(self) -> str:
        """The text, where it may be the id of an item; else empty."""
        text = self.parsed.text.strip()
        return text if len(text) <= MAX_ID and _CODE.fullmatch(text) else ""

    @property
    def _palette(self) -> Vector | None:
        """The colours asked for as a vector, where the collection has such vectors."""
        if not self.parsed.colours or COLOUR not in self.schema.vectors:
            return None
        return _palette_of(self.parsed.colours)

    def _completed(
        self,
        queries: Mapping[str, VectorQuery | TextQuery],
        items: Collection[str],
        known: Mapping[str, Scored],
    ) -> dict[str, dict[str, float]]:
        """Scores of the items by each query, by the best point of each; the known stay."""
        scores = {name: dict(known.get(name, {})) for name in queries}
        pending: dict[str, VectorQuery | TextQuery] = {}
        for name, query in queries.items():
            missing = tuple(item for item in items if item not in scores[name])
            if missing:
                where = all_of(self.where, OneOf("item_id", missing))
                pending[name] = query._replace(
                    limit=POINTS * len(missing), where=where, fields=("item_id",)
                )
        while pending:
            found = dict(zip(pending, self.store.query(list(pending.values())), strict=True))
            # the best point decides, so an item with many of them must not push others out
            full = {name: len(hits) == pending[name].limit for name, hits in found.items()}
            for name, hits in found.items():
                if not full[name]:
                    scores[name] |= _best([hits])
            pending = {
                name: query._replace(limit=MORE * query.limit)
                for name, query in pending.items()
                if full[name]
            }
        return scores


@lru_cache(maxsize=256)
def _palette_of(colours: tuple[str, ...]) -> Vector:
    """These colours in equal shares; few are asked for, again and again."""
    found = palette_vector(dict.fromkeys(colours, 1.0))
    found.setflags(write=False)
    return found


def vocabulary_of(
    store: Store,
    fields: Mapping[str, FieldType],
    field: str = CATEGORY,
    within: Condition | None = None,
) -> Vocabulary:
    """The categories of a collection or of a part of it, or values of another field."""
    if fields.get(field) != "keyword":
        return Vocabulary()
    found = store.facet(field, where=within, limit=MAX_CATEGORIES)
    return Vocabulary({str(value): count for value, count in found})


def dense_text(parsed: ParsedWords) -> str:
    """What a model that reads text is given: colours, then categories and what else was said."""
    categories = parsed.categories[:1] if len(parsed.categories) == 1 else ()
    words = (*parsed.colours, parsed.remaining, *(categories or parsed.lexical.split()[:1]))
    return " ".join(word for word in words if word)


def _best(lists: Iterable[Sequence[Hit]]) -> dict[str, float]:
    return {item: hit.score for item, hit in first_hits(lists).items()}


def _stretched(scores: Mapping[str, float], items: Iterable[str]) -> dict[str, float]:
    """Cosines over 0 to 1; an item without one is as bad as the worst."""
    low, high = min(scores.values(), default=0.0), max(scores.values(), default=0.0)
    return {i: (scores.get(i, low) - low) / (high - low) if high > low else 1.0 for i in items}


def _hits(candidates: Mapping[str, Hit]) -> Callable[[Scored], list[Hit]]:
    """What gives every candidate once, with its score of a part, in any order."""
    ids = [hit.id for hit in candidates.values()]
    payloads = [hit.payload for hit in candidates.values()]

    def scored(scores: Scored) -> list[Hit]:
        # engines differ in the last bits, and what is equal is to be ordered by id
        return make_hits(
            ids, [round(scores.get(item, 0.0), _DIGITS) for item in candidates], payloads
        )

    return scored


@lru_cache(maxsize=64)
def _written(colours: tuple[str, ...]) -> tuple[tuple[tuple[str, re.Pattern[str]], ...], ...]:
    """Every way to write one of the colours: its words, and what finds each as a whole word."""
    return tuple(
        tuple(
            (word, re.compile(rf"(?<![^\W_]){re.escape(word)}(?![^\W_])"))
            for word in sorted(words(name))
        )
        for name, colour in written_names().items()
        if colour in colours
    )


@lru_cache(maxsize=20_000)
def _says(text: str, colours: tuple[str, ...]) -> bool:
    """Whether a text has one of the colours; the same texts are asked for the same few colours."""
    said = text.lower()
    # most texts have most words not at all, which is seen sooner without a pattern
    return any(
        all(word in said and found.search(said) for word, found in name)
        for name in _written(colours)
    )

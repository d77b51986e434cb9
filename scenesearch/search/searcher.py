"""The search pipeline: photo, text, items or vectors in, a :class:`Look` out.

The engine answers one batch a query, a request for each region and space with the filter inside;
everything after that is pure numpy on matrices of (regions, items).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import RLock
from typing import Any, NamedTuple

import numpy as np
from cachetools import LRUCache
from numpy.typing import NDArray

from scenesearch.config.search import SearchOptions
from scenesearch.core.conditions import Condition, Equals, all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.points import (
    AUGMENTED,
    CUTOUT,
    MUST_MATCH,
    NOTHING,
    OOD_BLOB,
    SCHEMA_VERSION,
    SPACES,
    catalogue_spaces,
    check_models,
    schema_of,
)
from scenesearch.core.protocols import Detector, Store
from scenesearch.core.turns import Turn
from scenesearch.core.types import CollectionSchema, Region
from scenesearch.filters.parse import parse_filter
from scenesearch.look.look import Look
from scenesearch.look.values import Suggestion
from scenesearch.models.embed.projection import projection_of
from scenesearch.models.encode import EncodedRegion, Encoder, RegionRules
from scenesearch.search.boosts import Boosted, fields_of, gain_of, read_boosts
from scenesearch.search.by_words import CATEGORY, WordSearch, dense_text, vocabulary_of
from scenesearch.search.centres import Centres
from scenesearch.search.look_builder import LookBuilder
from scenesearch.search.narrowing import First, Narrowed
from scenesearch.search.nearest import expanded, left_out, nearest
from scenesearch.search.out_of_distribution import OodModel
from scenesearch.search.query import Query
from scenesearch.search.rank.candidates import Answer, Scores, first_hits
from scenesearch.search.rank.exact import products
from scenesearch.search.rank.named import NAME_FIELDS, naming
from scenesearch.search.rank.one_score import backgrounds
from scenesearch.search.rank.pipeline import count_facets, rank, ranked_by
from scenesearch.search.rank.presets import preset_weights
from scenesearch.search.regions import query_regions
from scenesearch.search.reranker import Reranker, looks_of
from scenesearch.search.seen import Seen
from scenesearch.search.shown import ShownPoints
from scenesearch.search.suggestions import suggestions
from scenesearch.search.vectors import QueryVectors, SpaceVectors, combine
from scenesearch.system.timing import StageTimes
from scenesearch.words import ParsedWords, Vocabulary, parse_words
from scenesearch.words.comparisons import read_comparison
from scenesearch.words.meaning import shipped_meaning
from scenesearch.words.parsed import joined

NARROW_LEAST = 0.2
"""Score of a text, to a model that knows few things, below which it is not of any: what it does not
know it answers with the same few products, below 0.2."""
NO_MATCH = "nothing like this in the catalogue"
VOCABULARIES = 256
"""Of filters that keys are bound to, the least recently used out first."""
PARSED = 1_000
"""Texts whose reading is kept likewise: pages, facets and turns ask the same words again, and so do
people."""


class Searcher:
    """Answers queries over one collection.

    Args:
        store: the collection.
        encoder: the models it was made with.
        detector: gives what finds the objects of a photo, called when a photo without boxes is
            searched; None, or one that gives None, searches the whole photo and tiles.
        rules: which detections become regions.
        reranker: gives the model of the second look; called when one is asked for.
        narrow_text: the model reads texts, but knows few kinds of things; what it makes of words
            then counts only where a catalogue has nothing else to find things by.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        *,
        detector: Callable[[], Detector | None] | None = None,
        rules: RegionRules | None = None,
        reranker: Callable[[], Reranker] | None = None,
        narrow_text: bool = False,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._find_detector = detector or (lambda: None)
        self._rules = rules or RegionRules()
        self._reranker = reranker
        self._narrow_text = narrow_text
        self._shown = ShownPoints(store)
        self._opening = RLock()
        self._opened: Opened | None = None
        self._known: _Known | None = None

    def understand(
        self,
        words: str | ParsedWords,
        *,
        strict_category: bool = False,
        within: Condition | None = None,
    ) -> ParsedWords:
        """What some words ask for in this collection; what was understood already stays as it is.

        Args:
            words: plain words.
            strict_category: as for ``parse_words``.
            within: only categories of points for which this holds are known.

        Raises:
            QueryError: the text is too long.
            StoreError: there is no collection, or it was made with other models.
        """
        if isinstance(words, ParsedWords):
            return words
        opened = self.open()
        known, vocabulary = self._vocabulary(opened, within)
        said = (words, strict_category, within)
        with self._opening:
            parsed = known.parsed.get(said)
        if parsed is None:
            parsed = parse_words(
                words, vocabulary, opened.schema.fields, strict_category=strict_category
            )
            with self._opening:
                known.parsed[said] = parsed
        return parsed

    def open(self) -> Opened:
        """Read what is read once of a collection, as the first search would.

        Raises:
            StoreError: there is no collection, or it was made with other models.
        """
        # several threads may ask one searcher, and what it reads of a collection is read once; but
        # a server's may be made anew under it, with other models
        schema = schema_of(self._store)
        opened = self._opened
        if opened is not None and _same(opened.schema, schema):
            return opened
        with self._opening:
            if self._opened is None or not _same(self._opened.schema, schema):
                self._opened = None
                self._opened = self._open(schema)
            return self._opened

    def _open(self, schema: CollectionSchema) -> Opened:
        wanted = {
            "schema": SCHEMA_VERSION,
            "embedder": self._encoder.embedder.fingerprint,
            "background": "-".join(str(part) for part in self._encoder.rules.background),
        }
        check_models(schema.metadata, wanted, MUST_MATCH)
        data = self._store.read_blob(OOD_BLOB)
        return Opened(
            schema,
            Centres(self._store, tuple(schema.vectors)),
            QueryVectors(
                self._store, self._encoder, projection_of(self._store, self._encoder.embedder.dim)
            ),
            None if data is None or data == NOTHING else OodModel.from_bytes(data),
        )

    def _vocabulary(self, opened: Opened, within: Condition | None) -> tuple[_Known, Vocabulary]:
        with self._opening:
            known = self._known
            if known is None or known.opened is not opened:
                known = self._known = _Known(opened, LRUCache(VOCABULARIES), LRUCache(PARSED))
            found = known.vocabularies.get(within)
            if found is None:
                found = vocabulary_of(self._store, opened.schema.fields, within=within)
                known.vocabularies[within] = found
            return known, found

    @property
    def _reads_words(self) -> bool:
        """Whether words are also compared with pictures, by the model."""
        if not self._encoder.embedder.has_text:
            return False
        return not self._narrow_text or CATEGORY not in self.open().schema.fields

    def regions(
        self,
        query: Query,
        times: StageTimes | None = None,
        rules: RegionRules | None = None,
        seen: Seen | None = None,
    ) -> list[Region]:
        """Which parts of the query's photo would be searched; touches no store.

        Args:
            query: the question.
            times: adds up seconds by stage.
            rules: which detections become regions, instead of the searcher's.
            seen: what the models said of this photo before; what they say now is kept in it.
        """
        return query_regions(
            query, self._find_detector, rules or self._rules, seen or Seen(), times or StageTimes()
        )

    def look(
        self,
        query: Query,
        options: SearchOptions | None = None,
        *,
        regions: Mapping[str, Any] | None = None,
        seen: Seen | None = None,
        offset: int = 0,
        times: StageTimes | None = None,
    ) -> Look:
        """Answer a query.

        Args:
            query: the question.
            options: how the answer is made.
            regions: as for :meth:`prepare`.
            seen: likewise.
            offset: matches of the fused list that come before those shown.
            times: likewise.

        Raises:
            QueryError: the query or an option makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        options = options or SearchOptions()
        query.check()
        # before the models are asked, not after
        self._boosts(options)
        self._weights(options)
        self._filters(query.refine)
        prepared = self.prepare(query, regions, seen=seen, times=times)
        return self.answer(prepared, options, offset=offset, times=times)

    def prepare(
        self,
        query: Query,
        regions: Mapping[str, Any] | None = None,
        *,
        seen: Seen | None = None,
        times: StageTimes | None = None,
    ) -> PreparedQuery:
        """Everything the models have to do; the same query can then be answered many times.

        Args:
            query: the question.
            regions: other values of the region rules, for this query.
            seen: what the models said of this photo before; what they say now is kept in it.
            times: adds up seconds by stage.

        Raises:
            QueryError: the query makes no sense.
            StoreError: there is no collection, or it was made with other models.
        """
        query.check()
        vectors = self.open().vectors
        times, seen = times or StageTimes(), seen or Seen()
        encoded: list[EncodedRegion] = []
        notes: tuple[str, ...] = ()
        if query.scene is not None or query.products:
            with times.stage("load models"):
                self._encoder.embedder.load()
                if query.scene is not None and not query.boxes:
                    detector = self._find_detector()
                    if detector is not None:
                        detector.load()
        if query.scene is not None:
            rules = replace(self._rules, **regions) if regions else self._rules
            scene, encoder = query.scene, self._encoder
            notes = seen.faults(scene.image)
            found = self.regions(query, times, rules, seen)
            encoded = seen.encode(found, lambda new: encoder.encode_regions(scene, new, times))
        parts, parsed = query, None
        if query.words is not None:
            with times.stage("words"):
                parsed = self.understand(query.words, within=query.within)
            # the vector of what was said in all, turns that compare left out
            whole = self._said(parsed, query)
            text = dense_text(whole)
            if text and query.scene is None and self._reads_words:
                parts = replace(query, texts=(*query.texts, (text, 1.0)))
        modifiers = vectors.modifiers(parts, times)
        return PreparedQuery(query, tuple(encoded), tuple(modifiers), times.seconds, parsed, notes)

    def answer(
        self,
        prepared: PreparedQuery,
        options: SearchOptions | None = None,
        *,
        offset: int = 0,
        times: StageTimes | None = None,
    ) -> Look:
        """Ask the engine and rank; no model is needed.

        Args:
            prepared: what the models said.
            options: how the answer is made.
            offset: matches of the fused list that come before those shown.
            times: goes on from what the models took; by default from ``prepared.seconds``.

        Raises:
            QueryError: an option makes no sense.
        """
        options = options or SearchOptions()
        query, encoded = prepared.query, prepared.encoded
        if self._narrow_text and query.only_texts:
            least = max(options.score_min or 0.0, NARROW_LEAST)
            options = options.changed({"score_min": least}, options.where)
        boosts = self._boosts(options)
        weights = self._weights(options)
        opened = self.open()
        spaces = tuple(weights)
        ood: list[bool] = []
        if query.scene is None:
            asked = [combine(prepared.modifiers, spaces)]
        else:
            ood = opened.out_of_distribution(encoded, options.familiarity_min)
            asked = [
                {}
                if is_ood
                else combine([(opened.vectors.of_region(one), 1.0), *prepared.modifiers], spaces)
                for one, is_ood in zip(encoded, ood, strict=True)
            ]
        # what came with the catalogue has no say about a photo, or about words
        weights = {s: w for s, w in weights.items() if s in SPACES or any(s in v for v in asked)}
        asks = bool(encoded) or (query.scene is None and prepared.parsed is None)
        if asks and not any(asked) and not any(ood):
            raise QueryError(
                f"Nothing of the query lies in the spaces {', '.join(spaces)}; "
                f"use another preset, or add a photo",
                code="empty_query",
            )
        parsed = prepared.parsed
        narrowed = Narrowed(all_of(options.where, parsed.where if parsed else None), parsed)
        times = times or StageTimes(prepared.seconds)
        ask = partial(self._answer, prepared, asked, ood, weights, boosts)
        for turn in query.refine:
            narrowed = self._narrowed(narrowed, turn, query, len(encoded), ask, options, times)
        return ask(options, narrowed, offset, times)

    def _narrowed(
        self,
        narrowed: Narrowed,
        turn: Turn,
        query: Query,
        regions: int,
        ask: Callable[[SearchOptions, Narrowed, int, StageTimes], Look],
        options: SearchOptions,
        times: StageTimes,
    ) -> Narrowed:
        """The question after one more turn; a comparison asks what those before it leave."""
        for where in self._filters((turn,)):
            narrowed = narrowed.with_filter(turn, where, regions)
        if turn.words is None:
            return narrowed
        compared = read_comparison(turn.words, self.open().schema.fields)
        if compared is None:
            parsed = self.understand(turn.words, within=query.within)
            return narrowed.with_words(turn, parsed, regions)
        if turn.to:
            return narrowed.with_comparison(turn, compared, self._named(turn.to), regions)
        few = {"limit": 1, "per_region": 1, "facets": (), "suggest": 0}
        so_far = ask(options.model_copy(update=few), narrowed, 0, times)
        lists = [found.matches for found in so_far.regions] if regions else [so_far.matches]
        firsts = {
            number: (found[0].item_id, found[0].attributes)
            for number, found in enumerate(lists, 1 if regions else 0)
            if found
        }
        return narrowed.with_comparison(turn, compared, firsts, regions)

    def _named(self, items: Mapping[int, str]) -> dict[int, First]:
        """What a comparison names to be compared with.

        Raises:
            QueryError: there is no such item.
        """
        found: dict[int, First] = {}
        for number, item_id in items.items():
            page = self._store.scroll(where=Equals("item_id", item_id), limit=1)
            for record in page:
                found[number] = item_id, record.payload
            if number not in found:
                raise QueryError(
                    f"A turn compares with {item_id!r:.100}, and there is no such item",
                    code="unknown_item",
                )
        return found

    def _filters(self, turns: Sequence[Turn]) -> list[Condition]:
        """The filters of some turns.

        Raises:
            FilterError: one cannot be parsed, or names an unknown field.
        """
        fields = self.open().schema.fields if turns else {}
        return [
            parse_filter(turn.where, fields) if isinstance(turn.where, str) else turn.where
            for turn in turns
            if turn.where is not None
        ]

    def _said(self, parsed: ParsedWords, query: Query) -> ParsedWords:
        """Some words, and those of turns about everything."""
        fields = self.open().schema.fields
        for turn in query.refine:
            if turn.words and turn.object is None and not read_comparison(turn.words, fields):
                parsed = joined(parsed, self.understand(turn.words, within=query.within))
        return parsed

    def _boosts(self, options: SearchOptions) -> Mapping[Boosted, float]:
        """The boosts, understood as this collection's fields."""
        if not options.boosts:
            return {}
        return read_boosts(options.boosts, self.open().schema.fields)

    def _weights(self, options: SearchOptions) -> Mapping[str, float]:
        schema = self.open().schema
        weights = options.weights or preset_weights(options.preset)
        if options.weights is None and CUTOUT in weights:
            weights = {
                **weights,
                **dict.fromkeys(catalogue_spaces(schema), options.catalogue_weight),
            }
        unknown = [space for space in weights if space not in schema.vectors]
        if options.weights is not None and unknown:
            raise QueryError(
                f"No vector space {unknown[0]!r}; the collection has {', '.join(schema.vectors)}",
                code="bad_preset",
            )
        used = {s: float(w) for s, w in weights.items() if w > 0 and s in schema.vectors}
        if not used:
            raise QueryError(
                f"The collection has none of the spaces {', '.join(weights)}; it has "
                f"{', '.join(schema.vectors)}",
                code="bad_preset",
            )
        for field in ranked_by(options):
            if field not in schema.fields:
                raise QueryError(
                    f"Unknown field {field!r}; the collection has "
                    f"{', '.join(sorted(schema.fields))}",
                    code="unknown_field",
                )
        # the heaviest space first: its hits name the points that are shown
        return dict(sorted(used.items(), key=lambda pair: -pair[1]))

    def _answer(
        self,
        prepared: PreparedQuery,
        asked: Sequence[SpaceVectors],
        ood: Sequence[bool],
        weights: Mapping[str, float],
        boosts: Mapping[Boosted, float],
        options: SearchOptions,
        narrowed: Narrowed,
        offset: int,
        times: StageTimes,
    ) -> Look:
        opened = self.open()
        own = frozenset(item for item, _ in prepared.query.items)
        spaces = {space: opened.cutouts if space == CUTOUT else space for space in weights}
        if options.expansion:
            with times.stage("engine"):
                few = nearest(
                    self._store,
                    asked,
                    spaces,
                    limit=options.expansion,
                    where=narrowed.where_of,
                    without=own,
                )
            with times.stage("expand"):
                asked = expanded(self._store, asked, few, options)
        scene, encoded = prepared.query.scene, prepared.encoded
        parsed = narrowed.parsed
        boosted = [name for one in boosts for name in fields_of(one)]
        labels = [one.region.label for one in encoded] if options.meaning > 0 else []
        names = [f for f in NAME_FIELDS if f in opened.schema.fields] if any(labels) else []
        needed = tuple(dict.fromkeys((*ranked_by(options), *boosted, *names)))
        in_words = [
            (
                WordSearch(
                    *(self._store, opened.schema, said, options),
                    *(left_out(narrowed.where, own), spaces, needed),
                ),
                rows,
            )
            for said, rows in narrowed.words_of(len(encoded) if scene is not None else 1)
        ]
        worded = [name for words, _ in in_words for name in words.fields]
        with times.stage("engine"):
            answers = nearest(
                self._store,
                asked,
                spaces,
                limit=options.candidates,
                where=narrowed.where_of,
                fields=tuple(dict.fromkeys(("item_id", *needed, *worded))),
                without=own,
            )
        of_region: list[Mapping[str, float]] = [weights] * len(asked)
        if in_words:
            with times.stage("words"):
                if scene is None:
                    answers, weights = in_words[0][0].alone(answers, asked[0], weights)
                else:
                    answers, of_region = _moved(in_words, answers, of_region)
                    weights = {s: w for blended in of_region for s, w in blended.items()}
        # the parts of words alone are 0 to 1 already
        zero = None
        if asked and not (parsed and scene is None):
            zero = backgrounds(asked, opened.centres.now(), of_region)
        later: list[str] = []
        with times.stage("rank"):
            region_weights = np.array([e.region.weight for e in encoded] or [1.0], np.float32)
            ranking = rank(
                answers,
                region_weights,
                weights,
                options,
                lambda items: self._similarities(items, answers),
                backgrounds=zero,
                second_look=looks_of(
                    self._reranker, options.rerank, self._store, encoded, answers, times, later
                ),
                prior=partial(_prior, labels, options.meaning) if names else None,
                gain=gain_of(boosts, opened.schema.fields) if boosts else None,
            )
            total = len(ranking.ordered)
            shown = ranking.ordered[offset : offset + options.limit]
            ranking = replace(ranking, ordered=shown)
            facets = count_facets(ranking.candidates, ranking.scores, options.facets)
            builder = LookBuilder(
                ranking, answers, photo_regions=scene is not None, options=options
            )
        with times.stage("fetch"):
            builder.fetch(self._shown)
        with times.stage("rank"):
            matches = builder.fused()
            regions = builder.regions(encoded, ood)
            said = " ".join((parsed.text if parsed else "", *(one.said for one in narrowed.read)))
            lists = [(matches, None), *((one.matches, i) for i, one in enumerate(regions, 1))]
            suggested: list[Suggestion] = []
            for found, number in lists if options.suggest else ():
                suggested += suggestions(
                    *(found, opened.schema.fields),
                    limit=options.suggest,
                    said=said,
                    object_number=number,
                )
        notes = (*prepared.notes, *later, *narrowed.notes)
        return Look(
            *(scene, regions, matches, facets, times.milliseconds()),
            notes=notes if total else (*notes, _nothing(filtered=narrowed.filtered)),
            parsed=prepared.parsed,
            total=total,
            refined=narrowed.read,
            suggestions=tuple(suggested),
        )

    def _similarities(self, items: Sequence[str], answers: Sequence[Answer]) -> NDArray[np.float32]:
        """Cosines between the items' best points; one deleted meanwhile is like nothing."""
        best = first_hits(answer.hits for answer in answers)
        points = {item: hit.id for item, hit in best.items()}
        found = self._store.retrieve([points[item] for item in items], spaces=(CUTOUT,))
        vectors = {r.id: r.vectors[CUTOUT] for r in found if CUTOUT in r.vectors}
        if not vectors:
            return np.eye(len(items), dtype=np.float32)
        nothing = np.zeros_like(next(iter(vectors.values())))
        rows = np.stack([vectors.get(points[item], nothing) for item in items])
        return products(rows, rows)


def _prior(
    labels: Sequence[str | None], weight: float, payloads: Sequence[Mapping[str, Any]]
) -> Scores:
    return np.float32(weight) * naming(labels, payloads, shipped_meaning())


def _moved(
    in_words: Sequence[tuple[WordSearch, frozenset[int]]],
    answers: Sequence[Answer],
    weights: Sequence[Mapping[str, float]],
) -> tuple[list[Answer], list[Mapping[str, float]]]:
    """The answers of a photo's regions, each moved by its own words, and what each is blended of.

    Args:
        in_words: words, and the regions that are moved by them.
        answers: the engine's.
        weights: of the spaces, of each region.
    """
    moved, weighted = list(answers), list(weights)
    for words, rows in in_words:
        own = [answer for answer in answers if answer.region in rows]
        found, blended = words.beside(own, weights[min(rows)])
        moved += found[len(own) :]
        for row in rows:
            weighted[row] = blended
    return moved, weighted


def _nothing(*, filtered: bool) -> str:
    return f"{NO_MATCH} that passes the filter" if filtered else NO_MATCH


def _same(one: CollectionSchema, other: CollectionSchema) -> bool:
    """Whether two readings are of one making of a collection, with the same fields."""
    return one is other or (one == other and one.made == other.made)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedQuery:
    """A query after the models: what :meth:`scenesearch.search.searcher.Searcher.answer` needs.

    Attributes:
        encoded: the regions of its photo.
        modifiers: vectors by space of every other part, with weights.
        seconds: time of the models, by stage.
        parsed: what was understood of its words.
        notes: what keeps one from seeing things in its photo.
    """

    query: Query
    encoded: tuple[EncodedRegion, ...]
    modifiers: tuple[tuple[SpaceVectors, float], ...]
    seconds: Mapping[str, float]
    parsed: ParsedWords | None = None
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"PreparedQuery({len(self.encoded)} regions, {len(self.modifiers)} other parts)"


class _Known(NamedTuple):
    """What was read of the words of a collection."""

    opened: Opened
    vocabularies: LRUCache[Condition | None, Vocabulary]
    parsed: LRUCache[tuple[str, bool, Condition | None], ParsedWords]


@dataclass(frozen=True, slots=True)
class Opened:
    """What is read once from a collection."""

    schema: CollectionSchema
    centres: Centres
    vectors: QueryVectors
    ood_model: OodModel | None

    @property
    def cutouts(self) -> str:
        """The space that cutouts are compared in."""
        return AUGMENTED if AUGMENTED in self.schema.vectors else CUTOUT

    def out_of_distribution(self, encoded: Sequence[EncodedRegion], least: float) -> list[bool]:
        """Which regions look like nothing the catalogue has."""
        profiles = [one.profile for one in encoded if one.profile is not None]
        if self.ood_model is None or not profiles or least <= 0:
            return [False] * len(encoded)
        levels = self.ood_model.levels(np.stack(profiles))
        return [bool(level < least) for level in levels]

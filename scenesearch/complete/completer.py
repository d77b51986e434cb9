"""The pipeline: items or a look in, what goes with them from other categories out.

The engine gives the candidates (nearest in style, nearest in colour, and what lies near the items
that are seen with the anchors), with the filter inside; the rest is numpy on (anchors,
candidates). Three signals are fused by weighted reciprocal rank; docs/complete.md has the worth
of each.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from scenesearch.complete.anchors import look_anchors, look_categories, weighted_anchors
from scenesearch.complete.choose import choose
from scenesearch.complete.completion import Completion
from scenesearch.complete.cooccurrence import SceneTable
from scenesearch.complete.item_vectors import (
    CATEGORY_TYPES,
    ItemRows,
    catalogue_digest,
    read_items,
    rows_of,
    walk,
)
from scenesearch.complete.known_scenes import ItemScene, KnownScenes
from scenesearch.complete.options import SCENES, CompleteOptions
from scenesearch.complete.signals import SceneEvidence, Signals
from scenesearch.complete.style import StyleCentres, learn_centres
from scenesearch.core.conditions import AllOf, Condition, Equals, Not, OneOf
from scenesearch.core.errors import QueryError, StoreError, StoreUnavailableError
from scenesearch.core.points import COLOUR, CUTOUT, schema_of
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import CollectionSchema, Record
from scenesearch.look.look import Look
from scenesearch.scenes.find import SceneFinder
from scenesearch.search.rank.candidates import first_hits
from scenesearch.words import Vocabulary

log = logging.getLogger(__name__)

CENTRES_BLOB = "style_centres.npz"
"""Category means, kept with the collection."""
MIN_BORROW = 40
"""With fewer known scenes than this, borrowing costs more than it gives: see docs/complete.md."""
NEAR_SEEN = 20
"""Items seen with the anchors whose neighbourhood is searched, and candidates from each."""


class SceneSource(Protocol):
    """Another place that knows scenes: a collection of photos searched by sight, a database."""

    def scenes_of(self, item_id: str, limit: int) -> Sequence[ItemScene]:
        """At most ``limit`` scenes that an item appears in, best first."""


class Completer:
    """Completes looks over one collection.

    Args:
        store: the collection.
        options: the defaults of every answer.
        scene_sources: further places that know scenes, for :meth:`scenes_of`.
    """

    def __init__(
        self,
        store: Store,
        options: CompleteOptions | None = None,
        *,
        scene_sources: Sequence[SceneSource] = (),
    ) -> None:
        self._store = store
        self._options = options or CompleteOptions()
        self._sources = tuple(scene_sources)
        self._learned: _Learned | None = None
        self.known = KnownScenes(store)

    def complete(
        self,
        items: str | Iterable[str] | Mapping[str, float] | Look,
        *,
        limit: int = 12,
        per_category: int = 3,
        where: Condition | None = None,
        options: CompleteOptions | None = None,
    ) -> Completion:
        """What goes with some items, from other categories than theirs.

        Args:
            items: an id, ids, weights by id, or a look, whose matches stand for its photo.
            limit: the most suggestions.
            per_category: the most suggestions of one category.
            where: only items for which this holds.
            options: instead of the completer's own.

        Raises:
            QueryError: an unknown item, no item, or an option that makes no sense.
            StoreError: there is no collection.
        """
        options = options or self._options
        options.check()
        if limit < 1 or per_category < 1:
            raise QueryError(
                f"limit is {limit} and per_category {per_category}, expected at least 1 each",
                code="bad_option",
            )
        learned = self._learn(options)
        weights = look_anchors(items) if isinstance(items, Look) else weighted_anchors(items)
        if not weights:
            return Completion({}, (), (), ("no good match in the photo: nothing to complete",))
        anchors = read_items(self._store, tuple(weights), options.category_field, learned.schema)
        missing = [item for item in weights if item not in anchors.ids]
        if missing and not isinstance(items, Look):
            raise QueryError(
                f"No item {missing[0]!r} in the collection; check the id, or index it first",
                code="unknown_item",
            )
        if not anchors.ids:
            return Completion({}, (), (), ("the items of the photo are gone from the collection",))
        total = sum(weights[item] for item in anchors.ids)
        shares = {item: weights[item] / total for item in anchors.ids}
        present = sorted({name for name in anchors.categories if name is not None})
        if isinstance(items, Look):
            known = learned.centres.categories
            seen = [r.region.label for r in items.regions if r.region.label]
            present = sorted({*present, *look_categories(items, options.category_field, known)})
        else:
            seen = []
        if not learned.table.scenes:
            # known scenes say what stands beside its like; without them nothing does
            also = (name for one in (*present, *seen) for name in learned.vocabulary.also(one))
            present = sorted({*present, *also})
        left_out = () if options.include_present else tuple(present)
        where = learned.others(where, left_out, anchors.ids, options.category_field)
        signals, records = self._signals(anchors, shares, learned, where, options)
        suggestions = choose(signals, records, options, limit, per_category)
        return Completion(shares, suggestions, left_out, learned.notes)

    def scenes_of(self, item_id: str, limit: int = 20) -> tuple[ItemScene, ...]:
        """The scenes an item appears in: known ones first, then what other sources found.

        Raises:
            QueryError: neither the collection nor a scene has such an item.
            StoreError: there is no collection.
        """
        if limit < 1:
            raise QueryError(f"limit is {limit}, expected at least 1", code="bad_option")
        schema_of(self._store)
        found = [
            ItemScene(scene.id, scene.image, tuple(sorted(scene.items)), scene.group)
            for scene in self.known.of_item(item_id)
        ]
        images = {scene.image for scene in found if scene.image}
        for source in self._sources:
            more = source.scenes_of(item_id, limit)
            found += [scene for scene in more if not scene.image or scene.image not in images]
            images |= {scene.image for scene in more}
        if not found and not self._store.count(Equals("item_id", item_id)):
            raise QueryError(
                f"No item {item_id!r} in the collection or in a known scene; check the id",
                code="unknown_item",
            )
        # the sort is stable: known scenes score 1 and come first
        return tuple(sorted(found, key=lambda scene: -scene.score)[:limit])

    def _learn(self, options: CompleteOptions) -> _Learned:
        """What is learned from the whole collection; again when that or the scenes changed."""
        schema, name, before = schema_of(self._store), options.category_field, self._learned
        state = (schema.made, self._store.count(), name, self.known.digest)
        if before is not None and before.state == state:
            return before
        if before is not None and before.state[:3] == state[:3]:
            centres = before.centres
        else:
            centres = self._centres(catalogue_digest(self._store, name, schema), name, schema)
        table = SceneTable.of(scene.items for scene in self.known.scenes)
        seen = read_items(self._store, table.items, name, schema)
        notes = _notes(schema, name, centres, len(table.scenes), len(seen.ids))
        vocabulary = Vocabulary(dict.fromkeys(centres.categories, 1))
        self._learned = _Learned(state, schema, centres, table, seen, notes, vocabulary)
        return self._learned

    def _centres(self, digest: str, name: str, schema: CollectionSchema) -> StyleCentres:
        try:
            data = self._store.read_blob(CENTRES_BLOB)
            kept = None if data is None else StyleCentres.from_bytes(data)
        except StoreUnavailableError:
            raise
        except StoreError as error:
            log.warning("category means are learned again: %s", error)
        else:
            if kept is not None and kept.digest == digest:
                return kept
        made = learn_centres(walk(self._store, name, schema), schema.vectors[CUTOUT], digest)
        try:
            self._store.write_blob(CENTRES_BLOB, made.to_bytes())
        except StoreError as error:  # a full disk must not cost the answer
            log.info("category means are not kept: %s", error)
        return made

    def _signals(
        self,
        anchors: ItemRows,
        shares: Mapping[str, float],
        learned: _Learned,
        where: Condition,
        options: CompleteOptions,
    ) -> tuple[Signals, list[Record]]:
        weights = np.array([shares[item] for item in anchors.ids], np.float32)
        style = learned.centres.styles(anchors.vectors[CUTOUT], anchors.categories)
        evidence = None
        if options.weights.get(SCENES) and learned.seen.ids:
            if len(learned.table.scenes) < MIN_BORROW:
                options = replace(options, neighbours=0)
            evidence = SceneEvidence(learned.table, learned.seen, anchors, options)
        asked = [(CUTOUT, weights @ style, options.candidates)]
        if COLOUR in anchors.vectors:
            asked.append((COLOUR, weights @ anchors.vectors[COLOUR], options.candidates))
        if evidence is not None:
            near = evidence.likeliest(weights, NEAR_SEEN)
            asked += [(CUTOUT, learned.seen.vectors[CUTOUT][i], NEAR_SEEN) for i in near]
        hits = self._store.query(
            [
                VectorQuery(space, vector, count, where, ("item_id",))
                for space, vector, count in asked
                if np.linalg.norm(vector) > 1e-6
            ]
        )
        points = [hit.id for hit in first_hits(hits).values()]
        records = self._store.retrieve(points, spaces=tuple(anchors.vectors))
        rows = rows_of(records, options.category_field, learned.schema)
        signals = Signals.of(anchors, weights, rows, style, learned.centres, evidence)
        return signals, records


@dataclass(frozen=True, slots=True, eq=False)
class _Learned:
    """What one state of the collection and its scenes gave.

    Attributes:
        state: which collection, its points, category field, digest of the known scenes.
    """

    state: tuple[str, int, str, str]
    schema: CollectionSchema
    centres: StyleCentres
    table: SceneTable
    seen: ItemRows
    notes: tuple[str, ...]
    vocabulary: Vocabulary

    def others(
        self, where: Condition | None, left_out: Sequence[str], items: Sequence[str], name: str
    ) -> Condition:
        """A filter that also leaves out the anchors and their categories."""
        terms: list[Condition] = [Not(OneOf("item_id", tuple(items)))]
        kind = self.schema.fields.get(name)
        if left_out and kind in CATEGORY_TYPES:
            values = [int(value) if kind == "integer" else value for value in left_out]
            terms.append(Not(OneOf(name, tuple(values))))
        return AllOf(tuple(terms if where is None else [where, *terms]))


def _notes(
    schema: CollectionSchema, name: str, centres: StyleCentres, scenes: int, seen: int
) -> tuple[str, ...]:
    notes = []
    kind = schema.fields.get(name)
    if kind not in CATEGORY_TYPES:
        has = "is of type " + kind if kind else "does not exist"
        notes.append(
            f"no categories: the field {name!r} {has}; suggestions may be of the same kind as "
            f"what they go with"
        )
    elif not centres.categories:
        notes.append("cold start: too few items for a mean of each category; style is likeness")
    if not scenes:
        notes.append("cold start: no known scenes; style and colour alone")
    elif not seen:
        notes.append("no item of the known scenes is in the collection; style and colour alone")
    elif scenes < MIN_BORROW:
        notes.append(
            f"cold start: {scenes} known scenes are too few to borrow from (at least "
            f"{MIN_BORROW}); only items that were seen together themselves count"
        )
    return tuple(notes)


BY_SIGHT = "by sight"


class ScenesBySight:
    """Looks for an item in a collection of photos; a source of :class:`Completer`.

    Args:
        finder: of the photos.
        items: the collection of the items.
    """

    def __init__(self, finder: SceneFinder, items: Store) -> None:
        self._finder = finder
        self._items = items

    def scenes_of(self, item_id: str, limit: int) -> Sequence[ItemScene]:
        """At most ``limit`` photos, best first, of what is like it; what is known has 1.

        Raises:
            CollectionMismatchError: items and photos were made by other models.
        """
        try:
            answer = self._finder.with_item(item_id, self._items, limit=limit)
        except QueryError as error:
            if error.code == "unknown_item":
                return ()  # a known scene can name an item that was never indexed
            raise
        return tuple(
            ItemScene(
                match.photo,
                match.photo,
                match.items,
                match.kind or "",
                1.0 if match.known else min(max(match.score or 0.0, 0.0), 1.0),
                "known" if match.known else BY_SIGHT,
            )
            for match in answer.matches
        )

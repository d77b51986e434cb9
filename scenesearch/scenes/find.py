"""Finds photos: by what is in them, by a photo like them, by a product that is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from scenesearch.core.batches import scroll_all
from scenesearch.core.boxes import box_tuple
from scenesearch.core.conditions import Condition, Equals, Not, all_of
from scenesearch.core.errors import QueryError
from scenesearch.core.points import COLOUR, CONTEXT, CUTOUT, is_ours
from scenesearch.core.protocols import Store, VectorQuery
from scenesearch.core.types import Record, Vector
from scenesearch.filters.parse import parse_filter
from scenesearch.models.embed.projection import projection_of
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes.answer import SHOWN_FIELDS, Facets, SceneAnswer, SceneMatch, match_of
from scenesearch.scenes.index import WHOLE, SceneIndex, check_projection
from scenesearch.scenes.lexicon import Lexicon
from scenesearch.scenes.points import OBJECT_FIELDS, SCENES, stored_vectors
from scenesearch.scenes.understand import SceneQuery, understand
from scenesearch.search.centres import Centres
from scenesearch.search.rank.one_score import backgrounds, score_of
from scenesearch.search.rank.presets import preset_weights
from scenesearch.search.vectors import combine

FACETS = ("kind", "labels", "photo_tags", "photo_colours", "folder")
"""Fields that are counted when none is named."""
MOST_NAMES = 10_000
"""Labels, kinds and tags that words are looked for in; the rarest beyond are not understood."""
RANKED = 20_000
"""Photos that satisfy the words and are put in order; beyond, the order is the engine's."""
CANDIDATES = 200
"""Objects asked for at first when a product is looked for."""
MOST_CANDIDATES = 5_000

LIKE = 0.2
"""Score from which a photo is listed for its looks: of less, nothing speaks for it."""
NOTHING_LIKE = "nothing like this in the photos"

OBJECT: Condition = Equals("region", "object")


class SceneFinder:
    """Answers questions about the photos of one collection. Needs no model.

    Args:
        store: the collection.
        collection: its name, for messages.
        synonyms: other words to the names of labels, kinds and tags; from a vocabulary.
        known: names that may be asked for though no photo has them yet.

    Raises:
        StoreError: there is no such collection, or it is not one of scenes.
    """

    def __init__(
        self,
        store: Store,
        collection: str = SCENES,
        *,
        synonyms: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
    ) -> None:
        # refuses what is no collection of scenes
        SceneIndex.open(store, collection)
        self._store = store
        self._synonyms = synonyms
        self._known = tuple(known)
        has = store.schema.vectors if store.schema else ()
        spaces = tuple(space for space in (CUTOUT, CONTEXT, COLOUR) if space in has)
        self._centres = Centres(store, spaces, "photo")

    def understand(self, text: str) -> SceneQuery:
        """What a query asks for in this collection.

        Raises:
            QueryError: it cannot be read, or names nothing that is known.
        """
        labels, kinds, tags = (
            {str(value): count for value, count in self._facet(field, None, MOST_NAMES)}
            for field in ("labels", "kind", "photo_tags")
        )
        return understand(
            text, Lexicon(labels, kinds, tags, synonyms=self._synonyms, known=self._known)
        )

    def parse(self, where: str | None) -> Condition | None:
        """A filter text as conditions on the fields of photos.

        Raises:
            FilterError: it cannot be parsed, or names an unknown field.
        """
        schema = self._store.schema
        if where is None or schema is None:
            return None
        fields = {name: kind for name, kind in schema.fields.items() if name not in OBJECT_FIELDS}
        return parse_filter(where, fields)

    def find(
        self, text: str | SceneQuery = "", *, where: Condition | None = None, limit: int = 20
    ) -> SceneAnswer:
        """Photos by what is in them.

        Args:
            text: see ``docs/scenes.md``; empty for every photo of ``where``.
            where: further conditions, on any field of the photo.
            limit: how many photos.

        Returns:
            The surest first: by the mean confidence of the labels asked for, then by name.

        Raises:
            QueryError: the text cannot be read, or names nothing that is known.
        """
        query, condition = self._asked(text, WHOLE, where)
        total = self._store.count(condition)
        scored: list[tuple[float, str, Record]] = []
        for record in self._ranked(condition):
            score = _confidence(record.payload, query.labels if query else ())
            scored.append((-score, str(record.payload["photo"]), record))
        scored.sort(key=lambda one: one[:2])
        notes = list(query.notes) if query else []
        if total > RANKED:
            notes.append(f"{total:,} photos satisfy this; the first {RANKED:,} found are ranked")
        matches = tuple(match_of(record.payload, -score) for score, _, record in scored[:limit])
        return SceneAnswer(matches, total, query, tuple(notes))

    def like(
        self,
        encoded: EncodedRegion,
        *,
        text: str | SceneQuery = "",
        where: Condition | None = None,
        limit: int = 20,
    ) -> SceneAnswer:
        """Photos that look like one, as a whole.

        Args:
            encoded: from :func:`scenesearch.scenes.index.encode_photo`, by the models of the
                collection.
            text: what must also be in them.
            where: further conditions.
            limit: how many photos.

        Returns:
            Best first, by the one score; without text and filter none below :data:`LIKE`.

        Raises:
            QueryError: the text cannot be read, or names nothing that is known.
        """
        query, condition = self._asked(text, WHOLE, where)
        # the cutout of a whole photo is the photo; its context is no more than that
        vector = stored_vectors(encoded.vectors, projection_of(self._store))[CUTOUT]
        hits = self._store.query([VectorQuery(CUTOUT, vector, limit, condition, SHOWN_FIELDS)])[0]
        score = _scale({CUTOUT: vector}, {CUTOUT: 1.0}, self._centres)
        # what was asked for beside the looks speaks for a photo as well
        least = LIKE if text == "" and where is None else 0.0
        matches = tuple(
            match_of(hit.payload, score(hit.score))
            for hit in hits
            if score(hit.score) >= least and is_ours(hit.payload, "photo")
        )
        return SceneAnswer(matches, None, query, _notes(query, matches))

    def with_item(
        self,
        item_id: str,
        items: Store,
        *,
        text: str | SceneQuery = "",
        where: Condition | None = None,
        limit: int = 20,
        preset: str = "similar",
    ) -> SceneAnswer:
        """Photos with a product: those known to have it first, then those with an object like it.

        Photos without an object of at least :data:`LIKE` are not listed.

        Args:
            item_id: the product.
            items: the collection it is in; its vectors are compared with those of objects.
            text: what must also be in the photos.
            where: further conditions.
            limit: how many photos.
            preset: weights over the vector spaces.

        Raises:
            QueryError: there is no such item, or the text cannot be read.
            CollectionMismatchError: items and photos were made by other models.
        """
        query, wanted = self._asked(text, None, where)
        self._check_comparable(items)
        vectors = self._item_vectors(items, item_id, preset)
        weights = preset_weights(preset)
        score_of_cosine = _scale(vectors, weights, self._centres, Centres(items, tuple(vectors)))
        has_it = Equals("items", item_id)
        best = self._objects_like(vectors, weights, all_of(OBJECT, has_it, wanted), limit)
        scores = {
            str(record.payload["photo"]): (score_of_cosine(score), record) for score, record in best
        }
        matches = []
        for record in self._ranked(all_of(WHOLE, has_it, wanted)):
            score, found = scores.get(str(record.payload["photo"]), (None, record))
            matches.append(_object_match(found, score, known=True))
        matches.sort(key=lambda m: (m.score is None, -(m.score or 0.0), m.photo))
        if len(matches) < limit:
            others = all_of(OBJECT, Not(has_it), wanted)
            matches += [
                _object_match(record, score)
                for cosine, record in self._objects_like(
                    vectors, weights, others, limit - len(matches)
                )
                if (score := score_of_cosine(cosine)) >= LIKE
            ]
        return SceneAnswer(tuple(matches[:limit]), None, query, _notes(query, matches))

    def facets(
        self,
        fields: Sequence[str] = FACETS,
        *,
        text: str | SceneQuery = "",
        where: Condition | None = None,
        limit: int = 50,
    ) -> Facets:
        """How many photos have each value of some fields.

        Raises:
            QueryError: a field is unknown or of a type that has no facets.
        """
        _, condition = self._asked(text, None, where)
        return {field: self._facet(field, condition, limit) for field in fields}

    # --- pieces ----------------------------------------------------------------------------

    def _asked(
        self, text: str | SceneQuery, before: Condition | None, where: Condition | None
    ) -> tuple[SceneQuery | None, Condition | None]:
        """What was understood of the words, and one condition of them and of two others."""
        if isinstance(text, SceneQuery):
            return text, all_of(before, text.condition, where)
        query = self.understand(text) if text.strip() else None
        return query, all_of(before, query.condition if query else None, where)

    def _facet(self, field: str, where: Condition | None, limit: int) -> list[tuple[Any, int]]:
        return self._store.facet(field, where=all_of(WHOLE, where), limit=limit)

    def _ranked(self, where: Condition | None) -> Iterator[Record]:
        found = scroll_all(self._store, where=where, fields=SHOWN_FIELDS, page=2_000)
        return islice((one for one in found if is_ours(one.payload, "photo")), RANKED)

    def _check_comparable(self, items: Store) -> None:
        ours, theirs = self._store.schema, items.schema
        if ours is None or theirs is None:
            raise QueryError(
                "There is no collection of items to take the product from; give the --items "
                "collection it was indexed into",
                code="no_collection",
            )
        for key in ("embedder", "background"):
            if ours.metadata.get(key) != theirs.metadata.get(key):
                raise QueryError(
                    f"Items and photos were made by other models: {key} is "
                    f"{theirs.metadata.get(key)!r} of the items and {ours.metadata.get(key)!r} of "
                    f"the photos; index one of them with the configuration of the other",
                    code="collection_mismatch",
                )
        check_projection(self._store, projection_of(items))

    def _item_vectors(self, items: Store, item_id: str, preset: str) -> Mapping[str, Vector]:
        ours, theirs = self._store.schema, items.schema
        has = set(ours.vectors if ours else ()) & set(theirs.vectors if theirs else ())
        spaces = [s for s in (CUTOUT, CONTEXT, COLOUR) if s in has and s in preset_weights(preset)]
        page = items.scroll(
            where=Equals("item_id", item_id), limit=256, spaces=spaces, fields=("item_id",)
        )
        if not page.records:
            raise QueryError(
                f"No item {item_id!r} in the collection of items; check the id, or index it first",
                code="unknown_item",
            )
        vectors = combine([(record.vectors, 1.0) for record in page], spaces)
        if not vectors:
            raise QueryError(
                f"Items and photos share no vector space that the preset {preset!r} weighs; use "
                f"another preset",
                code="bad_preset",
            )
        return vectors

    def _objects_like(
        self,
        vectors: Mapping[str, Vector],
        weights: Mapping[str, float],
        where: Condition | None,
        limit: int,
    ) -> list[tuple[float, Record]]:
        """The best object of each photo, best first; at most ``limit`` photos."""
        asked = max(CANDIDATES, limit)
        while True:
            hits = self._store.query(
                [VectorQuery(space, vector, asked, where) for space, vector in vectors.items()]
            )
            ids = list(dict.fromkeys(hit.id for found in hits for hit in found))
            best: dict[str, tuple[float, Record]] = {}
            for record in self._store.retrieve(ids, spaces=tuple(vectors)):
                if not is_ours(record.payload, "photo"):
                    continue
                score = _weighted(record.vectors, vectors, weights)
                photo = str(record.payload["photo"])
                if photo not in best or score > best[photo][0]:
                    best[photo] = score, record
            # several objects of one photo take the places of others
            enough = len(best) >= limit or all(len(found) < asked for found in hits)
            if enough or asked >= MOST_CANDIDATES:
                ordered = sorted(best.items(), key=lambda one: (-one[1][0], one[0]))
                return [pair for _, pair in ordered[:limit]]
            asked = min(4 * asked, MOST_CANDIDATES)


def _scale(
    vectors: Mapping[str, Vector], weights: Mapping[str, float], *of: Centres
) -> Callable[[float], float]:
    """A mean cosine as the one score, by what collections as a whole are like at the least."""
    background = min(float(backgrounds([vectors], one.now(), [weights])[0]) for one in of)
    return lambda cosine: score_of(cosine, background)


def _notes(query: SceneQuery | None, matches: Sequence[SceneMatch]) -> tuple[str, ...]:
    notes = query.notes if query else ()
    return notes if matches else (*notes, NOTHING_LIKE)


def _confidence(payload: Mapping[str, Any], labels: Sequence[str]) -> float:
    """Mean over the labels that are there of their best confidence; 1 where none was asked for."""
    sure = dict(payload.get("label_scores", ()))
    found = [float(sure[label]) for label in labels if label in sure]
    return sum(found) / len(found) if found else 1.0


def _weighted(
    stored: Mapping[str, Vector], asked: Mapping[str, Vector], weights: Mapping[str, float]
) -> float:
    """Weighted mean cosine over the spaces that both have."""
    shared = [space for space in asked if space in stored]
    total = sum(weights[space] for space in shared)
    if not total:
        return 0.0
    return sum(weights[s] * float(stored[s] @ asked[s]) for s in shared) / total


def _object_match(record: Record, score: float | None, *, known: bool = False) -> SceneMatch:
    box = record.payload.get("box")
    return match_of(
        record.payload,
        score,
        known=known,
        box=box_tuple(box) if box and score is not None else None,
        label=record.payload.get("label") if score is not None else None,
    )

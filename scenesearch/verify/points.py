"""The points of a collection: each by itself, and against the embedding cache."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenesearch.core.points import AUGMENTED, COLOUR, CONTEXT, CUTOUT, is_ours, point_id
from scenesearch.core.types import CollectionSchema, Stored
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.embed.projection import Projection
from scenesearch.store.bm25 import has_words, payload_terms
from scenesearch.store.sums import payload_state, vectors_state

NORM = 1e-3
"""Lengths of vectors may be beside 1 by this."""
SAME = 1e-4
"""Numbers of a vector may be beside those of the cache by this."""
TERM = 1e-4
"""Likewise, of the vectors of words."""


@dataclass(slots=True)
class Photo:
    """What is stored of one photo of an item, where something of it is to be mended.

    Attributes:
        regions: ids of its points.
        wanted: how many there should be.
    """

    regions: list[str] = field(default_factory=list)
    wanted: int = 1


class Points:
    """Looks at points as they come.

    Args:
        schema: of their collection.
        collection: its name; part of the ids of items' points.
        projection: of the collection; None for raw vectors.
        cache: where their embeddings should be; None to compare with none.
        every: compare every one with the cache, not the first of each page.
        items: whether they are of items, whose ids are worked out again.

    Attributes:
        count: points so far.
        compared: of these, with the cache.
        wrong: why each damaged point is so, in a word, by id.
        strangers: ids of points that scenesearch did not write.
        differ: ids of points whose vectors are not those of the cache.
        unsummed: how many have no sum of their vectors.
        payloads: of damaged points, for who mends them.
    """

    def __init__(
        self,
        schema: CollectionSchema,
        collection: str,
        projection: Projection | None,
        cache: EmbeddingCache | None,
        *,
        every: bool,
        items: bool,
    ) -> None:
        self._schema = schema
        self._collection = collection
        self._projection = projection
        self._cache = cache
        self._every = every
        self._items = items
        # everything that changes a raw embedding, as indexing names it
        self._key = "|".join(f"{k}={v}" for k, v in schema.metadata.items() if k != "whiten")
        self.count = 0
        self.compared = 0
        self.unsummed = 0
        self.wrong: dict[str, str] = {}
        self.strangers: list[str] = []
        self.differ: list[str] = []
        self.payloads: dict[str, Mapping[str, Any]] = {}
        self.photos: dict[tuple[str, str], Photo] = {}

    def add(self, points: Sequence[Stored]) -> None:
        """Look at a page of them."""
        ours = []
        for point in points:
            self.count += 1
            if self._items and not is_ours(point.payload) and "sum:payload" not in point.payload:
                self.strangers.append(point.id)
                continue
            if (why := self._look(point)) is not None:
                self._note(point, why)
            else:
                ours.append(point)
            if self._items and "photo_sha256" in point.payload:
                key = str(point.payload.get("item_id")), str(point.payload["photo_sha256"])
                photo = self.photos.setdefault(key, Photo())
                photo.regions.append(point.id)
                photo.wanted = int(point.payload.get("region_count", 1))
        if self._items and self._cache is not None:
            self._compare(ours if self._every else ours[:32])

    def incomplete(self) -> list[tuple[str, str]]:
        """Item and sha256 of each photo some of whose regions are gone."""
        return [key for key, photo in self.photos.items() if len(photo.regions) < photo.wanted]

    def _note(self, point: Stored, why: str) -> None:
        self.wrong[point.id] = why
        self.payloads[point.id] = point.payload

    def _look(self, point: Stored) -> str | None:
        checks: tuple[Callable[[Stored], str | None], ...] = (
            self._vectors,
            self._payload,
            self._id,
            self._words,
        )
        return next((why for check in checks if (why := check(point)) is not None), None)

    def _vectors(self, point: Stored) -> str | None:
        if self._items and not {CUTOUT, CONTEXT} <= point.vectors.keys():
            return "vectors"
        if not point.vectors:
            return "vectors"
        for space, row in point.vectors.items():
            if row.shape != (self._schema.vectors.get(space),):
                return "vectors"
            length = float(np.linalg.norm(row.astype(np.float64)))
            if not abs(length - 1) <= NORM:  # not so of NaN
                return "vectors"
        state = vectors_state(point.vectors, point.payload)
        self.unsummed += state == "unsummed"
        return "vectors" if state == "damaged" else None

    def _payload(self, point: Stored) -> str | None:
        return "payload" if payload_state(point.id, point.payload) == "damaged" else None

    def _id(self, point: Stored) -> str | None:
        if not self._items:
            return None
        told = [point.payload.get(name) for name in ("item_id", "photo_sha256", "region_key")]
        if not all(isinstance(one, str) for one in told):
            return "payload"
        wanted = point_id(self._collection, *map(str, told))
        return None if wanted == point.id else "ids"

    def _words(self, point: Stored) -> str | None:
        if not has_words(self._schema) or self._schema.mean_words is None:
            return None
        terms = payload_terms(point.payload, self._schema)
        wanted = {} if terms is None else dict(zip(*terms, strict=True))
        found = point.words or {}
        same = wanted.keys() == found.keys() and all(
            abs(found[i] - value) <= TERM * max(1.0, abs(value)) for i, value in wanted.items()
        )
        return None if same else "words"

    def _compare(self, points: Sequence[Stored]) -> None:
        assert self._cache is not None
        photos = sorted({str(point.payload["photo_sha256"]) for point in points})
        found = self._cache.get(photos, self._key, forget=False)
        for point in points:
            entries = found.get(str(point.payload["photo_sha256"]), ())
            entry = next(
                (e for e in entries if e.payload.get("region_key") == point.payload["region_key"]),
                None,
            )
            if entry is None:
                continue
            self.compared += 1
            if not self._same(point, entry):
                self.differ.append(point.id)
                self._note(point, "vectors")

    def _same(self, point: Stored, entry: Entry) -> bool:
        for space, row in point.vectors.items():
            if space == AUGMENTED or space not in entry.vectors:
                continue
            raw = np.asarray(entry.vectors[space], np.float32)
            if self._projection is not None and space != COLOUR:
                wanted = self._projection.apply(raw[None])[0]
            else:
                wanted = raw / np.linalg.norm(raw)
            if wanted.shape != row.shape or not np.abs(wanted - row).max() <= SAME:
                return False
        return True

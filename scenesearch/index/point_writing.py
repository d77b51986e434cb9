"""The second step of indexing: points from embeddings, written so that they are durable.

Idempotent: the same items give the same points, so that what was written before a kill is written
again, or by another process meanwhile, and is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import AllOf, Equals, OneOf
from scenesearch.core.errors import StoreError
from scenesearch.core.points import AUGMENTED, FIELDS, OCR, READER, catalogue_spaces, schema_of
from scenesearch.core.protocols import WORDS, Store
from scenesearch.core.types import Point, Vector
from scenesearch.index.item_points import item_payload, own_vectors, photo_points, with_read
from scenesearch.index.plan import ItemPlan
from scenesearch.models.embed.cache import Entry
from scenesearch.models.embed.projection import Projection
from scenesearch.system.timing import StageTimes

UPSERT = 1_000
"""Points of one request; servers refuse requests above 32 MB."""


class Writable(NamedTuple):
    """Items that are written together.

    Attributes:
        plans: what happens to each.
        entries: embeddings of the photos that they write, by sha256.
        bad: sha256 of those that could not be read.
    """

    plans: Sequence[ItemPlan]
    entries: Mapping[str, Sequence[Entry]]
    bad: Collection[str]


class Writes(Protocol):
    """Writes items into a collection that is there."""

    def write(
        self, items: Iterable[Writable], projection: Projection | None, times: StageTimes
    ) -> Generator[int, None, None]:
        """How many items became durable, some of them at a time.

        Args:
            items: what is written together is durable together; items differ.
            projection: of the collection; None for raw vectors.
            times: seconds by stage are added there.

        Raises:
            StoreError: the store cannot be written; what was written stays.
        """


class PointWriter:
    """Writes into a store that this process has open.

    Args:
        store: where the points go.
        collection: its name; part of the ids.
    """

    def __init__(self, store: Store, collection: str) -> None:
        self._store = store
        self._collection = collection

    def write(
        self, items: Iterable[Writable], projection: Projection | None, times: StageTimes
    ) -> Generator[int, None, None]:
        """As :meth:`Writes.write`."""
        for some in items:
            with times.stage("store"):
                self.write_some(some, projection)
            yield len(some.plans)

    def write_some(self, some: Writable, projection: Projection | None) -> None:
        """Points, and then what changes on those that are stored."""
        schema = self._store.schema
        augmented = schema is not None and AUGMENTED in schema.vectors
        spaces = tuple(catalogue_spaces(schema)) if schema is not None else ()
        points: list[Point] = []
        for plan in some.plans:
            base, own = item_payload(plan.item, plan.item_hash), own_vectors(plan.item)
            if plan.item.vectors is None and plan.write and spaces:
                own = self._stored_vectors(plan.item.id, spaces)
            for ref in plan.write:
                entries = some.entries.get(ref.sha256, ())
                points += photo_points(
                    *(self._collection, ref, entries, base, projection),
                    augmented=augmented,
                    own=own,
                )
        for part in batches(points, UPSERT):
            self._store.upsert(part)
        if known := [plan for plan in some.plans if plan.known]:
            with self._store.batch_writes():
                for plan in known:
                    self._update(plan, some.bad)

    def _stored_vectors(self, item_id: str, spaces: Sequence[str]) -> dict[str, Vector]:
        """What the catalogue has of a stored item, for its new photos."""
        records = scroll_all(self._store, where=Equals("item_id", item_id), spaces=spaces)
        return {space: row for one in records for space, row in one.vectors.items()}

    def _update(self, plan: ItemPlan, bad: Collection[str]) -> None:
        """What changes on stored points without embedding; after the new points are durable."""
        of_item = Equals("item_id", plan.item.id)
        # a photo that became unreadable must not delete what is stored of the item
        if plan.stale and not any(ref.sha256 in bad for ref in plan.write):
            self._store.delete(where=AllOf((of_item, OneOf("photo_sha256", plan.stale))))
            if len(plan.write) == len(plan.item.photos):
                return  # all that is left was written just now
        for ref in plan.moved:
            photo = {"photo": ref.path, "photo_index": ref.index}
            same = AllOf((of_item, Equals("photo_sha256", ref.sha256)))
            self._store.set_payload(photo, where=same)
        if plan.patch:
            schema = self._store.schema
            if schema is None:
                raise StoreError("the collection vanished while it was written; run again")
            if plan.item.vectors is not None and (spaces := catalogue_spaces(schema)):
                # before the hash, so that a run killed between the two is done again
                self._set_vectors(of_item, own_vectors(plan.item), spaces)
            # an attribute that the catalogue dropped must not stay
            read = {OCR} if READER in schema.metadata else set()
            gone = dict.fromkeys(set(schema.fields) - set(FIELDS) - read)
            payload = {**gone, **item_payload(plan.item, plan.item_hash)}
            if read:
                # before the hash: likewise
                self._set_words(of_item, payload.pop(WORDS))
            self._store.set_payload(payload, where=of_item)

    def _set_vectors(
        self, of_item: Equals, own: dict[str, Vector], spaces: Collection[str]
    ) -> None:
        """New vectors of the catalogue, beside those of an item's photos, where they changed."""
        schema = schema_of(self._store)
        wanted = {space: row / np.linalg.norm(row) for space, row in own.items()}
        changed: list[Point] = []
        for record in scroll_all(self._store, where=of_item, spaces=tuple(schema.vectors)):
            there = {s: row for s, row in record.vectors.items() if s in spaces}
            if there.keys() == wanted.keys() and all(
                np.allclose(row, wanted[space], rtol=0, atol=1e-6) for space, row in there.items()
            ):
                continue
            rest = {s: row for s, row in record.vectors.items() if s not in spaces}
            changed.append(Point(record.id, rest | own, record.payload))
        for part in batches(changed, UPSERT):
            self._store.upsert(part)

    def _set_words(self, of_item: Equals, words: str | None) -> None:
        """New words of an item, beside what was read in each of its photos."""
        photos: dict[str | None, list[str]] = {}
        for record in scroll_all(self._store, where=of_item, fields=(OCR,)):
            photos.setdefault(record.payload.get(OCR), []).append(record.id)
        for read, ids in photos.items():
            self._store.set_payload({WORDS: with_read(words, read)}, ids=ids)

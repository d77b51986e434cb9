"""The index pipeline: a catalogue becomes points, and only what changed is worked on.

Two steps, so that a kill costs at most one batch of either: photos are embedded into the cache,
then points are built from the cache and written to the store. A projection is fitted between the
two, on the first chunk of a new collection.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.errors import CollectionMismatchError, DamagedError, StoreError
from scenesearch.core.points import (
    AUGMENTED,
    COLOUR,
    CONTEXT,
    CUTOUT,
    FIELDS,
    OCR,
    PROJECTION_BLOB,
    READER,
    check_models,
    is_ours,
    schema_of,
)
from scenesearch.core.protocols import Detector, Reader, Store
from scenesearch.core.sales import BOUNDS, SALE_END, SALE_PRICE, SALE_START
from scenesearch.core.types import CollectionSchema, FieldType, Item, Record, Scene
from scenesearch.index.item_points import (
    payload_hash,
    with_read,
    words_of,
)
from scenesearch.index.learned import learn_ood, refresh_augmented
from scenesearch.index.photo_embedding import Embeds, PhotoEmbedder, PhotoEmbedding
from scenesearch.index.plan import (
    IndexPlan,
    ItemPlan,
    PhotoRef,
    StoredItem,
    make_plan,
    photos_to_write,
    stored_items,
)
from scenesearch.index.point_writing import PointWriter, Writable, Writes
from scenesearch.index.run import IndexOptions, IndexReport, Progress, Run, chunks
from scenesearch.index.stored import stored_ids
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.models.encode import Encoder
from scenesearch.store.bm25 import tokens

log = logging.getLogger(__name__)

CHUNK = 20_000
"""Photos embedded before their points are written; a projection is fitted on the first chunk."""
MIN_PHOTOS_PER_DIMENSION = 3
"""Fewer photos than this for each dimension of a projection, and none is fitted."""

RAW = (
    "the collection was made with raw vectors, so these are raw too; scenesearch reproject gives "
    "it a projection"
)

PLANNED = ("item_id", "item_hash", "photo", "photo_sha256", "photo_index", "region_count")
"""Payload fields that an item is compared by with what it is to be."""

Fitter = Callable[[NDArray[np.float32], int], Projection]


class Indexer:
    """Brings a collection in line with a catalogue.

    Args:
        store: where the points go.
        collection: its name; part of the ids.
        encoder: photos to vectors.
        cache: where embeddings are kept.
        load: path to scene; raises ImageError.
        photo_hash: path to sha256; raises ImageError or OSError.
        item_hash: of an item's attributes.
        fit: fits a projection to vectors (n, dim) with a number of dimensions.
        detector: to index every object of a photo; None for one region a photo.
        reader: to have photos found by what is written in them; None to read nothing.
        options: how it works.
        embeds: embeds photos elsewhere, with the same models.
        writes: writes into the same collection from elsewhere.
    """

    def __init__(
        self,
        store: Store,
        collection: str,
        encoder: Encoder,
        cache: EmbeddingCache,
        *,
        load: Callable[[str], Scene],
        photo_hash: Callable[[str], str],
        item_hash: Callable[[Item], str],
        fit: Fitter,
        detector: Detector | None = None,
        reader: Reader | None = None,
        options: IndexOptions | None = None,
        embeds: Embeds | None = None,
        writes: Writes | None = None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._cache = cache
        self._photo_hash = photo_hash
        self._item_hash = item_hash
        self._fit = fit
        self._reader = reader
        self._options = options or IndexOptions()
        self._embedder = PhotoEmbedder(encoder, load, detector, self._options, reader)
        self._photos = PhotoEmbedding(embeds or self._embedder, cache)
        self._writes = writes or PointWriter(store, collection)
        # a collection's projection stays as it is once there are points; the same schema, the same
        # collection: a store that another process may write makes a new one each time it is asked
        self._settled: tuple[CollectionSchema | None, Projection | None] | None = None

    @property
    def metadata(self) -> dict[str, str]:
        """What the collection records about how it was made."""
        return {**self._embedder.made_with, "whiten": str(self._options.whiten)}

    def known(self, photos: Iterable[str]) -> set[str]:
        """Those of the photos, by sha256, whose embeddings are kept: they could be read once.

        Raises:
            StoreError: the cache cannot be read.
        """
        return self._cache.known(photos, self._embedder.key)

    def embed(self, items: Iterable[Item]) -> None:
        """Bring the photos of items into the cache, so that their files are not needed any more.

        What cannot be read is left to a run, which tells of it.

        Raises:
            ModelError: weights are missing or cannot be used.
            StoreError: the cache cannot be written.
        """
        plans = make_plan(
            items, lambda _: {}, item_hash=lambda _: "", photo_hash=self._photo_hash
        ).items
        for chunk in chunks(plans, CHUNK):
            self._photos.embed(chunk, self._embedder.key, Run(lambda *_: None, 0, 0))

    def plan(
        self, items: Sequence[Item], *, prune: bool = False, progress: Progress | None = None
    ) -> IndexPlan:
        """What a run would do; changes nothing, loads no model.

        Raises:
            CollectionMismatchError: the collection was made with other models or rules.
            NoSpaceError: many items have something to do, and there is no room to note it.
        """
        schema = self._store.schema
        if schema is not None:
            found = schema.metadata
            check_models(found, ({READER: "none"} if READER in found else {}) | self.metadata)
        done = count(1)

        def each() -> None:
            if progress is not None:
                progress("scan", next(done), len(items))

        return make_plan(
            items,
            self._stored if schema is not None else lambda _: {},
            item_hash=lambda item: payload_hash(self._item_hash(item)),
            photo_hash=self._photo_hash,
            prune=stored_ids(self._store) if prune else (),
            each=each,
        )

    def _stored(self, items: Sequence[Item]) -> Mapping[str, StoredItem]:
        where = OneOf("item_id", tuple(item.id for item in items))
        return stored_items(scroll_all(self._store, where=where, fields=PLANNED))

    def run(
        self,
        plan: IndexPlan,
        fields: Mapping[str, FieldType],
        *,
        progress: Progress | None = None,
        finish: bool = True,
    ) -> IndexReport:
        """Carry out a plan. Killed at any moment, another plan and run finish the work.

        Args:
            plan: from :meth:`plan`.
            fields: types of the catalogue's attributes.
            progress: called as work is done.
            finish: also do what looks at the whole collection; without it the points are durable
                and found all the same, and another run or :meth:`finish` has to do it.

        Raises:
            StoreError: the store or the cache cannot be written; what was written stays.
        """
        run = Run(progress or (lambda *_: None), photos_to_write(plan.items), len(plan.items))
        run.failures += plan.failures
        for chunk in chunks(plan.items, CHUNK):
            if any(item.write for item in chunk):
                self._photos.embed(chunk, self._embedder.key, run)
            projection = self._open_collection(chunk, fields, plan.vectors, run)
            if finish and projection is None and self._options.whiten and not run.notes:
                run.notes.append(RAW)
            self._write(chunk, projection, run)
            if finish:
                with run.times.stage("optimize"):
                    self._store.optimize()
        for gone in batches(plan.gone, 500):
            self._store.delete(where=OneOf("item_id", tuple(gone)))
        if finish:
            self._learn(run)
        worked = [item.known for item in plan.items if run.did(item)]
        return IndexReport(
            added=worked.count(False),
            changed=worked.count(True),
            unchanged=plan.unchanged,
            removed=len(plan.gone),
            embedded=run.embedded,
            from_cache=run.total - run.embedded - len(run.bad),
            failures=tuple(run.failures),
            seconds=dict(run.times.seconds),
            notes=tuple(run.notes),
        )

    def plan_attributes(self, items: Sequence[Item]) -> IndexPlan:
        """To replace the attributes of stored items; their photos are neither read nor touched.

        Raises:
            StoreError: there is no collection.
        """
        schema_of(self._store)
        plans = (
            ItemPlan(item, payload_hash(self._item_hash(item)), patch=True, known=True)
            for item in items
        )
        return IndexPlan(tuple(plans))

    def finish(self) -> tuple[str, ...]:
        """What runs without ``finish`` left: searches become fast, and what is learned fresh.

        Returns:
            What a user should know.

        Raises:
            StoreError: the store or the cache cannot be used.
        """
        run = Run(lambda *_: None, 0, 0)
        if self._store.schema is not None:
            self._store.optimize()
            self._learn(run)
        return tuple(run.notes)

    def _learn(self, run: Run) -> None:
        with run.times.stage("learn"):
            scrolled = scroll_all(self._store, fields=("item_id", "photo_sha256"))
            strangers: list[str] = []
            photos = _photos(scrolled, strangers.append)
            embedder, cache = self._encoder.embedder, self._cache
            note = learn_ood(self._store, photos, embedder, cache, self._embedder.key)
        run.notes += [note] if note else []
        if strangers:
            points = "1 point" if len(strangers) == 1 else f"{len(strangers)} points"
            run.notes.append(
                f"{points} of the collection, such as {strangers[0]}, have no item_id, so "
                "scenesearch did not write them; they are left alone, and no answer"
            )
        if self._options.augment:
            with run.times.stage("augment"):
                note = refresh_augmented(self._store, self._options.augment)
            run.notes += [note] if note else []

    # between the steps: the collection and its projection

    def _open_collection(
        self,
        chunk: Sequence[ItemPlan],
        fields: Mapping[str, FieldType],
        own: Mapping[str, int],
        run: Run,
    ) -> Projection | None:
        fields = {**fields, **FIELDS}
        if SALE_PRICE in fields and not fields.keys().isdisjoint((SALE_START, SALE_END)):
            fields |= BOUNDS
        if self._reader is not None:
            fields[OCR] = "text"
        if self._store.schema is None:
            projection = self._fitted(chunk, run) if self._options.whiten else None
            if self._made(chunk, fields, own, projection):
                return projection
            # another run made it meanwhile: what it was made with is what counts
        schema = schema_of(self._store)
        check_models(schema.metadata, self.metadata)
        # refuses those of another type before anything is written; integers become floats
        changed = {k: v for k, v in fields.items() if schema.fields.get(k) != v}
        if changed:
            self._store.add_fields(changed)
            schema = schema_of(self._store)
        if self._settled is not None and self._settled[0] is schema:
            return self._settled[1]
        try:
            stored = projection_of(self._store, self._encoder.embedder.dim)
        except StoreError:
            if PROJECTION_BLOB in schema.blobs or self._store.count() > 0:
                raise
        else:
            self._settled = schema, stored
            return stored
        # an older version made it, and died before it kept the projection
        projection = self._fitted(chunk, run) if self._options.whiten else None
        if projection is None or projection.dim != schema.vectors[CUTOUT]:
            raise StoreError(
                "The collection is empty and its projection was never kept; index into a new "
                "--collection, or remove this one"
            )
        self._store.write_blob(PROJECTION_BLOB, projection.to_bytes())
        return projection

    def refit(self, photos: Iterable[str]) -> Projection | None:
        """The projection that a first run over photos fits, by what the cache has of them.

        Args:
            photos: sha256 of what the collection holds.

        Returns:
            None where they are too few. It is the one that was lost if it is the same bytes.
        """
        refs = tuple(PhotoRef("", sha256, 0) for sha256 in sorted(set(photos)))
        plan = ItemPlan(Item("", ()), "", write=refs)
        return self._fitted([plan], Run(lambda *_: None, 0, 0))

    def _made(
        self,
        chunk: Sequence[ItemPlan],
        fields: Mapping[str, FieldType],
        own: Mapping[str, int],
        projection: Projection | None,
    ) -> bool:
        """Make the collection; False where another run did, whatever it made."""
        dim = projection.dim if projection else self._encoder.embedder.dim
        vectors = {CUTOUT: dim, CONTEXT: dim, **own}
        if self._encoder.describer.colour_dim:
            vectors[COLOUR] = self._encoder.describer.colour_dim
        if self._options.augment:
            vectors[AUGMENTED] = dim
        schema = CollectionSchema(
            vectors, fields, self.metadata, mean_words=self._mean_words(chunk)
        )
        blobs = {} if projection is None else {PROJECTION_BLOB: projection.to_bytes()}
        try:
            return self._store.create(schema, blobs)
        except CollectionMismatchError:
            if self._store.schema is None:
                raise
            return False

    def _mean_words(self, chunk: Sequence[ItemPlan]) -> float | None:
        """Words that the first points of a new collection have; None where they have none."""
        counts: list[int] = []
        for batch in chunks(chunk, self._options.write_batch):
            keys = [ref.sha256 for plan in batch for ref in plan.write] if self._reader else []
            found = self._cache.get(keys, self._embedder.key)
            for plan in batch:
                words = words_of(plan.item)
                for ref in plan.write:
                    read = [e.payload.get(OCR) for e in found.get(ref.sha256, ())] or [None]
                    counts += [len(tokens(with_read(words, one))) for one in read]
        known = [count for count in counts if count]
        return sum(known) / len(known) if known else None

    def _fitted(self, chunk: Sequence[ItemPlan], run: Run) -> Projection | None:
        keys = sorted({ref.sha256 for plan in chunk for ref in plan.write})
        with run.times.stage("fit"):
            rows = []
            for part in batches(keys, 1000):
                found = self._cache.get(part, self._embedder.key)
                # in the order of the keys, so that an interrupted run fits the same numbers
                rows += [e.vectors[CUTOUT] for key in part for e in found.get(key, ())]
            enough = MIN_PHOTOS_PER_DIMENSION * min(
                self._options.whiten, self._encoder.embedder.dim
            )
            if len(rows) < enough:
                note = (
                    f"cold start: {len(rows)} photos are too few to fit a projection of "
                    f"{self._options.whiten} dimensions (at least {enough}); raw vectors are used"
                )
                log.info(note)
                run.notes.append(note)
                return None
            return self._fit(np.stack(rows), self._options.whiten)

    # step 2: points from the cache

    def _write(self, items: Sequence[ItemPlan], projection: Projection | None, run: Run) -> None:
        written = self._writes.write(self._writable(items, run), projection, run.times)
        with closing(written):
            for some in written:
                run.wrote(some)

    def _writable(self, items: Sequence[ItemPlan], run: Run) -> Iterator[Writable]:
        for batch in chunks(items, self._options.write_batch):
            keys = [ref.sha256 for plan in batch for ref in plan.write]
            # attributes alone open no cache
            found = self._embeddings(batch, run) if keys else {}
            yield Writable(batch, found, run.bad.intersection(keys))

    def _embeddings(self, batch: Sequence[ItemPlan], run: Run) -> dict[str, tuple[Entry, ...]]:
        """Every photo that is written, but for those that could not be read.

        What the cache turns out not to have after all, because it was damaged, is embedded again.
        """
        keys = [ref.sha256 for plan in batch for ref in plan.write]
        found = self._cache.get(keys, self._embedder.key)
        if missing := set(keys) - found.keys() - run.bad:
            run.done -= len(missing)
            lost = [replace(plan, write=_without(plan.write, found)) for plan in batch]
            self._photos.embed(lost, self._embedder.key, run)
            found |= self._cache.get([key for key in keys if key not in found], self._embedder.key)
        if gone := set(keys) - found.keys() - run.bad:
            raise DamagedError(
                f"the embedding cache does not give back {len(gone)} photos that were just written "
                f"to it, such as {min(gone)}, so nothing of these items was stored; check the disk"
            )
        return found


def _without(refs: Iterable[PhotoRef], found: Container[str]) -> tuple[PhotoRef, ...]:
    return tuple(ref for ref in refs if ref.sha256 not in found)


def _photos(records: Iterable[Record], stranger: Callable[[str], None]) -> Iterator[str]:
    """The sha256 of each point's photo; the ids of points that are of no item are told."""
    for record in records:
        if is_ours(record.payload):
            yield str(record.payload["photo_sha256"])
        else:
            stranger(record.id)

"""The ``scenes`` collection: photos go in whole or not at all, and a photo's old points leave."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.conditions import AllOf, Condition, Equals, OneOf, all_of
from scenesearch.core.errors import CollectionMismatchError, StoreError
from scenesearch.core.points import COLOUR, CONTEXT, CUTOUT, PROJECTION_BLOB, check_models, is_ours
from scenesearch.core.protocols import Detector, Store
from scenesearch.core.types import CollectionSchema, Point, Record, Scene
from scenesearch.models.detect.regions import whole_region
from scenesearch.models.embed.projection import Projection, projection_of
from scenesearch.models.encode import EncodedRegion, Encoder
from scenesearch.scenes.points import (
    FIELDS,
    RAW,
    SCENE_SCHEMA_VERSION,
    SCENES,
    scene_points,
)
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.rows import TagRow

BATCH = 64
"""Photos written and made durable together."""
UPSERT = 1_000
"""Points of one request, unless a single photo has more."""
WHOLE: Condition = Equals("region", "whole")

Tagged = tuple[TagRow, Sequence[EncodedRegion]]


@dataclass(frozen=True, slots=True)
class SceneModels:
    """What made the vectors of a collection.

    Attributes:
        metadata: fingerprints and rules, as the collection records them.
        dim: of raw embeddings.
        colour_dim: of colour vectors; 0 where none are made.
    """

    metadata: Mapping[str, str]
    dim: int
    colour_dim: int

    @classmethod
    def of(cls, encoder: Encoder, detector: Detector | None) -> SceneModels:
        """Those of this encoder and detector; loads nothing."""
        return cls(
            {
                "schema": SCENE_SCHEMA_VERSION,
                "embedder": encoder.embedder.fingerprint,
                "background": "-".join(str(part) for part in encoder.rules.background),
                "cutout": encoder.rules.fingerprint,
                "regions": detector.fingerprint if detector else "whole",
                "colour": str(encoder.describer.colour_dim),
            },
            encoder.embedder.dim,
            encoder.describer.colour_dim,
        )


@dataclass(slots=True)
class SceneReport:
    """What an addition did.

    Attributes:
        added: photos that were not there.
        replaced: photos that were there, with other content or by other models.
        unchanged: photos that needed no work.
        failed: source and reason of each photo that was left out; what is stored of it stays.
    """

    added: int = 0
    replaced: int = 0
    unchanged: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)


class SceneIndex:
    """Writes photos into a collection. Made by :meth:`open` or :meth:`create`."""

    def __init__(self, store: Store, collection: str, projection: Projection | None) -> None:
        self._store = store
        self._collection = collection
        self._projection = projection

    @classmethod
    def open(cls, store: Store, collection: str = SCENES) -> SceneIndex:
        """A collection that is there.

        Raises:
            StoreError: it is not.
        """
        schema = store.schema
        if schema is None:
            raise StoreError(
                f"There is no collection {collection!r} in this store; make it first: "
                f"scenesearch scenes index PHOTOS --store ...",
                code="no_collection",
            )
        if schema.metadata.get("schema") != SCENE_SCHEMA_VERSION:
            raise CollectionMismatchError(
                f"Collection {collection!r} is not one of scenes: its schema is "
                f"{schema.metadata.get('schema')!r}, expected {SCENE_SCHEMA_VERSION!r}; give the "
                f"name of a collection that 'scenesearch scenes index' made"
            )
        return cls(store, collection, projection_of(store))

    @classmethod
    def create(
        cls,
        store: Store,
        models: SceneModels,
        collection: str = SCENES,
        *,
        projection: Projection | None = None,
    ) -> SceneIndex:
        """The collection of these models, made where there is none yet.

        Args:
            store: where it lies.
            models: what makes the vectors.
            collection: its name; part of the ids.
            projection: that of the items the photos shall be compared with; None for raw
                vectors. Raw embeddings are kept beside projected ones.

        Raises:
            CollectionMismatchError: it is there and was made with other models, or with another
                projection.
        """
        if store.schema is not None:
            check_models(store.schema.metadata, models.metadata)
        if store.schema is None or (store.read_blob(PROJECTION_BLOB) is None and not store.count()):
            dim = projection.dim if projection else models.dim
            vectors = {CUTOUT: dim, CONTEXT: dim}
            if projection is not None:
                vectors |= dict.fromkeys(RAW.values(), models.dim)
            if models.colour_dim:
                vectors[COLOUR] = models.colour_dim
            blobs = {} if projection is None else {PROJECTION_BLOB: projection.to_bytes()}
            made = store.create(CollectionSchema(vectors, FIELDS, models.metadata), blobs)
            if not made and store.read_blob(PROJECTION_BLOB) is None:
                # made by a version that kept it afterwards, and died between
                for name, data in blobs.items():
                    store.write_blob(name, data)
        check_projection(store, projection)
        return cls(store, collection, projection)

    def add(
        self, tagged: Iterable[Tagged], items: Mapping[str, Sequence[str]] | None = None
    ) -> SceneReport:
        """Store photos; those with the same source are replaced.

        Rows that are errors are reported and left out. Each batch is durable before the next is
        asked for, and a kill leaves every photo either as it was or complete.

        Args:
            tagged: rows with their encoded regions; taken as they are needed.
            items: ids of the products known to be in a photo, by source.

        Raises:
            StoreError: the store cannot be written.
        """
        report = SceneReport()
        for batch in batches(tagged, BATCH):
            good = {}
            for row, encoded in batch:
                if row.error is None:
                    good[row.source] = (row, encoded)
                else:
                    report.failed.append((row.source, row.message or row.error))
            self._write(good, items or {}, report)
        return report

    def _write(
        self,
        good: Mapping[str, Tagged],
        items: Mapping[str, Sequence[str]],
        report: SceneReport,
    ) -> None:
        if not good:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        old = {r.id: str(r.payload["photo"]) for r in self._of(list(good), ("photo",))}
        known = set(old.values())
        for part in _parts(
            scene_points(
                row,
                encoded,
                collection=self._collection,
                projection=self._projection,
                items=items.get(source, ()),
                indexed_at=now,
            )
            for source, (row, encoded) in good.items()
        ):
            self._store.upsert(part)
            for point in part:
                old.pop(point.id, None)
        # only after the new points are durable
        if old:
            self._store.delete(ids=sorted(old))
        report.replaced += len(known)
        report.added += len(good) - len(known)

    def known(self, sources: Sequence[str]) -> dict[str, Record]:
        """The stored whole-photo point of each source that has one: content, models, items."""
        if not sources:
            return {}
        fields = ("photo", "photo_sha256", "models", "items")
        found = self._of(sources, fields, WHOLE)
        return {str(record.payload["photo"]): record for record in found}

    def rename(self, photos: Mapping[str, str]) -> int:
        """Call photos what they are called now, where their content is stored under another name.

        A name is another one of the same photo when both lead to one file (``lib``, ``./lib``, an
        absolute path, a link), or when there is nothing any more where the old one leads (a file or
        folder that was moved). A copy that lies beside its original is a photo of its own.

        Args:
            photos: sha256 of the files by their sources.

        Returns:
            How many were renamed; nothing is tagged or embedded for it.

        Raises:
            StoreError: the store cannot be written.
        """
        there = self.known(list(photos))
        new = {sha256: source for source, sha256 in photos.items() if source not in there}
        if not new:
            return 0
        where = all_of(WHOLE, OneOf("photo_sha256", tuple(new)))
        renamed = 0
        for record in scroll_all(self._store, where=where, fields=("photo", "photo_sha256")):
            if not is_ours(record.payload, "photo"):
                continue
            old, sha256 = str(record.payload["photo"]), str(record.payload["photo_sha256"])
            source = new.get(sha256)
            if source is not None and old not in photos and _same_place(old, source):
                del new[sha256]  # a second entry of the content is a copy
                self._store.set_payload({"photo": source}, where=Equals("photo", old))
                renamed += 1
        return renamed

    def set_items(self, source: str, items: Sequence[str]) -> None:
        """Say anew which products are in a photo; nothing is embedded."""
        self._store.set_payload({"items": list(items)}, where=Equals("photo", source))

    def forget(self, sources: Sequence[str]) -> int:
        """Remove photos; returns how many were there."""
        return self._forget("photo", sources)

    def forget_content(self, sha256: Sequence[str]) -> int:
        """Remove photos by what they hold, whatever they are called; returns how many there were.

        Args:
            sha256: of the encoded files.
        """
        return self._forget("photo_sha256", sha256)

    def _forget(self, field: str, values: Sequence[str]) -> int:
        gone = 0
        for part in batches(values, 500):
            where = OneOf(field, tuple(part))
            gone += self._store.count(AllOf((WHOLE, where)))
            self._store.delete(where=where)
        return gone

    def count(self) -> int:
        """How many photos there are."""
        return self._store.count(WHOLE)

    def _of(
        self, sources: Sequence[str], fields: Sequence[str], also: Condition | None = None
    ) -> Iterator[Record]:
        where = all_of(also, OneOf("photo", tuple(sources)))
        found = scroll_all(self._store, where=where, fields=fields)
        return (one for one in found if is_ours(one.payload, "photo"))


def _same_place(old: str, new: str) -> bool:
    """Whether an old name leads to the file of a new one, or nowhere."""
    if "://" in old or "://" in new:
        return False
    try:
        return not os.path.lexists(old) or Path(old).samefile(new)
    except (OSError, ValueError):
        return False


def check_projection(scenes: Store, projection: Projection | None) -> None:
    """Refuse photos whose vectors were projected in another way than the items'.

    Raises:
        CollectionMismatchError: says what to do.
    """
    stored = projection_of(scenes)
    same = (
        stored is projection
        if stored is None or projection is None
        else np.array_equal(stored.mean, projection.mean)
        and np.array_equal(stored.matrix, projection.matrix)
    )
    if same:
        return

    def said(one: Projection | None) -> str:
        return f"a projection to {one.dim} dimensions" if one else "raw vectors"

    raise CollectionMismatchError(
        f"The photos were indexed with {said(stored)}, the items with {said(projection)}, and "
        f"they do not compare; index the photos again into a new collection: "
        f"scenesearch scenes index PHOTOS --collection NAME"
    )


def encode_photo(encoder: Encoder, scene: Scene) -> EncodedRegion:
    """A photo as a query for photos like it."""
    return encoder.encode_regions(scene, [whole_region(scene.size)], StageTimes())[0]


def _parts(photos: Iterable[list[Point]]) -> Iterator[list[Point]]:
    """Points in requests of bounded size, no photo in two of them."""
    part: list[Point] = []
    for points in photos:
        if part and len(part) + len(points) > UPSERT:
            yield part
            part = []
        part = part + points
    if part:
        yield part

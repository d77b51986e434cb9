"""Inserting and replacing items: what waits at the same time is written, and synced, together.

Each request is read, its photos checked and kept, in its own thread. Then it waits for the write
that is under way, and the next one is for all who wait: one plan, one batch of embeddings, one
upsert. Nobody waits for others to come, a bad request fails alone, and an answer still means that
what it says is on the disk.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any

from scenesearch import wiring
from scenesearch.api import indexing
from scenesearch.api.opened import Opened
from scenesearch.catalog.deduplication import id_key
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import OneOf
from scenesearch.core.errors import ImageError, StoreError
from scenesearch.core.types import FieldType, Item
from scenesearch.engine.batching import DynamicBatcher
from scenesearch.engine.held_scenes import HeldScenes
from scenesearch.engine.item_json import JSON, group_items, item_json
from scenesearch.engine.ownership import checked as checked_owner
from scenesearch.engine.ownership import owned
from scenesearch.engine.records import Accepted, Reading, Refused, read_records
from scenesearch.engine.tasks import ItemRecord, PutItems
from scenesearch.engine.thumbnails import Decode
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.indexer import Indexer
from scenesearch.index.stored import as_stored
from scenesearch.system.once import once

log = logging.getLogger(__name__)

TOGETHER = 64
"""Requests of one write at most, so that the last of many does not hold up the first."""
SETTLE_AFTER = 256
"""Photos written at least until the collection is settled again, and a part of its points:"""
SETTLE_SHARE = 8
"""one in so many; so that inserting one by one costs a bounded multiple of one bulk."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A request whose photos are kept.

    Attributes:
        records: of the task, each with whose it is.
        readings: of these, against ``fields``.
        fields: declared ones and the collection's, when they were read.
        spaces: of the vectors of catalogues that it has.
        paths: where the photos of a record are, by its place.
    """

    task: PutItems
    records: Sequence[ItemRecord]
    readings: Sequence[Reading]
    fields: Mapping[str, FieldType]
    spaces: Mapping[str, int]
    paths: Mapping[int, tuple[str, ...]]

    def read_again(self, fields: Mapping[str, FieldType]) -> Sequence[Reading]:
        """The records against other fields; what was refused stays so."""
        if fields == self.fields:
            return self.readings
        again = read_records(self.records, fields, self.spaces)
        pairs = zip(self.readings, again, strict=True)
        return [old if isinstance(old, Refused) else new for old, new in pairs]

    def ids(self) -> set[str]:
        """Of the items that it writes, as they are told apart."""
        return {id_key(one.item_id) for one in self.readings if isinstance(one, Accepted)}


class ItemWrites:
    """Writes items for many threads.

    Args:
        opened: the collection.
        media: where their photos are kept.
        decode: bytes to pixels, where a bad photo can be killed; raises ImageError.
        lock: held by who writes items.
    """

    def __init__(self, opened: Opened, media: MediaFolder, decode: Decode, lock: RLock) -> None:
        self._opened = opened
        self._media = media
        self._lock = lock
        self._scenes = HeldScenes(decode)
        self._together: DynamicBatcher[_Ready, list[JSON]] = DynamicBatcher(
            self._write, limit=TOGETHER, name="items"
        )
        self._unsettled = self._settle_at = 0

    def put(self, task: PutItems) -> list[JSON]:
        """As :meth:`scenesearch.engine.catalogue.CatalogueTasks.put_items`."""
        checked: list[str] = []
        try:
            return self._together.call([self._ready(task, checked)])[0]
        finally:
            self._scenes.forget(checked)

    # --- in the thread of the request ------------------------------------------------------

    def _ready(self, task: PutItems, checked: list[str]) -> _Ready:
        fields = self._declared(self._fields())
        spaces = self._opened.stored_spaces() or {}
        readings: list[Reading] = []
        paths: dict[int, tuple[str, ...]] = {}
        records = owned(task, self._opened.settings.store.tenant_field)
        read = checked_owner(self._opened, read_records(records, fields, spaces), task.tenant)
        for place, reading in enumerate(read):
            refused = self._refused(reading, checked) if isinstance(reading, Accepted) else None
            readings.append(refused or reading)
            if isinstance(reading, Accepted) and refused is None:
                photos = reading.record.photos
                paths[place] = tuple(str(self._media.keep(photo.data)) for photo in photos)
        return _Ready(task, records, readings, fields, spaces, paths)

    def _refused(self, reading: Accepted, checked: list[str]) -> Refused | None:
        """Why the photos of a record cannot be stored; None where they can."""
        photos = reading.record.photos
        known = self._indexer.known(hashlib.sha256(photo.data).hexdigest() for photo in photos)
        for number, photo in enumerate(photos, start=1):
            try:
                checked.append(self._scenes.check(photo, self._media, known))
            except ImageError as error:
                which = f"photo {number}: " if len(photos) > 1 else ""
                return Refused(error.code, f"{which}{error}")
        return None

    # --- for all who wait ------------------------------------------------------------------

    def _write(self, waiting: Sequence[_Ready]) -> list[list[JSON]]:
        with self._lock:
            return [answer for part in _one_write_an_item(waiting) for answer in self._put(part)]

    def _put(self, part: Sequence[_Ready]) -> list[list[JSON]]:
        fields = self._fields()
        readings: list[Sequence[Reading]] = []
        for one in part:
            # an earlier one of them may bring a field, and its type
            readings.append(one.read_again(self._declared(fields)))
            for reading in readings[-1]:
                if isinstance(reading, Accepted):
                    fields = {**fields, **reading.fields}
        accepted = [
            (reading, one.paths[place])
            for one, some in zip(part, readings, strict=True)
            for place, reading in enumerate(some)
            if isinstance(reading, Accepted)
        ]
        names = as_stored(self._opened.store, [reading.item_id for reading, _ in accepted])
        items = [
            Item(
                names[reading.item_id],
                tuple(dict.fromkeys(paths)),
                reading.attributes,
                reading.vectors,
            )
            for reading, paths in accepted
        ]
        done = self._index(items, fields) if items else {}
        wanted = [
            names[reading.item_id]
            for one, some in zip(part, readings, strict=True)
            for reading in some
            if one.task.items and isinstance(reading, Accepted)
        ]
        stored = self._stored(wanted) if wanted else {}
        answers: list[list[JSON]] = []
        for one, some in zip(part, readings, strict=True):
            said: list[JSON] = []
            for record, reading in zip(one.task.records, some, strict=True):
                if isinstance(reading, Accepted):
                    name = names[reading.item_id]
                    answer = done.get(name) or {"id": name, "status": "unchanged", "error": None}
                    if one.task.items and answer["error"] is None:
                        answer = {**answer, "item": stored.get(name)}
                    said.append(dict(answer))
                elif isinstance(reading, Refused):
                    said.append(_failed(record.item_id, reading))
                else:
                    said.append(dict(said[reading.place]))
            answers.append(said)
        return answers

    def _index(self, items: Sequence[Item], fields: Mapping[str, FieldType]) -> dict[str, JSON]:
        """What was done to items, by id; nothing is said of those that were so already."""
        outcome = indexing.put(self._opened, items, fields=fields, indexer=self._indexer)
        done: dict[str, JSON] = {
            plan.item.id: {
                "id": plan.item.id,
                "status": "changed" if plan.known else "added",
                "error": None,
            }
            for plan in outcome.plan.items
        }
        for failure in outcome.report.failures if outcome.report else ():
            refused = Refused("photo_failed", failure.reason)
            done[failure.item_id] = _failed(failure.item_id, refused)
        self._settle_after(sum(len(plan.write) for plan in outcome.plan.items))
        return done

    def _stored(self, ids: Sequence[str]) -> dict[str, JSON]:
        fields = self._fields()
        records = scroll_all(self._opened.store, where=OneOf("item_id", tuple(ids)))
        return {one: item_json(one, found, fields) for one, found in group_items(records).items()}

    def _settle_after(self, photos: int) -> None:
        """Make searches fast again after many small writes; may take seconds."""
        self._unsettled += photos
        if self._unsettled < max(SETTLE_AFTER, self._settle_at):
            return
        # counted once for as many photos as that: it costs milliseconds where there are many points
        self._settle_at = self._opened.store.count() // SETTLE_SHARE
        if self._unsettled < self._settle_at:
            return
        try:
            indexing.settle(self._opened)
            self._unsettled = self._settle_at = 0
        except StoreError as error:
            # what was put is durable and found all the same
            log.warning("the collection cannot be settled now: %s", error)

    # --- pieces ----------------------------------------------------------------------------

    @once
    def _indexer(self) -> Indexer:
        return wiring.build_indexer(
            self._opened.parts,
            self._opened.store,
            self._opened.collection,
            self._opened.embeddings,
            load=self._scenes.load,
            # kept by content, under its hash
            photo_hash=lambda path: Path(path).stem,
        )

    def _declared(self, fields: Mapping[str, FieldType]) -> dict[str, FieldType]:
        """The fields of the collection, and those that the settings declare beside them."""
        return {**self._opened.settings.declared_fields, **fields}

    def _fields(self) -> dict[str, FieldType]:
        """Types of the collection's fields; none where there is no collection yet."""
        schema = self._opened.store.schema
        return {} if schema is None else dict(schema.fields)


def _one_write_an_item(waiting: Sequence[_Ready]) -> Iterator[Sequence[_Ready]]:
    """Requests in their order, cut where one writes an item that is in the part already."""
    part: list[_Ready] = []
    seen: set[str] = set()
    for one in waiting:
        if seen & (ids := one.ids()):
            yield part
            part, seen = [], set()
        part.append(one)
        seen |= ids
    if part:
        yield part


def _failed(item_id: Any, refused: Refused) -> JSON:
    return {"id": item_id, "status": "failed", "error": refused.to_dict()}

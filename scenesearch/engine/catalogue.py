"""What the engine does to the catalogue: read, list, insert, change and remove items.

Methods are called from several threads at once. Writes take one lock; reads take none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from threading import RLock
from typing import Any

from scenesearch.api import indexing
from scenesearch.api.opened import Opened
from scenesearch.catalog import RESERVED, item_hash
from scenesearch.catalog.records import CellError
from scenesearch.core.batches import scroll_all
from scenesearch.core.conditions import AllOf, Condition, Equals, OneOf, all_of
from scenesearch.core.errors import CatalogError, QueryError
from scenesearch.core.sales import regular
from scenesearch.core.types import FieldType, Item, Record
from scenesearch.engine.item_json import JSON, group_items, item_json, stored_attributes
from scenesearch.engine.item_writes import ItemWrites
from scenesearch.engine.listing import Listings, Place, read_cursor, write_cursor
from scenesearch.engine.ownership import check_stays
from scenesearch.engine.records import read_attributes
from scenesearch.engine.tasks import (
    DeleteItems,
    GetItem,
    ListItems,
    PatchItem,
    PutItems,
    RemoveTenant,
    StoredPhoto,
    TenantsTask,
)
from scenesearch.engine.thumbnails import Decode, Thumbnails
from scenesearch.images.media_folder import MediaFolder
from scenesearch.index.item_points import item_payload, payload_hash
from scenesearch.index.stored import as_stored, ids_among, ids_where, readable_id
from scenesearch.tenants import counted, of_tenant

PAGE = 1000
"""The largest page of a listing, and points of one request."""


class CatalogueTasks:
    """Does the tasks on items.

    Args:
        opened: the collection.
        media: where the photos of inserted items are kept.
        decode: bytes to pixels, where a bad photo can be killed; raises ImageError.
        thumbnails: shared with the scenes; its own by default.
        lock: shared with other generations of the items; its own by default.
    """

    def __init__(
        self,
        opened: Opened,
        media: MediaFolder,
        decode: Decode,
        *,
        thumbnails: Thumbnails | None = None,
        lock: RLock | None = None,
    ) -> None:
        self._opened = opened
        self._media = media
        self._decode = decode
        self._thumbnails = thumbnails or Thumbnails(decode)
        self._listings = Listings()
        self.lock = lock or RLock()
        """Held by who writes items; what changes an item takes several writes of the store."""
        self._writes = ItemWrites(opened, media, decode, self.lock)

    # --- reading ---------------------------------------------------------------------------

    def get_item(self, task: GetItem) -> JSON | None:
        """One item, or None."""
        found = self._stored(task.item_id, task.only)
        return None if found is None else item_json(*found)

    def list_items(self, task: ListItems) -> JSON:
        """A page of items, by id.

        Raises:
            QueryError: the cursor is none, or the limit is outside 1 to 1,000.
            FilterError: the filter cannot be parsed, or names an unknown field.
        """
        if not 1 <= task.limit <= PAGE:
            raise QueryError(f"limit must be 1 to {PAGE:,}, got {task.limit}", code="bad_option")
        # a cursor is bound to all that its list was narrowed by
        text = task.where if task.only is None else f"{task.only}\0{task.where}"
        place = None if task.cursor is None else read_cursor(task.cursor, text)
        fields = self._fields()
        if fields is None:
            return {"items": [], "cursor": None}
        where = all_of(self._opened.only(task.only), self._opened.parse(task.where))
        if place is None:
            name, ids = self._listings.begin(ids_where(self._opened.store, where))
        else:
            name, ids = self._listings.go_on(place, lambda: ids_where(self._opened.store, where))
        items: list[JSON] = []
        rest = iter(ids)
        last: str | None = None
        while (room := task.limit - len(items)) and (some := list(islice(rest, room))):
            items += self._items(some, where, fields)
            last = some[-1]
        more = last is not None and last != ids[-1]
        cursor = write_cursor(Place(name, last), text) if last is not None and more else None
        return {"items": items, "cursor": cursor}

    def stored_photo(self, task: StoredPhoto) -> bytes | None:
        """The photo of a point as a small JPEG, or None.

        Raises:
            QueryError: the width is outside its range.
        """
        if self._fields() is None:
            return None
        try:
            found = self._opened.store.retrieve([task.point_id])
        except ValueError:  # no such id could be
            return None
        # also where there is none, so that it takes as long as one that is not to be seen
        allowed = self._allowed(found, task.only)
        if not found or not allowed:
            return None
        payload = found[0].payload
        path, sha256 = payload.get("photo"), str(payload.get("photo_sha256"))
        shown = self._thumbnails.jpeg(str(path), sha256, task.width) if path else None
        kept = self._media.find(sha256) if shown is None else None
        # the store may have moved with its photos beside it
        return self._thumbnails.jpeg(str(kept), sha256, task.width) if kept else shown

    # --- writing ---------------------------------------------------------------------------

    def put_items(self, task: PutItems) -> list[JSON]:
        """Insert or replace items; those that are bad cost themselves only.

        Raises:
            ModelError: the models failed.
            NoSpaceError: too little free disk; nothing was acknowledged.
            StoreError: the collection cannot be used, or was made with other models.
        """
        return self._writes.put(task)

    def patch_item(self, task: PatchItem) -> JSON | None:
        """Merge attributes into one item; None removes one. Nothing is embedded.

        Raises:
            CatalogError: a name or a value is bad.
            StoreError: the collection cannot be written.
        """
        with self.lock:
            found = self._stored(task.item_id, task.only)
            if found is None:
                return None
            item_id, points, fields = found
            try:
                values, types = read_attributes(
                    task.attributes, {**self._opened.settings.declared_fields, **fields}
                )
            except CellError as error:
                where = f"{error.column}: " if error.column else ""
                raise CatalogError(f"{where}{error}", code=error.code) from error
            if task.tenant is not None:
                check_stays(values, self._opened.settings.store.tenant_field, task.tenant)
            merged = {**regular(stored_attributes(points, fields)), **values}
            item = Item(item_id, (), {k: v for k, v in merged.items() if v is not None})
            wanted = payload_hash(item_hash(item))
            if {point.payload.get("item_hash") for point in points} != {wanted}:
                known = {k: kind for k, kind in fields.items() if k in item.attributes}
                indexing.set_attributes(self._opened, [item], fields={**known, **types})
                written = item_payload(item, wanted)
                points = [
                    point._replace(payload={**_own(point.payload), **written}) for point in points
                ]
            return item_json(item_id, points, {**fields, **types})

    def delete_items(self, task: DeleteItems) -> dict[str, int]:
        """Remove items by id, or by a filter; an item goes whole, whichever point it was.

        Raises:
            QueryError: neither ids nor a filter is given.
            FilterError: the filter cannot be parsed, or names an unknown field.
            StoreError: the collection cannot be written.
        """
        with self.lock:
            if self._fields() is None and (task.ids or task.where is not None):
                return {"items": 0, "points": 0}
            where = self._opened.parse(task.where)
            if task.only is not None and (task.ids or where is not None):
                where = all_of(self._opened.only(task.only), where)
            return self._opened.delete(task.ids, where)._asdict()

    # --- tenants ---------------------------------------------------------------------------

    def tenants(self, task: TenantsTask) -> list[JSON]:
        """What each tenant has, or one of them."""
        if self._fields() is None:
            return []
        found = counted(self._opened.store, self._opened.settings, task.tenant)
        return [one._asdict() for one in found]

    def remove_tenant(self, task: RemoveTenant) -> dict[str, int]:
        """Remove all items of a tenant."""
        with self.lock:
            opened = self._opened
            if self._fields() is None or not counted(opened.store, opened.settings, task.tenant):
                return {"items": 0, "points": 0}
            return opened.delete((), of_tenant(opened.settings, task.tenant))._asdict()

    # --- pieces ----------------------------------------------------------------------------

    def _fields(self) -> dict[str, FieldType] | None:
        """Types of the collection's fields; None where there is no collection yet."""
        schema = self._opened.store.schema
        return None if schema is None else dict(schema.fields)

    def _allowed(self, points: Sequence[Record], only: str | None) -> bool:
        """Whether the filter of the caller's key lets it see any of these points."""
        where = self._opened.only(only)
        return where is None or any(
            self._opened.store.count(all_of(Equals("item_id", str(one)), where))
            for one in {point.payload.get("item_id") for point in points} or {""}
        )

    def _scroll(self, where: Condition) -> Iterator[Record]:
        return scroll_all(self._opened.store, where=where, page=PAGE)

    def _items(
        self, ids: Sequence[str], where: Condition | None, fields: dict[str, FieldType]
    ) -> list[JSON]:
        """Those of the ids that are still there, in order."""
        wanted = ids if where is None else ids_among(self._opened.store, ids, where)
        if not wanted:
            return []
        stored = group_items(self._scroll(OneOf("item_id", tuple(wanted))))
        return [item_json(one, stored[one], fields) for one in wanted if one in stored]

    def _stored(
        self, item_id: str, only: str | None
    ) -> tuple[str, list[Record], dict[str, FieldType]] | None:
        """An item's id as the collection has it, its points and all fields; None without any.

        What a key may not see takes as long as what is not there: nothing of it is read.
        """
        fields, readable = self._fields(), readable_id(item_id)
        if fields is None or readable is None:
            return None
        known = as_stored(self._opened.store, [readable])[readable]
        where: Condition = Equals("item_id", known)
        if (within := self._opened.only(only)) is not None and not self._opened.store.count(
            AllOf((where, within))
        ):
            return None
        points = group_items(self._scroll(where)).get(known)
        return (known, points, fields) if points else None


def _own(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What a point has beside the attributes of its item."""
    return {name: value for name, value in payload.items() if name in RESERVED}

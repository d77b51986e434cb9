"""What an index run has to do: the catalogue against what is stored. Pure code."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scenesearch.catalog.kept_items import item_of_json, item_to_json
from scenesearch.core.batches import batches
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.points import is_ours
from scenesearch.core.types import Item, Record
from scenesearch.system.spool import spooled

PART = 1_000
"""Items that are compared with what is stored of them at a time."""


@dataclass(frozen=True, slots=True)
class PhotoRef:
    """One photo of an item, by content."""

    path: str
    sha256: str
    index: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A photo that could not be indexed."""

    item_id: str
    photo: str
    reason: str


@dataclass(frozen=True, slots=True)
class StoredItem:
    """What the collection holds of an item.

    Attributes:
        hashes: attribute hashes found on its points; more than one after an interrupted update.
        photos: path and place by sha256, of photos all of whose regions are there.
        partial: sha256 of photos some of whose regions are gone.
    """

    hashes: frozenset[str]
    photos: Mapping[str, tuple[str, int]]
    partial: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ItemPlan:
    """What has to happen to one item.

    Attributes:
        write: photos to embed (or take from the cache) and store.
        moved: photos whose content is stored under another path, or at another place.
        stale: sha256 of stored photos that the item no longer has.
        patch: its attributes changed.
        known: something of it is stored already.
    """

    item: Item
    item_hash: str
    write: tuple[PhotoRef, ...] = ()
    moved: tuple[PhotoRef, ...] = ()
    stale: tuple[str, ...] = ()
    patch: bool = False
    known: bool = False

    @property
    def unchanged(self) -> bool:
        """Nothing to do."""
        return not (self.write or self.moved or self.stale or self.patch)


@dataclass(frozen=True, slots=True)
class IndexPlan:
    """The whole run: only items with something to do, in the catalogue's order.

    Where they are many they are in a temporary file, and are read from there each time they are
    walked over. ``vectors``: dimension of each space that the catalogue has vectors of.
    """

    items: Sequence[ItemPlan]
    gone: tuple[str, ...] = ()
    unchanged: int = 0
    failures: tuple[Failure, ...] = field(default=())
    vectors: Mapping[str, int] = field(default_factory=dict)


def stored_items(records: Iterable[Record]) -> dict[str, StoredItem]:
    """Group a scroll over what is stored by item.

    Args:
        records: with item_id, item_hash, photo, photo_sha256, photo_index and region_count.
    """
    hashes: dict[str, set[str]] = {}
    counts: dict[str, dict[str, int]] = {}
    wanted: dict[tuple[str, str], int] = {}
    places: dict[tuple[str, str], tuple[str, int]] = {}
    for record in records:
        payload = record.payload
        if not is_ours(payload):
            continue
        item, sha256 = str(payload["item_id"]), str(payload.get("photo_sha256"))
        hashes.setdefault(item, set()).add(str(payload.get("item_hash")))
        per_photo = counts.setdefault(item, {})
        per_photo[sha256] = per_photo.get(sha256, 0) + 1
        wanted[item, sha256] = int(payload.get("region_count", 1))
        places[item, sha256] = str(payload.get("photo")), int(payload.get("photo_index", 0))
    return {
        item: StoredItem(
            frozenset(hashes[item]),
            {
                sha256: places[item, sha256]
                for sha256, count in per_photo.items()
                if count >= wanted[item, sha256]
            },
            frozenset(s for s, count in per_photo.items() if count < wanted[item, s]),
        )
        for item, per_photo in counts.items()
    }


def make_plan(
    items: Iterable[Item],
    stored: Callable[[Sequence[Item]], Mapping[str, StoredItem]],
    *,
    item_hash: Callable[[Item], str],
    photo_hash: Callable[[str], str],
    prune: Iterable[str] = (),
    each: Callable[[], None] = lambda: None,
) -> IndexPlan:
    """Compare a catalogue with what is stored, a part at a time.

    Args:
        items: the catalogue, ids unique.
        stored: what is stored of some of them, from :func:`stored_items`.
        item_hash: of an item's attributes.
        photo_hash: sha256 of a file; raises SceneSearchError or OSError where it cannot be read.
        prune: the id of every stored point, walked over in the end: items that the catalogue no
            longer has are gone.
        each: called after each item, for progress.

    Raises:
        NoSpaceError: many items have something to do, and there is no room for a temporary file.
    """
    failures: list[Failure] = []
    vectors: dict[str, int] = {}
    unchanged = 0
    ids = array("q")  # of a million items, their ids would be most of the memory

    def with_work() -> Iterator[ItemPlan]:
        nonlocal unchanged
        for part in batches(items, PART):
            known = stored(part)
            for item in part:
                ids.append(hash(item.id))
                for space, vector in (item.vectors or {}).items():
                    vectors.setdefault(space, len(vector) // 4)
                plan, failed = _plan_item(item, known.get(item.id), item_hash(item), photo_hash)
                failures.extend(failed)
                each()
                if not plan.unchanged:
                    yield plan
                elif not failed:
                    unchanged += 1

    plans = kept_plans(with_work())
    return IndexPlan(plans, _gone(prune, ids), unchanged, tuple(failures), vectors)


def _gone(stored: Iterable[str], ids: array[int]) -> tuple[str, ...]:
    """Stored ids that are none of those with these hashes, sorted."""
    known = np.unique(np.frombuffer(ids, np.int64))
    gone: set[str] = set()
    for part in batches(stored, PART):
        hashes = np.fromiter(map(hash, part), np.int64, len(part))
        there = np.isin(hashes, known).tolist()
        gone.update(one for one, kept in zip(part, there, strict=True) if not kept)
    return tuple(sorted(gone))


def photos_to_write(plans: Iterable[ItemPlan]) -> int:
    """How many photos are embedded or taken from the cache, each content once."""
    hashes = (hash(ref.sha256) for plan in plans for ref in plan.write)
    return len(np.unique(np.fromiter(hashes, np.int64)))


def kept_plans(plans: Iterable[ItemPlan]) -> Sequence[ItemPlan]:
    """Plans in their order, out of memory where they are many."""
    return spooled(plans, _to_json, _of_json)


def _to_json(plan: ItemPlan) -> list[Any]:
    return [
        item_to_json(plan.item),
        plan.item_hash,
        [(ref.path, ref.sha256, ref.index) for ref in plan.write],
        [(ref.path, ref.sha256, ref.index) for ref in plan.moved],
        plan.stale,
        plan.patch,
        plan.known,
    ]


def _of_json(value: Any) -> ItemPlan:
    item, item_hash, write, moved, stale, patch, known = value
    return ItemPlan(
        item_of_json(item),
        item_hash,
        tuple(PhotoRef(*ref) for ref in write),
        tuple(PhotoRef(*ref) for ref in moved),
        tuple(stale),
        patch,
        known,
    )


def _plan_item(
    item: Item, stored: StoredItem | None, wanted_hash: str, photo_hash: Callable[[str], str]
) -> tuple[ItemPlan, list[Failure]]:
    refs: dict[str, PhotoRef] = {}
    failures: list[Failure] = []
    for index, path in enumerate(item.photos):
        try:
            sha256 = photo_hash(path)
        except (OSError, SceneSearchError) as error:
            failures.append(Failure(item.id, path, str(error)))
            continue
        # the same content twice in one item is one photo
        refs.setdefault(sha256, PhotoRef(path, sha256, index))
    # an unreadable photo must not delete what is stored of the item
    return plan_item(item, stored, wanted_hash, refs, whole=not failures), failures


def plan_item(
    item: Item,
    stored: StoredItem | None,
    wanted_hash: str,
    refs: Mapping[str, PhotoRef],
    *,
    whole: bool = True,
) -> ItemPlan:
    """What has to happen to one item.

    Args:
        item: as it is to be.
        stored: what the collection holds of it; None for nothing.
        wanted_hash: of its attributes.
        refs: its photos by sha256, in order.
        whole: whether these are all of its photos.
    """
    if stored is None:
        return ItemPlan(item, wanted_hash, tuple(refs.values()))
    there = set(stored.photos) | stored.partial
    return ItemPlan(
        item,
        wanted_hash,
        write=tuple(ref for sha256, ref in refs.items() if sha256 not in stored.photos),
        moved=tuple(
            ref
            for sha256, ref in refs.items()
            if stored.photos.get(sha256, (ref.path, ref.index)) != (ref.path, ref.index)
        ),
        stale=tuple(sorted(there - set(refs))) if whole else (),
        patch=stored.hashes != {wanted_hash},
        known=True,
    )

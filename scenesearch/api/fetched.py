"""Items whose photos are web addresses, with files in their place."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scenesearch import wiring
from scenesearch.api.opened import Opened
from scenesearch.catalog.kept_items import kept
from scenesearch.core.batches import batches
from scenesearch.core.types import Item
from scenesearch.index.photo_embedding import Embeds
from scenesearch.index.run import Progress
from scenesearch.wiring.fetching import is_address

if TYPE_CHECKING:
    from scenesearch.fetch.catalog_photos import CatalogPhotos

WINDOW = 20_000
"""Items whose photos are fetched together."""
NARROW = 500
"""The same where fetched photos may only take so much room: these may be beyond it for a while."""


@dataclass(frozen=True, slots=True)
class FetchedItems:
    """Items after their photos were fetched.

    Attributes:
        items: with files for addresses; an address stays where its photo did not come.
        failures: why, by address; of a dry run there are none, it takes what is not here for new.
        notes: what a user should know.
    """

    items: Sequence[Item]
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fetch_photos(
    opened: Opened,
    items: Sequence[Item],
    *,
    dry_run: bool,
    progress: Progress | None,
    embeds: Embeds | None = None,
) -> FetchedItems:
    """Fetch the photos of items that are addresses; a dry run only takes what is here already.

    Args:
        opened: the collection they are for.
        items: any.
        dry_run: whether it is one.
        progress: called with (stage, done, total).
        embeds: embeds elsewhere what is removed for room.

    Raises:
        NoSpaceError: many items, and no room for a temporary file.
        StoreError: what comes cannot be kept.
    """
    total = sum(1 for _ in _addresses(items))
    if not total:
        return FetchedItems(items)
    if dry_run and not opened.photo_folder.root.is_dir():
        return FetchedItems(items, notes=(_not_fetched(total),))
    room = _Room(opened, embeds) if opened.settings.fetch.keep_megabytes and not dry_run else None
    photos, book = wiring.build_catalog_photos(
        opened.settings, opened.photo_folder, (lambda _: ()) if room is None else room.embedded
    )
    fetching = _Fetching(photos, total, progress, room, dry_run=dry_run)
    with book:
        placed = kept(fetching.placed(items))
    return FetchedItems(placed, fetching.failures, fetching.notes())


class _Fetching:
    """Some thousand items at a time, so that memory does not grow with the catalogue."""

    def __init__(
        self,
        photos: CatalogPhotos,
        total: int,
        progress: Progress | None,
        room: _Room | None,
        *,
        dry_run: bool,
    ) -> None:
        self._photos = photos
        self._room = room
        self._total = total
        self._progress = progress
        self._dry_run = dry_run
        self._asked: NDArray[np.int64] = np.empty(0, np.int64)
        self._seen = self._fetched = self._here = self._not_fetched = self._stale = 0
        self._first_stale = ""
        self.failures: dict[str, str] = {}

    def placed(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items with files for addresses, as far as there are any."""
        for part in batches(items, WINDOW if self._room is None else NARROW):
            addresses = list(_addresses(part))
            paths = self._paths(list(dict.fromkeys(addresses)))
            self._seen += len(addresses)
            placed = [_placed(item, paths) for item in part]
            if self._room is not None:
                self._room.make(placed)
            yield from placed

    def _paths(self, addresses: Sequence[str]) -> Mapping[str, Path]:
        """Where the photos of these addresses are; each is asked about once in a run."""
        hashes = np.fromiter(map(hash, addresses), np.int64, len(addresses))
        again = dict(zip(addresses, np.isin(hashes, self._asked).tolist(), strict=True))
        self._asked = np.union1d(self._asked, hashes)
        new = [address for address in addresses if not again[address]]
        known = addresses if self._dry_run else [one for one in addresses if again[one]]
        paths = self._photos.known(known)
        if self._dry_run:
            self._not_fetched += sum(address not in paths for address in new)
            return paths
        if not new:
            return paths
        found = self._photos.gather_now(new, self._told)
        self._fetched += found.fetched
        self._here += len(found.paths) - found.fetched
        self._stale += len(found.stale)
        for address, why in found.stale.items():
            self._first_stale = self._first_stale or f"{address}: {why}"
        self.failures.update(found.failures)
        return {**paths, **found.paths}

    def _told(self, stage: str, done: int, total: int) -> None:  # noqa: ARG002 - of this part
        if self._progress is not None:
            self._progress(stage, self._seen + done, self._total)

    def notes(self) -> tuple[str, ...]:
        """What a user should know."""
        if self._dry_run:
            return (_not_fetched(self._not_fetched),) if self._not_fetched else ()
        notes = [
            f"photos fetched: {self._fetched:,}, unchanged or here: {self._here:,}, "
            f"failed: {len(self.failures):,}"
        ]
        if self._stale:
            notes.append(
                f"{self._stale:,} photo(s) could not be asked for again, and are used as they "
                f"were: {self._first_stale}"
            )
        return tuple(notes)


class _Room:
    """Keeps the folder of fetched photos small: those that are embedded may go."""

    def __init__(self, opened: Opened, embeds: Embeds | None) -> None:
        self._folder = opened.photo_folder
        self._most = opened.settings.fetch.keep_megabytes * 1_000_000
        self._indexer = wiring.build_indexer(
            opened.parts,
            opened.store,
            opened.collection,
            opened.embeddings,
            folder=opened.photo_folder,
            embeds=embeds,
        )

    def embedded(self, photos: Sequence[str]) -> Collection[str]:
        """Those of the photos, by sha256, that need not be read any more."""
        return self._indexer.known(photos)

    def make(self, items: Sequence[Item]) -> None:
        """Embed the photos of these items, then remove what is too much."""
        self._indexer.embed(_only_files(items))
        self._folder.shrink(self._most, self.embedded)


def _only_files(items: Iterable[Item]) -> Iterator[Item]:
    for item in items:
        yield replace(item, photos=tuple(p for p in item.photos if not is_address(p)))


def _placed(item: Item, paths: Mapping[str, Path]) -> Item:
    places = (str(paths.get(photo, photo)) for photo in item.photos)
    return replace(item, photos=tuple(dict.fromkeys(places)))


def _addresses(items: Iterable[Item]) -> Iterable[str]:
    return (photo for item in items for photo in item.photos if is_address(photo))


def _not_fetched(count: int) -> str:
    return f"{count:,} photo(s) are addresses that a dry run does not fetch: taken for new ones"

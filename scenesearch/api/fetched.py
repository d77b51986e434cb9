"""Items whose photos are web addresses, with files in their place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from scenesearch import wiring
from scenesearch.api.opened import Opened
from scenesearch.core.types import Item
from scenesearch.index.run import Progress


@dataclass(frozen=True, slots=True)
class FetchedItems:
    """Items after their photos were fetched.

    Attributes:
        items: with files for addresses; an address stays where its photo did not come.
        failures: why, by address.
        notes: what a user should know.
    """

    items: Sequence[Item]
    failures: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def fetch_photos(
    opened: Opened, items: Sequence[Item], *, dry_run: bool, progress: Progress | None
) -> FetchedItems:
    """Fetch the photos of items that are addresses; a dry run only takes what is here already.

    Raises:
        StoreError: what comes cannot be kept.
    """
    addresses = list(dict.fromkeys(_addresses(items)))
    if not addresses:
        return FetchedItems(items)
    if dry_run and not opened.photo_folder.root.is_dir():
        return FetchedItems(items, _unknown(addresses), (_not_fetched(len(addresses)),))
    photos, book = wiring.build_catalog_photos(opened.settings, opened.photo_folder)
    with book:
        if dry_run:
            paths = photos.known(addresses)
            missing = [address for address in addresses if address not in paths]
            told = [_not_fetched(len(missing))] if missing else []
            return FetchedItems(_placed(items, paths), _unknown(missing), tuple(told))
        found = photos.gather_now(addresses, progress)
    here = len(found.paths) - found.fetched
    notes = [
        f"photos fetched: {found.fetched:,}, unchanged or here: {here:,}, "
        f"failed: {len(found.failures):,}"
    ]
    if found.stale:
        first, why = next(iter(found.stale.items()))
        notes.append(
            f"{len(found.stale):,} photo(s) could not be asked for again, and are used as they "
            f"were: {first}: {why}"
        )
    return FetchedItems(_placed(items, found.paths), found.failures, tuple(notes))


def _addresses(items: Iterable[Item]) -> Iterable[str]:
    return (photo for item in items for photo in item.photos if is_address(photo))


def is_address(photo: str) -> bool:
    """Whether a photo is a web address, and no file."""
    return photo[:8].lower().startswith(("http://", "https://"))


def _placed(items: Sequence[Item], paths: Mapping[str, Path]) -> list[Item]:
    found = []
    for item in items:
        places = (str(paths.get(photo, photo)) for photo in item.photos)
        found.append(replace(item, photos=tuple(dict.fromkeys(places))))
    return found


def _unknown(addresses: Iterable[str]) -> dict[str, str]:
    return dict.fromkeys(addresses, "")


def _not_fetched(count: int) -> str:
    return f"{count:,} photo(s) are addresses that a dry run does not fetch: taken for new ones"

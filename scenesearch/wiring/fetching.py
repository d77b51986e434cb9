"""Settings to what fetches the photos of a catalogue."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from scenesearch.config.settings import Settings
from scenesearch.core.errors import StoreError
from scenesearch.images.media_folder import MediaFolder

if TYPE_CHECKING:
    from scenesearch.fetch.address_book import AddressBook
    from scenesearch.fetch.catalog_photos import CatalogPhotos

ADDRESSES = "addresses.sqlite"
"""What is known of fetched photos, beside them."""


def build_catalog_photos(
    settings: Settings, folder: MediaFolder
) -> tuple[CatalogPhotos, closing[AddressBook]]:
    """What fetches photos into a folder, and the file to close in the end.

    Raises:
        StoreError: the folder cannot be used.
    """
    # HTTP is only loaded where something is fetched
    from scenesearch.fetch.address_book import AddressBook
    from scenesearch.fetch.catalog_photos import AT_ONCE, CatalogPhotos
    from scenesearch.fetch.fetcher import Fetcher

    fetch = settings.fetch.model_copy(update={"enabled": True})  # asked for, or set
    private = frozenset(
        (host.strip("[]").lower(), int(port))
        for host, _, port in (one.rpartition(":") for one in fetch.private)
    )
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder.root}: cannot be made: {error.strerror or error}; check the permissions"
        ) from error
    book = AddressBook(folder.root / ADDRESSES)
    fetcher = Fetcher(fetch, at_once=AT_ONCE, private=private)
    return CatalogPhotos(fetcher, folder, book, fetch), closing(book)

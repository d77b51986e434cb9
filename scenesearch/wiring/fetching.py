"""Settings to what fetches a catalogue, and its photos."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from scenesearch.config.fetch import CatalogFetchSettings
from scenesearch.config.settings import Settings
from scenesearch.core.errors import CatalogError, StoreError
from scenesearch.images.media_folder import MediaFolder

if TYPE_CHECKING:
    from scenesearch.fetch.address_book import AddressBook
    from scenesearch.fetch.catalog_photos import CatalogPhotos

ADDRESSES = "addresses.sqlite"
"""What is known of what was fetched, beside it."""


def build_catalog_photos(
    settings: Settings,
    folder: MediaFolder,
    embedded: Callable[[Sequence[str]], Collection[str]] = lambda _: (),
) -> tuple[CatalogPhotos, closing[AddressBook]]:
    """What fetches photos into a folder, and the file to close in the end.

    Args:
        settings: whom they may be fetched from.
        folder: where they are kept.
        embedded: which photos, by sha256, need not be read any more.

    Raises:
        StoreError: the folder cannot be used.
    """
    # HTTP is only loaded where something is fetched
    from scenesearch.fetch.catalog_photos import AT_ONCE, CatalogPhotos
    from scenesearch.fetch.fetcher import Fetcher

    fetch = settings.fetch.model_copy(update={"enabled": True})  # asked for, or set
    book = photo_book(folder.root)

    def fetcher() -> Fetcher:
        return Fetcher(fetch, at_once=AT_ONCE, private=_private(fetch))

    return CatalogPhotos(fetcher, folder, book, fetch, embedded), closing(book)


class CatalogFile(NamedTuple):
    """A catalogue as a file.

    Attributes:
        path: of the file, or the folder.
        site: the address it was fetched from; None where it was one of this machine.
        doubt: why it may be a part only; None where it is whole.
        notes: what a user should know.
    """

    path: Path
    site: str | None = None
    doubt: str | None = None
    notes: tuple[str, ...] = ()


def is_address(source: str | Path) -> bool:
    """Whether a catalogue is given by its address."""
    return str(source)[:8].lower().startswith(("http://", "https://"))


@contextmanager
def catalog_file(
    settings: Settings,
    source: str | Path,
    folder: Path | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Iterator[CatalogFile]:
    """A catalogue as a file, fetched where it is given by its address.

    Errors inside of the block name the address, and not where the file is kept.

    Args:
        settings: whom it may be fetched from.
        source: a path, or an address.
        folder: where what was fetched stays, so that it is only fetched again when it changed;
            None to have it for as long as the block lasts.
        progress: called with (stage, done, total).

    Raises:
        CatalogError: it cannot be fetched.
        StoreError: what comes cannot be kept.
    """
    if not is_address(source):
        yield CatalogFile(Path(source))
        return
    # HTTP is only loaded where something is fetched
    from scenesearch.fetch.catalog_feed import CatalogFeeds
    from scenesearch.fetch.fetcher import FEED, Fetcher
    from scenesearch.fetch.patience import Patience

    address, asked = str(source), settings.fetch
    # who gives an address as the catalogue has asked for it
    changes = {"timeout_s": asked.feed_timeout_s, "max_megabytes": asked.feed_megabytes}
    fetch = asked.model_copy(update={"enabled": True, **changes})
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="scenesearch-")))
        book = stack.enter_context(closing(photo_book(folder)))
        fetcher = Fetcher(fetch, private=_private(fetch), wanted=FEED)
        free = settings.min_free_megabytes * 1_000_000
        feeds = CatalogFeeds(fetcher, folder, book, Patience(fetch), min_free_bytes=free)
        found = feeds.fetch_now(address, progress or (lambda *_: None))
        try:
            yield CatalogFile(found.path, address, found.doubt, found.notes)
        except CatalogError as error:
            told = str(error).replace(str(found.path), address)
            raise CatalogError(told, code=error.code) from error


def _private(fetch: CatalogFetchSettings) -> frozenset[tuple[str, int]]:
    return frozenset(
        (host.strip("[]").lower(), int(port))
        for host, _, port in (one.rpartition(":") for one in fetch.private)
    )


def photo_book(folder: Path) -> AddressBook:
    """What is known of the photos of a catalogue by their addresses.

    Args:
        folder: where those that are fetched are kept; made where it is missing.

    Raises:
        StoreError: it cannot be used.
    """
    from scenesearch.fetch.address_book import AddressBook

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"{folder}: cannot be made: {error.strerror or error}; check the permissions"
        ) from error
    return AddressBook(folder / ADDRESSES)

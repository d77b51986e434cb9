"""Photos of a catalogue whose places are web addresses: fetched once, asked about ever after.

Polite (a few at a time from a host, which is left alone for as long as it asks for), resumable
(what came is kept by content and noted at once), and conditional: an address that was
fetched is asked whether it changed. What cannot be fetched is an error of that photo and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from scenesearch.config.fetch import CatalogFetchSettings
from scenesearch.core.errors import ImageError
from scenesearch.fetch.address_book import AddressBook, Known
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched, Fetcher, Unchanged
from scenesearch.fetch.patience import Patience, finished
from scenesearch.fetch.urls import parse_url
from scenesearch.images.media_folder import MediaFolder

AT_ONCE = 32
"""Photos fetched at the same time, over all hosts."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Gathered:
    """Where the photos of some addresses are.

    Attributes:
        paths: of those that came, or that were there and did not change.
        failures: why the others did not.
        stale: why those of ``paths`` could not be asked about that are copies of before.
        fetched: how many were transferred.
    """

    paths: Mapping[str, Path] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)
    stale: Mapping[str, str] = field(default_factory=dict)
    fetched: int = 0


class CatalogPhotos:
    """Brings photos from their addresses to files.

    Args:
        fetcher: makes what asks for them, for as long as one gathering lasts.
        folder: where the files are kept, by content.
        book: what is known of addresses.
        settings: how politely, how often.
        embedded: which photos, by sha256, need not be read any more: of those that were removed for
            room it is enough to know that they did not change.
    """

    def __init__(
        self,
        fetcher: Callable[[], Fetcher],
        folder: MediaFolder,
        book: AddressBook,
        settings: CatalogFetchSettings,
        embedded: Callable[[Sequence[str]], Collection[str]] = lambda _: (),
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._book = book
        self._settings = settings
        self._embedded = embedded

    def known(self, addresses: Iterable[str]) -> dict[str, Path]:
        """Photos that are here already, or were; nothing is asked."""
        return {
            address: path
            for address, known in self._book.find(list(dict.fromkeys(addresses))).items()
            if (path := self._folder.place(known.sha256)) is not None
        }

    async def gather(
        self, addresses: Iterable[str], progress: Progress = lambda *_: None
    ) -> Gathered:
        """Fetch what is not here, and ask about what is.

        Args:
            addresses: of photos; each is asked for once.
            progress: called with ``fetch``, how many are done, of how many.

        Raises:
            NoSpaceError: too little free disk.
            StoreError: what came cannot be kept.
        """
        fetcher = self._fetcher()
        try:
            return await _Run(self, fetcher, _mixed(addresses), progress).all()
        finally:
            await fetcher.close()

    def gather_now(self, addresses: Iterable[str], progress: Progress | None = None) -> Gathered:
        """As :meth:`gather`, for callers that wait; also where a loop runs already.

        Raises:
            SceneSearchError: as there.
        """
        return finished(lambda: self.gather(addresses, progress or (lambda *_: None)))


def _mixed(addresses: Iterable[str]) -> list[str]:
    """Each address once, hosts by turns, so that a slow one does not hold up the others."""
    by_host: dict[str, list[str]] = {}
    for address in dict.fromkeys(addresses):
        by_host.setdefault(address.split("/", 3)[2], []).append(address)
    rounds = zip_longest(*by_host.values())
    return [address for turn in rounds for address in turn if address is not None]


class _Run:
    def __init__(
        self, photos: CatalogPhotos, fetcher: Fetcher, addresses: list[str], progress: Progress
    ) -> None:
        self._photos = photos
        self._fetcher = fetcher
        self._addresses = addresses
        self._progress = progress
        self._known = photos._book.find(addresses)
        self._places = self._found()
        self._patience = Patience(photos._settings)
        self._paths: dict[str, Path] = {}
        self._failures: dict[str, str] = {}
        self._stale: dict[str, str] = {}
        self._unnoted: list[tuple[str, Known]] = []
        self._noting = asyncio.Lock()
        self._fetched = self._done = 0

    def _found(self) -> dict[str, Path]:
        """Where photos are, or were, by sha256; without those that have to be fetched again."""
        folder = self._photos._folder
        places = {
            one.sha256: place
            for one in self._known.values()
            if (place := folder.place(one.sha256)) is not None
        }
        gone = [sha256 for sha256, place in places.items() if not place.is_file()]
        needed = set(gone).difference(self._photos._embedded(gone)) if gone else set()
        return {sha256: place for sha256, place in places.items() if sha256 not in needed}

    async def all(self) -> Gathered:
        """Everything; the first error that is not about one photo ends it."""
        waiting = iter(self._addresses)

        async def work() -> None:
            for address in waiting:
                await self._one(address)

        workers = min(AT_ONCE, len(self._addresses))
        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(workers):
                    tasks.create_task(work())
        finally:
            # what came before the end, and whose turn to be noted did not
            if self._unnoted:
                self._photos._book.note(self._unnoted)
        return Gathered(self._paths, self._failures, self._stale, self._fetched)

    async def _one(self, address: str) -> None:
        known = self._known.get(address)
        here = None if known is None else self._places.get(known.sha256)
        try:
            answer = await self._asked(address, known if here is not None else None)
            if isinstance(answer, Unchanged):
                if here is not None:
                    self._paths[address] = here
                    self._photos._folder.touch(here)
            else:
                self._paths[address] = await self._kept(address, answer)
        except (FetchError, ImageError) as error:
            if here is None:
                self._failures[address] = str(error)
            else:
                self._paths[address], self._stale[address] = here, str(error)
        self._done += 1
        self._progress("fetch", self._done, len(self._addresses))

    async def _kept(self, address: str, answer: Fetched) -> Path:
        path = await asyncio.to_thread(self._photos._folder.keep, answer.data)
        self._fetched += 1
        self._unnoted.append((address, Known(path.stem, answer.etag, answer.modified)))
        # who notes does it for all that came meanwhile; nobody asks for the next photo before his
        # own is noted, so that a kill costs what is under way and nothing else
        async with self._noting:
            if self._unnoted:
                noted, self._unnoted = self._unnoted, []
                await asyncio.to_thread(self._photos._book.note, noted)
        return path

    async def _asked(self, address: str, known: Known | None) -> Fetched | Unchanged:
        return await self._patience.ask(
            parse_url(address, self._fetcher.private),
            lambda: self._fetcher.ask(
                address,
                etag=known.etag if known else None,
                modified=known.modified if known else None,
            ),
        )

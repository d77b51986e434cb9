"""Photos of a catalogue whose places are web addresses: fetched once, asked about ever after.

Polite (a few at a time from a host, which is left alone for as long as it asks for), resumable
(what came is kept by content and noted within a moment), and conditional: an address that was
fetched is asked whether it changed. What cannot be fetched is an error of that photo and no other.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from scenesearch.config.fetch import CatalogFetchSettings
from scenesearch.core.errors import ImageError, SceneSearchError
from scenesearch.fetch.address_book import AddressBook, Known
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched, Fetcher, Unchanged
from scenesearch.fetch.urls import parse_url
from scenesearch.images.media_folder import MediaFolder

AT_ONCE = 32
"""Photos fetched at the same time, over all hosts."""
NOTED_EACH = 16
"""Photos that are noted together: what a kill can have fetched again."""
_BUSY = frozenset({408, 425, 429, 430, 500, 502, 503, 504})
_FIRST_WAIT_S = 0.5

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
        fetcher: asks for one.
        folder: where the files are kept, by content.
        book: what is known of addresses.
        settings: how politely, how often.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        folder: MediaFolder,
        book: AddressBook,
        settings: CatalogFetchSettings,
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._book = book
        self._settings = settings

    def known(self, addresses: Iterable[str]) -> dict[str, Path]:
        """Photos that are here already; nothing is asked."""
        return {
            address: path
            for address, known in self._book.find(list(dict.fromkeys(addresses))).items()
            if (path := self._folder.find(known.sha256)) is not None
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
        run = _Run(self, _mixed(addresses), progress)
        try:
            return await run.all()
        finally:
            run.note()
            await self._fetcher.close()

    def gather_now(self, addresses: Iterable[str], progress: Progress | None = None) -> Gathered:
        """As :meth:`gather`, for callers that wait; also where a loop runs already.

        Raises:
            SceneSearchError: as there.
        """

        def run() -> Gathered:
            return asyncio.run(self.gather(addresses, progress or (lambda *_: None)))

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return _unwrapped(run)
        with ThreadPoolExecutor(1, "scenesearch-fetch") as thread:
            return _unwrapped(lambda: thread.submit(run).result())


def _mixed(addresses: Iterable[str]) -> list[str]:
    """Each address once, hosts by turns, so that a slow one does not hold up the others."""
    by_host: dict[str, list[str]] = {}
    for address in dict.fromkeys(addresses):
        by_host.setdefault(address.split("/", 3)[2], []).append(address)
    rounds = zip_longest(*by_host.values())
    return [address for turn in rounds for address in turn if address is not None]


class _Host:
    """One server: how many may ask it, and until when nobody should."""

    def __init__(self, at_once: int) -> None:
        self.turns = asyncio.Semaphore(at_once)
        self.rests_until = 0.0

    async def rested(self) -> None:
        while (left := self.rests_until - time.monotonic()) > 0:
            await asyncio.sleep(left)


class _Run:
    def __init__(self, photos: CatalogPhotos, addresses: list[str], progress: Progress) -> None:
        self._photos = photos
        self._addresses = addresses
        self._progress = progress
        self._known = photos._book.find(addresses)
        self._hosts: dict[str, _Host] = {}
        self._paths: dict[str, Path] = {}
        self._failures: dict[str, str] = {}
        self._stale: dict[str, str] = {}
        self._unnoted: list[tuple[str, Known]] = []
        self._fetched = self._done = 0

    async def all(self) -> Gathered:
        """Everything; the first error that is not about one photo ends it."""
        waiting = iter(self._addresses)

        async def work() -> None:
            for address in waiting:
                await self._one(address)

        workers = min(AT_ONCE, len(self._addresses))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())
        self.note()
        return Gathered(self._paths, self._failures, self._stale, self._fetched)

    def note(self) -> None:
        """Remember what came since the last time."""
        if self._unnoted:
            noted, self._unnoted = self._unnoted, []
            self._photos._book.note(noted)

    async def _one(self, address: str) -> None:
        known = self._known.get(address)
        here = None if known is None else self._photos._folder.find(known.sha256)
        try:
            answer = await self._asked(address, known if here is not None else None)
            if isinstance(answer, Unchanged):
                if here is not None:
                    self._paths[address] = here
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
        if len(self._unnoted) >= NOTED_EACH:
            self.note()
        return path

    async def _asked(self, address: str, known: Known | None) -> Fetched | Unchanged:
        """An answer, after as many tries as are allowed."""
        settings = self._photos._settings
        url = parse_url(address, self._photos._fetcher.private)
        name = f"{url.host.name}:{url.port}"
        host = self._hosts.setdefault(name, _Host(settings.per_host))
        wait_s = _FIRST_WAIT_S
        for left in reversed(range(settings.tries)):
            async with host.turns:
                await host.rested()
                try:
                    return await self._photos._fetcher.ask(
                        address,
                        etag=known.etag if known else None,
                        modified=known.modified if known else None,
                    )
                except FetchError as error:
                    if not left or not _passing(error):
                        raise
                    asked = error.retry_after_s
                    if asked is not None and asked > settings.longest_wait_s:
                        raise
                    pause = wait_s * (1 + random.random()) if asked is None else asked
                    if error.upstream_status in _BUSY:
                        # the host is left alone, not only this photo
                        host.rests_until = max(host.rests_until, time.monotonic() + pause)
                        pause = 0.0
            await asyncio.sleep(pause)
            wait_s = min(2 * wait_s, 30.0)
        raise AssertionError("the last try raises")


def _passing(error: FetchError) -> bool:
    """Whether another try may go better."""
    if error.upstream_status is not None:
        return error.upstream_status in _BUSY
    return error.code in ("fetch_failed", "fetch_timeout")


def _unwrapped(run: Callable[[], Gathered]) -> Gathered:
    """The error of one worker, instead of a group of them."""
    try:
        return run()
    except BaseExceptionGroup as group:
        errors: list[BaseException] = [group]
        while isinstance(errors[0], BaseExceptionGroup):
            errors = list(errors[0].exceptions)
        known = next((one for one in errors if isinstance(one, SceneSearchError)), errors[0])
        raise known from group

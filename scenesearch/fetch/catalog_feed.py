"""A catalogue that is given by its address, brought to a file.

Asked for only when it changed (``ETag``, ``Last-Modified``), page by page where a shop gives it so,
and never taken for whole when it is not: what was there before stays until all of it came.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from scenesearch.core.errors import CatalogError, NoSpaceError, StoreError
from scenesearch.fetch.address_book import AddressBook, Known
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched, Fetcher, Unchanged
from scenesearch.fetch.patience import Patience, finished
from scenesearch.fetch.urls import parse_url
from scenesearch.system.disk import check_free_space
from scenesearch.system.whole_file import replacing

MAX_PAGES = 4000
"""Of a catalogue in pages: a million products."""
_PAGE = 250
"""Products a page of Shopify has at most."""
_MAX_PAGE_BYTES = 100_000_000
_START = 1024
_TAR_MARK = slice(257, 262)


@dataclass(frozen=True, slots=True)
class FeedFile:
    """Where a catalogue is.

    Attributes:
        path: of the file.
        address: where it came from.
        doubt: why it may be a part only; None where it is whole.
        notes: what a user should know.
    """

    path: Path
    address: str
    doubt: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    path: Path
    url: str
    measured: bool
    changed: bool


class CatalogFeeds:
    """Brings catalogues from their addresses to files.

    Args:
        fetcher: asks for one.
        folder: where they are kept; made when it is needed.
        book: what is known of addresses.
        patience: how politely, how often.
        min_free_bytes: nothing is written when less disk than this is free.
    """

    def __init__(
        self,
        fetcher: Fetcher,
        folder: Path,
        book: AddressBook,
        patience: Patience,
        *,
        min_free_bytes: int,
    ) -> None:
        self._fetcher = fetcher
        self._folder = folder
        self._book = book
        self._patience = patience
        self._min_free = min_free_bytes

    def fetch_now(
        self, address: str, progress: Callable[[str, int, int], None] = lambda *_: None
    ) -> FeedFile:
        """The catalogue as it is now.

        Args:
            address: of it.
            progress: called with ``feed``, how many pages came, and how many are known to come.

        Raises:
            CatalogError: it cannot be fetched, or one of its pages cannot.
            StoreError: what comes cannot be kept.
        """
        run = _Run(self, address, progress)
        try:
            return finished(run.all)
        except FetchError as error:
            raise CatalogError(
                f"{address} cannot be fetched: {error}{_fix(error)}; nothing was changed",
                code="feed_not_fetched",
            ) from error


def _fix(error: FetchError) -> str:
    if error.code == "address_not_allowed":
        return "; one of your own network has to be named: fetch: {private: [HOST:PORT]}"
    return ""


class _Run:
    def __init__(
        self, feeds: CatalogFeeds, address: str, progress: Callable[[str, int, int], None]
    ) -> None:
        self._feeds = feeds
        self._address = address
        self._progress = progress
        # a folder for each address: its pages, and nothing of another one
        self._folder = feeds._folder / hashlib.sha256(address.encode()).hexdigest()[:16]
        self._patience = feeds._patience

    async def all(self) -> FeedFile:
        """Every page, as one file."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            pages = _pages_of(self._address)
            found = await (self._one() if pages is None else self._joined(pages))
            for path in self._folder.iterdir():
                if _stem(path) not in found.kept:
                    path.unlink()
        except OSError as error:
            raise StoreError(
                f"{self._folder}: cannot be written: {error.strerror or error}; check the "
                f"permissions"
            ) from error
        finally:
            await self._feeds._fetcher.close()
        return found.file

    async def _one(self) -> _Found:
        part = await self._part(self._address, "feed")
        self._progress("feed", 1, 1)
        notes = ("the feed is as it was the last time",) if not part.changed else ()
        doubt = None
        if not part.measured and not _has_an_end(part.path):
            doubt = (
                "the server does not say how long the feed is, so half of it would look like all "
                "of it: nothing is deleted; expected Content-Length, or chunks; or download the "
                "feed yourself"
            )
        return _Found(FeedFile(part.path, self._address, doubt, notes), {_stem(part.path)})

    async def _joined(self, pages: Callable[[int], str]) -> _Found:
        """The pages of ``products.json`` until one is empty, or begins as one did before."""
        seen: set[object] = set()
        kept = set()
        changed = False
        joined = self._folder / "joined.json"
        with _kept_whole(joined, self._feeds._min_free) as file:
            file.write(b'{"products":[')
            for number in range(1, MAX_PAGES + 1):
                part = await self._part(pages(number), f"page-{number}")
                kept.add(_stem(part.path))
                changed |= part.changed
                products = _products(part.path, pages(number))
                first = products[0].get("id") if products else None
                if not products or (first is not None and first in seen):
                    break
                seen.add(first)
                for place, product in enumerate(products):
                    comma = b"," if number > 1 or place else b""
                    file.write(comma + json.dumps(product, ensure_ascii=False).encode())
                self._progress("feed", number, number)
            else:
                raise CatalogError(
                    f"{self._address} has more than {MAX_PAGES:,} pages: expected fewer; download "
                    f"it, and give the files",
                    code="too_many_rows",
                )
            file.write(b"]}")
        count = f"{number - 1:,} page(s) of products"
        notes = (count if changed else f"{count}, as they were the last time",)
        return _Found(FeedFile(joined, self._address, None, notes), {*kept, _stem(joined)})

    async def _part(self, address: str, name: str) -> _Part:
        """One address as a file of that name; the file of the last time where nothing changed."""
        book, fetcher = self._feeds._book, self._feeds._fetcher
        known = book.find([address]).get(address)
        here = next((path for path in self._folder.iterdir() if _stem(path) == name), None)
        if known is not None and (here is None or _sha256(here) != known.sha256):
            known = None
        url = parse_url(address, fetcher.private)
        draft = self._folder / f"{name}.draft"
        with _Draft(draft, self._feeds._min_free) as sink:

            async def once() -> Fetched | Unchanged:
                return await fetcher.ask(
                    address,
                    etag=known.etag if known else None,
                    modified=known.modified if known else None,
                    into=sink,
                )

            answer = await self._patience.ask(url, once)
            if isinstance(answer, Unchanged):
                assert here is not None
                # what was not measured is not asked about again, see below
                return _Part(here, address, measured=True, changed=False)
            sink.finish()
            path = self._folder / f"{name}{_suffix(draft)}"
            digest = sink.keep(path)
        if here is not None and here != path:
            here.unlink()
        # an answer that may be half of one is fetched anew the next time
        tag = (answer.etag, answer.modified) if answer.measured else (None, None)
        book.note([(address, Known(digest, *tag))])
        changed = known is None or known.sha256 != digest
        return _Part(path, answer.url, answer.measured, changed)


@dataclass(frozen=True, slots=True)
class _Found:
    file: FeedFile
    kept: set[str]


class _Draft:
    """A file that is written as it comes, and takes its name when all of it came."""

    def __init__(self, path: Path, min_free_bytes: int) -> None:
        self._path, self._min_free = path, min_free_bytes
        self._since_checked = 0

    def __enter__(self) -> _Draft:
        self._file: IO[bytes] = self._path.open("wb")
        self._digest = hashlib.sha256()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._path.unlink(missing_ok=True)

    def restart(self) -> None:
        """Forget what was written."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        check_free_space(self._path, 0, self._min_free)

    def write(self, data: bytes) -> None:
        """Add to the end.

        Raises:
            NoSpaceError: the disk is full.
        """
        try:
            self._file.write(data)
        except OSError as error:
            raise NoSpaceError(f"{self._path}: {error.strerror}; free some space") from error
        self._digest.update(data)
        self._since_checked += len(data)
        if self._since_checked > 50_000_000:
            self._since_checked = 0
            check_free_space(self._path, 0, self._min_free)

    def finish(self) -> None:
        """Make what was written durable."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def keep(self, path: Path) -> str:
        """Give it its name; returns the sha256."""
        self._path.replace(path)
        return self._digest.hexdigest()


@contextmanager
def _kept_whole(path: Path, min_free_bytes: int) -> Iterator[IO[bytes]]:
    check_free_space(path, 0, min_free_bytes)
    with replacing(path, path.with_suffix(".draft")) as file:
        yield file


def _pages_of(address: str) -> Callable[[int], str] | None:
    """The address of each page of a ``products.json``; None for any other feed, or one page."""
    parts = urlsplit(address)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if not parts.path.endswith("/products.json") or "page" in query:
        return None

    def page(number: int) -> str:
        own = {"limit": str(_PAGE), **query, "page": str(number)}
        return urlunsplit(parts._replace(query=urlencode(own)))

    return page


def _products(path: Path, address: str) -> list[dict[str, Any]]:
    wrong = f"{address} is no page of products: expected JSON with products"
    if path.suffix != ".json" or path.stat().st_size > _MAX_PAGE_BYTES:
        raise CatalogError(f"{wrong}; nothing was changed", code="feed_not_fetched")
    try:
        document = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CatalogError(f"{wrong}: {error}", code="feed_not_fetched") from error
    products = document.get("products") if isinstance(document, dict) else None
    if not isinstance(products, list) or not all(isinstance(one, dict) for one in products):
        raise CatalogError(f"{wrong}; nothing was changed", code="feed_not_fetched")
    return products


def _suffix(path: Path) -> str:
    """What the name of a file ends in, by its content."""
    with path.open("rb") as file:
        start = file.read(_START)
    for mark, ending, unpacked in ((b"\x1f\x8b", ".gz", gzip.open), (b"BZh", ".bz2", bz2.open)):
        if start.startswith(mark):
            try:
                with unpacked(path) as inside:
                    return _suffix_of(inside.read(_START)) + ending
            except (OSError, EOFError, zlib.error):
                return ".csv" + ending  # whoever reads it says so
    if start.startswith(b"PK\x03\x04"):
        try:
            with zipfile.ZipFile(path) as archive:
                return ".xlsx" if "xl/workbook.xml" in archive.namelist() else ".zip"
        except (zipfile.BadZipFile, NotImplementedError, OSError):
            return ".zip"
    return _suffix_of(start)


def _suffix_of(start: bytes) -> str:
    if start.startswith(b"PAR1"):
        return ".parquet"
    return ".tar" if start[_TAR_MARK] == b"ustar" else _suffix_of_text(start)


def _has_an_end(path: Path) -> bool:
    """Whether a form says itself where it ends, so that half of it cannot be read."""
    if path.suffix != ".json":
        return path.suffix not in (".csv", ".tar")
    with path.open("rb") as file:
        lines = file.readline(1_000_000).rstrip().endswith(b"}") and file.read(1_000).strip()
    return not lines


def _suffix_of_text(start: bytes) -> str:
    text = start.decode("utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "ignore")
    text = text.lstrip("\ufeff \t\r\n").lower()
    if text.startswith("<"):
        return ".html" if text.startswith(("<!doctype html", "<html")) else ".xml"
    return ".json" if text.startswith(("{", "[")) else ".csv"


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] if path.suffix != ".draft" else ""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Fetches photos, and feeds that name them, from URLs that strangers name.

Off unless it is switched on. Then: only http and https on ports 80 and 443, only hosts all of whose
addresses are public, each redirect checked like the first URL, no proxy, no cookie, no password,
nothing compressed, at most so many bytes within so much time. What the bytes are is for whoever
decodes them to find out.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Protocol

import httpcore

from scenesearch.config.fetch import FetchSettings
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.network import (
    Connect,
    Endpoint,
    PinnedBackend,
    Resolve,
    SystemResolver,
    checked_addresses,
    connect_directly,
)
from scenesearch.fetch.urls import Url, follow, listed, parse_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_FAILURES = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for.

    Attributes:
        noun: what messages call it.
        accept: which forms of it are asked for, so that a server that chooses by this gives the
            same every time.
        packed: whether it may come as gzip; a photo gains nothing by it, and what it grows to is
            not known before it has grown.
        pages: whether it may be a web page.
        limit: the setting of the largest size.
    """

    noun: str
    accept: str
    packed: bool
    pages: bool
    limit: str


PHOTO = Wanted(
    "photo",
    "image/jpeg, image/png, image/webp;q=0.9, image/*;q=0.5, */*;q=0.1",
    packed=False,
    pages=False,
    limit="max_megabytes",
)
FEED = Wanted(
    "feed",
    "text/csv, text/tab-separated-values, application/json, application/xml, */*;q=0.5",
    packed=True,
    pages=True,
    limit="feed_megabytes",
)


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file as a server sent it.

    Attributes:
        data: the file; empty where it was written elsewhere.
        url: where it came from in the end.
        content_type: as the server named it, in lower case without parameters; None where it
            did not. The content decides, not this.
        redirects: how many were followed.
        etag: by which the server tells whether it changed; None where it sent none.
        modified: likewise, ``Last-Modified``.
        measured: whether the server said how long it is, so that half of it is told from all of it.
    """

    data: bytes = field(repr=False)
    url: str
    content_type: str | None
    redirects: int
    etag: str | None = None
    modified: str | None = None
    measured: bool = True


class Sink(Protocol):
    """Where a file is written as it comes. What it raises is no OSError, which a network's are."""

    def restart(self) -> None:
        """Forget what was written."""

    def write(self, data: bytes) -> None:
        """Add to the end."""


class Unchanged:
    """A server says that a file is as it was."""


class Fetcher:
    """Fetches photos.

    Args:
        settings: whether, from where, and how much.
        forbidden: addresses or names of this service and of its store, with their ports; never
            connected to, even if they are public.
        at_once: photos fetched at the same time; more wait, within their time.
        resolve: names to addresses; the system's resolver by default.
        connect: opens connections; only ever called with an address that was checked.
        tls: which certificates are believed; those of public authorities by default.
        private: hosts with ports that may be asked although they are not public.
        wanted: what is fetched.
    """

    def __init__(
        self,
        settings: FetchSettings,
        *,
        forbidden: frozenset[Endpoint] = frozenset(),
        at_once: int = _AT_ONCE,
        resolve: Resolve | None = None,
        connect: Connect = connect_directly,
        tls: ssl.SSLContext | None = None,
        private: frozenset[Endpoint] = frozenset(),
        wanted: Wanted = PHOTO,
    ) -> None:
        self.private = private
        self._wanted = wanted
        self._settings = settings
        self._forbidden = forbidden
        self._turns = asyncio.Semaphore(at_once)
        self._resolve: Resolve = SystemResolver() if resolve is None else resolve
        self._connect = connect
        self._tls = tls

    async def close(self) -> None:
        """Give the threads back."""
        if isinstance(self._resolve, SystemResolver):
            self._resolve.close()

    async def fetch(self, url: str) -> Fetched:
        """Fetch one photo.

        Args:
            url: as the caller wrote it.

        Raises:
            FetchError: as for :meth:`ask`.
        """
        answer = await self.ask(url)
        if isinstance(answer, Unchanged):
            raise FetchError(
                "the server answered that nothing changed, to who never asked",
                code="fetch_failed",
                upstream_status=304,
            )
        return answer

    async def ask(
        self,
        url: str,
        *,
        etag: str | None = None,
        modified: str | None = None,
        into: Sink | None = None,
    ) -> Fetched | Unchanged:
        """Fetch one file, unless it is as it was.

        Args:
            url: as the caller wrote it.
            etag: what the server called the file the last time.
            modified: likewise, its ``Last-Modified``.
            into: where it is written as it comes, from the start; held in memory without.

        Raises:
            FetchError: ``fetch_disabled``; ``bad_url``; ``address_not_allowed``;
                ``fetch_failed``, the server did not answer with a file; ``too_many_bytes``;
                ``fetch_timeout``.
        """
        if not self._settings.enabled:
            raise FetchError(
                "photos are not fetched from URLs here; upload the photo itself, or set "
                "SCENESEARCH_SERVICE__FETCH__ENABLED=true",
                code="fetch_disabled",
            )
        # refused before it waits for anybody
        first = self._permitted(parse_url(url, self.private))
        before = _before(etag, modified)
        try:
            async with asyncio.timeout(self._settings.timeout_s), self._turns:
                return await self._follow(first, before, into)
        except TimeoutError as error:
            raise FetchError(
                f"the {self._wanted.noun} did not come within {self._settings.timeout_s:g} s",
                code="fetch_timeout",
            ) from error

    def _permitted(self, url: Url) -> Url:
        if self._settings.hosts and not listed(url.host.name, self._settings.hosts):
            raise FetchError(
                f"the host {url.host.name!r} is not among those that {self._wanted.noun}s are "
                f"fetched from",
                code="address_not_allowed",
            )
        return url

    async def _follow(
        self, url: Url, before: Mapping[str, str], into: Sink | None
    ) -> Fetched | Unchanged:
        for redirects in range(self._settings.max_redirects + 1):
            answer = await self._get(url, redirects, before, into)
            if not isinstance(answer, Url):
                return answer
            url = self._permitted(answer)
        raise FetchError(
            f"the server redirected more than {self._settings.max_redirects} times, expected the "
            f"{self._wanted.noun} itself",
            code="bad_url",
        )

    async def _get(
        self, url: Url, redirects: int, before: Mapping[str, str], into: Sink | None
    ) -> Fetched | Unchanged | Url:
        """One request, on a connection of its own: the file, or where to ask next."""
        addresses = await checked_addresses(url, self._resolve, self._forbidden, self.private)
        if self._tls is None and url.scheme == "https":
            self._tls = _public_authorities()
        try:
            async with AsyncExitStack() as stack:
                connection = await stack.enter_async_context(
                    httpcore.AsyncHTTPConnection(
                        _address(url).origin,
                        ssl_context=self._tls,
                        network_backend=PinnedBackend(addresses, self._connect),
                    )
                )
                answer = await stack.enter_async_context(
                    connection.stream(
                        "GET",
                        _address(url),
                        headers=[*_headers(url, self._wanted).items(), *before.items()],
                    )
                )
                if answer.status in _REDIRECTS and (to := _header(answer, b"location")):
                    return follow(url, to, self.private)
                if answer.status == 304 and before:
                    return Unchanged()
                self._check_head(answer)
                data = await self._read(answer, into)
        except _FAILURES as error:
            raise FetchError(
                f"{url.host.name!r} could not be asked: {_reason(error)}", code="fetch_failed"
            ) from error
        etag, modified = _text(answer, b"etag"), _text(answer, b"last-modified")
        return Fetched(
            data,
            str(url),
            _media_type(answer),
            redirects,
            etag,
            modified,
            measured=bool(_all(answer, b"content-length") or _all(answer, b"transfer-encoding")),
        )

    def _check_head(self, answer: httpcore.Response) -> None:
        # the first that holds is said
        problems = (
            (
                answer.status != 200,
                f"the server answered with status {answer.status}, expected 200 and a "
                f"{self._wanted.noun}",
            ),
            (
                any(value.lower() != b"identity" for value in _all(answer, b"content-encoding"))
                and not (self._wanted.packed and _is_packed(answer)),
                f"the server sent the {self._wanted.noun} compressed although it was asked not to",
            ),
            (
                _media_type(answer) in _PAGES and not self._wanted.pages,
                "the server sent a web page, expected a photo; give the address of the picture",
            ),
        )
        for wrong, message in problems:
            if wrong:
                status = answer.status
                raise FetchError(
                    message,
                    code="fetch_failed",
                    upstream_status=status,
                    retry_after_s=_retry_after(answer),
                )
        length = _header(answer, b"content-length")
        if length is not None and int(length) > self._limit:
            raise self._too_large()

    async def _read(self, answer: httpcore.Response, into: Sink | None) -> bytes:
        data = bytearray()
        count = 0
        if into is not None:
            into.restart()
        async for part in answer.aiter_stream():
            count += len(part)
            if count > self._limit:
                raise self._too_large()
            if into is None:
                data += part
            else:
                into.write(part)
        return bytes(data)

    @property
    def _limit(self) -> int:
        return self._settings.max_megabytes * 1_000_000

    def _too_large(self) -> FetchError:
        return FetchError(
            f"the {self._wanted.noun} is larger than {self._settings.max_megabytes} MB, the "
            f"setting {self._wanted.limit} of fetch",
            code="too_many_bytes",
        )


@cache
def _public_authorities() -> ssl.SSLContext:
    # reading a hundred and fifty certificates takes longer than asking for a photo
    return httpcore.default_ssl_context()


def _address(url: Url) -> httpcore.URL:
    # from its parts, so that nobody reads the text a second time, differently
    return httpcore.URL(
        scheme=url.scheme.encode(),
        host=url.host.name.encode(),
        port=url.port,
        target=url.target.encode(),
    )


def _headers(url: Url, wanted: Wanted) -> dict[str | bytes, str | bytes]:
    return {
        "Host": url.authority,
        "User-Agent": "scenesearch",
        "Accept": wanted.accept,
        "Accept-Encoding": "gzip" if wanted.packed else "identity",
        "Connection": "close",
    }


def _is_packed(answer: httpcore.Response) -> bool:
    """Whether what came is gzip, and nothing else."""
    codes = [value.lower() for value in _all(answer, b"content-encoding") if value]
    return [code for code in codes if code != b"identity"] in ([b"gzip"], [b"x-gzip"])


def _before(etag: str | None, modified: str | None) -> dict[str, str]:
    """The headers that ask whether a photo changed."""
    given = {"If-None-Match": etag, "If-Modified-Since": modified}
    return {name: value for name, value in given.items() if value is not None}


def _text(answer: httpcore.Response, name: bytes) -> str | None:
    """A header that is sent back later: printable ASCII, of a sane length."""
    value = (_header(answer, name) or b"").decode("latin-1").strip()
    return (
        value if value and len(value) <= 500 and value.isascii() and value.isprintable() else None
    )


def _retry_after(answer: httpcore.Response) -> float | None:
    """Seconds (also with a fraction), or until a date."""
    text = (_header(answer, b"retry-after") or b"").decode("latin-1").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _header(answer: httpcore.Response, name: bytes) -> bytes | None:
    return next(iter(_all(answer, name)), None)


def _all(answer: httpcore.Response, name: bytes) -> list[bytes]:
    return [value for key, value in answer.headers if key.lower() == name]


def _media_type(answer: httpcore.Response) -> str | None:
    value = _header(answer, b"content-type")
    if value is None:
        return None
    return value.decode("latin-1").split(";", 1)[0].strip().lower()[:100]


def _reason(error: Exception) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "its certificate is not trusted, or it speaks no TLS"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpcore.ProtocolError):
        return "it broke off, or its answer is no HTTP"
    return "it does not answer"

"""What is refused before a route is looked for: sizes, hosts, foreign pages, keys in URLs.

Pure ASGI, so that nothing of a body is read for a request that is not let in.
"""

from __future__ import annotations

import asyncio
import logging
import math
from datetime import UTC, datetime
from urllib.parse import unquote_plus

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from scenesearch.config.service import ServiceSettings
from scenesearch.core.errors import SceneSearchError
from scenesearch.service.http.auth import (
    KEY_NAMES,
    Access,
    Keyring,
    host_allowed,
    key_of,
    origin_allowed,
)
from scenesearch.service.http.depends import Shared
from scenesearch.service.http.problems import ProblemError, of_error, too_large
from scenesearch.service.http.rate import Buckets

log = logging.getLogger("scenesearch.service")
URL_MAX = 8_192
HEADERS_MAX = 100
HEADER_BYTES_MAX = 32_768
MEGABYTE = 1_000_000
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
ASKED = ("/v1/", "/ucp/catalog/", "/ucp/mcp")
PICTURES = "/v1/photos/"
PICTURED = Access(frozenset({"search"}))
"""For pictures that need no key."""
PROBES = frozenset({"/livez", "/readyz"})
"""Asked by machines that know us by address; they tell nothing about anybody."""


class Guard:
    """Lets a request through, with what its key allows, or answers why not."""

    def __init__(self, app: ASGIApp, shared: Shared) -> None:
        self.app = app
        self._shared = shared
        self._adopt(shared.settings.service)

    def _adopt(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._keys = self._shared.keys = Keyring(
            settings.read_keys,
            settings.write_keys,
            settings.keys,
            tenant_field=self._shared.settings.store.tenant_field,
        )
        self._buckets = Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            access = self._check(scope)
            if access is not None and access.per_minute:
                await self._check_rate(access)
        except ProblemError as error:
            await of_error(error)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> Access | None:
        if self._settings is not self._shared.settings.service:
            # they were read again while the service runs
            self._adopt(self._shared.settings.service)
        check_size(scope)
        headers = Headers(scope=scope)
        path = scope["path"]
        host = headers.get("host", "")
        if path not in PROBES and not host_allowed(host, self._settings):
            raise ProblemError(
                "host_not_allowed",
                "This service does not answer to that Host; name it in service.allowed_hosts "
                "(SCENESEARCH_SERVICE__ALLOWED_HOSTS)",
            )
        origin = headers.get("origin")
        if (
            self._keys.open
            and origin is not None
            and scope["method"] not in SAFE_METHODS
            and not origin_allowed(origin, host, self._settings)
        ):
            raise ProblemError(
                "cross_site",
                "A page of another site may not do this; name it in service.cors_origins "
                "(SCENESEARCH_SERVICE__CORS_ORIGINS)",
            )
        check_no_key_in_query(scope["query_string"])
        access = self._check_key(scope, headers, path)
        check_body_kind(headers, self._settings.max_body_megabytes * MEGABYTE)
        return access

    def _check_key(self, scope: Scope, headers: Headers, path: str) -> Access | None:
        """What the key allows; None where none is asked for."""
        access = self._keys.access(key_of(headers))
        public = self._settings.public_photos and path.startswith(PICTURES)
        asked = path == "/metrics" or (path.startswith(ASKED) and not public)
        if asked:
            self._check_record(access, headers)
        elif public:
            access = PICTURED
        state = scope.setdefault("state", {})
        state["scopes"], state["where"] = access.scopes, access.where
        state["caller"], state["tenant"] = access.caller, access.tenant
        state["per_day"] = access.per_day
        return access if asked else None

    def _check_record(self, access: Access, headers: Headers) -> None:
        if not access.scopes:
            raise ProblemError(
                "unauthorized",
                "This needs a key that is known here: Authorization: Bearer KEY, or X-API-Key: KEY",
            )
        if access.expires is not None and datetime.now(UTC) >= access.expires:
            raise ProblemError("unauthorized", "This key has expired; ask for a new one")
        if access.origins and not _from_page(headers, access.origins):
            raise ProblemError(
                "origin_not_allowed",
                "This key is for pages of other origins; name this one in the origins of its "
                "record (service.keys)",
            )

    async def _check_rate(self, access: Access) -> None:
        state = self._shared.state
        wait_s = None
        if state is not None and state.rates is not None:
            try:
                wait_s = await asyncio.to_thread(state.rates.take, access.caller, access.per_minute)
            except SceneSearchError as error:
                # each service then counts its own
                log.warning("limits of keys are this service's alone: %s", error)
        if wait_s is None:
            wait_s = self._buckets.take(access.caller, access.per_minute)
        if wait_s:
            raise ProblemError(
                "rate_limited",
                f"More than {access.per_minute} requests a minute with this key; wait a little",
                limit=access.per_minute,
                headers={"Retry-After": str(math.ceil(wait_s))},
            )


def _from_page(headers: Headers, origins: tuple[str, ...]) -> bool:
    """Whether a browser says that a page of one of the origins asks."""
    origin = headers.get("origin")
    if origin is not None:
        return origin.lower() in origins
    # a page asks its own origin without naming it
    return headers.get("sec-fetch-site") == "same-origin"


def check_size(scope: Scope) -> None:
    """Refuse heads that nobody needs.

    Raises:
        ProblemError: the URL or the headers are too large.
    """
    length = len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"])
    if length > URL_MAX:
        raise ProblemError(
            "uri_too_long", f"The URL has {length} bytes, expected at most {URL_MAX}", limit=URL_MAX
        )
    headers = scope["headers"]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        raise ProblemError(
            "headers_too_large",
            f"{len(headers)} headers of {size} bytes, expected at most {HEADERS_MAX} "
            f"of {HEADER_BYTES_MAX} bytes",
            limit=HEADER_BYTES_MAX,
        )


def check_no_key_in_query(query: bytes) -> None:
    """Refuse keys in URLs, right or wrong: they would be kept by proxies and histories.

    Raises:
        ProblemError: a parameter of such a name.
    """
    for part in query.split(b"&"):
        name = unquote_plus(part.partition(b"=")[0].decode("latin-1"))
        if name.lower() in KEY_NAMES:
            raise ProblemError(
                "unauthorized",
                "A key does not belong into a URL, where it is logged; send it as "
                "Authorization: Bearer KEY, and change it if it was a real one",
            )


def check_body_kind(headers: Headers, limit: int) -> None:
    """Refuse compressed bodies, and those that say that they are too large.

    Raises:
        ProblemError: either.
    """
    if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
        raise ProblemError(
            "unsupported_media_type",
            "Compressed bodies are not read; expected no Content-Encoding",
            headers={"Accept-Encoding": "identity"},
        )
    length = headers.get("content-length")
    if length is None:
        return
    if not length.isascii() or not length.isdigit():
        raise ProblemError("bad_request", "Content-Length is no number of bytes")
    if len(length) > 18 or int(length) > limit:
        raise too_large(limit)

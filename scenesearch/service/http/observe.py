"""Around every request: what it is counted as, its line in the log, headers of every answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from urllib.parse import quote

from asgi_correlation_id import correlation_id
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from scenesearch.config.service import ServiceSettings
from scenesearch.service.http.depends import Shared
from scenesearch.service.http.problems import CLIENT_LEFT, internal, problem
from scenesearch.service.state.usage import DAY_S
from scenesearch.system.log_lines import FIELDS

CSP = (
    "default-src 'self'; img-src 'self' blob: data:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=()",
    "Content-Security-Policy": CSP,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Unless an answer has its own; photos and assets say themselves how long they may be kept."""
UNMATCHED = "unmatched"
PROBES = frozenset({"/livez", "/readyz", "/metrics"})
EXPECTED = frozenset({200, 503})
"""What orchestrators and Prometheus ask all the time has no line in the log, unless it is odd."""

logger = logging.getLogger("scenesearch.service")
access = logging.getLogger("scenesearch.service.access")


def headers_of(service: ServiceSettings) -> Mapping[str, str]:
    """Headers of every answer, as the settings have them."""
    headers = dict(HEADERS)
    if service.asking_origins or service.public_photos:
        # pages of other origins that may ask must be able to read the answer
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    if service.frame_ancestors:
        allowed = f"frame-ancestors {' '.join(service.frame_ancestors)}"
        headers["Content-Security-Policy"] = CSP.replace("frame-ancestors 'none'", allowed)
        # it knows no list
        del headers["X-Frame-Options"]
    return headers


class Observe:
    """Counts and logs requests, and completes the headers of answers."""

    def __init__(self, app: ASGIApp, shared: Shared) -> None:
        self.app = app
        self._shared = shared
        self._headers = headers_of(shared.settings.service)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start = time.perf_counter()
        state = scope.setdefault("state", {})
        status = CLIENT_LEFT

        async def complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                if self._shared.draining:
                    headers["Connection"] = "close"
                if quota := state.get("quota"):
                    headers.update(quota_headers(*quota))
                if seconds := state.get("stage_seconds"):
                    headers["Server-Timing"] = server_timing(seconds)
            await send(message)

        with self._shared.metrics.in_flight.track_inprogress():
            try:
                await self.app(scope, receive, complete)
            finally:
                seconds = time.perf_counter() - start
                counted = self._shared.metrics
                # the template of the route that answered, which is one of few
                route = str(getattr(scope.get("route"), "path", None) or UNMATCHED)
                counted.request(route, scope["method"], status, seconds)
                if scope["path"] not in PROBES or status not in EXPECTED:
                    _log_request(scope, status, seconds)


def _log_request(scope: Scope, status: int, seconds: float) -> None:
    method, path = quote(scope["method"]), quote(scope["path"], errors="replace")
    milliseconds = round(seconds * 1000)
    request_id = correlation_id.get()
    access.info(
        "%s %s %d %d ms %s",
        *(method, path, status, milliseconds, request_id),
        extra={
            FIELDS: {"method": method, "path": path, "status": status, "milliseconds": milliseconds}
        },
    )


def quota_headers(
    limits: Mapping[str, int], left: Mapping[str, int], wait_s: int
) -> dict[str, str]:
    """A key's quotas as the draft of the IETF has them, draft-ietf-httpapi-ratelimit-headers-10.

    >>> quota_headers({"photos": 100}, {"photos": 98}, 3600)
    {'RateLimit-Policy': '"photos";q=100;w=86400', 'RateLimit': '"photos";r=98;t=3600'}
    """
    policies = (f'"{what}";q={limit};w={DAY_S}' for what, limit in limits.items())
    levels = (f'"{what}";r={rest};t={wait_s}' for what, rest in left.items())
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(levels)}


def server_timing(seconds: Mapping[str, float]) -> str:
    """Stages as browsers show them.

    >>> server_timing({"decode": 0.0123, "embed": 0.2})
    'decode;dur=12.3, embed;dur=200.0'
    """
    return ", ".join(f"{stage};dur={value * 1000:.1f}" for stage, value in seconds.items())


class Unforeseen:
    """Answers faults of ours: logged with everything, told with nothing but the request id."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except asyncio.CancelledError:
            # the server gives up what took too long while it stops; its task ends here anyway
            if started:
                raise
            stopping = problem(503, "stopping", "The service was stopped before it was done")
            await stopping(scope, receive, send)
        except Exception:
            logger.exception("request %s failed", correlation_id.get())
            if started:
                raise
            await internal()(scope, receive, send)

"""Errors as answers: RFC 9457 ``application/problem+json``, one table from error to status.

What went wrong is said in words and by a stable code; what was sent is never echoed, and a fault
of ours says nothing but the id of the request.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from asgi_correlation_id import correlation_id
from fastapi import Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import MAX_BODY_SIZE_SCOPE_KEY
from starlette.requests import ClientDisconnect, Request

from scenesearch.core.addresses import without_addresses
from scenesearch.core.errors import (
    CatalogError,
    CollectionMismatchError,
    ConfigError,
    DamagedError,
    ImageError,
    InvalidVectorError,
    ModelError,
    NoSpaceError,
    QueryError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.engine.remote.backend import BusyError
from scenesearch.service.http.methods import allowed_methods

MEDIA_TYPE = "application/problem+json"
TYPE_BASE = "https://scenesearch.dev/problems/"
RETRY_AFTER_S = 2
"""What Retry-After says where nobody knows better."""
DETAIL_MAX = 1000
ERRORS_MAX = 20
LOC_MAX = 100
CLIENT_LEFT = 499
"""Nobody reads it; what nginx counts a request as whose client went away."""

BY_CODE = {
    # photos
    "empty_image": 400,
    "unsupported_image": 415,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    # requests
    "bad_json": 400,
    "bad_multipart": 400,
    "bad_request": 400,
    "request_too_large": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "cross_site": 403,
    "host_not_allowed": 403,
    "origin_not_allowed": 403,
    "store_forbidden": 403,
    "address_not_allowed": 403,
    "fetch_disabled": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "body_timeout": 408,
    "idempotency_conflict": 409,
    "backup_exists": 409,
    "query_expired": 410,
    "body_too_large": 413,
    "store_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "validation": 422,
    "store_limit": 422,
    "rate_limited": 429,
    "quota_used": 429,
    "other_tenant": 422,
    "headers_too_large": 431,
    "internal": 500,
    "fetch_failed": 502,
    "fetch_timeout": 502,
    "busy": 503,
    "stopping": 503,
}
"""Codes whose status is not that of their class."""
BY_CLASS: tuple[tuple[type[SceneSearchError], int], ...] = (
    (BusyError, 503),
    (ImageError, 422),
    (QueryError, 422),
    (CatalogError, 422),
    (InvalidVectorError, 422),
    (NoSpaceError, 507),
    (DamagedError, 500),
    (CollectionMismatchError, 503),
    (StoreError, 503),
    (ModelError, 503),
    (ConfigError, 503),
)
"""The first class that fits; any other error of the package is the caller's: 422."""
OF_STATUS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "validation",
    503: "busy",
}
"""What a bare HTTP error of the framework is called."""

logger = logging.getLogger("scenesearch.service")


class ProblemError(HTTPException):
    """A refusal of the service itself, ready to be answered.

    It is an ``HTTPException`` so that the framework, which reads bodies, lets it through.

    Attributes:
        code: its stable name; the status follows from it unless given.
        errors: what is wrong with which part of the request.
        limit: the limit that was passed, where there is one.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        status: int | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
        limit: int | float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status or BY_CODE[code], detail, dict(headers or {}))
        self.code = code
        self.errors = tuple(errors)
        self.limit = limit


class ClientLeftError(Exception):
    """The client closed its connection before there was an answer."""


def too_large(limit: int) -> ProblemError:
    """A body above the limit, in bytes."""
    return ProblemError(
        "body_too_large",
        f"The body is larger than {limit} bytes; send fewer or smaller photos, or raise "
        "service.max_body_megabytes",
        limit=limit,
    )


def clean(text: str, limit: int = DETAIL_MAX) -> str:
    r"""A message that can be sent: no control characters, no lone surrogates, not endless.

    >>> clean("a\x00b\ud800")
    'a b?'
    """
    short = text if len(text) <= limit else text[: limit - 1] + "…"
    # names of fields and the like; the heads and tails of long texts say enough
    encoded = short.encode("utf-8", "replace").decode("utf-8")
    return "".join(char if char.isprintable() else " " for char in encoded)


_FOLDERS = re.compile(r"(?<![\w.:/])/(?:[^/\s'\",;]+/)+(?=[^/\s'\",;])")


def without_folders(text: str) -> str:
    """A message without where things lie on this machine: only the last name of a path stays.

    >>> without_folders("/srv/shop/store/items: cannot be opened; see /v1/models")
    '.../items: cannot be opened; see /v1/models'
    """
    return _FOLDERS.sub(lambda found: found[0] if found[0] == "/v1/" else ".../", text)


def problem(
    status: int,
    code: str,
    detail: str | None,
    *,
    errors: Sequence[Mapping[str, Any]] = (),
    limit: float | None = None,
    headers: Mapping[str, str] | None = None,
    request_id: str | None = None,
) -> Response:
    """An answer that says what went wrong; the id is that of the request unless given."""
    body: dict[str, Any] = {
        "type": TYPE_BASE + code,
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "request_id": request_id or correlation_id.get(),
    }
    if detail:
        body["detail"] = clean(detail)
    if errors:
        body["errors"] = list(errors)
    if limit is not None:
        body["limit"] = limit
    sent = dict(headers or {})
    if status in {429, 503}:
        sent.setdefault("Retry-After", str(RETRY_AFTER_S))
    if status == 401:
        sent.setdefault("WWW-Authenticate", 'Bearer realm="scenesearch"')
    return Response(
        json.dumps(body, ensure_ascii=False, allow_nan=False),
        status_code=status,
        headers=sent,
        media_type=MEDIA_TYPE,
    )


def of_error(error: ProblemError) -> Response:
    """The answer to a refusal of the service itself."""
    return problem(
        error.status_code,
        error.code,
        error.detail,
        errors=error.errors,
        limit=error.limit,
        headers=error.headers,
    )


def internal() -> Response:
    """The answer to a fault of ours: nothing but the id under which it was logged."""
    return problem(500, "internal", "A fault of the service; its log has the id of this request.")


async def _package_error(_request: Request, error: SceneSearchError) -> Response:
    of_class = next((status for kind, status in BY_CLASS if isinstance(error, kind)), 422)
    status = BY_CODE.get(error.code, of_class)
    if status in {500, 503, 507}:
        logger.warning("request %s: %s: %s", correlation_id.get(), error.code, clean(str(error)))
    headers = {}
    if isinstance(error, BusyError | StoreUnavailableError) and error.retry_after_s is not None:
        headers["Retry-After"] = str(max(1, int(error.retry_after_s)))
    detail = str(error) if status < 500 else without_folders(str(error))
    if isinstance(error, StoreError):
        detail = without_addresses(detail)
    return problem(status, error.code, detail, headers=headers)


async def _validation_error(_request: Request, error: RequestValidationError) -> Response:
    found = error.errors()
    errors = [validation_entry(one) for one in found[:ERRORS_MAX]]
    first = errors[0] if errors else {"loc": [], "msg": "not valid"}
    where = ".".join(str(part) for part in first["loc"]) or "request"
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return problem(422, "validation", f"{where}: {first['msg']}{more}", errors=errors)


def validation_entry(error: Mapping[str, Any]) -> dict[str, Any]:
    """One finding of pydantic, without what was sent."""
    loc = [
        part if isinstance(part, int) else clean(str(part), LOC_MAX)
        for part in error.get("loc", ())
    ]
    return {"loc": loc, "msg": clean(str(error.get("msg", "not valid")), 300)}


async def _http_error(request: Request, error: HTTPException) -> Response:
    if isinstance(error, ProblemError):
        return of_error(error)
    status = error.status_code
    if status == 413 and (limit := request.scope.get(MAX_BODY_SIZE_SCOPE_KEY)) is not None:
        return of_error(too_large(limit))
    code = OF_STATUS.get(status, "bad_request" if status < 500 else "internal")
    headers = {"Allow": allowed_methods(request)} if status == 405 else error.headers
    return problem(status, code, str(error.detail), headers=headers)


async def _client_left(_request: Request, _error: Exception) -> Response:
    return Response(status_code=CLIENT_LEFT)


HANDLERS: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = {
    SceneSearchError: _package_error,
    RequestValidationError: _validation_error,
    HTTPException: _http_error,
    ClientLeftError: _client_left,
    ClientDisconnect: _client_left,
}
"""What answers every error of a route as a problem."""

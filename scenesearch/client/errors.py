"""What a service refused, as exceptions."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scenesearch.core.errors import SceneSearchError


class ServiceUnreachableError(SceneSearchError):
    """No answer came: the service is not there, or the connection broke."""

    code = "service_unreachable"


class ServiceError(SceneSearchError):
    """The service answered with a problem (RFC 9457).

    Attributes:
        status: of HTTP.
        request_id: what the service's log calls the request.
        retry_after_s: when it is worth trying again; None where it did not say.
        errors: what is wrong with which part of the request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str,
        request_id: str = "",
        retry_after_s: float | None = None,
        errors: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.errors = tuple(errors)


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ServiceError:
    """The error that an answer says; an answer that is no problem document is one of its own."""
    try:
        problem = json.loads(body)
    except ValueError:
        problem = {}
    if not isinstance(problem, dict):
        problem = {}
    errors = [one for one in problem.get("errors") or () if isinstance(one, dict)]
    places = "; ".join(f"{one.get('loc')}: {one.get('msg')}" for one in errors)
    detail = str(problem.get("detail") or f"the service answered {status}")
    return ServiceError(
        f"{detail} ({places})" if places else detail,
        status=status,
        code=str(problem.get("code") or f"http_{status}"),
        request_id=str(problem.get("request_id") or headers.get("x-request-id", "")),
        retry_after_s=_seconds(headers.get("retry-after")),
        errors=errors,
    )


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text is not None else None
    except ValueError:
        return None

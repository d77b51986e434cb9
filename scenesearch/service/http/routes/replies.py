"""Answers as HTTP has them: JSON text as it is, values as JSON, nothing there, nothing new."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scenesearch.service.http.problems import ProblemError


def json_reply(value: Any, status: int = 200) -> Response:
    """JSON text as it came from the engine, or a value as JSON.

    Raises:
        ValueError: a number that is not finite; the engine sends none.
    """
    if not isinstance(value, str | bytes):
        value = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(value, status, media_type="application/json")


def not_found(what: str) -> ProblemError:
    """There is none of that name.

    Args:
        what: a sentence's beginning: ``No item of this id``.
    """
    return ProblemError("not_found", what)


def is_current(request: Request, tag: str) -> bool:
    """Whether ``If-None-Match`` names a tag; weak tags compare as strong ones here (RFC 9110).

    Args:
        request: may name what it has.
        tag: of what there is, in quotes.
    """
    given = request.headers.get("if-none-match", "").split(",")
    tags = [one.strip().removeprefix("W/") for one in given]
    return tag in tags or tags == ["*"]

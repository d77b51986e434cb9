"""Answers as HTTP has them: JSON text as it is, values as JSON, nothing there, nothing new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import Request, Response

from scenesearch.engine.tasks import Task
from scenesearch.service.http.depends import run_task
from scenesearch.service.http.problems import BY_CODE, ProblemError


def json_reply(value: Any, status: int = 200) -> Response:
    """JSON text as it came from the engine, or a value as JSON.

    Raises:
        ValueError: a number that is not finite; the engine sends none.
    """
    if not isinstance(value, str | bytes):
        value = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(value, status, media_type="application/json")


async def reply(request: Request, task: Task, *, missing: str = "") -> Response:
    """What the engine answers to a task, as JSON.

    Args:
        request: who asks.
        task: what is asked.
        missing: the sentence of a 404 where the answer is None.

    Raises:
        ProblemError: there is none.
        SceneSearchError: as the engine raised it.
    """
    found = (await run_task(request, task)).value
    if found is None:
        raise ProblemError("not_found", missing)
    return json_reply(found)


def is_current(request: Request, tag: str) -> bool:
    """Whether ``If-None-Match`` names a tag; weak tags compare as strong ones here (RFC 9110).

    Args:
        request: may name what it has.
        tag: of what there is, in quotes.
    """
    given = request.headers.get("if-none-match", "").split(",")
    tags = [one.strip().removeprefix("W/") for one in given]
    return tag in tags or tags == ["*"]


def refuse_failure(outcome: Mapping[str, Any]) -> None:
    """Do nothing for what was stored.

    Args:
        outcome: of one record, as :class:`~scenesearch.engine.tasks.PutItems` answers.

    Raises:
        ProblemError: it failed: the record's own error, with the status of its code.
    """
    error = outcome["error"]
    if error is not None:
        code = error["code"]
        raise ProblemError(code, error["detail"], status=BY_CODE.get(code, 422))

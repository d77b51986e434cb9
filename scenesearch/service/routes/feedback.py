"""``/v1/feedback``: what people did with answers."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from scenesearch.service.depends import ReadKey, WriteKey, state
from scenesearch.service.intake import NoQuery, read_json
from scenesearch.service.openapi import problem_responses
from scenesearch.service.problems import ProblemError
from scenesearch.service.routes.replies import json_reply
from scenesearch.service.schemas.feedback import (
    FeedbackPage,
    FeedbackQuery,
    FeedbackRequest,
    FeedbackResponse,
)
from scenesearch.service.schemas.openapi import json_body
from scenesearch.service.state import State

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])


@router.post(
    "",
    dependencies=[ReadKey, NoQuery],
    summary="Say what somebody did with an answer",
    description="Kept with its time and with a digest of the key; the oldest go when it is full.",
    response_model=None,
    status_code=201,
    responses={201: {"model": FeedbackResponse}, **problem_responses(507)},
    openapi_extra=json_body(
        FeedbackRequest, {"a click": {"kind": "click", "item_id": "SKU-1", "rank": 0}}
    ),
)
async def add_feedback(request: Request) -> Response:
    """Say what somebody did with an answer."""
    body = await read_json(request, FeedbackRequest)
    found = await asyncio.to_thread(
        _state(request).feedback.add,
        getattr(request.state, "caller", ""),
        body.kind,
        body.item_id,
        query_id=body.query_id,
        region=body.region,
        rank=body.rank,
    )
    return json_reply(FeedbackResponse.of(found).model_dump(), 201)


@router.get(
    "",
    dependencies=[WriteKey],
    summary="Feedback in the order it came",
    response_model=None,
    responses={200: {"model": FeedbackPage}},
)
async def list_feedback(request: Request, query: Annotated[FeedbackQuery, Query()]) -> Response:
    """Feedback in the order it came."""
    after = 0 if query.cursor is None else int(query.cursor)
    log = _state(request).feedback
    found = await asyncio.to_thread(log.page, query.limit + 1, since=query.since_s(), after=after)
    page = found[: query.limit]
    cursor = str(page[-1].seq) if len(found) > len(page) else None
    answer = FeedbackPage(feedback=[FeedbackResponse.of(one) for one in page], cursor=cursor)
    return json_reply(answer.model_dump())


def _state(request: Request) -> State:
    found: State | None = state(request)
    if found is None:
        raise ProblemError("not_found", "This service keeps no feedback")
    return found

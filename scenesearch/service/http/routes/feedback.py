"""``/v1/feedback``: what people did with answers."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from scenesearch.schemas.feedback import (
    FeedbackPage,
    FeedbackQuery,
    FeedbackRequest,
    FeedbackResponse,
)
from scenesearch.schemas.jobs import time_text
from scenesearch.schemas.openapi import json_body
from scenesearch.service.http.depends import FeedbackKey, WriteKey, kept_state, key_tenant
from scenesearch.service.http.intake import NoQuery, read_json
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.routes.replies import json_reply
from scenesearch.service.state.feedback import Feedback

router = APIRouter(prefix="/v1/feedback", tags=["feedback"], route_class=Operation)


@router.post(
    "",
    dependencies=[FeedbackKey, NoQuery],
    description="Kept with its time and with a digest of the key; the oldest go when it is full.",
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
        kept_state(request, "feedback").feedback.add,
        getattr(request.state, "caller", ""),
        tenant=key_tenant(request),
        **body.model_dump(),
    )
    return json_reply(_sent(found).model_dump(), 201)


@router.get(
    "",
    dependencies=[WriteKey],
    responses={200: {"model": FeedbackPage}},
)
async def list_feedback(request: Request, query: Annotated[FeedbackQuery, Query()]) -> Response:
    """Feedback in the order it came."""
    log = kept_state(request, "feedback").feedback
    found = await asyncio.to_thread(
        log.page,
        query.one_more,
        since=query.since_s(),
        after=query.place or 0,
        tenant=key_tenant(request),
    )
    page, cursor = query.page(found, lambda one: one.seq)
    answer = FeedbackPage(feedback=[_sent(one) for one in page], cursor=cursor)
    return json_reply(answer.model_dump())


def _sent(found: Feedback) -> FeedbackResponse:
    values = asdict(found)
    del values["tenant"]
    return FeedbackResponse(id=str(values.pop("seq")), time=time_text(values.pop("at")), **values)

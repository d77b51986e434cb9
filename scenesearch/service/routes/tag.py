"""``POST /v1/tag``: what is in a photo."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from scenesearch.service.depends import ReadKey, run_task
from scenesearch.service.intake import NoQuery, photo_of, read_either
from scenesearch.service.openapi import problem_responses
from scenesearch.service.routes.replies import json_reply
from scenesearch.service.schemas.openapi import json_or_form
from scenesearch.service.schemas.tag import TagOptions, TagRequest, TagResponse

router = APIRouter(prefix="/v1", tags=["tagging"], dependencies=[ReadKey, NoQuery])


@router.post(
    "/tag",
    summary="Say what is in a photo",
    description="Objects with boxes, colours and tags; on demand masks and what is written.",
    response_model=None,
    responses={200: {"model": TagResponse}, **problem_responses(415, 502)},
    openapi_extra=json_or_form(
        TagRequest,
        TagOptions,
        {"address": {"photo": {"url": "https://images.example.com/room.jpg"}, "ocr": True}},
    ),
)
async def tag(request: Request) -> Response:
    """Say what is in a photo."""
    sent = await read_either(request, TagRequest, TagOptions)
    if sent.form is not None:
        task = sent.form.task(sent.photos[0])
    else:
        assert sent.body is not None
        task = sent.body.task(await photo_of(request, sent.body.photo))
    return json_reply((await run_task(request, task)).value)

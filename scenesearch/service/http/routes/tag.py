"""``POST /v1/tag``: what is in a photo."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from scenesearch.engine.tasks import TagTask
from scenesearch.schemas.openapi import json_or_form
from scenesearch.schemas.tag import TagOptions, TagRequest, TagResponse
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.intake import NoQuery, photo_of, read_either
from scenesearch.service.http.openapi import problem_responses
from scenesearch.service.http.routes.replies import reply

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
    asked = sent.asked
    named = asked.photo if isinstance(asked, TagRequest) else None
    photo = sent.photos[0] if named is None else await photo_of(request, named)
    task = TagTask(photo, masks=asked.masks, ocr=asked.ocr)
    return await reply(request, task)

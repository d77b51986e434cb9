"""``POST /v1/look``: every object of a photo, searched."""

from __future__ import annotations

from dataclasses import replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from scenesearch.service.depends import ReadKey, run_task
from scenesearch.service.intake import NoQuery, photo_of, read_either
from scenesearch.service.openapi import problem_responses
from scenesearch.service.routes.replies import json_reply
from scenesearch.service.schemas.look import LookOptions, LookRequest
from scenesearch.service.schemas.looks import LookResponse
from scenesearch.service.schemas.openapi import json_or_form

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[ReadKey, NoQuery])

_EXAMPLES = {
    "address": {"photo": {"url": "https://images.example.com/room.jpg"}, "limit": 10},
    "refined": {
        "query_id": "mXc3nW0r7bqkqYJwV1h0Yg",
        "words": "in blue, under $50",
        "where": "category = 'chair'",
        "facets": ["category", "colour_names"],
    },
    "one box": {
        "query_id": "mXc3nW0r7bqkqYJwV1h0Yg",
        "boxes": [[0.1, 0.2, 0.4, 0.7]],
        "box_format": "xyxy_norm",
    },
}


@router.post(
    "/look",
    summary="Search every object of a photo",
    description=(
        "Every object of the photo is found, cut out, and matched against the catalogue: one list "
        "for each, and one for the whole photo. The answer's `query_id` asks the same photo again "
        "with other options, without uploading or analysing it again."
    ),
    response_model=None,
    responses={200: {"model": LookResponse}, **problem_responses(410, 415, 502)},
    openapi_extra=json_or_form(LookRequest, LookOptions, _EXAMPLES),
)
async def look(request: Request) -> Response:
    """Search every object of a photo."""
    sent = await read_either(request, LookRequest, LookOptions)
    if sent.form is not None:
        task = sent.form.task(sent.photos[0])
    else:
        assert sent.body is not None
        body = sent.body
        # what is wrong with the question is said before its photo is decoded or fetched
        task = body.task(None, body.query_id)
        if body.photo is not None:
            task = replace(task, photo=await photo_of(request, body.photo))
    return json_reply((await run_task(request, task)).value)

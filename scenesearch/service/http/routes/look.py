"""``POST /v1/look``: every object of a photo, searched."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from scenesearch.engine.tasks import LookTask
from scenesearch.schemas.look import LookOptions, LookRequest, check_places
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.openapi import json_or_form
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.intake import NoQuery, photo_of, read_either
from scenesearch.service.http.openapi import problem_responses
from scenesearch.service.http.routes.replies import reply

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
    asked, photo, query_id = sent.asked, next(iter(sent.photos), None), None
    # what is wrong with the question is said before its photo is decoded or fetched
    check_places(asked.boxes, asked.point, asked.box_format)
    if isinstance(asked, LookRequest):
        query_id = asked.query_id
        photo = None if asked.photo is None else await photo_of(request, asked.photo)
    task = LookTask(
        photo=photo,
        query_id=query_id,
        boxes=tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in asked.boxes),
        point=None if asked.point is None else (asked.point[0], asked.point[1]),
        box_format=asked.box_format,
        detection_limit=asked.detection_limit,
        detection_sensitivity=asked.detection_sensitivity,
        texts=asked.texts,
        items=asked.items,
        words=asked.words,
        where=asked.where,
        options=asked.options(),
        offset=asked.offset,
    )
    return await reply(request, task)

"""``POST /v1/search``: one thing, searched by words, photos, items or vectors."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from scenesearch.engine.tasks import SearchTask
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.openapi import json_or_form
from scenesearch.schemas.photos import MAX_PHOTOS
from scenesearch.schemas.search import SearchOptions, SearchRequest
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.intake import NoQuery, photos_of, read_either
from scenesearch.service.http.openapi import problem_responses
from scenesearch.service.http.routes.replies import reply

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[ReadKey, NoQuery])

_EXAMPLES = {
    "words": {"words": "blue armchair under $200", "facets": ["category"]},
    "like and unlike": {"items": {"SKU-1": 1.0, "SKU-2": -0.5}, "where": "price < 50"},
}


@router.post(
    "/search",
    summary="Search for one thing",
    description=(
        "Any mixture of words, texts, photos of one thing, catalogue items and vectors; weights "
        "below 0 push away. Nothing is detected in the photos. A form's photos count 1 each."
    ),
    response_model=None,
    responses={200: {"model": LookResponse}, **problem_responses(415, 502)},
    openapi_extra=json_or_form(SearchRequest, SearchOptions, _EXAMPLES, most_photos=MAX_PHOTOS),
)
async def search(request: Request) -> Response:
    """Search for one thing."""
    sent = await read_either(request, SearchRequest, SearchOptions, most_photos=MAX_PHOTOS)
    asked = sent.asked
    asked.check(len(sent.photos))
    named = await photos_of(request, asked.photos)
    photos = [(photo, 1.0) for photo in sent.photos]
    photos += [(photo, one.weight) for photo, one in zip(named, asked.photos, strict=True)]
    task = SearchTask(
        words=asked.words,
        texts=asked.texts,
        photos=tuple(photos),
        items=asked.items,
        vectors=tuple((tuple(one.vector), one.weight) for one in asked.vectors),
        where=asked.where,
        options=asked.options(),
        offset=asked.offset,
    )
    return await reply(request, task)

"""What is asked with a photo or words: look, search, tag; and facets, what there is to ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from scenesearch.engine.tasks import (
    BasketTask,
    CompleteTask,
    FacetTask,
    LookTask,
    Photo,
    SearchTask,
    TagTask,
)
from scenesearch.schemas.baskets import BasketOptions, BasketRequest, BasketResponse
from scenesearch.schemas.complete import CompleteQuery, CompleteResponse
from scenesearch.schemas.look import LookOptions, LookRequest, check_places
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.openapi import json_or_form
from scenesearch.schemas.photos import MAX_PHOTOS
from scenesearch.schemas.search import FacetQuery, FacetsResponse, SearchOptions, SearchRequest
from scenesearch.schemas.tag import TagOptions, TagRequest, TagResponse
from scenesearch.service.http.depends import ReadKey, SearchKey, key_filter, key_tenant
from scenesearch.service.http.intake import NoQuery, photo_of, photos_of, read_either
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.routes.replies import reply

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[SearchKey], route_class=Operation)

_LOOKS = {
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
_BASKETS = {
    "a room for 800": {
        "photo": {"url": "https://images.example.com/room.jpg"},
        "budget": 800,
        "currency": "EUR",
    },
    "one swapped": {
        "query_id": "mXc3nW0r7bqkqYJwV1h0Yg",
        "budget": 800,
        "keep": {"1": "SKU-1", "2": "SKU-7"},
        "leave_out": [3],
    },
}
_SEARCHES = {
    "words": {"words": "blue armchair under $200", "facets": ["category"]},
    "like and unlike": {"items": {"SKU-1": 1.0, "SKU-2": -0.5}, "where": "price < 50"},
}


@router.post(
    "/look",
    dependencies=[NoQuery],
    description=(
        "Every object of the photo is found, cut out, and matched against the catalogue: one list "
        "for each, and one for the whole photo. The answer's `query_id` asks the same photo again "
        "with other options, without uploading or analysing it again."
    ),
    responses={200: {"model": LookResponse}, **problem_responses(410, 415, 502)},
    openapi_extra=json_or_form(LookRequest, LookOptions, _LOOKS),
)
async def look(request: Request) -> Response:
    """Search every object of a photo."""
    sent = await read_either(request, LookRequest, LookOptions)
    return await reply(request, await _look_task(request, sent.asked, sent.photos))


@router.post(
    "/basket",
    dependencies=[NoQuery],
    description=(
        "One product for each object of the photo, together within the budget: the closest "
        "basket, a cheaper one and one of another style. A product is swapped by asking again with "
        "`query_id` and all others in `keep`."
    ),
    responses={200: {"model": BasketResponse}, **problem_responses(410, 415, 502)},
    openapi_extra=json_or_form(BasketRequest, BasketOptions, _BASKETS, part_required=True),
)
async def basket(request: Request) -> Response:
    """Choose a product for each object, under a budget."""
    sent = await read_either(request, BasketRequest, BasketOptions, part_required=True)
    asked = sent.asked
    task = await _look_task(request, sent.asked, sent.photos)
    return await reply(
        request, BasketTask(task, asked.budget, asked.currency, asked.kept(), asked.same_category)
    )


async def _look_task(request: Request, asked: LookOptions, photos: Sequence[Photo]) -> LookTask:
    photo, query_id = next(iter(photos), None), None
    # what is wrong with the question is said before its photo is decoded or fetched
    check_places(asked.boxes, asked.point, asked.box_format)
    if isinstance(asked, LookRequest):
        query_id = asked.query_id
        photo = None if asked.photo is None else await photo_of(request, asked.photo)
    return LookTask(
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
        only=key_filter(request),
        refine=asked.turns(),
        tenant=key_tenant(request),
    )


@router.post(
    "/search",
    dependencies=[NoQuery],
    description=(
        "Any mixture of words, texts, photos of one thing, catalogue items and vectors; weights "
        "below 0 push away. Nothing is detected in the photos. A form's photos count 1 each."
    ),
    responses={200: {"model": LookResponse}, **problem_responses(415, 502)},
    openapi_extra=json_or_form(SearchRequest, SearchOptions, _SEARCHES, most_photos=MAX_PHOTOS),
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
        vectors=tuple((tuple(one.vector), one.weight, one.space) for one in asked.vectors),
        where=asked.where,
        options=asked.options(),
        offset=asked.offset,
        only=key_filter(request),
        refine=asked.turns(),
    )
    return await reply(request, task)


@router.get(
    "/complete",
    description="From other categories: seen together in known scenes, of one style and colour.",
    responses={200: {"model": CompleteResponse}},
)
async def complete(request: Request, query: Annotated[CompleteQuery, Query()]) -> Response:
    """What goes with items."""
    task = CompleteTask(
        tuple(query.item), query.limit, query.per_category, query.where, key_filter(request)
    )
    return await reply(request, task)


@router.get(
    "/facets",
    description=(
        "What can be filtered by: values with the number of items that have each, and the range "
        "of fields with numbers."
    ),
    responses={200: {"model": FacetsResponse}},
)
async def list_facets(request: Request, query: Annotated[FacetQuery, Query()]) -> Response:
    """Values of fields, with counts."""
    task = FacetTask(tuple(query.field), query.where, query.limit, key_filter(request))
    return await reply(request, task)


tag_router = APIRouter(
    prefix="/v1", tags=["tagging"], dependencies=[ReadKey, NoQuery], route_class=Operation
)


@tag_router.post(
    "/tag",
    description="Objects with boxes, colours and tags; on demand masks and what is written.",
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

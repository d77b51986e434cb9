"""``/v1/items``: the catalogue, item by item."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from scenesearch.engine.tasks import (
    DeleteItems,
    GetItem,
    ItemRecord,
    ListItems,
    PatchItem,
    PutItems,
)
from scenesearch.schemas.base import ItemId
from scenesearch.schemas.items import (
    AttributesRequest,
    DeletedResponse,
    DeleteRequest,
    ItemAttributes,
    ItemRequest,
    ItemResponse,
    ItemsQuery,
    ItemsResponse,
    PathItemAttributes,
    PathItemRequest,
)
from scenesearch.schemas.openapi import json_body, json_or_form
from scenesearch.schemas.photos import MAX_PHOTOS
from scenesearch.service.http.depends import (
    ReadKey,
    SearchKey,
    WriteKey,
    key_filter,
    key_tenant,
    run_task,
)
from scenesearch.service.http.intake import NoQuery, Sent, photos_in, read_either, read_json
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.paths import register_paths
from scenesearch.service.http.routes.replies import json_reply, refuse_failure, reply

register_paths()
router = APIRouter(prefix="/v1/items", tags=["items"], route_class=Operation)

_NO_ITEM = "No item of this id"
_STORED = "The item is stored: a later search finds it, and it survives a crash. "
_CHAIR = {
    "photos": [{"url": "https://images.example.com/chair.jpg"}],
    "attributes": {"title": "Armchair", "category": "chair", "price": 129.0},
}
_PUT_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": ItemResponse, "description": "It was there; changed, or the same as before"},
    201: {"model": ItemResponse, "description": "It is new"},
    **problem_responses(415, 502, 507),
}
ItemPath = Annotated[
    ItemId, Path(description="Percent-encoded where it holds `/`, `?`, `#` or `%`")
]


@router.get(
    "",
    dependencies=[ReadKey],
    description="In a stable order; `cursor` of an answer asks for the next page.",
    responses={200: {"model": ItemsResponse}},
)
async def list_items(request: Request, query: Annotated[ItemsQuery, Query()]) -> Response:
    """Items, page by page."""
    task = ListItems(query.where, query.limit, query.cursor, key_filter(request))
    return await reply(request, task)


@router.post(
    "",
    dependencies=[WriteKey, NoQuery],
    description=_STORED + "A form's files called `photo` are its photos, in order.",
    responses=_PUT_RESPONSES,
    openapi_extra=json_or_form(
        ItemRequest,
        ItemAttributes,
        {"chair": {"id": "SKU-1", **_CHAIR}},
        part="item",
        part_required=True,
        most_photos=MAX_PHOTOS,
    ),
)
async def add_item(request: Request) -> Response:
    """Insert or replace an item."""
    sent = await read_either(
        request,
        ItemRequest,
        ItemAttributes,
        part="item",
        part_required=True,
        most_photos=MAX_PHOTOS,
    )
    return await _put(request, sent.asked.id, sent)


@router.post(
    "/delete",
    dependencies=[WriteKey, NoQuery],
    description="Ids that are not there are no error.",
    responses={200: {"model": DeletedResponse}},
    openapi_extra=json_body(
        DeleteRequest,
        {"by id": {"ids": ["SKU-1", "SKU-2"]}, "by filter": {"where": "in_stock = false"}},
    ),
)
async def delete_items(request: Request) -> Response:
    """Remove items by id or by filter."""
    body = await read_json(request, DeleteRequest)
    task = DeleteItems(tuple(body.ids or ()), body.where, key_filter(request))
    return await reply(request, task)


@router.get(
    "/{item_id:item_id}",
    dependencies=[SearchKey, NoQuery],
    description="Its attributes and photos, as they are stored.",
    responses={200: {"model": ItemResponse}, **problem_responses(404)},
)
async def get_item(request: Request, item_id: ItemPath) -> Response:
    """One item."""
    return await reply(request, GetItem(item_id, key_filter(request)), missing=_NO_ITEM)


@router.put(
    "/{item_id:item_id}",
    dependencies=[WriteKey, NoQuery],
    description=_STORED + "A form's files called `photo` are its photos, in order.",
    responses=_PUT_RESPONSES,
    openapi_extra=json_or_form(
        PathItemRequest,
        PathItemAttributes,
        {"chair": _CHAIR},
        part="item",
        most_photos=MAX_PHOTOS,
    ),
)
async def put_item(request: Request, item_id: ItemPath) -> Response:
    """Insert or replace the item of this id."""
    sent = await read_either(
        request, PathItemRequest, PathItemAttributes, part="item", most_photos=MAX_PHOTOS
    )
    return await _put(request, item_id, sent)


@router.patch(
    "/{item_id:item_id}",
    dependencies=[WriteKey, NoQuery],
    description="Those named are set, null removes one; no photo is looked at again.",
    responses={200: {"model": ItemResponse}, **problem_responses(404, 507)},
    openapi_extra=json_body(
        AttributesRequest, {"price": {"attributes": {"price": 9.5, "old_field": None}}}
    ),
)
async def update_item(request: Request, item_id: ItemPath) -> Response:
    """Change attributes of an item."""
    body = await read_json(request, AttributesRequest)
    task = PatchItem(item_id, body.attributes, key_filter(request), key_tenant(request))
    return await reply(request, task, missing=_NO_ITEM)


@router.delete(
    "/{item_id:item_id}",
    dependencies=[WriteKey, NoQuery],
    description="No search finds it once this is answered.",
    responses={200: {"model": DeletedResponse}, **problem_responses(404)},
)
async def delete_item(request: Request, item_id: ItemPath) -> Response:
    """Remove an item."""
    task = DeleteItems((item_id,), only=key_filter(request))
    gone = (await run_task(request, task)).value
    if not gone["items"]:
        raise ProblemError("not_found", _NO_ITEM)
    return json_reply(gone)


async def _put(
    request: Request, item_id: str, sent: Sent[ItemAttributes] | Sent[PathItemAttributes]
) -> Response:
    record = ItemRecord(item_id, await photos_in(request, sent), sent.asked.attributes)
    task = PutItems((record,), items=True, tenant=key_tenant(request))
    outcome = (await run_task(request, task)).value[0]
    refuse_failure(outcome)
    return json_reply(outcome["item"], 201 if outcome["status"] == "added" else 200)

"""``/.well-known/ucp`` and ``/ucp/catalog``: the catalogue by the Universal Commerce Protocol.

Described by the schemas of the protocol, not by ours: https://ucp.dev.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends, Request, Response

from scenesearch.engine.tasks import GetItem, ListItems, LookTask, SearchTask
from scenesearch.schemas.ucp import (
    LIMIT_MAX,
    MAX_IDS,
    CatalogLookup,
    CatalogSearch,
    Context,
    Filters,
    GetProduct,
)
from scenesearch.service.http.depends import SearchKey, key_filter, key_tenant, run_task, shared
from scenesearch.service.http.intake import photo_of, read_json
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import json_reply
from scenesearch.service.ucp import products
from scenesearch.service.ucp.money import bounds

Answer = dict[str, Any]


async def spoken(request: Request) -> None:
    """Do nothing where the settings say that the protocol is spoken.

    Raises:
        ProblemError: they do not.
    """
    if not shared(request).settings.service.ucp:
        raise ProblemError("not_found", "This service does not speak UCP; see service.ucp")


router = APIRouter(include_in_schema=False, dependencies=[Depends(spoken)])


@router.get("/.well-known/ucp")
async def ucp_profile(request: Request) -> Response:
    """What this shop can be asked."""
    return json_reply(products.profile(str(request.base_url)))


@router.get("/ucp/photo_search.json")
async def ucp_photo_schema(request: Request) -> Response:
    """The schema of the extension."""
    return json_reply(products.photo_schema(str(request.base_url)))


@router.post("/ucp/catalog/search", dependencies=[SearchKey])
async def ucp_search(request: Request) -> Response:
    """Search the catalogue."""
    return json_reply(await search_catalog(request, await read_json(request, CatalogSearch)))


async def search_catalog(request: Request, asked: CatalogSearch) -> Answer:
    """What a search answers, over whatever transport.

    Raises:
        ProblemError: there is nothing to look for, or the cursor is of another search.
        SceneSearchError: as the engine raised it.
    """
    where, messages = _where(asked.filters, asked.context)
    limit = min(asked.pagination.limit, LIMIT_MAX)
    if asked.query is None and asked.photo is None:
        if where is None and not messages:
            raise ProblemError(
                "empty_query",
                "Give a query, filters or a photo: there is nothing to look for",
                status=400,
            )
        found, pages = await _listed(request, where, limit, asked.pagination.cursor)
    else:
        found, pages = await _searched(request, asked, where, limit)
    told = [one for _, one in found if one is not None]
    told = [one for one in told if _in_currency(one, asked.filters, asked.context)]
    gone = [item_id for item_id, one in found if one is None]
    used = (products.SEARCH, *((products.PHOTO,) if asked.photo else ()))
    answer = {"ucp": products.envelope(*used), "products": told, "pagination": pages}
    return _with(answer, [*messages, *products.unpriced(gone)])


@router.post("/ucp/catalog/lookup", dependencies=[SearchKey])
async def ucp_lookup(request: Request) -> Response:
    """Products by their ids."""
    return json_reply(await lookup_catalog(request, await read_json(request, CatalogLookup)))


async def lookup_catalog(request: Request, asked: CatalogLookup) -> Answer:
    """What a lookup answers, over whatever transport.

    Raises:
        ProblemError: too many ids.
        SceneSearchError: as the engine raised it.
    """
    ids = list(dict.fromkeys(asked.ids))
    if len(ids) > MAX_IDS:
        raise ProblemError(
            "request_too_large",
            f"{len(ids)} ids, expected at most {MAX_IDS}; ask for them in parts",
            status=400,
            limit=MAX_IDS,
        )
    where, messages = _where(asked.filters, asked.context)
    told: dict[str, dict[str, Any]] = {}
    gone: list[str] = []
    for item_id in ids:
        item = await _item(request, item_id, where)
        if item is None:
            messages.append(products.not_found(item_id))
        elif (one := _of_item(request, item, [item_id])) is None:
            gone.append(item_id)
        elif _in_currency(one, asked.filters, asked.context):
            told[one["id"]] = one
    answer = {"ucp": products.envelope(products.LOOKUP), "products": list(told.values())}
    return _with(answer, [*messages, *products.unpriced(gone)])


@router.post("/ucp/catalog/product", dependencies=[SearchKey])
async def ucp_product(request: Request) -> Response:
    """One product."""
    return json_reply(await get_product(request, await read_json(request, GetProduct)))


async def get_product(request: Request, asked: GetProduct) -> Answer:
    """One product, or an error of the protocol that says that there is none.

    Raises:
        SceneSearchError: as the engine raised it.
    """
    where, messages = _where(asked.filters, asked.context)
    item = await _item(request, asked.id, where)
    found = None if item is None else _of_item(request, item, ())
    if found is None:
        error = {
            "type": "error",
            "code": "not_found",
            "content": f"No product {asked.id:.100}",
            "severity": "unrecoverable",
        }
        head = {**products.envelope(products.LOOKUP), "status": "error"}
        return {"ucp": head, "messages": [error]}
    return _with({"ucp": products.envelope(products.LOOKUP), "product": found}, messages)


def _where(filters: Filters, context: Context) -> tuple[str | None, list[dict[str, Any]]]:
    """Filters as a text of ours, and what is to be said of them."""
    terms: list[str] = []
    messages: list[dict[str, Any]] = []
    if filters.categories:
        terms.append(f"category in ({', '.join(map(_quoted, filters.categories))})")
    if filters.price is not None:
        if context.currency is None:
            said = "the price filter was not applied: context.currency says what it is in"
            messages.append({"type": "info", "code": "price_filter_ignored", "content": said})
        elif text := bounds(filters.price.model_dump(), context.currency):
            terms.append(text)
    return (" and ".join(terms) or None), messages


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _in_currency(product: Mapping[str, Any], filters: Filters, context: Context) -> bool:
    """Whether a filter on prices means this product's."""
    if filters.price is None or context.currency is None:
        return True
    return bool(product["price_range"]["min"]["currency"] == context.currency)


async def _searched(
    request: Request, asked: CatalogSearch, where: str | None, limit: int
) -> tuple[list[tuple[str, dict[str, Any] | None]], dict[str, Any]]:
    offset = _offset(asked.pagination.cursor)
    options = {"limit": limit}
    task: LookTask | SearchTask
    if asked.photo is None:
        task = SearchTask(
            words=asked.query,
            where=where,
            options=options,
            offset=offset,
            only=key_filter(request),
        )
    else:
        task = LookTask(
            await photo_of(request, asked.photo),
            words=asked.query,
            where=where,
            options=options,
            offset=offset,
            only=key_filter(request),
            tenant=key_tenant(request),
        )
    look = json.loads((await run_task(request, task)).value)
    base = str(request.base_url)
    found = [
        (
            match["item_id"],
            products.product(
                match["item_id"],
                match["attributes"],
                [match["photo_url"]] if match["photo_url"] else [],
                base,
            ),
        )
        for match in look["matches"]
    ]
    following = look["next_offset"]
    pages = {"has_next_page": following is not None, "total_count": look["total"]}
    return found, pages if following is None else {**pages, "cursor": str(following)}


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= 4 and int(cursor) <= 1000):
        raise ProblemError("bad_cursor", "The cursor is of no answer to this search", status=400)
    return int(cursor)


async def _listed(
    request: Request, where: str | None, limit: int, cursor: str | None
) -> tuple[list[tuple[str, dict[str, Any] | None]], dict[str, Any]]:
    task = ListItems(where, limit, cursor, key_filter(request))
    page = (await run_task(request, task)).value
    found = [(item["id"], _of_item(request, item, ())) for item in page["items"]]
    pages = {"has_next_page": page["cursor"] is not None}
    return found, pages if page["cursor"] is None else {**pages, "cursor": page["cursor"]}


async def _item(request: Request, item_id: str, where: str | None) -> Mapping[str, Any] | None:
    found: Mapping[str, Any] | None
    found = (await run_task(request, GetItem(item_id, key_filter(request)))).value
    if found is not None and where is not None:
        # the caller's own filter, asked apart from that of its key
        found = (await run_task(request, GetItem(item_id, where))).value
    return found


def _of_item(
    request: Request, item: Mapping[str, Any], inputs: list[str] | tuple[()]
) -> dict[str, Any] | None:
    pictures = [photo["photo_url"] for photo in item["photos"] if photo["photo_url"]]
    base = str(request.base_url)
    return products.product(item["id"], item["attributes"], pictures, base, inputs=inputs)


def _with(answer: Answer, messages: list[dict[str, Any]]) -> Answer:
    return {**answer, **({"messages": messages} if messages else {})}

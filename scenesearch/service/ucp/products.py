"""Items as products of the protocol: an item is a product with one variant, itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from scenesearch.service.ucp.money import price

VERSION = "2026-04-08"
"""Of the protocol; its schemas are those of Universal-Commerce-Protocol/ucp at that tag."""
SEARCH = "dev.ucp.shopping.catalog.search"
LOOKUP = "dev.ucp.shopping.catalog.lookup"
PHOTO = "dev.scenesearch.shopping.photo_search"
"""Our extension of the search: a photo as what is looked for."""


def envelope(*capabilities: str) -> dict[str, Any]:
    """What every answer says of the protocol."""
    return {
        "version": VERSION,
        "capabilities": {name: [{"version": VERSION}] for name in capabilities},
    }


def product(
    item_id: str,
    attributes: Mapping[str, Any],
    pictures: Sequence[str],
    base: str,
    *,
    inputs: Sequence[str] = (),
) -> dict[str, Any] | None:
    """An item as a product; None where it has no price that can be said.

    Args:
        item_id: of the item.
        attributes: as they are stored.
        pictures: paths of its pictures on this service.
        base: address of this service.
        inputs: ids of a lookup that named it.
    """
    cost = price(attributes.get("price"), attributes.get("currency"))
    if cost is None:
        return None
    title = str(attributes.get("title") or item_id)
    before = price(attributes.get("list_price"), attributes.get("currency"))
    media = [{"type": "image", "url": urljoin(base, path), "alt_text": title} for path in pictures]
    categories = attributes.get("category")
    named = categories if isinstance(categories, list) else [categories] if categories else []
    stock = attributes.get("in_stock")
    shared = {
        "title": title,
        "description": {"plain": str(attributes.get("description") or title)},
        **({"url": attributes["url"]} if _is_web(attributes.get("url")) else {}),
    }
    variant = {
        "id": item_id,
        **shared,
        "price": cost,
        **({"list_price": before} if before else {}),
        **({"availability": {"available": stock}} if isinstance(stock, bool) else {}),
        **({"inputs": [{"id": one, "match": "exact"} for one in inputs]} if inputs else {}),
    }
    return {
        "id": item_id,
        **shared,
        "categories": [{"value": str(one), "taxonomy": "merchant"} for one in named],
        "price_range": {"min": cost, "max": cost},
        **({"list_price_range": {"min": before, "max": before}} if before else {}),
        **({"media": media} if media else {}),
        "variants": [variant],
    }


def unpriced(ids: Sequence[str]) -> list[dict[str, Any]]:
    """A message for items that cannot be told, where there are any."""
    if not ids:
        return []
    said = f"left out, without a price in an ISO 4217 currency: {', '.join(ids[:10])}"
    return [{"type": "info", "code": "no_price", "content": said}]


def not_found(item_id: str) -> dict[str, Any]:
    """A message for an id that names nothing."""
    return {"type": "info", "code": "not_found", "content": item_id}


def profile(base: str) -> dict[str, Any]:
    """What a shop says of itself at ``/.well-known/ucp``.

    Args:
        base: address of this service.
    """
    docs, schemas = (f"https://ucp.dev/{VERSION}/{name}" for name in ("specification", "schemas"))

    def capability(name: str, schema: str) -> dict[str, Any]:
        page = f"{docs}/catalog/{name.rpartition('.')[2]}"
        return {"version": VERSION, "spec": page, "schema": f"{schemas}/shopping/{schema}"}

    photo = {
        "version": VERSION,
        "schema": urljoin(base, "ucp/photo_search.json"),
        "extends": SEARCH,
    }
    return {
        "ucp": {
            "version": VERSION,
            "services": {
                "dev.ucp.shopping": [
                    {
                        "version": VERSION,
                        "spec": f"{docs}/overview",
                        "transport": "rest",
                        "schema": f"https://ucp.dev/{VERSION}/services/shopping/rest.openapi.json",
                        "endpoint": urljoin(base, "ucp"),
                    },
                    {
                        "version": VERSION,
                        "spec": f"{docs}/overview",
                        "transport": "mcp",
                        "schema": f"https://ucp.dev/{VERSION}/services/shopping/mcp.openrpc.json",
                        "endpoint": urljoin(base, "ucp/mcp"),
                    },
                ]
            },
            "capabilities": {
                SEARCH: [capability(SEARCH, "catalog_search.json")],
                LOOKUP: [capability(LOOKUP, "catalog_lookup.json")],
                PHOTO: [photo],
            },
            "payment_handlers": {},
        }
    }


def photo_schema(base: str) -> dict[str, Any]:
    """The schema of our extension.

    Args:
        base: address of this service.
    """
    text = {"type": "string", "minLength": 1}
    one_photo = {
        "type": "object",
        "description": "The encoded file as base64, or its address where the shop fetches any",
        "properties": {"base64": text, "url": {**text, "format": "uri"}},
        "oneOf": [{"required": ["base64"]}, {"required": ["url"]}],
        "additionalProperties": False,
    }
    parent = f"https://ucp.dev/{VERSION}/schemas/shopping/catalog_search.json"
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": urljoin(base, "ucp/photo_search.json"),
        "name": PHOTO,
        "title": "Search by a photo",
        "description": "Every object of the photo is looked for; alone or beside a query.",
        "$defs": {
            SEARCH: {
                "allOf": [
                    {"$ref": f"{parent}#/$defs/search_request"},
                    {"type": "object", "properties": {"photo": one_photo}},
                ]
            }
        },
    }


def _is_web(url: Any) -> bool:
    try:
        return isinstance(url, str) and urlsplit(url).scheme in {"http", "https"}
    except ValueError:
        return False

"""The OpenAPI text: bodies that are JSON or a form, and the models that no signature names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from scenesearch.schemas.backups import BackupRequest
from scenesearch.schemas.baskets import BasketOptions, BasketRequest
from scenesearch.schemas.feedback import FeedbackRequest
from scenesearch.schemas.items import (
    AttributesRequest,
    DeleteRequest,
    ItemAttributes,
    ItemRequest,
    PathItemAttributes,
    PathItemRequest,
)
from scenesearch.schemas.jobs import JobRequest
from scenesearch.schemas.look import LookOptions, LookRequest
from scenesearch.schemas.scenes import (
    SceneSearchOptions,
    SceneSearchRequest,
    ScenesRequest,
)
from scenesearch.schemas.search import SearchOptions, SearchRequest
from scenesearch.schemas.tag import TagOptions, TagRequest

REQUESTS: tuple[type[BaseModel], ...] = (
    *(BasketRequest, BasketOptions),
    *(LookRequest, LookOptions, SearchRequest, SearchOptions, TagRequest, TagOptions),
    *(ItemRequest, ItemAttributes, PathItemRequest, PathItemAttributes),
    *(AttributesRequest, DeleteRequest),
    *(ScenesRequest, SceneSearchRequest, SceneSearchOptions),
    *(JobRequest, FeedbackRequest, BackupRequest),
)
"""Bodies that routes read themselves, so that the framework does not see them."""
_REF = "#/components/schemas/{model}"


def json_body(model: type[BaseModel], examples: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The body of a route that takes JSON, for ``openapi_extra``."""
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": _json(model, examples)},
        }
    }


def json_or_form(
    model: type[BaseModel],
    form_model: type[BaseModel] | None,
    examples: Mapping[str, Any] | None = None,
    *,
    part: str = "request",
    part_required: bool = False,
    most_photos: int = 1,
) -> dict[str, Any]:
    """The body of a route that takes JSON, or a form with photos, for ``openapi_extra``."""
    photo: dict[str, Any] = {"type": "string", "format": "binary"}
    if most_photos > 1:
        photo = {"type": "array", "items": photo, "minItems": 1, "maxItems": most_photos}
    photo["description"] = "The encoded file: JPEG, PNG, WebP, GIF, BMP or TIFF"
    properties: dict[str, Any] = {"photo": photo}
    form: dict[str, Any] = {"schema": {}}
    if form_model is not None:
        properties[part] = {"$ref": _REF.format(model=form_model.__name__)}
        form["encoding"] = {part: {"contentType": "application/json"}}
    form["schema"] = {
        "type": "object",
        "properties": properties,
        "required": ["photo", part] if part_required else ["photo"],
        "additionalProperties": False,
    }
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": _json(model, examples),
                "multipart/form-data": form,
            },
        }
    }


def _json(model: type[BaseModel], examples: Mapping[str, Any] | None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"$ref": _REF.format(model=model.__name__)}}
    if examples:
        content["examples"] = {name: {"value": value} for name, value in examples.items()}
    return content


def request_schemas() -> dict[str, Any]:
    """JSON schemas of :data:`REQUESTS` and of what they are made of, by name."""
    _, found = models_json_schema([(model, "validation") for model in REQUESTS], ref_template=_REF)
    schemas: dict[str, Any] = found["$defs"]
    return schemas

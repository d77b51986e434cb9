"""The description of the API: errors of every operation, stable names, what it is under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field

from scenesearch.schemas.openapi import request_schemas
from scenesearch.service.http.problems import MEDIA_TYPE

TITLE = "scenesearch"
DESCRIPTION = "Find every object of a photo in your catalogue."
LICENCE = {"name": "AGPL-3.0-or-later", "identifier": "AGPL-3.0-or-later"}
MEANINGS = {
    400: "The request is malformed.",
    401: "A key is missing or not known.",
    403: "Not with this key, host or origin.",
    404: "There is no such thing.",
    405: "Not with this method.",
    408: "The body took too long.",
    409: "The same Idempotency-Key came with another body.",
    410: "The query is not known any more; send the photo again.",
    413: "The body or a photo is too large.",
    414: "The URL is too long.",
    415: "Not a kind of body or photo that is read here.",
    422: "The request says something that cannot be done.",
    429: "Too much at once with this key.",
    431: "The headers are too large.",
    500: "A fault of the service.",
    502: "A photo could not be fetched.",
    503: "Too much to do, stopping, or models or store not there; see Retry-After.",
    507: "No space left.",
}
COMMON = (400, 401, 403, 408, 413, 414, 415, 422, 429, 431, 500, 503)
"""What any operation can answer."""
SERVERS = [
    {"url": "/", "description": "Where this description comes from"},
    {"url": "http://127.0.0.1:8080", "description": "scenesearch serve, as it starts"},
]
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"api_key": []}]
"""Of operations that say nothing else; a service without keys on loopback asks for none."""
REQUEST_ID = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": (
        "Kept for the answer, the log and errors if it is plain (`A-Z a-z 0-9 . _ -`, at most 64); "
        "else one is made"
    ),
    "schema": {"type": "string"},
}
METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})


class FieldProblem(BaseModel):
    """What is wrong with one part of a request."""

    loc: list[str | int] = Field(description="Where: names and positions.")
    msg: str


class Problem(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(json_schema_extra={"format": "uri"})
    title: str
    status: int = Field(ge=400, le=599)
    code: str = Field(description="A stable name of the cause.")
    request_id: str | None = Field(None, description="As in the header X-Request-ID.")
    detail: str | None = None
    errors: list[FieldProblem] | None = None
    limit: float | None = Field(None, description="The limit that was passed.")


class Operation(APIRoute):
    """A route that is summed up by the first line of its function's text, if not in other words."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        said = (endpoint.__doc__ or "").partition("\n")[0].rstrip(".")
        super().__init__(path, endpoint, **{**options, "summary": options.get("summary") or said})


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For ``responses=`` of a route: errors beyond those of every operation."""
    return {status: _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    return {
        "description": MEANINGS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def describe(app: FastAPI) -> dict[str, Any]:
    """What ``app.openapi`` is to give, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=TITLE,
            version=app.version,
            openapi_version="3.1.0",
            description=DESCRIPTION,
            license_info=LICENCE,
            servers=SERVERS,
            routes=app.routes,
        )
        app.openapi_schema = with_problems(schema)
    return app.openapi_schema


def with_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """Document the errors that every operation can answer, and drop the framework's own."""
    schemas = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    own = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(own.pop("$defs"))
    schemas["Problem"] = own
    # routes that take JSON or a form read it themselves, so the framework knows no model of it
    schemas.update(request_schemas())
    schema["security"] = SECURITY
    schema["components"]["parameters"] = {"RequestId": REQUEST_ID}
    shared = schema["components"].setdefault("responses", {})
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                _complete(operation, path)
                _share_problems(operation["responses"], shared)
    return schema


def _share_problems(responses: dict[str, Any], shared: dict[str, Any]) -> None:
    """Write each error once and name it where it can happen: it happens in every operation."""
    for status, found in responses.items():
        name = f"Problem{status}"
        if MEDIA_TYPE in found.get("content", {}) and shared.setdefault(name, found) == found:
            responses[status] = {"$ref": f"#/components/responses/{name}"}


def _complete(operation: dict[str, Any], path: str) -> None:
    operation.setdefault("security", [])
    # one that may be left out is what generators of Python clients need beside two kinds of body
    operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/RequestId"})
    responses: dict[str, Any] = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    # a path with something in it can name what is not there
    for status in (*COMMON, *((404,) if "{" in path else ())):
        responses.setdefault(str(status), _response(status))
    for found in responses.values():
        found.setdefault("headers", {}).setdefault(
            "X-Request-ID", {"schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}}
        )
    for status in ("429", "503"):
        responses[status]["headers"].setdefault("Retry-After", {"schema": {"type": "integer"}})
    operation["responses"] = dict(sorted(responses.items()))

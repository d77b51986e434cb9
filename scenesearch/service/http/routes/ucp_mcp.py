"""``/ucp/mcp``: the catalogue of the Universal Commerce Protocol as tools, each call one request.

The Model Context Protocol over HTTP without streams or sessions: JSON-RPC in, JSON out.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from scenesearch import __version__
from scenesearch.core.errors import QueryError
from scenesearch.look.as_json import to_json
from scenesearch.schemas.ucp import LookupCall, ProductCall, RpcRequest, SearchCall
from scenesearch.service.http.depends import SearchKey
from scenesearch.service.http.intake import read_json, validated
from scenesearch.service.http.problems import ProblemError, validation_entry
from scenesearch.service.http.routes.replies import json_reply
from scenesearch.service.http.routes.ucp import (
    Answer,
    get_product,
    lookup_catalog,
    search_catalog,
    spoken,
)

MCP_VERSION = "2025-06-18"
NO_METHOD, BAD_PARAMS = -32601, -32602


@dataclass(frozen=True, slots=True)
class _Tool:
    about: str
    call: type[BaseModel]
    answer: Callable[[Request, Any], Awaitable[Answer]]


TOOLS: Mapping[str, _Tool] = {
    "search_catalog": _Tool("Search for products.", SearchCall, search_catalog),
    "lookup_catalog": _Tool("Products by their ids.", LookupCall, lookup_catalog),
    "get_product": _Tool("One product by its id.", ProductCall, get_product),
}

router = APIRouter(include_in_schema=False, dependencies=[Depends(spoken)])


@router.post("/ucp/mcp", dependencies=[SearchKey])
async def ucp_mcp(request: Request) -> Response:
    """One message of an agent."""
    asked = await read_json(request, RpcRequest)
    if asked.id is None:
        # what is told without an id wants no answer
        return Response(status_code=202)
    head = {"jsonrpc": "2.0", "id": asked.id}
    try:
        return json_reply({**head, "result": await _result(request, asked)})
    except (RequestValidationError, ProblemError, QueryError) as error:
        return json_reply({**head, "error": _error(error)})


async def _result(request: Request, asked: RpcRequest) -> Answer:
    match asked.method:
        case "initialize":
            return {
                "protocolVersion": MCP_VERSION,
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "scenesearch", "version": __version__},
            }
        case "ping":
            return {}
        case "tools/list":
            return {
                "tools": [
                    {
                        "name": name,
                        "description": tool.about,
                        "inputSchema": tool.call.model_json_schema(),
                    }
                    for name, tool in TOOLS.items()
                ]
            }
        case "tools/call":
            return await _called(request, asked.params)
        case _:
            raise ProblemError("not_found", f"There is no method {asked.method!r:.100}")


async def _called(request: Request, params: Mapping[str, Any]) -> Answer:
    tool = TOOLS.get(str(params.get("name")))
    if tool is None:
        raise ProblemError(
            "bad_request", f"There is no such tool; expected one of {', '.join(TOOLS)}"
        )
    call: Any = validated(tool.call, params.get("arguments"), ("arguments",))
    answer = await tool.answer(request, call.catalog)
    text = {"type": "text", "text": to_json(answer)}
    return {"content": [text], "structuredContent": answer, "isError": False}


def _error(error: RequestValidationError | ProblemError | QueryError) -> Answer:
    if isinstance(error, RequestValidationError):
        first = validation_entry(error.errors()[0])
        where = ".".join(map(str, first["loc"]))
        return {"code": BAD_PARAMS, "message": f"{where}: {first['msg']}"}
    missing = isinstance(error, ProblemError) and error.code == "not_found"
    said = error.detail if isinstance(error, ProblemError) else str(error)
    code = NO_METHOD if missing else BAD_PARAMS
    return {"code": code, "message": said, "data": {"code": error.code}}

"""The tools, over a client of a service: one that runs elsewhere, or one inside this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from scenesearch import __version__
from scenesearch.client import AsyncClient
from scenesearch.core.errors import SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.mcp.photos import read_photo
from scenesearch.mcp.short import short_baskets, short_look, short_tags
from scenesearch.schemas import base
from scenesearch.schemas.answering import TurnOptions
from scenesearch.schemas.baskets import BasketOptions
from scenesearch.schemas.look import LookOptions

if TYPE_CHECKING:
    from mcp.server import MCPServer

SUGGESTED = 4
"""Turns that are suggested for each list."""

ABOUT = """Find products of a catalogue in photos.
look: every object of a photo (a room, an outfit, a shelf), each with its matches, and one list for
the whole photo; its query_id asks the same photo again without sending it.
basket: the whole photo under a budget, one product an object.
search: one thing, by plain words ('red chair under $50'), a photo of it, or items like it.
refine narrows either by turns that are sent again with each question: [{"words": "in walnut"},
{"words": "cheaper"}, {"words": "not that brand", "object": 2}]; leave one out to undo it.
tag: what is in a photo.
Filters (where) look like: price < 50 and category in (chair, stool) and in_stock = true."""


def _said(option: str, model: type[LookOptions] = LookOptions) -> Any:
    field = model.model_fields[option]
    return Field(description=field.description, examples=field.examples)


Photo = Annotated[str, Field(description="Path of a photo on this machine, or a data URL")]
Words = Annotated[base.Words, _said("words")]
Like = Annotated[list[str], Field(description="Ids of items: more like these")]
Unlike = Annotated[list[str], Field(description="Ids of items: less like these")]
Refine = Annotated[list[TurnOptions], _said("refine")]
Limit = Annotated[int, Field(ge=1, le=50), _said("limit")]
"""Shorter lists than over REST: an agent reads all of them."""


def build_server(
    client: AsyncClient, *, roots: tuple[Path, ...] = (), limits: ImageLimits | None = None
) -> MCPServer[Any]:
    """The tools as a server, ready to run.

    Args:
        client: of the service that answers.
        roots: folders that photos must lie in; none for any.
        limits: of photos.

    Raises:
        MissingDependencyError: the extra ``mcp`` is not installed.
    """
    from mcp.server import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.server.mcpserver.tools import Tool

    allowed = limits or ImageLimits()

    async def look(
        photo: Photo | None = None,
        query_id: Annotated[
            str | None, Field(description="Of an earlier look, instead of the photo")
        ] = None,
        words: Words | None = None,
        where: base.Where | None = None,
        box: Annotated[
            list[float] | None,
            Field(description="x1, y1, x2, y2 in pixels: search only this part of the photo"),
        ] = None,
        like: Like | None = None,
        unlike: Unlike | None = None,
        refine: Refine | None = None,
        limit: Limit = 10,
    ) -> dict[str, Any]:
        """Find every object of a photo in the catalogue."""
        options = _given(words=words, where=where, boxes=[box] if box else None) | _turns(refine)
        options |= {"limit": limit, "per_region": min(limit, 5)} | _items(like, unlike)
        try:
            data = None if photo is None else read_photo(photo, roots, allowed)
            return short_look(await client.look(data, query_id=query_id, **options))
        except SceneSearchError as error:
            raise ToolError(str(error)) from error

    async def search(
        words: Words | None = None,
        photo: Photo | None = None,
        like: Like | None = None,
        unlike: Unlike | None = None,
        where: base.Where | None = None,
        refine: Refine | None = None,
        limit: Limit = 10,
        offset: Annotated[base.Offset, _said("offset")] = 0,
    ) -> dict[str, Any]:
        """Find one thing in the catalogue, by words, a photo of it, or items like it."""
        options = _given(where=where) | {"limit": limit, "offset": offset} | _items(like, unlike)
        options |= _turns(refine)
        try:
            data = None if photo is None else read_photo(photo, roots, allowed)
            return short_look(await client.search(words, photo=data, **options))
        except SceneSearchError as error:
            raise ToolError(str(error)) from error

    async def basket(
        budget: Annotated[float, BasketOptions.model_fields["budget"]],
        photo: Photo | None = None,
        query_id: Annotated[
            str | None, Field(description="Of an earlier look or basket, instead of the photo")
        ] = None,
        currency: Annotated[str | None, _said("currency", BasketOptions)] = None,
        keep: Annotated[dict[str, str] | None, _said("keep", BasketOptions)] = None,
        leave_out: Annotated[list[int] | None, _said("leave_out", BasketOptions)] = None,
        same_category: Annotated[bool, _said("same_category", BasketOptions)] = False,
        where: base.Where | None = None,
    ) -> dict[str, Any]:
        """Choose one product for each object of a photo, together within a budget."""
        options = _given(currency=currency, keep=keep, leave_out=leave_out, where=where)
        options["same_category"] = same_category
        try:
            data = None if photo is None else read_photo(photo, roots, allowed)
            return short_baskets(await client.basket(budget, data, query_id=query_id, **options))
        except SceneSearchError as error:
            raise ToolError(str(error)) from error

    async def tag(
        photo: Photo,
        text: Annotated[bool, Field(description="Also read what is written in it")] = False,
    ) -> dict[str, Any]:
        """Say what is in a photo: objects, colours, tags, kind of scene, text."""
        try:
            return short_tags(await client.tag(read_photo(photo, roots, allowed), ocr=text))
        except SceneSearchError as error:
            raise ToolError(str(error)) from error

    tools = [Tool.from_function(function) for function in (look, search, basket, tag)]
    for tool in tools:
        # as the library makes them, they leave out what they do not know and say nothing of it
        arguments = tool.fn_metadata.arg_model
        arguments.model_config["extra"] = "forbid"
        arguments.model_rebuild(force=True)
        tool.parameters = arguments.model_json_schema(by_alias=True)
    return MCPServer("scenesearch", version=__version__, instructions=ABOUT, tools=tools)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _turns(refine: list[TurnOptions] | None) -> dict[str, Any]:
    turns = [turn.model_dump(exclude_none=True) for turn in refine or ()]
    return {"refine": turns, "suggest": SUGGESTED}


def _items(like: list[str] | None, unlike: list[str] | None) -> dict[str, Any]:
    weights = {**dict.fromkeys(like or (), 1.0), **dict.fromkeys(unlike or (), -0.5)}
    return {"items": weights} if weights else {}

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
from scenesearch.mcp.short import short_look, short_tags

if TYPE_CHECKING:
    from mcp.server import MCPServer

ABOUT = """Find products of a catalogue in photos.
look: every object of a photo (a room, an outfit, a shelf), each with its matches, and one list for
the whole photo; its query_id asks the same photo again without sending it.
search: one thing, by plain words ('red chair under $50'), a photo of it, or items like it.
tag: what is in a photo.
Filters (where) look like: price < 50 and category in (chair, stool) and in_stock = true."""

Photo = Annotated[str, Field(description="Path of a photo on this machine, or a data URL")]
Words = Annotated[
    str, Field(description="Plain words, such as 'in blue, under $50'; prices are understood")
]
Where = Annotated[str, Field(description="A filter: price < 50 and category = 'chair'")]
Like = Annotated[list[str], Field(description="Ids of items: more like these")]
Unlike = Annotated[list[str], Field(description="Ids of items: less like these")]
Limit = Annotated[int, Field(ge=1, le=50, description="The most matches")]


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

    allowed = limits or ImageLimits()
    server: MCPServer[Any] = MCPServer("scenesearch", version=__version__, instructions=ABOUT)

    async def look(
        photo: Photo | None = None,
        query_id: Annotated[
            str | None, Field(description="Of an earlier look, instead of the photo")
        ] = None,
        words: Words | None = None,
        where: Where | None = None,
        box: Annotated[
            list[float] | None,
            Field(description="x1, y1, x2, y2 in pixels: search only this part of the photo"),
        ] = None,
        like: Like | None = None,
        unlike: Unlike | None = None,
        limit: Limit = 10,
    ) -> dict[str, Any]:
        """Find every object of a photo in the catalogue."""
        options = _given(words=words, where=where, boxes=[box] if box else None)
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
        where: Where | None = None,
        limit: Limit = 10,
        offset: Annotated[int, Field(ge=0, le=900, description="Matches to leave out")] = 0,
    ) -> dict[str, Any]:
        """Find one thing in the catalogue, by words, a photo of it, or items like it."""
        options = _given(where=where) | {"limit": limit, "offset": offset} | _items(like, unlike)
        try:
            data = None if photo is None else read_photo(photo, roots, allowed)
            return short_look(await client.search(words, photo=data, **options))
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

    for tool in (look, search, tag):
        server.tool()(tool)
    return server


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _items(like: list[str] | None, unlike: list[str] | None) -> dict[str, Any]:
    weights = {**dict.fromkeys(like or (), 1.0), **dict.fromkeys(unlike or (), -0.5)}
    return {"items": weights} if weights else {}

"""``scenesearch mcp``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from scenesearch.cli import options, output
from scenesearch.cli.app import app
from scenesearch.core.extras import extra


@app.command()
def mcp(
    url: Annotated[
        str | None,
        typer.Option("--url", help="Ask this service, instead of opening a store here."),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="SCENESEARCH_KEY", help="Read key of that service."),
    ] = None,
    photos: Annotated[
        list[Path] | None,
        typer.Option("--photos", help="Only photos in this folder; repeatable."),
    ] = None,
    store: options.Store = "store",
    collection: options.Collection = "items",
    config: options.Config = None,
) -> None:
    """Give agents three tools, look, search and tag, over stdin and stdout (MCP)."""
    import asyncio

    with extra("mcp", "Tools for agents"):
        from scenesearch.client import AsyncClient
        from scenesearch.mcp.server import build_server
        from scenesearch.mcp.serving import TIMEOUT_S, in_here
    from scenesearch.config.settings import load_settings

    settings = load_settings(config)

    async def run() -> None:
        opened = (
            in_here(settings, store, collection)
            if url is None
            else AsyncClient(url, key=key, timeout_s=TIMEOUT_S)
        )
        async with opened as client:
            # stdout belongs to the protocol
            output.note(f"tools for agents over {url or store}: look, search, tag")
            server = build_server(client, roots=tuple(photos or ()), limits=settings.images)
            await server.run_stdio_async()

    asyncio.run(run())

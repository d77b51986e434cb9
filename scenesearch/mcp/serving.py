"""A client to ask of a service that lives in this process, without a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from scenesearch.client import AsyncClient
from scenesearch.config.settings import Settings

TIMEOUT_S = 120.0
"""The first question may load models."""


@asynccontextmanager
async def in_here(settings: Settings, store: str, collection: str) -> AsyncIterator[AsyncClient]:
    """Of a service of our own, which nobody else can reach: no port, so no keys.

    Raises:
        SceneSearchError: the engine does not start.
    """
    import httpx

    from scenesearch.service.assemble import open_app

    service = settings.service.without_keys()
    app = await open_app(settings.model_copy(update={"service": service}), store, collection)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        AsyncClient("http://127.0.0.1", timeout_s=TIMEOUT_S, transport=transport) as client,
    ):
        yield client

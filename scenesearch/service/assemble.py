"""The service put together: engine and application, for ``scenesearch serve``."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from scenesearch.config.settings import Settings
from scenesearch.fetch.fetcher import Fetcher
from scenesearch.service.http.app import create_app
from scenesearch.service.lifespan import open_state, own_endpoints


async def open_app(settings: Settings, store: str | Path, collection: str) -> FastAPI:
    """Start the engine and give the application over it.

    Args:
        settings: of the service and of the engine.
        store: a folder, or the URL of a Qdrant server.
        collection: of items.

    Raises:
        SceneSearchError: the engine does not start: no weights, or the store cannot be opened.
    """
    from scenesearch.engine.remote.gated import EngineBackend

    state = open_state(settings, store)
    backend = EngineBackend(settings, store, collection=collection)
    try:
        await backend.start()
    except BaseException:
        # interrupted while models load, too
        await backend.close()
        state.close()
        raise
    own = own_endpoints(settings, store)
    fetcher = Fetcher(settings.service.fetch, forbidden=own)
    return create_app(settings, backend, state=state, fetcher=fetcher)

"""The service put together: engine and application, for ``scenesearch serve``."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

from scenesearch.config.settings import Settings
from scenesearch.fetch.fetcher import Fetcher
from scenesearch.service.http.app import create_app
from scenesearch.service.lifespan import own_endpoints
from scenesearch.service.state import State
from scenesearch.wiring.stores import state_dir


async def open_app(settings: Settings, store: str | Path, collection: str) -> FastAPI:
    """Start the engine and give the application over it.

    Args:
        settings: of the service and of the engine.
        store: a folder, or the URL of a Qdrant server.
        collection: of items.

    Raises:
        SceneSearchError: the engine does not start: no weights, or the store cannot be opened; or
            another service has the state open.
    """
    from scenesearch.engine.remote.gated import EngineBackend

    free = settings.min_free_megabytes * 1_000_000
    state = State(state_dir(settings, store), min_free_bytes=free)
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

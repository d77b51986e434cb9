"""The service put together: engine and application, for ``scenesearch serve``."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from scenesearch.config.settings import Settings
from scenesearch.core.addresses import addresses
from scenesearch.fetch.fetcher import Fetcher
from scenesearch.fetch.network import Endpoint
from scenesearch.service.http.app import create_app
from scenesearch.service.state import State
from scenesearch.wiring.stores import is_url, state_dir

_QDRANT_PORT = 6333


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
    service = settings.service
    state = State(
        state_dir(settings, store),
        address=None if service.state is None else service.state.get_secret_value(),
        min_free_bytes=free,
        query_ttl_s=service.query_ttl_s,
        query_megabytes=service.query_megabytes,
    )
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


def own_endpoints(settings: Settings, store: str | Path) -> frozenset[Endpoint]:
    """Where this service and its store listen: what no photo is fetched from."""
    own = {(settings.service.host.lower(), settings.service.port)}
    for url in addresses(str(store)) if is_url(store) else ():
        parts = urlsplit(url)
        own |= {
            ((parts.hostname or "").rstrip("."), port)
            # Qdrant's own default where the address names none, and what a proxy before it uses
            for port in {parts.port or _QDRANT_PORT, parts.port or 443, parts.port or 80}
        }
    return frozenset(own)

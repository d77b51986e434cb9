"""What lasts as long as the application: the runner of jobs, the engine, the state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

from scenesearch.config.settings import Settings
from scenesearch.engine.remote.backend import Backend
from scenesearch.fetch.fetcher import Fetcher
from scenesearch.fetch.network import Endpoint
from scenesearch.service.jobs.runner import JobRunner, PhotoFetcher
from scenesearch.service.state import State
from scenesearch.wiring.stores import is_url

_QDRANT_PORT = 6333


@asynccontextmanager
async def lifespan(
    backend: Backend, state: State | None, fetcher: PhotoFetcher | None
) -> AsyncIterator[None]:
    """Work jobs off while the block runs; then give everything back, in order.

    Args:
        backend: closed in the end.
        state: whose jobs are worked off; closed in the end. None for none.
        fetcher: for photos of jobs; its threads are given back in the end.
    """
    async with AsyncExitStack() as stack:
        if isinstance(fetcher, Fetcher):
            stack.push_async_callback(fetcher.close)
        if state is not None:
            stack.callback(state.close)
        stack.push_async_callback(backend.close)
        if state is not None:
            runner = JobRunner(state, backend, fetcher)
            runner.start()
            stack.push_async_callback(runner.stop)
        yield


def own_endpoints(settings: Settings, store: str | Path) -> frozenset[Endpoint]:
    """Where this service and its store listen: what no photo is fetched from."""
    own = {(settings.service.host.lower(), settings.service.port)}
    if is_url(store):
        parts = urlsplit(str(store))
        own |= {
            ((parts.hostname or "").rstrip("."), port)
            # Qdrant's own default where the address names none, and what a proxy before it uses
            for port in {parts.port or _QDRANT_PORT, parts.port or 443, parts.port or 80}
        }
    return frozenset(own)

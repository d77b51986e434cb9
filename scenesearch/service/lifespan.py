"""What lasts as long as the application: the runner of jobs, the engine, the state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from scenesearch.engine.remote.backend import Backend
from scenesearch.fetch.fetcher import Fetcher
from scenesearch.service.jobs.runner import JobRunner, PhotoFetcher
from scenesearch.service.state import State


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

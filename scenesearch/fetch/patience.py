"""Asking servers as politely as they want: a few at a time, later where they are busy."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from scenesearch.config.fetch import CatalogFetchSettings
from scenesearch.core.errors import SceneSearchError
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.urls import Url

_T = TypeVar("_T")
_BUSY = frozenset({408, 425, 429, 430, 500, 502, 503, 504})
_FIRST_WAIT_S = 0.5


class _Host:
    """One server: how many may ask it, and until when nobody should."""

    def __init__(self, at_once: int) -> None:
        self.turns = asyncio.Semaphore(at_once)
        self.rests_until = 0.0

    async def rested(self) -> None:
        while (left := self.rests_until - time.monotonic()) > 0:
            await asyncio.sleep(left)


class Patience:
    """Asks, and asks again. Of one event loop.

    Args:
        settings: how many at a time from one host, how often, how long a wait.
    """

    def __init__(self, settings: CatalogFetchSettings) -> None:
        self._settings = settings
        self._hosts: dict[str, _Host] = {}

    async def ask(self, url: Url, once: Callable[[], Awaitable[_T]]) -> _T:
        """An answer, after as many tries as are allowed.

        Args:
            url: what is asked for.
            once: asks.

        Raises:
            FetchError: the last try failed, or another would not go better.
        """
        settings = self._settings
        name = f"{url.host.name}:{url.port}"
        host = self._hosts.setdefault(name, _Host(settings.per_host))
        wait_s = _FIRST_WAIT_S
        for left in reversed(range(settings.tries)):
            async with host.turns:
                await host.rested()
                try:
                    return await once()
                except FetchError as error:
                    if not left or not _passing(error):
                        raise
                    asked = error.retry_after_s
                    if asked is not None and asked > settings.longest_wait_s:
                        raise
                    pause = wait_s * (1 + random.random()) if asked is None else asked
                    if error.upstream_status in _BUSY:
                        # the host is left alone, not only this file
                        host.rests_until = max(host.rests_until, time.monotonic() + pause)
                        pause = 0.0
            await asyncio.sleep(pause)
            wait_s = min(2 * wait_s, 30.0)
        raise AssertionError("the last try raises")


def _passing(error: FetchError) -> bool:
    """Whether another try may go better."""
    if error.upstream_status is not None:
        return error.upstream_status in _BUSY
    return error.code in ("fetch_failed", "fetch_timeout")


def finished(work: Callable[[], Awaitable[_T]]) -> _T:
    """What some work gives, for callers that wait; also where a loop runs already.

    Raises:
        SceneSearchError: of one of its tasks, instead of a group of them.
    """

    async def run() -> _T:
        return await work()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return _unwrapped(lambda: asyncio.run(run()))
    with ThreadPoolExecutor(1, "scenesearch-fetch") as thread:
        return _unwrapped(lambda: thread.submit(lambda: asyncio.run(run())).result())


def _unwrapped(run: Callable[[], _T]) -> _T:
    try:
        return run()
    except BaseExceptionGroup as group:
        errors: list[BaseException] = [group]
        while isinstance(errors[0], BaseExceptionGroup):
            errors = list(errors[0].exceptions)
        known = next((one for one in errors if isinstance(one, SceneSearchError)), errors[0])
        raise known from group

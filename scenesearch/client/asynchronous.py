"""The client for asyncio: the methods of :class:`~scenesearch.client.Client`, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from scenesearch.client import calls
from scenesearch.client.calls import Call, PhotoLike
from scenesearch.client.errors import ServiceError
from scenesearch.client.wire import Wire, outcome, request_options
from scenesearch.schemas.base import ModelsResponse
from scenesearch.schemas.baskets import BasketResponse
from scenesearch.schemas.complete import CompleteResponse
from scenesearch.schemas.feedback import FeedbackResponse
from scenesearch.schemas.items import DeletedResponse, ItemResponse, ItemsResponse
from scenesearch.schemas.jobs import JobResponse
from scenesearch.schemas.looks import LookResponse
from scenesearch.schemas.search import FacetsResponse
from scenesearch.schemas.tag import TagResponse

T = TypeVar("T")


class AsyncClient:
    """Asks a service without blocking; see :class:`~scenesearch.client.Client`.

    Args:
        url: of the service.
        key: read or write key.
        timeout_s: for one request, its answer included.
        retries: when the service is busy or the connection breaks; 0 for none.
        transport: of httpx, for tests.

    Every method raises :class:`ServiceError` where the service refuses,
    :class:`ServiceUnreachableError` where there is none, and
    :class:`~scenesearch.core.errors.QueryError`
    where the question makes no sense before it is sent.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8080",
        *,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 3,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._wire = Wire(url, key, timeout_s, retries)
        self._http = httpx.AsyncClient(transport=transport, **self._wire.options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def look(
        self, photo: PhotoLike | None = None, *, query_id: str | None = None, **options: Any
    ) -> LookResponse:
        """Search every object of a photo, or ask an earlier look again."""
        return await self._send(calls.look(photo, query_id, options))

    async def basket(
        self,
        budget: float,
        photo: PhotoLike | None = None,
        *,
        query_id: str | None = None,
        **options: Any,
    ) -> BasketResponse:
        """One product for each object of a photo, together within a budget.

        Args:
            budget: the most that a basket costs.
            photo: a file, or its bytes.
            query_id: of an earlier answer, instead.
            **options: ``currency``, ``keep``, ``leave_out``, ``same_category``, and those of
                :meth:`look`.
        """
        return await self._send(calls.basket(budget, photo, query_id, options))

    async def search(
        self, words: str | None = None, *, photo: PhotoLike | None = None, **options: Any
    ) -> LookResponse:
        """Search for one thing, by words, a photo of it, items and vectors."""
        return await self._send(calls.search(words, photo, options))

    async def complete(self, *items: str, **options: Any) -> CompleteResponse:
        """What goes with items, from other categories."""
        return await self._send(calls.complete(items, options))

    async def tag(self, photo: PhotoLike, **options: Any) -> TagResponse:
        """What is in a photo."""
        return await self._send(calls.tag(photo, options))

    async def facets(self, **options: Any) -> FacetsResponse:
        """Values of fields and how often they are there."""
        return await self._send(calls.facets(options))

    async def items(
        self, where: str | None = None, *, page: int = 100
    ) -> AsyncIterator[ItemResponse]:
        """Every item, page by page."""
        options: dict[str, Any] = {"limit": page} | ({"where": where} if where else {})
        while True:
            got = await self.list_items(**options)
            for one in got.items:
                yield one
            if got.cursor is None:
                return
            options["cursor"] = got.cursor

    async def list_items(self, **options: Any) -> ItemsResponse:
        """One page of items."""
        return await self._send(calls.list_items(options))

    async def get_item(self, item_id: str) -> ItemResponse:
        """One item."""
        return await self._send(calls.get_item(item_id))

    async def put_item(
        self, item_id: str, photos: Sequence[PhotoLike], attributes: Mapping[str, Any] | None = None
    ) -> ItemResponse:
        """Insert or replace an item."""
        return await self._send(calls.put_item(item_id, photos, attributes or {}))

    async def patch_item(self, item_id: str, attributes: Mapping[str, Any]) -> ItemResponse:
        """Set attributes; None removes one."""
        return await self._send(calls.patch_item(item_id, attributes))

    async def delete_item(self, item_id: str) -> DeletedResponse:
        """Remove an item."""
        return await self._send(calls.delete_item(item_id))

    async def delete_items(
        self, ids: Sequence[str] = (), *, where: str | None = None
    ) -> DeletedResponse:
        """Remove items by id or by a filter."""
        return await self._send(calls.delete_items(ids, where))

    async def index(
        self, records: Sequence[Mapping[str, Any]], *, key: str | None = None
    ) -> JobResponse:
        """Start a job that stores records; ``key`` makes asking twice harmless."""
        return await self._send(calls.start_job(records, key))

    async def job(self, job_id: str) -> JobResponse:
        """How a job is."""
        return await self._send(calls.get_job(job_id))

    async def wait(self, job_id: str, *, every_s: float = 0.5) -> JobResponse:
        """A job when it has ended."""
        while True:
            job = await self.job(job_id)
            if job.status not in ("queued", "running"):
                return job
            await asyncio.sleep(every_s)

    async def cancel(self, job_id: str) -> JobResponse:
        """Stop a job; what it has stored stays."""
        return await self._send(calls.cancel_job(job_id))

    async def forget(self, job_id: str) -> JobResponse:
        """Stop a job and remove it."""
        return await self._send(calls.forget_job(job_id))

    async def feedback(self, item_id: str, kind: str, **options: Any) -> FeedbackResponse:
        """Say what somebody thought of a match: click, like, dislike, purchase, withdraw."""
        return await self._send(calls.feedback({"item_id": item_id, "kind": kind, **options}))

    async def models(self) -> ModelsResponse:
        """Which models answer."""
        return await self._send(calls.models())

    async def picture(self, photo_url: str) -> bytes:
        """The JPEG of a ``photo_url``."""
        return await self._send(calls.picture(photo_url))

    async def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            attempt += 1
            try:
                return outcome(
                    call, await self._http.request(call.method, call.path, **request_options(call))
                )
            except (httpx.TransportError, ServiceError) as error:
                wait = self._wire.wait_before(call, error, attempt)
            await asyncio.sleep(wait)

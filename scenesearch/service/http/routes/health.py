"""Whether the service lives, whether it is ready, what it has counted, which models answer."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from starlette.responses import JSONResponse

from scenesearch.core.addresses import without_addresses
from scenesearch.core.errors import SceneSearchError
from scenesearch.engine.remote.backend import Backend
from scenesearch.engine.tasks import FacetTask, ModelsTask, Status
from scenesearch.schemas.base import ModelsResponse
from scenesearch.service.http.depends import OfNobody, ReadKey, shared
from scenesearch.service.http.intake import NoQuery
from scenesearch.service.http.metrics import MEDIA_TYPE, Metrics
from scenesearch.service.http.openapi import Operation
from scenesearch.service.http.problems import clean, without_folders
from scenesearch.service.http.routes.replies import reply

ASK_S = 2.0
"""An engine that does not say how it is within this time is not ready."""
CENSUS_S = 300.0
"""How long a count of the catalogue is shown."""
KEPT_S = 1.0
"""How long an answer about readiness is given again."""

router = APIRouter(tags=["health"])


class Live(BaseModel):
    """The process answers."""

    status: str = "ok"


class Ready(BaseModel):
    """Whether requests can be answered, and if not, why."""

    ready: bool
    reasons: list[str] = []


class Readiness:
    """Asks the engine how it is, at most once a second and by one call at a time."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._reasons: tuple[str, ...] = ()
        self.damaged: str | None = None
        """What needs repair, as of the last answer."""
        self._asked_at = float("-inf")

    async def reasons(self) -> tuple[str, ...]:
        """Why requests cannot be answered; empty when they can."""
        async with self._lock:
            if time.monotonic() - self._asked_at > KEPT_S:
                self._reasons = await self._ask()
                self._asked_at = time.monotonic()
            return self._reasons

    async def _ask(self) -> tuple[str, ...]:
        try:
            async with asyncio.timeout(ASK_S):
                answer = await self._engine.run(Status(deep=True), deadline_s=ASK_S)
        except TimeoutError:
            return (f"the engine did not say how it is within {ASK_S:g} s",)
        except SceneSearchError as error:
            return (_shown(f"{error.code}: {error}"),)
        status = json.loads(answer.value) if isinstance(answer.value, str | bytes) else answer.value
        store = status.get("store") if isinstance(status, Mapping) else None
        damaged = isinstance(store, Mapping) and store.get("damaged")
        self.damaged = str(store["reason"]) if damaged and store else None
        return reasons_of(status)


class Census:
    """Counts the catalogue for metrics, now and then: it may take a second."""

    def __init__(self, engine: Backend) -> None:
        self._engine = engine
        self._lock = asyncio.Lock()
        self._taken_at = float("-inf")

    async def take(self, metrics: Metrics) -> None:
        """Count, if the last count is old; an engine that cannot answer leaves it as it was."""
        async with self._lock:
            if time.monotonic() - self._taken_at <= CENSUS_S:
                return
            # any field that every collection has
            task = FacetTask(fields=("region",), limit=1)
            try:
                async with asyncio.timeout(ASK_S):
                    answer = (await self._engine.run(task, deadline_s=ASK_S)).value
            except (TimeoutError, SceneSearchError):
                return
            found = json.loads(answer) if isinstance(answer, str | bytes) else answer
            if isinstance(found, Mapping) and "points" in found:
                metrics.catalogue(items=found.get("items"), points=found["points"])
                self._taken_at = time.monotonic()


def reasons_of(value: Any) -> tuple[str, ...]:
    """Why an engine is not ready, from what it says of itself."""
    status = json.loads(value) if isinstance(value, str | bytes) else value
    if not isinstance(status, Mapping):
        return ()
    reasons = tuple(_shown(str(one)) for one in status.get("reasons") or ())
    if reasons or status.get("ready", True):
        return reasons
    return ("the engine says that it is not ready",)


def _shown(reason: str) -> str:
    # whoever asks needs no key
    return clean(without_folders(without_addresses(reason)), 300)


@router.get("/livez", name="livez", response_model=Live)
async def livez() -> Live:
    """Whether the process answers."""
    return Live()


@router.get(
    "/readyz",
    name="readyz",
    response_model=Ready,
    responses={503: {"model": Ready, "description": "Not ready; says why."}},
)
async def readyz(request: Request) -> Response:
    """Whether models, store and schema are there, so that requests can be answered."""
    if shared(request).draining:
        reasons: tuple[str, ...] = ("the service is stopping",)
    else:
        readiness: Readiness = request.app.state.readiness
        reasons = await readiness.reasons()
    body = Ready(ready=not reasons, reasons=list(reasons))
    return JSONResponse(
        body.model_dump(),
        status_code=503 if reasons else 200,
        headers={"Retry-After": "1"} if reasons else None,
    )


@router.get(
    "/metrics",
    name="metrics",
    dependencies=[ReadKey, OfNobody],
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def show_metrics(request: Request) -> Response:
    """What was counted, for Prometheus."""
    found = shared(request)
    if found.state is not None:
        jobs = await asyncio.to_thread(found.state.jobs.counts)
        feedback = await asyncio.to_thread(found.state.feedback.count)
        found.metrics.kept(jobs, feedback)
        limited, usage = found.keys.limited(), found.state.usage
        used = await asyncio.to_thread(lambda: [usage.used(caller) for caller, _ in limited])
        pairs = zip(limited, used, strict=True)
        found.metrics.quotas((caller, limits, costs) for (caller, limits), costs in pairs)
    census: Census = request.app.state.census
    await census.take(found.metrics)
    return Response(shared(request).metrics.render(), media_type=MEDIA_TYPE)


models_router = APIRouter(
    prefix="/v1", tags=["models"], dependencies=[ReadKey, NoQuery], route_class=Operation
)


@models_router.get(
    "/models",
    description="Models by task, with licence and fingerprint.",
    responses={200: {"model": ModelsResponse}},
)
async def list_models(request: Request) -> Response:
    """Which models answer."""
    return await reply(request, ModelsTask())

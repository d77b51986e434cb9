"""``/v1/tenants``: whose items there are; for keys that are nobody's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from scenesearch.config.service import TENANT
from scenesearch.engine.tasks import ListItems, RemoveTenant, TenantsTask
from scenesearch.schemas.tenants import TenantRemovedResponse, TenantResponse, TenantsResponse
from scenesearch.service.http.depends import OfNobody, WriteKey, run_task, shared
from scenesearch.service.http.intake import NoQuery
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import json_reply

LONG_S = 3600.0
"""For reading every point of a large collection."""
PAGE = 200

router = APIRouter(
    prefix="/v1/tenants",
    tags=["tenants"],
    dependencies=[WriteKey, OfNobody, NoQuery],
    route_class=Operation,
)
Name = Annotated[str, Path(pattern=TENANT, description="As `service.keys` names it")]


@router.get(
    "",
    description="Every point's ids are read: seconds for a million.",
    responses={200: {"model": TenantsResponse}, **problem_responses(404)},
)
async def list_tenants(request: Request) -> Response:
    """Tenants that have items."""
    _field(request)
    found = (await run_task(request, TenantsTask(), deadline_s=LONG_S)).value
    told = [await _told(request, **one) for one in found]
    return json_reply(TenantsResponse(tenants=told).model_dump())


@router.get("/{tenant}", responses={200: {"model": TenantResponse}, **problem_responses(404)})
async def get_tenant(request: Request, tenant: Name) -> Response:
    """What one tenant has."""
    _field(request)
    found = (await run_task(request, TenantsTask(tenant), deadline_s=LONG_S)).value
    none = {"tenant": tenant, "items": 0, "points": 0}
    told = await _told(request, **(found[0] if found else none))
    if not any((told.items, told.jobs, told.feedback)):
        raise ProblemError("not_found", "Nothing here is of a tenant of this name")
    return json_reply(told.model_dump())


@router.get(
    "/{tenant}/items",
    description="As `GET /v1/items` has them, a JSON object a line, by id.",
    response_class=Response,
    responses={
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
        **problem_responses(404),
    },
)
async def export_tenant(request: Request, tenant: Name) -> Response:
    """Everything a tenant has stored."""
    only = f'{_field(request)} = "{tenant}"'
    # the first page before the answer begins, so that what is wrong has a status
    first = (await run_task(request, ListItems(limit=PAGE, only=only))).value
    backend = shared(request).backend
    deadline_s = shared(request).settings.service.deadline_s

    async def lines() -> AsyncIterator[str]:
        page = first
        while True:
            for item in page["items"]:
                yield json.dumps(item, ensure_ascii=False) + "\n"
            if page["cursor"] is None:
                return
            task = ListItems(limit=PAGE, cursor=page["cursor"], only=only)
            page = (await backend.run(task, deadline_s=deadline_s)).value

    return StreamingResponse(lines(), media_type="application/x-ndjson")


@router.delete(
    "/{tenant}",
    description="Its items, jobs and feedback. Photos of the items are swept at the next start.",
    responses={200: {"model": TenantRemovedResponse}, **problem_responses(404, 507)},
)
async def remove_tenant(request: Request, tenant: Name) -> Response:
    """Remove everything of a tenant; withdraw its keys first."""
    _field(request)
    state, jobs, feedback = shared(request).state, 0, 0
    if state is not None:
        # its jobs first: they would bring items again
        jobs = await asyncio.to_thread(state.jobs.remove_tenant, tenant)
        feedback = await asyncio.to_thread(state.feedback.remove_tenant, tenant)
    gone = (await run_task(request, RemoveTenant(tenant), deadline_s=LONG_S)).value
    if not any((gone["items"], jobs, feedback)):
        raise ProblemError("not_found", "Nothing here is of a tenant of this name")
    told = TenantRemovedResponse(tenant=tenant, jobs=jobs, feedback=feedback, **gone)
    return json_reply(told.model_dump())


def _field(request: Request) -> str:
    field = shared(request).settings.store.tenant_field
    if field is None:
        raise ProblemError(
            "not_found", "This service has no tenants: start it with store.tenant_field set"
        )
    return field


async def _told(request: Request, tenant: str, items: int, points: int) -> TenantResponse:
    state, jobs, feedback = shared(request).state, 0, 0
    if state is not None:
        jobs = await asyncio.to_thread(state.jobs.count, tenant)
        feedback = await asyncio.to_thread(state.feedback.count, tenant)
    return TenantResponse(tenant=tenant, items=items, points=points, jobs=jobs, feedback=feedback)

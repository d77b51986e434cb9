"""``GET /v1/facets``: what the catalogue holds, counted."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from scenesearch.engine.tasks import FacetTask
from scenesearch.schemas.facets import FacetQuery, FacetsResponse
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.routes.replies import reply

router = APIRouter(prefix="/v1", tags=["search"], dependencies=[ReadKey])


@router.get(
    "/facets",
    summary="Values of fields, with counts",
    description=(
        "What can be filtered by: values with the number of items that have each, and the range "
        "of fields with numbers."
    ),
    response_model=None,
    responses={200: {"model": FacetsResponse}},
)
async def list_facets(request: Request, query: Annotated[FacetQuery, Query()]) -> Response:
    """Values of fields, with counts."""
    task = FacetTask(fields=tuple(query.field), where=query.where, limit=query.limit)
    return await reply(request, task)

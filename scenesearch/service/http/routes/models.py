"""``GET /v1/models``: which models answer."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from scenesearch.engine.tasks import ModelsTask
from scenesearch.schemas.models import ModelsResponse
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.intake import NoQuery
from scenesearch.service.http.routes.replies import reply

router = APIRouter(prefix="/v1", tags=["models"], dependencies=[ReadKey, NoQuery])


@router.get(
    "/models",
    summary="Which models answer",
    description="Models by task, with licence and fingerprint.",
    response_model=None,
    responses={200: {"model": ModelsResponse}},
)
async def list_models(request: Request) -> Response:
    """Which models answer."""
    return await reply(request, ModelsTask())

"""``GET /v1/models``: which models answer."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from scenesearch.engine.tasks import ModelsTask
from scenesearch.service.depends import ReadKey, run_task
from scenesearch.service.intake import NoQuery
from scenesearch.service.routes.replies import json_reply
from scenesearch.service.schemas.models import ModelsResponse

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
    return json_reply((await run_task(request, ModelsTask())).value)

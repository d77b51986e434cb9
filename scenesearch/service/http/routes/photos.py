"""``GET /v1/photos/{point_id}``: pictures of the catalogue."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from scenesearch.engine.tasks import StoredPhoto
from scenesearch.schemas.pictures import PictureQuery
from scenesearch.service.http.depends import ReadKey
from scenesearch.service.http.routes.pictures import PICTURE_RESPONSE, picture

router = APIRouter(prefix="/v1", tags=["items"], dependencies=[ReadKey])

PointId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="As answers name it",
    ),
]


@router.get(
    "/photos/{point_id}",
    summary="The catalogue photo of a point",
    description="A JPEG made of the photo that the point is a region of.",
    response_class=Response,
    responses=PICTURE_RESPONSE,
)
async def get_photo(
    request: Request, point_id: PointId, query: Annotated[PictureQuery, Query()]
) -> Response:
    """The catalogue photo of a point."""
    return await picture(request, StoredPhoto(point_id, query.width), "photo")

"""Pictures the service sends: encoded again, never sniffed, asked for again only when changed.

``GET /v1/photos/{point_id}`` and the photo of a look are here, that of a scene beside the scenes.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from scenesearch.engine.tasks import QueryPhoto, ScenePhoto, StoredPhoto
from scenesearch.schemas.photos import PictureQuery
from scenesearch.service.http.depends import SearchKey, key_filter, key_tenant, run_task
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import is_current

router = APIRouter(prefix="/v1", tags=["items"], dependencies=[SearchKey], route_class=Operation)

PointId = Annotated[
    str,
    Path(
        pattern="^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        description="As answers name it",
    ),
]

QueryPath = Annotated[
    str, Path(pattern="^[A-Za-z0-9_-]{1,128}$", description="The `query_id` of the look")
]

PICTURE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    304: {"description": "It is the one that If-None-Match names"},
}
"""For ``responses=`` of a route."""


async def picture(
    request: Request, task: StoredPhoto | ScenePhoto | QueryPhoto, what: str
) -> Response:
    """A picture of the engine, or that it is still the same.

    Args:
        request: may name the tag of the picture it has.
        task: which picture; the same task always gives the same one.
        what: how messages call it.

    Raises:
        ProblemError: there is none.
        SceneSearchError: as the engine raised it.
    """
    found = (await run_task(request, task)).value
    if found is None:
        raise ProblemError("not_found", f"No {what} of this id, or its file is gone")
    # the picture itself is the tag: an item's photo may be replaced under the same id
    tag = f'"{hashlib.sha256(found).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "private, max-age=3600",
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": "inline",
    }
    if is_current(request, tag):
        return Response(status_code=304, headers=headers)
    return Response(found, media_type="image/jpeg", headers=headers)


@router.get(
    "/photos/{point_id}",
    description="A JPEG made of the photo that the point is a region of.",
    response_class=Response,
    responses=PICTURE_RESPONSE,
)
async def get_photo(
    request: Request, point_id: PointId, query: Annotated[PictureQuery, Query()]
) -> Response:
    """The catalogue photo of a point."""
    task = StoredPhoto(point_id, query.width, key_filter(request))
    return await picture(request, task, "photo")


@router.get(
    "/look/{query_id}/photo",
    tags=["search"],
    description=(
        "A JPEG made of the photo that was looked at, while it is kept: what a browser cannot show "
        "(HEIC, TIFF), or what lay at an address."
    ),
    response_class=Response,
    responses={**PICTURE_RESPONSE, **problem_responses(410)},
)
async def get_query_photo(
    request: Request, query_id: QueryPath, query: Annotated[PictureQuery, Query()]
) -> Response:
    """The photo of a look."""
    return await picture(request, QueryPhoto(query_id, query.width, key_tenant(request)), "look")

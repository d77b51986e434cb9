"""Pictures the service sends: encoded again, never sniffed, asked for again only when changed."""

from __future__ import annotations

import hashlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from scenesearch.engine.tasks import ScenePhoto, StoredPhoto
from scenesearch.service.http.depends import run_task
from scenesearch.service.http.routes.replies import is_current, not_found

PICTURE_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The picture",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
        "headers": {"ETag": {"schema": {"type": "string"}}},
    },
    304: {"description": "It is the one that If-None-Match names"},
}
"""For ``responses=`` of a route."""


async def picture(request: Request, task: StoredPhoto | ScenePhoto, what: str) -> Response:
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
        raise not_found(f"No {what} of this id, or its file is gone")
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

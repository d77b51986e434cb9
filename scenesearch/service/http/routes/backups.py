"""``/v1/backups``: a copy of everything, made while the service goes on."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from scenesearch.engine.tasks import BackUp
from scenesearch.schemas.backups import BackupRequest, BackupResponse
from scenesearch.schemas.openapi import json_body
from scenesearch.service.http.depends import OfNobody, WriteKey, run_task, shared
from scenesearch.service.http.intake import NoQuery, read_json
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import json_reply

LONG_S = 3600.0
"""For copying a large collection."""

router = APIRouter(prefix="/v1/backups", tags=["backups"], route_class=Operation)


@router.post(
    "",
    dependencies=[WriteKey, OfNobody, NoQuery],
    description="Collections, jobs, feedback and photos of inserted items, in a new folder of the "
    "service's machine. Writes wait while an embedded store is copied. 404 where the service was "
    "started without `service.backup_dir`.",
    status_code=201,
    responses={201: {"model": BackupResponse}, **problem_responses(404, 409, 507)},
    openapi_extra=json_body(BackupRequest, {"of a day": {"name": "2026-01-31"}}),
)
async def make_backup(request: Request) -> Response:
    """Make a backup."""
    body = await read_json(request, BackupRequest)
    folder = shared(request).settings.service.backup_dir
    if folder is None:
        raise ProblemError(
            "not_found", "This service makes no backups: start it with service.backup_dir set"
        )
    answer = await run_task(request, BackUp(str(folder / body.name)), deadline_s=LONG_S)
    found = BackupResponse(
        name=body.name, **{k: v for k, v in answer.value.items() if k != "folder"}
    )
    return json_reply(found.model_dump(), 201)

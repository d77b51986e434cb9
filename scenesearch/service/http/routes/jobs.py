"""``/v1/jobs``: many items at once, stored when there is time for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from scenesearch.core.errors import DamagedError
from scenesearch.schemas.jobs import (
    JobErrorsQuery,
    JobErrorsResponse,
    JobRequest,
    JobResponse,
    JobsQuery,
    JobsResponse,
    SentJobError,
    SentRecordError,
    time_text,
)
from scenesearch.schemas.openapi import json_body
from scenesearch.service.http.depends import ReadKey, WriteKey, charge, kept_state, key_tenant
from scenesearch.service.http.intake import FORM, NoQuery
from scenesearch.service.http.job_intake import PART, once_key, read_job
from scenesearch.service.http.openapi import Operation, problem_responses
from scenesearch.service.http.problems import ProblemError
from scenesearch.service.http.routes.replies import json_reply
from scenesearch.service.state import State
from scenesearch.service.state.records import Job

router = APIRouter(prefix="/v1", tags=["jobs"], route_class=Operation)

_NO_JOB = "No job of this id; those that ended a week ago are forgotten"
JobId = Annotated[str, Path(min_length=1, max_length=64, description="As `POST /v1/jobs` gave it")]
_STAYS = "What is stored stays, and so does what is being stored at this moment."
_ACCEPTED: dict[int | str, dict[str, Any]] = {
    202: {
        "model": JobResponse,
        "description": "Accepted, and kept until it is done",
        "headers": {
            "Location": {"description": "Where it stands", "schema": {"type": "string"}},
        },
    },
    **problem_responses(409, 507),
}
_HEADERS: list[dict[str, Any]] = [
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "The same key with the same body again gives the same job",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    }
]
_BODY = json_body(
    JobRequest,
    {
        "two items": {
            "records": [
                {"id": "SKU-1", "photos": [{"url": "https://images.example.com/1.jpg"}]},
                {"id": "SKU-2", "photos": [{"url": "https://images.example.com/2.jpg"}]},
            ]
        }
    },
)
_BODY["requestBody"]["content"][FORM] = {
    "schema": {
        "type": "object",
        "properties": {
            PART: {
                "type": "string",
                "format": "binary",
                "description": (
                    "A CSV, TSV or JSONL file with `id` and `image`, whose photos are addresses"
                ),
            }
        },
        "required": [PART],
        "additionalProperties": False,
    }
}
_BODY["parameters"] = _HEADERS
_ADDING: dict[str, Any] = {
    "dependencies": [WriteKey, NoQuery],
    "description": (
        "Answered as soon as all of it is on the disk; it survives a crash, and is worked off in "
        "small batches beside the searches. Records that fail are listed by "
        "`/v1/jobs/{job_id}/errors`."
    ),
    "status_code": 202,
    "responses": _ACCEPTED,
    "openapi_extra": _BODY,
}


@router.post(
    "/items/bulk",
    name="add_items",
    tags=["items"],
    summary="Store many items: the same as a job",
    **_ADDING,
)
@router.post("/jobs", **_ADDING)
async def add_job(request: Request) -> Response:
    """Store many items."""
    kept = _state(request)
    # nobody asks anew: a job is taken while the engine has no time for an answer
    damaged = kept.damaged or request.app.state.readiness.damaged
    if damaged is not None:
        raise DamagedError(damaged)
    sent = await read_job(request, kept.folder)
    once = once_key(request, sent.digest)
    if await asyncio.to_thread(kept.jobs.earlier, once) is None:
        await charge(request, {"items": len(sent.records)})
    job, _ = await asyncio.to_thread(
        kept.jobs.add, sent.records, sent.errors, once=once, tenant=key_tenant(request)
    )
    kept.announce()
    reply = json_reply(_described(job).model_dump(), 202)
    reply.headers["Location"] = f"/v1/jobs/{job.id}"
    return reply


@router.get(
    "/jobs",
    dependencies=[ReadKey],
    responses={200: {"model": JobsResponse}},
)
async def list_jobs(request: Request, query: Annotated[JobsQuery, Query()]) -> Response:
    """Jobs, newest first."""
    jobs = await asyncio.to_thread(
        _state(request).jobs.page, query.one_more, query.place, tenant=key_tenant(request)
    )
    page, cursor = query.page(jobs, lambda job: job.seq)
    answer = JobsResponse(jobs=[_described(job) for job in page], cursor=cursor)
    return json_reply(answer.model_dump())


@router.get(
    "/jobs/{job_id}",
    dependencies=[ReadKey, NoQuery],
    responses={200: {"model": JobResponse}, **problem_responses(404)},
)
async def get_job(request: Request, job_id: JobId) -> Response:
    """One job."""
    return _sent(await _asked(request, _state(request).jobs.get, job_id))


@router.get(
    "/jobs/{job_id}/errors",
    dependencies=[ReadKey],
    responses={200: {"model": JobErrorsResponse}, **problem_responses(404)},
)
async def list_job_errors(
    request: Request, job_id: JobId, query: Annotated[JobErrorsQuery, Query()]
) -> Response:
    """Records of a job that failed."""
    job = await _asked(request, _state(request).jobs.get, job_id)
    if job is None:
        raise ProblemError("not_found", _NO_JOB)
    after = -1 if query.place is None else query.place
    errors = await asyncio.to_thread(_state(request).jobs.errors, job, query.one_more, after)
    page, cursor = query.page(errors, lambda error: error.place)
    answer = JobErrorsResponse(
        errors=[
            SentRecordError(
                record=one.place, line=one.line, id=one.item_id, code=one.code, detail=one.detail
            )
            for one in page
        ],
        cursor=cursor,
    )
    return json_reply(answer.model_dump())


@router.post(
    "/jobs/{job_id}/cancel",
    dependencies=[WriteKey, NoQuery],
    description=f"{_STAYS} A job that ended is left as it is.",
    responses={200: {"model": JobResponse}, **problem_responses(404, 507)},
)
async def cancel_job(request: Request, job_id: JobId) -> Response:
    """Cancel a job."""
    return _sent(await _asked(request, _state(request).jobs.cancel, job_id))


@router.delete(
    "/jobs/{job_id}",
    dependencies=[WriteKey, NoQuery],
    description=f"{_STAYS} The answer is the last that is heard of the job.",
    responses={200: {"model": JobResponse}, **problem_responses(404, 507)},
)
async def remove_job(request: Request, job_id: JobId) -> Response:
    """Cancel a job and forget it."""
    return _sent(await _asked(request, _state(request).jobs.remove, job_id))


async def _asked(request: Request, what: Callable[..., Job | None], job_id: str) -> Job | None:
    return await asyncio.to_thread(what, job_id, tenant=key_tenant(request))


def _sent(job: Job | None) -> Response:
    if job is None:
        raise ProblemError("not_found", _NO_JOB)
    return json_reply(_described(job).model_dump())


def _state(request: Request) -> State:
    return kept_state(request, "jobs")


def _described(job: Job) -> JobResponse:
    return JobResponse(
        id=job.id,
        kind="index",
        status=job.status,
        total=job.total,
        done=job.done,
        failed=job.failed,
        created=time_text(job.created),
        started=None if job.started is None else time_text(job.started),
        finished=None if job.finished is None else time_text(job.finished),
        error=None if job.code is None else SentJobError(code=job.code, detail=job.detail or ""),
        errors_url=f"/v1/jobs/{job.id}/errors",
    )

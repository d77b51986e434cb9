"""Jobs, as they are sent and as they come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from scenesearch.schemas.base import Body, Limit, PageQuery, Sent

MAX_RECORDS = 10_000
"""Of a job that comes as JSON; a manifest may have more rows."""

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


def time_text(seconds: float) -> str:
    """Seconds since the epoch as RFC 3339 text.

    >>> time_text(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


class JobRequest(Body):
    """Items to be stored when there is time for it."""

    kind: Literal["index"] = "index"
    records: list[dict[str, Any] | None] = Field(
        min_length=1,
        max_length=MAX_RECORDS,
        description="What is no item is an error of that record; the others are stored",
        json_schema_extra={
            "items": {
                "anyOf": [
                    {"$ref": "#/components/schemas/ItemRequest"},
                    {"type": "object"},
                    {"type": "null"},
                ]
            }
        },
    )


class JobsQuery(PageQuery):
    """Which jobs are listed."""

    limit: Limit = 50


class JobErrorsQuery(PageQuery):
    """Which errors of a job are listed."""


class SentJobError(Sent):
    """Why a job as a whole failed."""

    code: str
    detail: str


class JobResponse(Sent):
    """A job as it stands."""

    id: str
    kind: Literal["index"]
    status: Literal["queued", "running", "done", "cancelled", "failed"]
    total: int = Field(ge=0, description="Records")
    done: int = Field(ge=0, description="Records that are stored")
    failed: int = Field(ge=0, description="Records that have an error; see `errors_url`")
    created: Time
    started: Time | None
    finished: Time | None
    error: SentJobError | None = Field(description="Why the job as a whole failed")
    errors_url: str


class JobsResponse(Sent):
    """A page of jobs, newest first."""

    jobs: list[JobResponse]
    cursor: str | None = Field(description="Of the next page; null on the last")


class SentRecordError(Sent):
    """Why one record was not stored."""

    record: int = Field(ge=0, description="Its place in the job, from 0")
    line: int | None = Field(description="Of the manifest, from 1; null where it came as JSON")
    id: str | None
    code: str
    detail: str


class JobErrorsResponse(Sent):
    """A page of errors, in the order of the records."""

    errors: list[SentRecordError]
    cursor: str | None = Field(description="Of the next page; null on the last")

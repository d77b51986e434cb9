"""What jobs are made of, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

JobStatus = Literal["queued", "running", "done", "cancelled", "failed"]
ENDED: tuple[JobStatus, ...] = ("done", "cancelled", "failed")
DETAIL_LENGTH = 500


@dataclass(frozen=True, slots=True)
class Link:
    """A photo that is still to be fetched."""

    url: str


@dataclass(frozen=True, slots=True)
class JobRecord:
    """An item to be stored.

    Attributes:
        place: among the records of its job, from 0.
        item_id: the item's id.
        photos: files as they came, or where they are.
        attributes: JSON values by name.
        line: of the manifest it comes from; None for one that came as JSON.
    """

    place: int
    item_id: str
    photos: tuple[bytes | Link, ...] = field(repr=False)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = None


@dataclass(frozen=True, slots=True)
class RecordError:
    """Why one record was not stored.

    Attributes:
        place: of the record, from 0.
        code: a stable name of the cause.
        detail: in words.
        item_id: None where the record did not get as far as that.
        line: of the manifest.
    """

    place: int
    code: str
    detail: str
    item_id: str | None = None
    line: int | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands.

    Attributes:
        seq: grows from job to job.
        id: what callers know it by.
        done: records that are stored.
        failed: records that have an error.
        created: seconds since the epoch, as ``started`` and ``finished``.
        code: why the job as a whole failed, where it did; ``detail`` in words.
        tenant: whose it is; empty for nobody's.
    """

    seq: int
    id: str
    kind: str
    status: JobStatus
    total: int
    done: int
    failed: int
    created: float
    started: float | None
    finished: float | None
    code: str | None
    detail: str | None
    tenant: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing of it is left to do."""
        return self.status in ENDED

"""Jobs in the state: accepted whole, taken in batches, settled batch by batch.

A record and its photos stay until its outcome is written; the outcome and the removal of the
record are one transaction. So a kill repeats one batch at most, and storing an item twice is
storing it once.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import get_args

from scenesearch.core.errors import SceneSearchError
from scenesearch.engine.remote.backend import BusyError
from scenesearch.service.state.database import ERRORS, JOBS, KEYS, RECORDS
from scenesearch.service.state.records import (
    DETAIL_LENGTH,
    Job,
    JobRecord,
    JobStatus,
    Link,
    RecordError,
)
from scenesearch.service.state.tables import Statements, Tables

_COLUMNS = (
    "seq, id, kind, status, total, done, failed, created, started, finished, code, detail, tenant"
)
ALL = 2**62
"""More rows than there can be."""
_ROW_BYTES = 512
"""What a record takes beside its photos, roughly."""
WEEK_S = 7 * 86_400.0


class IdempotencyError(SceneSearchError):
    """The same key came with another body."""

    code = "idempotency_conflict"


@dataclass(frozen=True, slots=True)
class OnceKey:
    """What makes a repeated request the same job.

    Attributes:
        caller: who sent it, as a digest.
        key: the value of ``Idempotency-Key``.
        body: digest of what was sent.
    """

    caller: str
    key: str
    body: str


@dataclass(frozen=True, slots=True)
class JobLimits:
    """How much is kept.

    Attributes:
        waiting: jobs that are not done.
        waiting_bytes: photos of those.
        ended: jobs that are done; the oldest go first.
        ended_s: how long those are kept.
    """

    waiting: int = 1000
    waiting_bytes: int = 4_000_000_000
    ended: int = 10_000
    ended_s: float = WEEK_S


class Jobs:
    """The jobs of one state; safe to call from any thread.

    Args:
        database: where they are.
        limits: how much is kept.
        clock: seconds since the epoch.
    """

    def __init__(
        self,
        database: Tables,
        limits: JobLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._limits = limits or JobLimits()
        self._clock = clock

    def add(
        self,
        records: Sequence[JobRecord],
        errors: Sequence[RecordError] = (),
        *,
        kind: str = "index",
        once: OnceKey | None = None,
        tenant: str | None = None,
    ) -> tuple[Job, bool]:
        """Accept a job; it is durable when this returns.

        Args:
            records: what is to be done.
            errors: records that were bad from the start.
            kind: of the job.
            once: makes a repeated call give the first one's job.
            tenant: whose it is; None for nobody's.

        Returns:
            The job, and whether it is new.

        Raises:
            IdempotencyError: the same key came with another body.
            BusyError: too much is waiting.
            NoSpaceError: the disk is full.
        """
        earlier = self.earlier(once)
        if earlier is not None:
            return earlier, False
        photos = {
            hashlib.sha256(photo).hexdigest(): photo
            for record in records
            for photo in record.photos
            if isinstance(photo, bytes)
        }
        size = sum(map(len, photos.values())) + _ROW_BYTES * (len(records) + len(errors))
        self._database.check_space(size)
        now = self._clock()
        with self._database.writing() as db:
            # again, now that nobody else writes
            earlier = self.earlier(once)
            if earlier is not None:
                return earlier, False
            self._check_room(size)
            status: JobStatus = "queued" if records else "done"
            cursor = db.execute(
                "INSERT INTO jobs (id, kind, status, total, done, failed, bytes, created, finished,"
                " tenant) VALUES (?, ?, ?, ?, 0, ?, ?, ?, ?, ?) RETURNING seq",
                (
                    *(secrets.token_hex(16), kind, status, len(records) + len(errors)),
                    *(len(errors), size if records else 0, now, None if records else now),
                    tenant or "",
                ),
            )
            seq = int(cursor.fetchone()[0])
            db.executemany(
                "INSERT INTO photos (job, sha256, data) VALUES (?, ?, ?)",
                ((seq, digest, data) for digest, data in photos.items()),
            )
            db.executemany(
                RECORDS.insert(),
                (_row(seq, record) for record in records),
            )
            _write_errors(db, seq, errors)
            if once is not None:
                db.execute(KEYS.insert(), (once.caller, once.key, once.body, seq))
            self._prune(db)
        return self._by_seq(seq), True

    def counts(self) -> dict[str, int]:
        """How many there are of each status."""
        found: dict[str, int] = dict(
            self._database.rows("SELECT status, count(*) FROM jobs GROUP BY status", ())
        )
        return {status: int(found.get(status, 0)) for status in get_args(JobStatus)}

    def get(self, job_id: str, *, tenant: str | None = None) -> Job | None:
        """One job; of a tenant, where one is named."""
        found = self._found("WHERE id = ?", (job_id,))
        return found if found is None or tenant in (None, found.tenant) else None

    def page(
        self, limit: int, before: int | None = None, *, tenant: str | None = None
    ) -> list[Job]:
        """Jobs, newest first.

        Args:
            limit: how many at most.
            before: only those with a smaller ``seq``.
            tenant: only this one's.
        """
        whose, named = ("", ()) if tenant is None else ("AND tenant = ? ", (tenant,))
        rows = self._database.sound_rows(
            self._jobs(f"WHERE seq < ? {whose}ORDER BY seq DESC LIMIT ?"),
            (ALL if before is None else before, *named, limit),
        )
        return [Job(*row) for row in rows]

    def remove_tenant(self, tenant: str) -> int:
        """End and forget all jobs of a tenant; how many there were."""
        with self._database.writing() as db:
            return db.execute("DELETE FROM jobs WHERE tenant = ?", (tenant,)).rowcount

    def count(self, tenant: str) -> int:
        """How many jobs of a tenant are kept."""
        found = self._database.one("SELECT count(*) FROM jobs WHERE tenant = ?", (tenant,))
        return int(found[0]) if found else 0

    def errors(self, job: Job, limit: int, after: int = -1) -> list[RecordError]:
        """Errors of a job's records, in their order.

        Args:
            job: whose.
            limit: how many at most.
            after: only records after this place.
        """
        rows = self._database.sound_rows(
            self._database.select(
                ERRORS,
                "place, code, detail, item_id, line",
                "WHERE job = ? AND place > ? ORDER BY place LIMIT ?",
            ),
            (job.seq, after, limit),
        )
        return [RecordError(*row) for row in rows]

    def cancel(self, job_id: str, *, tenant: str | None = None) -> Job | None:
        """End a job; what is being worked on at this moment is still stored."""
        with self._database.writing() as db:
            job = self.get(job_id, tenant=tenant)
            if job is not None and not job.ended:
                self._end(db, job.seq, "cancelled")
        return self.get(job_id, tenant=tenant)

    def remove(self, job_id: str, *, tenant: str | None = None) -> Job | None:
        """End a job and forget it, with its errors and its idempotency key.

        Returns:
            The job as it stood; None where there was none.
        """
        job = self.cancel(job_id, tenant=tenant)
        if job is not None:
            with self._database.writing() as db:
                db.execute("DELETE FROM jobs WHERE seq = ?", (job.seq,))
        return job

    # what the runner asks

    def next(self) -> Job | None:
        """The oldest job with something left to do that nobody else works on; it is running now."""
        with self._database.writing() as db:
            rows = self._database.rows(
                "SELECT seq FROM jobs WHERE status IN ('queued', 'running') ORDER BY seq"
            )
            seq = next((int(one) for (one,) in rows if self._database.take(int(one))), None)
            if seq is None:
                self._database.let_go()
                return None
            job = self._by_seq(seq)
            if job.status == "queued":
                db.execute(
                    "UPDATE jobs SET status = 'running', started = ? WHERE seq = ?",
                    (self._clock(), job.seq),
                )
        return self._by_seq(job.seq)

    def batch(self, job: Job, limit: int) -> list[JobRecord]:
        """The first records of a job that have no outcome yet; they stay until they have one."""
        rows = self._database.sound_rows(
            self._database.select(
                RECORDS,
                "place, line, item_id, attributes, photos",
                "WHERE job = ? ORDER BY place LIMIT ?",
            ),
            (job.seq, limit),
        )
        return [
            JobRecord(
                place,
                item_id,
                tuple(self._photo(job, photo) for photo in json.loads(photos)),
                json.loads(attributes),
                line,
            )
            for place, line, item_id, attributes, photos in rows
        ]

    def settle(self, job: Job, done: Sequence[int], errors: Sequence[RecordError]) -> Job:
        """Write the outcome of a batch; the job ends with its last record.

        Args:
            job: whose records.
            done: places of those that are stored.
            errors: of those that are not.

        Returns:
            The job as it stands now; one that was cancelled meanwhile stays so, and one that was
            removed is as if it was.
        """
        with self._database.writing() as db:
            found = self.get(job.id)
            if found is None:
                return replace(job, status="cancelled")
            ended = found.ended
            # who lost the job to another for a moment counts nothing twice
            settled = sum(_settled(db, job.seq, place) for place in done)
            # of a job that was ended the records are gone, and what is stored is
            stored = len(done) if ended else settled
            kept = [one for one in errors if _settled(db, job.seq, one.place) and not ended]
            _write_errors(db, job.seq, kept)
            db.execute(
                "UPDATE jobs SET done = done + ?, failed = failed + ? WHERE seq = ?",
                (stored, len(kept), job.seq),
            )
            left = db.execute("SELECT 1 FROM records WHERE job = ? LIMIT 1", (job.seq,)).fetchone()
            if left is None and not ended:
                self._end(db, job.seq, "done")
        return self._by_seq(job.seq)

    def fail(self, job: Job, code: str, detail: str) -> None:
        """End a job that cannot go on."""
        with self._database.writing() as db:
            found = self.get(job.id)
            if found is not None and not found.ended:
                self._end(db, job.seq, "failed", code, detail[:DETAIL_LENGTH])

    def prune(self) -> None:
        """Remove jobs that ended long ago, and give their space back."""
        with self._database.writing() as db:
            self._prune(db)
        self._database.shrink()

    def _jobs(self, rest: str) -> str:
        return self._database.select(JOBS, _COLUMNS, rest)

    def _found(self, rest: str, values: Sequence[object]) -> Job | None:
        found = self._database.sound_one(self._jobs(rest), values)
        return None if found is None else Job(*found)

    def _end(
        self,
        db: Statements,
        seq: int,
        status: JobStatus,
        code: str | None = None,
        detail: str | None = None,
    ) -> None:
        db.execute("DELETE FROM records WHERE job = ?", (seq,))
        db.execute("DELETE FROM photos WHERE job = ?", (seq,))
        db.execute(
            "UPDATE jobs SET status = ?, bytes = 0, finished = ?, code = ?, detail = ? "
            "WHERE seq = ?",
            (status, self._clock(), code, detail, seq),
        )

    def _prune(self, db: Statements) -> None:
        db.execute(
            "DELETE FROM jobs WHERE finished < ? OR seq IN (SELECT seq FROM jobs "
            "WHERE finished IS NOT NULL ORDER BY seq DESC LIMIT ? OFFSET ?)",
            (self._clock() - self._limits.ended_s, ALL, self._limits.ended),
        )

    def _check_room(self, size: int) -> None:
        found = self._database.one(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM jobs "
            "WHERE status IN ('queued', 'running')"
        )
        assert found is not None
        jobs, waiting = found
        limits = self._limits
        if jobs >= limits.waiting or waiting + size > limits.waiting_bytes:
            raise BusyError(
                f"{jobs} jobs with {waiting / 1e6:,.0f} MB are waiting, expected at most "
                f"{limits.waiting} with {limits.waiting_bytes / 1e6:,.0f} MB; wait until some are "
                f"done, or cancel some",
                retry_after_s=30,
            )

    def earlier(self, once: OnceKey | None) -> Job | None:
        """The job that a key was sent with before; None where there is none.

        Raises:
            IdempotencyError: the same key came with another body.
        """
        if once is None:
            return None
        found = self._database.sound_one(
            self._database.select(KEYS, "body, job", "WHERE caller = ? AND key = ?"),
            (once.caller, once.key),
        )
        if found is None:
            return None
        if found[0] != once.body:
            raise IdempotencyError(
                "this Idempotency-Key came before with another body; expected a new key for a new "
                "job"
            )
        return self._by_seq(found[1])

    def _by_seq(self, seq: int) -> Job:
        found = self._found("WHERE seq = ?", (seq,))
        assert found is not None
        return found

    def _photo(self, job: Job, photo: Mapping[str, str]) -> bytes | Link:
        if "url" in photo:
            return Link(photo["url"])
        found = self._database.one(
            "SELECT data FROM photos WHERE job = ? AND sha256 = ?", (job.seq, photo["sha256"])
        )
        if found is None:
            return b""  # gone where the job was cancelled since
        data = bytes(found[0])
        if hashlib.sha256(data).hexdigest() != photo["sha256"]:
            raise self._database.damaged(f"a photo of job {job.id} is not what was written")
        return data


def _row(seq: int, record: JobRecord) -> tuple[object, ...]:
    photos = [
        {"url": photo.url}
        if isinstance(photo, Link)
        else {"sha256": hashlib.sha256(photo).hexdigest()}
        for photo in record.photos
    ]
    attributes = json.dumps(dict(record.attributes), ensure_ascii=False, allow_nan=False)
    return seq, record.place, record.line, record.item_id, attributes, json.dumps(photos)


def _settled(db: Statements, seq: int, place: int) -> bool:
    """Whether a record had no outcome yet; it has one from here on."""
    gone = db.execute("DELETE FROM records WHERE job = ? AND place = ?", (seq, place))
    return gone.rowcount > 0


def _write_errors(db: Statements, seq: int, errors: Sequence[RecordError]) -> None:
    db.executemany(
        f"{ERRORS.insert()} ON CONFLICT (job, place) DO UPDATE SET code = excluded.code, "
        "detail = excluded.detail",
        (
            (seq, one.place, one.line, one.item_id, one.code, one.detail[:DETAIL_LENGTH])
            for one in errors
        ),
    )

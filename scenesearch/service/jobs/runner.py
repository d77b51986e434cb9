"""Works jobs off, beside the requests: one small batch at a time, and queries go first.

A batch is the first records of the oldest job that have no outcome yet. Its photos are fetched, the
engine stores the items, and then the outcomes are written. Killed in between, the next start does
that batch again, and an item that was stored already stays as it is.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from scenesearch.core.addresses import without_addresses
from scenesearch.core.errors import (
    DamagedError,
    ModelError,
    NoSpaceError,
    SceneSearchError,
    StoreError,
    StoreUnavailableError,
)
from scenesearch.engine.remote.backend import Backend, BusyError, DeadlineError
from scenesearch.engine.tasks import ItemRecord, Photo, PutItems
from scenesearch.fetch.errors import FetchError
from scenesearch.fetch.fetcher import Fetched
from scenesearch.service.state import State
from scenesearch.service.state.records import Job, JobRecord, Link, RecordError

T = TypeVar("T")
logger = logging.getLogger("scenesearch.service")

_WAITS = (NoSpaceError, StoreUnavailableError, DamagedError)
"""What passes by itself, or when somebody looks after the machine: the job waits."""
_PRUNE_S = 3600.0


class PhotoFetcher(Protocol):
    """What fetches photos, as the runner sees it."""

    async def fetch(self, url: str) -> Fetched:
        """Fetch one photo.

        Raises:
            FetchError: it was not fetched.
        """


@dataclass(frozen=True, slots=True)
class Pace:
    """How the runner goes about it.

    Attributes:
        records: of a batch, at most.
        bytes: a batch ends with the record that brings its photos above this.
        deadline_s: for one batch in the engine.
        wait_s: before a batch is tried again, and twice as long each time up to ``wait_max_s``.
        attempts: at one record, or at a whole engine that says that it cannot.
    """

    records: int = 4
    bytes: int = 32_000_000
    deadline_s: float = 120.0
    wait_s: float = 1.0
    wait_max_s: float = 60.0
    attempts: int = 5


@dataclass
class _Batch:
    """Records ready for the engine, and errors of those that are not."""

    records: list[JobRecord] = field(default_factory=list)
    items: list[ItemRecord] = field(default_factory=list)
    errors: list[RecordError] = field(default_factory=list)


class _GivenUpError(Exception):
    """The batch is not needed any more, or not now."""


class _FaultError(SceneSearchError):
    """A fault of ours, of which only the log says more."""

    code = "internal"


class JobRunner:
    """Works off the jobs of one state, in the event loop that :meth:`start` is called in.

    Args:
        state: where the jobs are.
        backend: stores the items.
        fetcher: fetches photos; None where none are fetched.
        pace: how fast.
    """

    def __init__(
        self,
        state: State,
        backend: Backend,
        fetcher: PhotoFetcher | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._state = state
        self._backend = backend
        self._fetcher = fetcher
        self._pace = pace or Pace()
        # set by a new job, and when it is time to stop
        self._wake = asyncio.Event()
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, with what an earlier run left."""
        self._state.listen(self._wake.set)
        self._task = asyncio.create_task(self._run(), name="jobs")

    async def stop(self, timeout_s: float = 10.0) -> None:
        """Finish the batch in hand and end; the rest waits for the next start.

        Args:
            timeout_s: after which the batch is given up, to be done again.
        """
        self._state.listen(None)
        self._stopping.set()
        self._wake.set()
        task, self._task = self._task, None
        if task is None:
            return
        _, late = await asyncio.wait({task}, timeout=timeout_s)
        if late:
            task.cancel()
            await asyncio.wait({task})

    @property
    def running(self) -> bool:
        """Whether jobs are being worked off."""
        return self._task is not None and not self._task.done()

    async def _run(self) -> None:
        prune_at = 0.0
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                job = await asyncio.to_thread(self._state.jobs.next)
                if job is None:
                    if time.monotonic() >= prune_at:
                        await asyncio.to_thread(self._state.jobs.prune)
                        prune_at = time.monotonic() + _PRUNE_S
                    # of what other services took nobody tells this one
                    await _wait(self._wake, self._state.poll_s or _PRUNE_S)
                else:
                    await self._work(job)
            except SceneSearchError as error:
                # the state itself: a full disk, or a file that is gone
                logger.warning("jobs wait: %s", error)
                await _wait(self._wake, self._pace.wait_max_s)
            except Exception:
                # nothing that nobody thought of may end what works jobs off for good
                logger.exception("jobs wait")
                await _wait(self._wake, self._pace.wait_max_s)

    async def _work(self, job: Job) -> None:
        """One batch of a job."""
        records = await asyncio.to_thread(self._state.jobs.batch, job, self._pace.records)
        batch = await self._gather(records)
        done = await self._put(job, batch)
        if done is None:
            return
        job = await asyncio.to_thread(self._state.jobs.settle, job, done, batch.errors)
        if job.ended:
            await asyncio.to_thread(self._state.jobs.prune)

    async def _gather(self, records: Sequence[JobRecord]) -> _Batch:
        """The photos of the first records, as many as are held at once."""
        batch = _Batch()
        size = 0
        for record in records:
            try:
                photos = await all_or_none(self._photo(one) for one in record.photos)
            except FetchError as error:
                batch.errors.append(_error(record, error.code, str(error)))
                continue
            batch.records.append(record)
            batch.items.append(ItemRecord(record.item_id, tuple(photos), record.attributes))
            size += sum(len(photo.data) for photo in photos)
            if size > self._pace.bytes:
                break
        return batch

    async def _photo(self, photo: bytes | Link) -> Photo:
        if isinstance(photo, bytes):
            return Photo(photo)
        if self._fetcher is None:
            raise FetchError(
                "this service fetches no photos from addresses; send the photos themselves",
                code="fetch_disabled",
            )
        return Photo((await self._fetcher.fetch(photo.url)).data)

    async def _put(self, job: Job, batch: _Batch) -> list[int] | None:
        """Places of the records that are stored now; None where nothing more is to be written.

        Records that fail are added to the batch's errors.
        """
        done: list[int] = []
        waiting = [list(zip(batch.records, batch.items, strict=True))] if batch.items else []
        while waiting:
            now = waiting.pop(0)
            try:
                outcomes = await self._store(job, tuple(item for _, item in now))
            except _GivenUpError:
                return None
            except SceneSearchError as error:
                if len(now) > 1:
                    # one by one, so that one of them cannot hold up the others
                    waiting = [[one] for one in now] + waiting
                    continue
                record = now[0][0]
                if isinstance(error, ModelError):
                    # no record can be done: said once, and not of each of them
                    await asyncio.to_thread(self._state.jobs.settle, job, done, batch.errors)
                    await asyncio.to_thread(self._state.jobs.fail, job, error.code, str(error))
                    return None
                # of a store, where it stands is not the caller's to know
                detail = str(error)
                if isinstance(error, StoreError):
                    detail = without_addresses(detail)
                batch.errors.append(_error(record, error.code, detail))
                continue
            for (record, _), outcome in zip(now, outcomes, strict=True):
                if outcome["status"] == "failed":
                    wrong = outcome["error"]
                    batch.errors.append(_error(record, wrong["code"], wrong["detail"]))
                else:
                    done.append(record.place)
        return done

    async def _store(self, job: Job, items: tuple[ItemRecord, ...]) -> list[dict[str, Any]]:
        """Outcomes of items, however long the engine has more urgent things to do.

        Raises:
            _GivenUpError: it is time to stop, or the job was cancelled.
            SceneSearchError: the engine cannot do it.
        """
        attempt = 0
        while True:
            try:
                put = PutItems(items, tenant=job.tenant or None)
                answer = await self._backend.run(put, deadline_s=self._pace.deadline_s)
            except SceneSearchError as error:
                self._state.damaged = str(error) if isinstance(error, DamagedError) else None
                last = len(items) > 1 or attempt + 1 >= self._pace.attempts
                if last and not _is_temporary(error):
                    raise
                wait_s = self._wait_s(error, attempt)
            except Exception as error:
                # one record that nobody foresaw must not stop all jobs, now and at each start
                logger.exception("job %s: a batch of %d records failed", job.id, len(items))
                raise _FaultError(
                    f"a fault of the service; its log says more under job {job.id}"
                ) from error
            else:
                self._state.damaged = None
                outcomes: list[dict[str, Any]] = answer.value
                return outcomes
            attempt += 1
            await _wait(self._stopping, wait_s)
            found = await asyncio.to_thread(self._state.jobs.get, job.id)
            if self._stopping.is_set() or found is None or found.ended:
                raise _GivenUpError

    def _wait_s(self, error: SceneSearchError, attempt: int) -> float:
        asked_for = error.retry_after_s if isinstance(error, BusyError) else 0
        longer = self._pace.wait_s * 2 ** min(attempt, 10)
        return float(min(max(asked_for, longer), self._pace.wait_max_s))


async def all_or_none(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What each gives, in order. The first that fails ends the others, and is raised itself."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors.exceptions[0].__cause__
    return [task.result() for task in tasks]


async def _wait(event: asyncio.Event, at_most_s: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), at_most_s)


def _is_temporary(error: SceneSearchError) -> bool:
    """Whether to wait for better times; a deadline is about the batch, not about the times."""
    return isinstance(error, (BusyError, *_WAITS)) and not isinstance(error, DeadlineError)


def _error(record: JobRecord, code: str, detail: str) -> RecordError:
    return RecordError(record.place, code, detail, record.item_id, record.line)

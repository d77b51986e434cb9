"""Sources on their way: what a run remembers of each, and how its decoding is started."""

from __future__ import annotations

import threading
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass

from scenesearch.core.errors import ImageError, SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.tagging.decode import Job, Outcome, Undecoded
from scenesearch.tagging.decode_pool import DecodePool
from scenesearch.tagging.ledger import Decision, Ledger, decide
from scenesearch.tagging.rows import TagRow
from scenesearch.tagging.source_remote import read_remote
from scenesearch.tagging.sources import Identity, Source, identify

_GRACE_S = 5.0
"""How much later than its own limit a read that does not come back is given up."""


@dataclass(slots=True)
class Entry:
    """One source of a run.

    Attributes:
        place: among the sources of the run, from 0.
        identity: what the file was like before it was read; set late for object storage.
        decision: what is to be done with it.
        known_sha256: of the content that was tagged already; empty for none.
    """

    place: int
    source: Source
    identity: Identity | None = None
    decision: Decision = "work"
    known_sha256: str = ""


class Memory:
    """What was tagged before: here nothing was, and everything is new."""

    def enter(self, place: int, source: Source) -> Entry:
        """Decide what is to be done with a source."""
        return Entry(place, source)

    def same_content(self, sha256: str) -> tuple[TagRow, int] | None:  # noqa: ARG002
        """A row of this content, and how many of its first warnings are about its file."""
        return None


class LedgerMemory(Memory):
    """What the ledger of the output has.

    Args:
        fingerprint: of the models.
        rehash: compare contents even where size and time of change are the same.
        retry_failed: work on what failed before.
    """

    def __init__(
        self, ledger: Ledger, fingerprint: str, *, rehash: bool, retry_failed: bool
    ) -> None:
        self._ledger = ledger
        self._fingerprint = fingerprint
        self._rehash = rehash
        self._retry_failed = retry_failed

    def enter(self, place: int, source: Source) -> Entry:
        """By the record of the source and what its file is like now."""
        identity = identify(source)
        known = self._ledger.known(source.name)
        decision = decide(
            known,
            identity,
            self._fingerprint,
            rehash=self._rehash,
            retry_failed=self._retry_failed,
        )
        sha256 = known.sha256 if known is not None and decision == "verify" else ""
        return Entry(place, source, identity, decision, sha256)

    def same_content(self, sha256: str) -> tuple[TagRow, int] | None:
        """As the ledger has it."""
        return self._ledger.same_content(sha256)


class Starter:
    """Starts the decoding of an entry; reads it first where it is in object storage.

    Args:
        pool: that decodes.
        timeout_s: for reading one photo.
        limits: of photos; no more bytes than these allow are read.
    """

    def __init__(self, pool: DecodePool, *, timeout_s: float, limits: ImageLimits) -> None:
        self._pool = pool
        self._timeout_s = timeout_s
        self._limits = limits

    def __call__(self, entry: Entry) -> Future[Outcome] | None:
        """The outcome, later; None where there is nothing to decode."""
        source = entry.source
        if source.error is not None or entry.decision == "skip":
            return None
        if not source.remote:
            return self._pool.submit(Job(source.name, source.path, None, entry.known_sha256))
        outcome: Future[Outcome] = Future()
        # a thread a photo, because a read that never comes back must not hold up the others;
        # as many at a time as are allowed to run ahead
        threading.Thread(
            target=self._fetch, args=(entry, outcome), name="read-remote", daemon=True
        ).start()
        return outcome

    def _fetch(self, entry: Entry, outcome: Future[Outcome]) -> None:
        source = entry.source
        message = f"{source.name}: not read within {self._timeout_s:g} s; try again"
        late = threading.Timer(
            self._timeout_s + _GRACE_S, _settle, (outcome, Undecoded("timed_out", message))
        )
        late.daemon = True
        late.start()
        try:
            data, stamp = read_remote(
                source.path, max_bytes=self._limits.max_bytes, timeout_s=self._timeout_s
            )
        except ImageError as error:
            _settle(outcome, Undecoded(error.code, str(error)))
            return
        except SceneSearchError as error:
            # a missing package fails every photo alike, and is no fault of this one
            if not outcome.done():
                outcome.set_exception(error)
            return
        finally:
            late.cancel()
        if entry.identity is None and stamp is not None:
            entry.identity = Identity(*stamp)
        job = Job(source.name, source.path, data, entry.known_sha256)
        self._pool.submit(job).add_done_callback(
            lambda task: None if task.cancelled() else _settle(outcome, task.result())
        )


def _settle(outcome: Future[Outcome], value: Outcome) -> None:
    try:
        outcome.set_result(value)
    except InvalidStateError:
        # whoever came first, the read or its time limit, has answered
        return

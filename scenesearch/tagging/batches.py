"""Sources on their way to rows: how their decoding is started, and batches that fill."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from typing import Protocol

from scenesearch.core.errors import ImageError, SceneSearchError
from scenesearch.core.limits import ImageLimits
from scenesearch.core.types import Scene
from scenesearch.fetch.object_storage import read_remote
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.decode import Decoded, Job, Outcome, Unchanged, Undecoded
from scenesearch.tagging.decode_pool import DecodePool
from scenesearch.tagging.ledger import Entry, Finished, Memory
from scenesearch.tagging.rows import Row
from scenesearch.tagging.sources import Identity

_FLUSH_SKIPPED = 1_000
"""Sources without work that are handed on together."""
_FLUSH_ANY = 10_000
"""No more wait for a batch to fill."""
_GRACE_S = 5.0
"""How much later than its own limit a read that does not come back is given up."""


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


class SceneTagger(Protocol):
    """What turns photos into rows."""

    @property
    def fingerprint(self) -> str:
        """What makes a photo done: everything its row depends on, and where else it went."""

    @property
    def models(self) -> str:
        """What a row depends on beside the photo, as it says; known without loading."""

    def load(self) -> None:
        """Read the weights; does nothing when they are already there."""

    def close(self) -> None:
        """Forget the weights."""

    def tag(self, scenes: Sequence[Scene]) -> Sequence[Row]:
        """One row a scene, in order: ``source`` and first ``warnings`` are the scene's."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A source whose row is that of a scene of the batch, maybe under another name."""

    entry: Entry
    scene: int
    warnings: tuple[str, ...]
    copied: bool


class Batch:
    """Sources in their order, until enough photos among them wait for the models.

    Args:
        tagger: loaded when the first photo needs it.
        memory: where rows of the same content are looked up.
        photos: that fill a batch.
        nbytes: of pixels that fill it too.
        times: where the models' time is added.
    """

    def __init__(
        self, tagger: SceneTagger, memory: Memory, photos: int, nbytes: int, times: StageTimes
    ) -> None:
        self._tagger = tagger
        self._memory = memory
        self._photos = photos
        self._nbytes = nbytes
        self._times = times
        self._line: list[Finished | _Waiting] = []
        self._scenes: list[Scene] = []
        self._by_content: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._line)

    @property
    def full(self) -> bool:
        """Whether it is time to finish."""
        if not self._scenes:
            return len(self._line) >= _FLUSH_SKIPPED
        return (
            len(self._scenes) >= self._photos
            or sum(scene.image.nbytes for scene in self._scenes) >= self._nbytes
            or len(self._line) >= _FLUSH_ANY
        )

    def add(self, entry: Entry, outcome: Outcome | None) -> None:
        """The next source; ``outcome`` is None where it needed no decoding."""
        match outcome:
            case Decoded():
                self._line.append(self._decoded(entry, outcome))
            case Undecoded(code=code, message=message):
                self._line.append(self._failed(entry, code, message))
            case Unchanged():
                self._line.append(Finished(entry.place, entry.source.name, entry.identity))
            case None if entry.source.error is not None:
                self._line.append(self._failed(entry, *entry.source.error))
            case None:
                self._line.append(Finished(entry.place, entry.source.name))

    def finish(self) -> list[Finished]:
        """Tag what waits, and start anew.

        Raises:
            ModelError: the models failed.
        """
        rows = self._tag() if self._scenes else []
        finished = [
            one if isinstance(one, Finished) else self._finished(one, rows) for one in self._line
        ]
        self._line, self._scenes, self._by_content = [], [], {}
        return finished

    def _tag(self) -> Sequence[Row]:
        with self._times.stage("load"):
            self._tagger.load()
        with self._times.stage("tag"):
            rows = self._tagger.tag(self._scenes)
        if len(rows) != len(self._scenes):
            raise ValueError(
                f"the tagger gave {len(rows)} rows for {len(self._scenes)} photos, "
                f"expected one each"
            )
        return rows

    def _decoded(self, entry: Entry, photo: Decoded) -> Finished | _Waiting:
        found = self._memory.same_content(photo.sha256)
        if found is not None:
            return _of_row(entry, *found, photo.sha256, photo.warnings, copied=True)
        index = self._by_content.setdefault(photo.sha256, len(self._scenes))
        copied = index < len(self._scenes)
        if not copied:
            self._scenes.append(photo.scene(entry.source.name))
        return _Waiting(entry, index, photo.warnings, copied)

    def _finished(self, waiting: _Waiting, rows: Sequence[Row]) -> Finished:
        scene = self._scenes[waiting.scene]
        row, own = rows[waiting.scene], len(scene.warnings)
        return _of_row(
            waiting.entry, row, own, scene.sha256, waiting.warnings, copied=waiting.copied
        )

    def _failed(self, entry: Entry, code: str, message: str) -> Finished:
        line = " ".join(message.split())
        name = entry.source.name
        row = self._memory.kind.failed(name, self._tagger.models, code, line)
        return Finished(entry.place, name, entry.identity, row=row)


def _of_row(
    entry: Entry, row: Row, own: int, sha256: str, warnings: tuple[str, ...], *, copied: bool
) -> Finished:
    """By the row of a file with the same content; ``own`` of its warnings were that file's."""
    name = entry.source.name
    row = row.named(name, (*warnings, *row.warnings[own:]))
    return Finished(entry.place, name, entry.identity, sha256, row, len(warnings), copied)


def _settle(outcome: Future[Outcome], value: Outcome) -> None:
    try:
        outcome.set_result(value)
    except InvalidStateError:
        # whoever came first, the read or its time limit, has answered
        return

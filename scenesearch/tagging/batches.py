"""Decoded photos to finished rows, in batches that fill."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from scenesearch.core.types import Scene
from scenesearch.system.timing import StageTimes
from scenesearch.tagging.decode import Decoded, Outcome, Unchanged, Undecoded
from scenesearch.tagging.entries import Entry, Memory
from scenesearch.tagging.ledger import Finished
from scenesearch.tagging.rows import TagRow

_FLUSH_SKIPPED = 1_000
"""Sources without work that are handed on together."""
_FLUSH_ANY = 10_000
"""No more wait for a batch to fill."""


class SceneTagger(Protocol):
    """What turns photos into rows."""

    @property
    def fingerprint(self) -> str:
        """Everything a row depends on beside the photo; known without loading."""
        ...

    def load(self) -> None:
        """Read the weights; does nothing when they are already there."""
        ...

    def close(self) -> None:
        """Forget the weights."""
        ...

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        """One row a scene, in order: ``source`` and first ``warnings`` are the scene's."""
        ...


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

    def _tag(self) -> list[TagRow]:
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
            row = _renamed(found[0], found[1], entry.source.name, photo.warnings)
            return _of_row(entry, row, photo.sha256, len(photo.warnings), copied=True)
        index = self._by_content.setdefault(photo.sha256, len(self._scenes))
        copied = index < len(self._scenes)
        if not copied:
            self._scenes.append(photo.scene(entry.source.name))
        return _Waiting(entry, index, photo.warnings, copied)

    def _finished(self, waiting: _Waiting, rows: Sequence[TagRow]) -> Finished:
        scene = self._scenes[waiting.scene]
        entry, warnings = waiting.entry, waiting.warnings
        row = _renamed(rows[waiting.scene], len(scene.warnings), entry.source.name, warnings)
        return _of_row(entry, row, scene.sha256, len(warnings), copied=waiting.copied)

    def _failed(self, entry: Entry, code: str, message: str) -> Finished:
        line = " ".join(message.split())
        name = entry.source.name
        row = TagRow(name, models=self._tagger.fingerprint, error=code, message=line)
        return Finished(entry.place, name, entry.identity, row=row)


def _renamed(row: TagRow, own: int, name: str, warnings: tuple[str, ...]) -> TagRow:
    """The row of another file with the same content; ``own`` warnings were that file's."""
    return replace(row, source=name, warnings=(*warnings, *row.warnings[own:]))


def _of_row(
    entry: Entry, row: TagRow, sha256: str, scene_warnings: int, *, copied: bool
) -> Finished:
    name = entry.source.name
    return Finished(entry.place, name, entry.identity, sha256, row, scene_warnings, copied)

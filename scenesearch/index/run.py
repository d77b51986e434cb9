"""An index run: how it works, what it has counted so far, what it reports."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scenesearch.index.plan import Failure, ItemPlan
from scenesearch.models.encode import RegionRules
from scenesearch.system.timing import StageTimes

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How an index run works.

    Attributes:
        batch: photos embedded together; what a kill can cost.
        write_batch: photos whose points are written together. Making a write durable takes the
            embedded engine some tenths of a second whatever its size, and a kill only costs
            reading these from the cache again.
        whiten: dimensions of the fitted projection; 0 for none.
        workers: threads that decode, cut and describe.
        augment: nearest neighbours that each stored vector is moved towards; 0 for none.
        objects: where a detector is given, every object of a photo is a region of its own.
    """

    batch: int = 64
    write_batch: int = 512
    whiten: int = 0
    workers: int = 2
    augment: int = 0
    objects: RegionRules = field(default_factory=RegionRules)


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What an index run did.

    Attributes:
        embedded: photos that went through the models.
        from_cache: photos written without the models.
        seconds: wall clock by stage.
        notes: what a user should know (cold start).
    """

    added: int
    changed: int
    unchanged: int
    removed: int
    embedded: int
    from_cache: int
    failures: tuple[Failure, ...]
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()


class Run:
    """What one run has counted so far."""

    def __init__(self, progress: Progress, total: int, items: int) -> None:
        self._progress = progress
        self.total = total
        self.done = 0
        self._items = items
        self._written = 0
        self.embedded = 0
        self.bad: set[str] = set()
        self.failures: list[Failure] = []
        self.notes: list[str] = []
        self.times = StageTimes()

    def advance(self, stage: str, photos: int) -> None:
        """Count photos and report."""
        self.done += photos
        self._progress(stage, self.done, self.total)

    def wrote(self, items: int) -> None:
        """Count written items and report."""
        self._written += items
        self._progress("store", self._written, self._items)

    def did(self, plan: ItemPlan) -> bool:
        """Whether anything came of an item: not when all that it asked for could not be read."""
        good = any(ref.sha256 not in self.bad for ref in plan.write)
        return bool(good or plan.patch or plan.moved or not plan.write)


def chunks(items: Iterable[ItemPlan], size: int) -> Iterator[Sequence[ItemPlan]]:
    """Items in runs of about ``size`` photos to write; one without any counts as one."""
    chunk: list[ItemPlan] = []
    photos = 0
    for plan in items:
        chunk.append(plan)
        photos += max(len(plan.write), 1)
        if photos >= size:
            yield chunk
            chunk, photos = [], 0
    if chunk:
        yield chunk

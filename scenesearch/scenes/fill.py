"""Photos to the collection: read, skip what is there, tag and encode in batches, store.

:class:`FillingTagger` does the last of it on the way of a tagging run: one run, both results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from scenesearch.core.batches import batches
from scenesearch.core.errors import ImageError
from scenesearch.core.protocols import Model
from scenesearch.core.types import Record, Scene
from scenesearch.models.embed.forwarding import Standing
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes.index import SceneIndex, SceneReport
from scenesearch.scenes.known_items import KnownItems
from scenesearch.tagging.rows import TagRow

BATCH = 16
"""Photos tagged together and made durable together."""


class EncodingTagger(Model, Protocol):
    """What tags photos and keeps what it encoded.

    Its fingerprint is everything that a row depends on beside the photo.
    """

    def tag_and_encode(self, scenes: Sequence[Scene]) -> list[tuple[TagRow, list[EncodedRegion]]]:
        """A row and its regions for each photo, in order, the whole photo first."""


def index_scenes(
    index: SceneIndex,
    tagger: EncodingTagger,
    sources: Iterable[str],
    load: Callable[[str], Scene],
    *,
    known: KnownItems | None = None,
    again: bool = False,
    batch: int = BATCH,
    progress: Callable[[int], None] | None = None,
) -> SceneReport:
    """Bring a collection in line with photos; those that are there unchanged are left alone.

    Killed at any moment, the same call goes on where it was: each batch is durable.

    Args:
        index: the collection.
        tagger: rows and vectors of photos.
        sources: paths; each is named by it.
        load: source to scene; raises ImageError.
        known: products of the photos.
        again: tag also what is there unchanged.
        batch: photos at a time.
        progress: called with how many photos are done.

    Raises:
        ModelError: weights are missing or cannot be used.
        StoreError: the collection cannot be written.
    """
    known = known or KnownItems()
    report = SceneReport()
    done = 0
    for some in batches(dict.fromkeys(sources), batch):
        scenes = list(_read(some, load, report))
        index.rename({scene.source: scene.sha256 for scene in scenes})
        stored = index.known([scene.source for scene in scenes])
        todo = []
        for scene in scenes:
            record = stored.get(scene.source)
            payload = record.payload if record is not None else {}
            same = payload.get("photo_sha256") == scene.sha256
            if again or not same or payload.get("models") != tagger.fingerprint:
                todo.append(scene)
                continue
            report.unchanged += 1
            items = known.of(scene.source)
            if items and items != tuple(payload.get("items", ())):
                index.set_items(scene.source, items)
        if todo:
            tagger.load()
            items_of = {scene.source: _items(known, scene, stored) for scene in todo}
            part = index.add(tagger.tag_and_encode(todo), items_of)
            report.added += part.added
            report.replaced += part.replaced
            report.failed += part.failed
        done += len(some)
        if progress is not None:
            progress(done)
    return report


def _items(known: KnownItems, scene: Scene, stored: Mapping[str, Record]) -> tuple[str, ...]:
    """The products of a photo: as the manifest says, or as they were."""
    if items := known.of(scene.source):
        return items
    record = stored.get(scene.source)
    return tuple(record.payload.get("items", ())) if record is not None else ()


def _read(
    sources: Iterable[str], load: Callable[[str], Scene], report: SceneReport
) -> Iterator[Scene]:
    for source in sources:
        try:
            # the source as it was given names the photo, whatever the loader calls it
            yield replace(load(source), source=source)
        except ImageError as error:
            report.failed.append((source, str(error)))


class FillingTagger(Standing[EncodingTagger]):
    """A tagger whose photos are in the collection by the time it returns their rows.

    A run records rows after that, so a kill between the two repeats one batch, whose points are
    then replaced by the same ones.

    Args:
        tagger: rows and vectors of photos.
        index: the collection.
        name: of store and collection: rows recorded for another one do not count as done.
    """

    def __init__(self, tagger: EncodingTagger, index: SceneIndex, name: str) -> None:
        super().__init__(tagger)
        self._index = index
        self._name = name

    @property
    def fingerprint(self) -> str:
        """That of the tagger, and where the photos go."""
        return f"{super().fingerprint}|scenes={self._name}"

    @property
    def models(self) -> str:
        """As rows have it: they do not depend on where the photos go."""
        return self._behind.fingerprint

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        """One row a scene, in order.

        Raises:
            StoreError: the collection cannot be written; none of these rows is lost, they are
                made again.
        """
        tagged = self._behind.tag_and_encode(scenes)
        self._index.rename({scene.source: scene.sha256 for scene in scenes})
        self._index.add(tagged)
        return [row for row, _ in tagged]

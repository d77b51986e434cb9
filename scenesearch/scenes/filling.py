"""Tagging that fills a collection of photos on the way: one run, both results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from scenesearch.core.types import Scene
from scenesearch.models.encode import EncodedRegion
from scenesearch.scenes.index import SceneIndex
from scenesearch.tagging.rows import TagRow


class EncodingTagger(Protocol):
    """What tags photos and keeps what it encoded."""

    @property
    def fingerprint(self) -> str:
        """Everything that a row depends on beside the photo."""
        ...

    def load(self) -> None:
        """Read the weights; does nothing when they are already there."""
        ...

    def close(self) -> None:
        """Forget the weights."""
        ...

    def tag_and_encode(self, scenes: Sequence[Scene]) -> list[tuple[TagRow, list[EncodedRegion]]]:
        """A row and its regions for each photo, in order, the whole photo first."""
        ...


class FillingTagger:
    """A tagger whose photos are in the collection by the time it returns their rows.

    A run records rows after that, so a kill between the two repeats one batch, whose points are
    then replaced by the same ones.

    Args:
        tagger: rows and vectors of photos.
        index: the collection.
        name: of store and collection: rows recorded for another one do not count as done.
    """

    def __init__(self, tagger: EncodingTagger, index: SceneIndex, name: str) -> None:
        self._tagger = tagger
        self._index = index
        self._name = name

    @property
    def fingerprint(self) -> str:
        """That of the tagger, and where the photos go."""
        return f"{self._tagger.fingerprint}|scenes={self._name}"

    def load(self) -> None:
        """Read the weights; does nothing when they are already there."""
        self._tagger.load()

    def close(self) -> None:
        """Forget the weights."""
        self._tagger.close()

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        """One row a scene, in order.

        Raises:
            StoreError: the collection cannot be written; none of these rows is lost, they are
                made again.
        """
        tagged = self._tagger.tag_and_encode(scenes)
        self._index.add(tagged)
        return [row for row, _ in tagged]

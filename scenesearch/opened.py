"""What a search holds on to: what it read of its collection, and a query after the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scenesearch.encode import EncodedRegion
from scenesearch.points import AUGMENTED, CUTOUT
from scenesearch.query import Query
from scenesearch.query_vectors import QueryVectors, SpaceVectors
from scenesearch.rank.familiarity import Familiarity
from scenesearch.types import CollectionSchema
from scenesearch.words import ParsedWords


@dataclass(frozen=True, slots=True, eq=False)
class PreparedQuery:
    """A query after the models: what :meth:`scenesearch.searcher.Searcher.answer` needs.

    Attributes:
        encoded: the regions of its photo.
        modifiers: vectors by space of every other part, with weights.
        seconds: time of the models, by stage.
        parsed: what was understood of its words.
    """

    query: Query
    encoded: tuple[EncodedRegion, ...]
    modifiers: tuple[tuple[SpaceVectors, float], ...]
    seconds: Mapping[str, float]
    parsed: ParsedWords | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What is read once from a collection."""

    schema: CollectionSchema
    vectors: QueryVectors
    familiarity: Familiarity | None

    @property
    def cutouts(self) -> str:
        """The space that cutouts are compared in."""
        return AUGMENTED if AUGMENTED in self.schema.vectors else CUTOUT

    def strangers(self, encoded: Sequence[EncodedRegion], least: float) -> list[bool]:
        """Which regions look like nothing the catalogue has."""
        profiles = [one.profile for one in encoded if one.profile is not None]
        if self.familiarity is None or not profiles or least <= 0:
            return [False] * len(encoded)
        levels = self.familiarity.levels(np.stack(profiles))
        return [bool(level < least) for level in levels]

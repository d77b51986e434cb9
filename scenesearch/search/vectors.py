"""The parts of a query to one vector for each region and space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.conditions import Equals
from scenesearch.core.errors import QueryError
from scenesearch.core.points import AUGMENTED, CONTEXT, CUTOUT, catalogue_spaces, schema_of
from scenesearch.core.protocols import Store
from scenesearch.core.types import Vector
from scenesearch.models.embed.projection import Projection
from scenesearch.models.encode import EncodedRegion, Encoder
from scenesearch.search.query import Query
from scenesearch.system.timing import StageTimes

SpaceVectors = Mapping[str, NDArray[np.float32]]


class QueryVectors:
    """Turns query parts into vectors of the stored spaces.

    Args:
        store: for the vectors of items.
        encoder: for photos and texts.
        projection: the collection's, or None.
    """

    def __init__(self, store: Store, encoder: Encoder, projection: Projection | None) -> None:
        self._store = store
        self._encoder = encoder
        self._projection = projection

    def of_region(self, encoded: EncodedRegion) -> SpaceVectors:
        """The stored-space vectors of something that was just encoded."""
        vectors = dict(encoded.vectors)
        for space in (CUTOUT, CONTEXT):
            vectors[space] = self._project(vectors[space])
        return vectors

    def _project(self, vector: NDArray[np.float32], *, centre: bool = True) -> NDArray[np.float32]:
        if self._projection is None:
            return vector
        return np.asarray(self._projection.apply(vector[None], centre=centre)[0])

    def modifiers(self, query: Query, times: StageTimes) -> list[tuple[SpaceVectors, float]]:
        """Everything of a query but its scene, each with its weight.

        Raises:
            QueryError: an unknown item, a text without a text tower, a vector of a wrong size.
        """
        parts: list[tuple[SpaceVectors, float]] = []
        for scene, weight in query.products:
            parts.append((self.of_region(self._encoder.encode_product(scene, times)), weight))
        with times.stage("embed text"):
            parts += self._texts(query.texts)
        with times.stage("items"):
            parts += [(self.of_item(item), weight) for item, weight in query.items]
        parts += [(self._own(vector, *space), weight) for vector, weight, *space in query.vectors]
        return parts

    def _texts(self, texts: Sequence[tuple[str, float]]) -> list[tuple[SpaceVectors, float]]:
        if not texts:
            return []
        rows = self._encoder.embedder.embed_texts([text for text, _ in texts])
        vectors = [self._project(row, centre=False) for row in rows]
        return [
            ({CUTOUT: vector, CONTEXT: vector}, weight)
            for vector, (_, weight) in zip(vectors, texts, strict=True)
        ]

    def of_item(self, item_id: str) -> SpaceVectors:
        """Mean vectors over the stored points of an item.

        Raises:
            QueryError: the collection has no such item.
        """
        # a collection made without colours has no such space
        spaces = [s for s in schema_of(self._store).vectors if s != AUGMENTED]
        page = self._store.scroll(where=Equals("item_id", item_id), limit=256, spaces=spaces)
        if not page.records:
            raise QueryError(
                f"No item {item_id!r} in the collection; check the id, or index it first",
                code="unknown_item",
            )
        means: dict[str, NDArray[np.float32]] = {}
        for space in spaces:
            rows = [r.vectors[space] for r in page.records if space in r.vectors]
            if rows:
                means[space] = _normalised(np.sum(rows, axis=0))
        return means

    def _own(self, vector: NDArray[np.float32], space: str | None = None) -> SpaceVectors:
        others = catalogue_spaces(schema_of(self._store))
        if space is not None and space not in others:
            has = ", ".join(others) or "none: it was made without vectors of a catalogue"
            raise QueryError(
                f"A query vector is of the space {space!r:.100}; the collection has {has}. Leave "
                f"the space out for a vector of the model",
                code="unknown_space",
            )
        raw = self._encoder.embedder.dim if space is None else others[space]
        stored = self._projection.dim if self._projection and space is None else raw
        flat = np.asarray(vector, np.float32)
        sizes = f"({raw},)" if raw == stored else f"({raw},) or ({stored},)"
        faults = (
            (flat.shape not in {(raw,), (stored,)}, f"one of shape {flat.shape}"),
            (not np.isfinite(flat).all(), "one that is not finite"),
            (not flat.any(), "zero"),
        )
        wrong = next((text for is_so, text in faults if is_so), None)
        if wrong:
            raise QueryError(
                f"A query vector must be finite, not zero and of shape {sizes}, got {wrong}",
                code="bad_vector",
            )
        unit = _normalised(flat)
        if space is not None:
            return {space: unit}
        own = self._project(unit) if flat.shape == (raw,) else unit
        return {CUTOUT: own, CONTEXT: own}


def combine(parts: Sequence[tuple[SpaceVectors, float]], spaces: Sequence[str]) -> SpaceVectors:
    """The weighted sum of parts in each space, L2-normalised.

    Only the spaces that all parts have count, where there are any: the colours of a photo must
    not hold on to what words move away from it. A space also needs a part of positive weight.

    Raises:
        QueryError: positive and negative parts cancel out.
    """
    shared = [space for space in spaces if all(space in part for part, _ in parts)]
    combined: dict[str, Vector] = {}
    for space in shared or spaces:
        present = [(part[space], weight) for part, weight in parts if space in part]
        if any(weight > 0 for _, weight in present):
            combined[space] = _normalised(sum(weight * vector for vector, weight in present))
    return combined


def _normalised(vector: NDArray[np.float32] | int) -> NDArray[np.float32]:
    array = np.asarray(vector, np.float32)
    length = float(np.linalg.norm(array))
    if length < 1e-6:
        raise QueryError(
            "The parts of the query cancel out to nothing; lower a negative weight",
            code="empty_query",
        )
    return (array / length).astype(np.float32)

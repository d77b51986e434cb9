"""What a caller can ask, as values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.conditions import Condition
from scenesearch.core.errors import QueryError
from scenesearch.core.turns import MAX_TURNS, Turn
from scenesearch.core.types import BoxTuple, Scene
from scenesearch.words import ParsedWords

WeightedVector = tuple[NDArray[np.float32], float] | tuple[NDArray[np.float32], float, str | None]
"""An embedding, its weight, and the space it lies in."""


@dataclass(frozen=True, slots=True, eq=False)
class Query:
    """One question. Parts add up; a negative weight pushes away.

    Attributes:
        scene: a photo whose objects are searched one by one.
        boxes: the caller's own regions of ``scene``, instead of the detector's.
        point: a tapped point of ``scene``: the object under it is searched.
        products: photos of one thing each, with weights.
        texts: words, with weights; needs a model with a text tower.
        items: ids of catalogue items, with weights.
        vectors: embeddings of the caller, with weights: raw or stored-size ones of the model, or,
            with the name of their space, such as came with the catalogue.
        words: plain words to be understood, or what was understood of some, corrected.
        refine: turns that narrow the answer, each about what those before it leave.
        within: words know only categories of points for which this holds; None for all.
    """

    scene: Scene | None = None
    boxes: tuple[BoxTuple, ...] = ()
    point: tuple[float, float] | None = None
    products: tuple[tuple[Scene, float], ...] = ()
    texts: tuple[tuple[str, float], ...] = ()
    items: tuple[tuple[str, float], ...] = ()
    vectors: tuple[WeightedVector, ...] = ()
    words: str | ParsedWords | None = None
    refine: tuple[Turn, ...] = ()
    within: Condition | None = None

    @property
    def only_texts(self) -> bool:
        """Whether nothing but texts for a model says what is looked for."""
        beside = (self.products, self.items, self.vectors)
        return bool(self.texts) and self.scene is None and self.words is None and not any(beside)

    def check(self) -> None:
        """Refuse a question with nothing to look for.

        Raises:
            QueryError: no part, only negative parts, an empty text, or boxes without a photo.
        """
        weights = [
            *(w for part in (self.products, self.texts, self.items) for _, w in part),
            *(one[1] for one in self.vectors),
        ]
        bare = self.scene is None
        faults = (
            (
                not all(np.isfinite(weights)),
                f"Weights must be finite numbers, got {weights}",
                "bad_weight",
            ),
            (
                not all(text.strip() for text, _ in self.texts),
                "A text of the query is empty; leave it out",
                "empty_text",
            ),
            (
                bare and (self.boxes or self.point is not None),
                "Boxes and points need the photo they are in",
                "no_photo",
            ),
            (
                isinstance(self.words, str) and not self.words.strip(),
                "The words of the query are empty; leave them out",
                "empty_text",
            ),
            (
                bare and self.words is None and not any(w > 0 for w in weights),
                "Nothing to look for: give words, a photo, a text, an item id or a vector with a "
                "positive weight",
                "empty_query",
            ),
        )
        if len(self.refine) > MAX_TURNS:
            raise QueryError(
                f"{len(self.refine)} turns, expected at most {MAX_TURNS}; put some together",
                code="too_many",
            )
        for turn in self.refine:
            turn.check()
        for at_fault, message, code in faults:
            if at_fault:
                raise QueryError(message, code=code)

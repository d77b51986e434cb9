"""How a look is completed: the settings of an answer, and which of them make sense."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from scenesearch.complete.cooccurrence import ASSOCIATIONS, Association
from scenesearch.core.errors import QueryError

SCENES, STYLE, COLOURS = "scenes", "style", "colour"
SIGNALS = (SCENES, STYLE, COLOURS)


@dataclass(frozen=True, slots=True)
class CompleteOptions:
    """How a look is completed.

    Attributes:
        category_field: the payload field that tells kinds of items apart; keyword or integer.
        weights: of the signals ``scenes``, ``style`` and ``colour``; 0 is off.
        association: how pairs in scenes are counted; see
            :func:`~scenesearch.complete.cooccurrence.associate`.
        neighbours: seen items that an item borrows its scenes from; 0: from itself alone.
        same_category: what one category adds to the likeness (a cosine) of two items when they
            borrow from each other.
        prior: scenes after which an item takes as much from itself as it borrows; above 0.
        candidates: nearest items that the engine gives for style, and for colour.
        diversity: 0 to 1: how unlike each other suggestions are, over their relevance.
        include_present: also suggest categories that the anchors have.
    """

    category_field: str = "category"
    weights: Mapping[str, float] = field(
        default_factory=lambda: {"scenes": 1.0, "style": 0.5, "colour": 0.5}
    )
    association: Association = "count"
    neighbours: int = 30
    same_category: float = 0.3
    prior: float = 10.0
    candidates: int = 500
    diversity: float = 0.0
    include_present: bool = False

    def check(self) -> None:
        """Refuse what makes no sense.

        Raises:
            QueryError: names the option, its value and what was expected.
        """
        names, shares = ", ".join(self.weights), self.weights.values()
        demands = (
            (
                not set(self.weights) - set(SIGNALS),
                f"weights of {names}, expected only {', '.join(SIGNALS)}",
            ),
            (
                all(np.isfinite(w) and w >= 0 for w in shares),
                f"weights {dict(self.weights)}, expected numbers of at least 0",
            ),
            (any(shares), "no weight above 0, expected at least one"),
            (
                self.association in ASSOCIATIONS,
                f"association {self.association!r}, expected {', '.join(ASSOCIATIONS)}",
            ),
            (self.neighbours >= 0, f"neighbours {self.neighbours}, expected at least 0"),
            (
                0 <= self.same_category <= 1,
                f"same_category {self.same_category}, expected 0 to 1",
            ),
            (self.prior > 0, f"prior {self.prior}, expected a number above 0"),
            (
                1 <= self.candidates <= 10_000,
                f"candidates {self.candidates}, expected 1 to 10000",
            ),
            (0 <= self.diversity <= 1, f"diversity {self.diversity}, expected 0 to 1"),
        )
        wrong = next((text for met, text in demands if not met), None)
        if wrong:
            raise QueryError(f"Cannot complete with {wrong}; change it", code="bad_option")

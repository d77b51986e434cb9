"""How much each part of a text counts; docs/words.md has what these values were chosen by."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

from scenesearch.core.errors import QueryError


@dataclass(frozen=True, slots=True)
class WordWeights:
    """Weights of the parts of a search by words; each part scores an item 0 to 1.

    Attributes:
        lexical: of BM25 over the texts of items, relative to the best of the candidates.
        colour: of the cosine between the colours asked for and an item's own.
        category: of being of a category that was named.
        kind: share of ``category`` for "coffee table" where "table" was asked for.
        unwanted: of not having what is not wanted: a colour, a category, a word.
        vectors: of photos, items, vectors and, where the model reads text, the text itself.
        boost: of all parts of the text together on the objects of a photo, where the similarity
            to the object counts 1.
    """

    lexical: float = 1.0
    colour: float = 1.0
    category: float = 1.0
    kind: float = 0.5
    unwanted: float = 1.0
    vectors: float = 1.0
    boost: float = 0.2

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 100):
                raise QueryError(
                    f"word_weights.{field.name} is {value!r}, expected a number of 0 to 100",
                    code="out_of_range",
                )

"""BM25 in plain Python: what the engines' text search is compared with, and the numpy store's.

The tokens are those of Qdrant's text index. Robertson and Zaragoza, "The Probabilistic Relevance
Framework: BM25 and Beyond" (2009), with the idf that is never negative,
``log(1 + (N - df + 0.5) / (df + 0.5))``.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

K1 = 1.2
"""How soon more of the same word stops counting; the engines' default."""
B = 0.75
"""How much long texts are held back, 0 to 1; the engines' default."""

_WORD = re.compile(r"[^\W_]+")


def tokens(text: str) -> list[str]:
    """The lower-case runs of letters and digits of a text, in order.

    >>> tokens("Off-white TABLE, 80cm")
    ['off', 'white', 'table', '80cm']
    """
    return [word.lower() for word in _WORD.findall(text)]


def bm25(documents: Mapping[str, Sequence[str]], text: str, mean: float) -> dict[str, float]:
    """Score every document that has a word of a text.

    Args:
        documents: tokens by id; those without a token are no part of the statistics.
        text: a word that is in it twice counts once.
        mean: words that a document of the collection has, as its record says.

    Returns:
        By id, above 0.

    >>> scores = bm25({"a": ["oak", "table"], "b": ["oak"], "c": ["lamp"]}, "table", 4 / 3)
    >>> {key: round(score, 3) for key, score in scores.items()}
    {'a': 0.814}
    """
    counts = {key: Counter(words) for key, words in documents.items() if words}
    scores: dict[str, float] = {}
    for term in dict.fromkeys(tokens(text)):
        holders = {key: count for key, count in counts.items() if term in count}
        idf = math.log(1 + (len(counts) - len(holders) + 0.5) / (len(holders) + 0.5))
        for key, count in holders.items():
            norm = K1 * (1 - B + B * count.total() / mean)
            gain = idf * count[term] * (K1 + 1) / (count[term] + norm)
            scores[key] = scores.get(key, 0.0) + gain
    return scores

"""What a score says in a word: the thing itself, one like it, or something near.

Told by the one score of a match, which is on the collection's own scale (search/rank/one_score.py),
and by whether it is called what was detected; so the words mean the same whichever model made the
vectors. docs/decisions/ranking.md has how often each word was right.
"""

from __future__ import annotations

from typing import Literal

Verdict = Literal["exact", "similar", "related"]

EXACT = 0.6
"""Score from which a match may well be the very thing."""
SIMILAR = 0.4
"""Score from which a match is a thing like it."""


def verdict_of(score: float, named: float | None) -> Verdict:
    """The word for a match.

    Args:
        score: 0 to 1.
        named: what being called alike added to it; 0 where it is called something else, None where
            nothing was said of that.

    >>> verdict_of(0.9, None), verdict_of(0.9, 0.0), verdict_of(0.45, 0.05), verdict_of(0.1, None)
    ('exact', 'related', 'similar', 'related')
    """
    another_kind = named is not None and named <= 0
    if score < SIMILAR or another_kind:
        return "related"
    return "exact" if score >= EXACT else "similar"

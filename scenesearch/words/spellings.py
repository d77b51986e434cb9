"""The ways to write a name of several words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

SHORTEST = 3
"""Letters of a part of a word that may be a word by itself."""


def spellings(words: Sequence[str]) -> Iterator[str]:
    """The ways to write words as one name: apart, as one word, and one long word as two.

    >>> list(spellings(["bed", "sheet"])), list(spellings(["bedding"]))[:2]
    (['bed sheet', 'bedsheet'], ['bedding', 'bed ding'])
    """
    yield " ".join(words)
    if len(words) > 1:
        yield "".join(words)
    else:
        (word,) = words
        yield from (
            f"{word[:cut]} {word[cut:]}" for cut in range(SHORTEST, len(word) - SHORTEST + 1)
        )

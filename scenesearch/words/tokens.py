"""A text as words with their places, and the words that only hold it together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

GLUE = frozenset(
    {
        *("a", "an", "the", "some", "any", "my", "our", "your", "for", "of", "with", "and", "or"),
        *("in", "on", "to", "is", "are", "that", "which", "this", "but", "it", "its", "one"),
        *("from", "made", "too", "very"),
        *(
            "i",
            "me",
            "we",
            "want",
            "need",
            "show",
            "find",
            "search",
            "looking",
            "please",
            "like",
            "only",
        ),
    }
)
"""Words that say nothing about a thing."""

NEGATIONS = frozenset(
    {
        *("not", "no", "non", "without", "except", "excluding", "minus", "neither", "nor"),
        *("isn't", "isnt"),
    }
)
"""Words that turn what follows into what is not wanted."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
BREAK = re.compile(r"[,;:.!?/|&+()\[\]]")
"""Punctuation that parts things."""


class Token(NamedTuple):
    """One word.

    Attributes:
        text: lower case.
        hyphen: a hyphen, and nothing else, ties it to the word before.
        minus: a hyphen stands right before it and a space before that, as in ``-wool``.
        after_break: punctuation, or something that was understood already, stands before it.
    """

    text: str
    hyphen: bool
    minus: bool
    after_break: bool


def tokenise(text: str, taken: Sequence[tuple[int, int]] = ()) -> list[Token]:
    """The words of a text.

    Args:
        text: lower case.
        taken: spans (start, end) to leave out.
    """
    tokens: list[Token] = []
    end = 0
    for found in _WORD.finditer(text):
        start = found.start()
        if any(low < found.end() and start < high for low, high in taken):
            continue
        gap = text[end:start]
        crossed = any(end <= low < start for low, _ in taken)
        tokens.append(
            Token(
                found.group().replace("’", "'"),
                hyphen=bool(tokens) and gap == "-",
                minus=text[start - 1 : start] == "-" and text[start - 2 : start - 1] in ("", " "),
                after_break=crossed or bool(BREAK.search(gap)),
            )
        )
        end = found.end()
    return tokens

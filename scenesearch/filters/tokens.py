"""Filter text to tokens, and errors that point at the character they mean.

Takes the text a person wrote; gives words, quoted strings and operators with their positions.
Knows nothing of fields or of what the words mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from scenesearch.core.errors import FilterError

TokenKind = Literal["word", "string", "operator", "end"]

_SPACE = re.compile(r"\s+")
_OPERATOR = re.compile(r"==|!=|<=|>=|[=<>(),]")
# Anything that cannot be mistaken for syntax, so that names and codes such as ``H&M``, ``50/50``
# or ``été`` need no quotes.
_WORD = re.compile(r"[^\s=<>!(),'\"\\;|\[\]{}]+")
_CONTEXT = 60


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a filter.

    Attributes:
        kind: ``word`` (bare), ``string`` (was quoted), ``operator`` or ``end``.
        text: the value, unescaped for a string.
        start: position in the text, in characters from 0.
    """

    kind: TokenKind
    text: str
    start: int

    def __str__(self) -> str:
        shown = self.text if len(self.text) <= _CONTEXT else self.text[:_CONTEXT] + "…"
        return "the end" if self.kind == "end" else repr(shown)


def problem(text: str, position: int, message: str, fix: str = "") -> FilterError:
    """An error that shows the text with a caret under the character at ``position``."""
    start = max(0, position - _CONTEXT)
    stop = min(len(text), position + _CONTEXT)
    # One line whatever the text holds: a newline would move the caret off its character.
    shown = "".join(c if c.isprintable() else " " for c in text[start:stop])
    head, tail = ("…" if start else ""), ("…" if stop < len(text) else "")
    caret = " " * (position - start + len(head)) + "^"
    lines = [f"bad filter at character {position + 1}: {message}"]
    lines += [f"  {head}{shown}{tail}", f"  {caret}"]
    return FilterError("\n".join([*lines, fix] if fix else lines))


def tokenize(text: str) -> list[Token]:
    r"""Split a filter into tokens; the last is always of kind ``end``.

    Raises:
        FilterError: a quote is never closed, or a character has no meaning.

    >>> [str(token) for token in tokenize(r"price<50 and brand = 'A \'B\''")]
    ["'price'", "'<'", "'50'", "'and'", "'brand'", "'='", '"A \'B\'"', 'the end']
    """
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        if space := _SPACE.match(text, at):
            at = space.end()
        elif text[at] in "'\"":
            value, end = _quoted(text, at)
            tokens.append(Token("string", value, at))
            at = end
        elif operator := _OPERATOR.match(text, at):
            tokens.append(Token("operator", operator.group(), at))
            at = operator.end()
        elif word := _WORD.match(text, at):
            _refuse_surrogates(text, word.group(), at)
            tokens.append(Token("word", word.group(), at))
            at = word.end()
        else:
            raise problem(
                text, at, f"{text[at]!r} means nothing here", "Put a value that has it in quotes."
            )
    tokens.append(Token("end", "", len(text)))
    return tokens


def _quoted(text: str, start: int) -> tuple[str, int]:
    quote, at = text[start], start + 1
    value: list[str] = []
    while at < len(text):
        char = text[at]
        if char == quote:
            joined = "".join(value)
            _refuse_surrogates(text, joined, start)
            return joined, at + 1
        if char == "\\" and at + 1 < len(text):
            at += 1
            char = text[at]
        value.append(char)
        at += 1
    raise problem(
        text,
        start,
        f"the quote {quote} that opens here is never closed",
        f"Close it with {quote}; inside, write \\{quote} for the quote itself. "
        "A value with an apostrophe goes in double quotes.",
    )


def _refuse_surrogates(text: str, value: str, at: int) -> None:
    # Half a character cannot be written as UTF-8, so no engine could be asked for it.
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise problem(
            text, at, "the text holds half of a character (a lone surrogate)", "Remove it."
        )

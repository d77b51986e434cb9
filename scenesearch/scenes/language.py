"""The language of ``scenes find``: text to a tree. Knows neither labels nor any collection.

::

    either   := every ("or" every)*
    every    := negation ([and] negation)*      "and", "with", "but", "plus", "&" and "," are one
    negation := ("not" | "no" | "without") negation | "(" either ")" | term
    term     := "text in quotes" | [count] words
    count    := N | N "+" | N "-" M | N "or more" | N "or fewer" | "exactly" N
              | "at least" N | "at most" N | "more than" N | "fewer than" N | "less than" N

``docs/scenes.md`` describes it for its users.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from scenesearch.core.errors import QueryError

MAX_LENGTH = 1_000
"""Characters of a query."""
MAX_DEPTH = 20
"""Nested parentheses and negations."""
MAX_TERMS = 64
MAX_COUNT = 1_000

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|“[^”]*”|'[^']*'(?=[\s(),]|$))|(?P<sign>[(),&])|(?P<word>[^\s(),&"“”]+))"""
)
_AND = frozenset({"and", "with", "but", "plus", "&", ","})
_NOT = frozenset({"not", "no", "without"})
_ARTICLES = frozenset({"a", "an", "the", "some", "any"})
_NUMBERS = {
    "zero": 0,
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
    "eleven": 11,
    "twelve": 12,
}
_BEFORE = {
    ("at", "least"): (0, None),
    ("at", "most"): (None, 0),
    ("more", "than"): (1, None),
    ("fewer", "than"): (None, -1),
    ("less", "than"): (None, -1),
    ("exactly",): (0, 0),
}
"""What is added to a number to give its lowest and highest count; None for no bound."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something to be seen, in the words of the user.

    Attributes:
        words: lower case, without count and articles.
        low: how many at least; None where no count was given.
        high: how many at most; None for no bound.
        start: place in the text, in characters from 0.
    """

    words: tuple[str, ...]
    low: int | None
    high: int | None
    start: int


@dataclass(frozen=True, slots=True)
class Written:
    """Text to be read in the photo."""

    text: str


@dataclass(frozen=True, slots=True)
class Every:
    """All of these."""

    terms: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one of these."""

    terms: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Without:
    """Not this."""

    term: Tree


Tree = Thing | Written | Every | Either | Without


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


def parse_query(text: str) -> Tree:
    """Read a query.

    Raises:
        QueryError: it cannot be read; the message shows the place.

    >>> parse_query("2+ chairs and not a person")  # doctest: +NORMALIZE_WHITESPACE
    Every(terms=(Thing(words=('chairs',), low=2, high=None, start=0),
                 Without(term=Thing(words=('person',), low=None, high=None, start=18))))
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(
            f"The query has {len(text)} characters, expected at most {MAX_LENGTH}; shorten it",
            code="query_too_long",
        )
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._terms = 0

    def parse(self) -> Tree:
        if self._peek.kind == "end":
            raise problem(self._text, 0, "the query is empty", "Write what to look for: couch")
        tree = self._either()
        if self._peek.kind != "end":
            raise problem(
                self._text,
                self._peek.start,
                f"expected 'and', 'or' or the end, got {self._peek.text!r}",
                "Remove it, or open a parenthesis before it."
                if self._peek.text == ")"
                else "Put 'and' or 'or' before it.",
            )
        return tree

    def _either(self) -> Tree:
        terms = [self._every()]
        while self._take("or"):
            terms.append(self._every())
        return terms[0] if len(terms) == 1 else Either(tuple(terms))

    def _every(self) -> Tree:
        terms = [self._negation()]
        while True:
            joined = False
            # ", and" is one
            while self._is(_AND):
                self._at += 1
                joined = True
            follows = self._is(_NOT) or self._peek.kind == "quoted" or self._peek.text == "("
            if not (joined or follows):
                return terms[0] if len(terms) == 1 else Every(tuple(terms))
            terms.append(self._negation())

    def _negation(self) -> Tree:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise problem(
                self._text, self._peek.start, f"nested more than {MAX_DEPTH} deep", "Flatten it."
            )
        tree: Tree
        opened = self._peek
        if self._is(_NOT):
            self._at += 1
            tree = Without(self._negation())
        elif self._take("("):
            tree = self._either()
            if not self._take(")"):
                raise problem(
                    self._text, opened.start, "this parenthesis is never closed", "Close it: )"
                )
        else:
            tree = self._term()
        self._depth -= 1
        return tree

    def _term(self) -> Tree:
        self._terms += 1
        start = self._peek.start
        if self._terms > MAX_TERMS:
            raise problem(self._text, start, f"more than {MAX_TERMS} things", "Ask for fewer.")
        if self._peek.kind == "quoted":
            written = self._next().text
            if not any(char.isalnum() for char in written):
                raise problem(
                    self._text, start, "no word is in these quotes", "Write the text to be read."
                )
            return Written(written)
        self._articles()
        low, high = self._count()
        self._articles()
        words: list[str] = []
        while self._peek.kind == "word" and not self._is(_AND | _NOT | {"or"}):
            words.append(self._next().text.lower())
        if not words:
            got = "the end" if self._peek.kind == "end" else repr(self._peek.text)
            raise problem(
                self._text,
                self._peek.start,
                f"expected something to look for, got {got}",
                "Write a label such as couch, a kind such as kitchen, or text in quotes.",
            )
        return Thing(tuple(words), low, high, start)

    def _count(self) -> tuple[int | None, int | None]:
        for words, (low, high) in _BEFORE.items():
            if self._ahead(len(words)) == words:
                at = self._at
                self._at += len(words)
                number = self._number()
                if number is None:
                    self._at = at
                    return None, None
                start = self._tokens[at].start
                return (
                    0 if low is None else self._checked(number + low, start),
                    None if high is None else self._checked(number + high, start),
                )
        start = self._peek.start
        spread = re.fullmatch(r"(\d+)[-–](\d+)", self._peek.text)
        if spread:
            self._at += 1
            least, most = (self._checked(int(part), start) for part in spread.groups())
            if least > most:
                raise problem(self._text, start, "the counts are the wrong way round", "Swap them.")
            return least, most
        if more := re.fullmatch(r"(\d+)\+", self._peek.text):
            self._at += 1
            return self._checked(int(more[1]), start), None
        number = self._number()
        if number is None:
            return None, None
        exact = self._checked(number, start)
        match self._ahead(2):
            case ("or", "more"):
                self._at += 2
                return exact, None
            case ("or", "fewer" | "less"):
                self._at += 2
                return 0, exact
        return exact, exact

    def _number(self) -> int | None:
        word = self._peek.text.lower()
        number = int(word) if word.isdecimal() and len(word) < 10 else _NUMBERS.get(word)
        if number is not None and self._peek.kind == "word":
            self._at += 1
            return number
        return None

    def _checked(self, count: int, start: int) -> int:
        if not 0 <= count <= MAX_COUNT:
            raise problem(
                self._text, start, f"a count of {count}", f"Counts go from 0 to {MAX_COUNT}."
            )
        return count

    def _articles(self) -> None:
        while self._peek.kind == "word" and self._is(_ARTICLES):
            self._at += 1

    @property
    def _peek(self) -> _Token:
        return self._tokens[self._at]

    def _next(self) -> _Token:
        token = self._peek
        self._at += 1
        return token

    def _ahead(self, count: int) -> tuple[str, ...]:
        found = self._tokens[self._at : self._at + count]
        return tuple(token.text.lower() for token in found if token.kind == "word")

    def _is(self, words: frozenset[str]) -> bool:
        return self._peek.kind in ("word", "sign") and self._peek.text.lower() in words

    def _take(self, text: str) -> bool:
        taken = self._is(frozenset({text}))
        self._at += taken
        return taken


def problem(
    text: str, start: int, message: str, fix: str, code: str = "bad_scene_query"
) -> QueryError:
    """An error that shows the query with a caret under the character at ``start``."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return QueryError(
        f"bad scene query at character {start + 1}: {message}\n  {shown}\n  {' ' * start}^\n{fix}",
        code=code,
    )


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        found = _TOKEN.match(text, at)
        if found is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            raise problem(text, start, "this quote is never closed", "Close it with the same sign.")
        kind = str(found.lastgroup)
        piece = found[kind]
        start = found.start(kind)
        tokens.append(_Token(kind, piece[1:-1] if kind == "quoted" else piece, start))
        at = found.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens

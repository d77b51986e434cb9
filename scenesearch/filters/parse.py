"""The filter language: ``price < 50 and category in (chair, stool) and not brand = "X"``.

Takes text and the types of the collection's fields; gives a
:data:`~scenesearch.core.conditions.Condition`. Every value is a literal: nothing in the text can
reach an engine as anything but a value of a named field. ``docs/filters.md`` describes the
language for its users.

::

    either     := every ("or" every)*
    every      := negation ("and" negation)*
    negation   := "not" negation | "(" either ")" | comparison
    comparison := field                                  (a bool field alone)
                | field ("=" | "==" | "!=" | "<" | "<=" | ">" | ">=") value
                | field ["not"] "in" "(" value ("," value)* ")"
                | field ["not"] "between" value "and" value
                | field ["not"] "like" value           (a keyword field, by meaning)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from scenesearch.core.conditions import AllOf, AnyOf, Between, Condition, Equals, Not, OneOf
from scenesearch.core.errors import FilterError
from scenesearch.core.types import FieldType, Scalar
from scenesearch.filters.tokens import Token, problem, tokenize
from scenesearch.filters.typed import NUMERIC, check_value, nearest_fields

MAX_LENGTH = 4_000
"""Characters of a filter."""
MAX_DEPTH = 20
"""Nested parentheses and ``not``."""
MAX_TERMS = 200
"""Values a filter compares with, together."""

_KEYWORDS = frozenset({"and", "or", "not", "in", "between"})
_BOUNDS = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
_COMPARISONS = frozenset({"=", "==", "!=", *_BOUNDS})
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_BOOLS = {"true": True, "yes": True, "false": False, "no": False}

Meant = Callable[[str, str], Sequence[str]]
"""A keyword field and words to the values of it that they mean; empty where none does."""


def parse_filter(
    text: str, fields: Mapping[str, FieldType], meant: Meant | None = None
) -> Condition:
    """Read a filter.

    Args:
        text: at most :data:`MAX_LENGTH` characters; see ``docs/filters.md``.
        fields: type of each field that may be named. Names match whatever their case, as long
            as only one field fits.
        meant: reads ``like``; without it, what is like a value is that value.

    Raises:
        FilterError: the text is not a filter, names no field, compares a field with a value of
            another type, or is too large. The message shows the place.

    >>> parse_filter("price < 50 and in_stock", {"price": "float", "in_stock": "bool"})
    ... # doctest: +NORMALIZE_WHITESPACE
    AllOf(terms=(Between(field='price', gt=None, gte=None, lt=50.0, lte=None),
                 Equals(field='in_stock', value=True)))
    """
    if not isinstance(text, str):
        raise TypeError(f"a filter must be text, got {type(text).__name__}")
    if len(text) > MAX_LENGTH:
        raise FilterError(
            f"the filter is too long: {len(text)} characters, at most {MAX_LENGTH}; shorten it, "
            "for example with 'in (…)'"
        )
    return _Parser(text, fields, meant).parse()


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(
        self, text: str, fields: Mapping[str, FieldType], meant: Meant | None = None
    ) -> None:
        self._text = text
        self._fields = fields
        self._meant = meant or (lambda _, value: (value,))
        self._tokens = tokenize(text)
        self._at = 0
        self._depth = 0
        self._terms = 0

    def parse(self) -> Condition:
        if self._peek.kind == "end":
            raise self._problem("the filter is empty", "Leave it out to search everything.")
        condition = self._either()
        token = self._peek
        if token.kind == "operator" and token.text == ")":
            raise self._problem(
                "this parenthesis was never opened", "Remove it, or open it with '('."
            )
        if token.kind != "end":
            raise self._problem(
                f"expected 'and', 'or' or the end, got {token}",
                f'Put a value of several words in quotes: "{self._tokens[self._at - 1].text} '
                f'{token.text}".'
                if token.kind in ("word", "string")
                else "",
            )
        return condition

    # --- grammar ---------------------------------------------------------------------------

    def _either(self) -> Condition:
        terms = [self._every()]
        while self._take_word("or"):
            terms.append(self._every())
        return terms[0] if len(terms) == 1 else AnyOf(tuple(terms))

    def _every(self) -> Condition:
        terms = [self._negation()]
        while self._take_word("and"):
            terms.append(self._negation())
        return terms[0] if len(terms) == 1 else AllOf(tuple(terms))

    def _negation(self) -> Condition:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._problem(f"the filter is nested more than {MAX_DEPTH} deep", "Flatten it.")
        condition: Condition
        opened = self._peek
        if self._take_word("not"):
            condition = Not(self._negation())
        elif self._take_operator("("):
            condition = self._either()
            if not self._take_operator(")"):
                raise self._problem(
                    f"expected ')' for the '(' at character {opened.start + 1}, got {self._peek}"
                )
        else:
            condition = self._comparison()
        self._depth -= 1
        return condition

    def _comparison(self) -> Condition:
        name = self._next()
        if name.kind not in ("word", "string") or _is_keyword(name):
            raise self._problem(
                f"expected a field, got {name}", nearest_fields("", self._fields), name
            )
        field = self._resolve(name)
        kind = self._fields[field]
        token = self._peek
        if token.kind == "operator" and token.text in _COMPARISONS:
            self._at += 1
            return self._compare(field, kind, token)
        negated = self._take_word("not")
        condition: Condition | None = None
        if self._take_word("in"):
            condition = OneOf(field, self._values(field, kind))
        elif self._take_word("between"):
            condition = self._range(field, kind, token)
        elif self._take_word("like"):
            condition = self._like(field, kind, token)
        elif negated:
            raise self._problem(f"expected 'in', 'between' or 'like' after 'not', got {self._peek}")
        if condition is not None:
            return Not(condition) if negated else condition
        if kind != "bool":
            raise self._problem(
                f"field {field!r} is of type {kind} and needs a comparison, got {token}",
                f"Write, for example, {field} = value. Only bool fields stand alone.",
                token,
            )
        self._count(name)
        return Equals(field, value=True)

    def _compare(self, field: str, kind: FieldType, operator: Token) -> Condition:
        if operator.text in ("=", "=="):
            return Equals(field, self._value(field, kind))
        if operator.text == "!=":
            return Not(Equals(field, self._value(field, kind)))
        self._check_ordered(field, kind, operator)
        bound = float(self._value(field, "float"))
        return Between(field, **{_BOUNDS[operator.text]: bound})

    def _range(self, field: str, kind: FieldType, at: Token) -> Condition:
        self._check_ordered(field, kind, at)
        low = float(self._value(field, "float"))
        if not self._take_word("and"):
            raise self._problem(f"expected 'and' between the bounds, got {self._peek}")
        token = self._peek
        high = float(self._value(field, "float"))
        if low > high:
            raise self._problem(
                f"nothing lies between {low:g} and {high:g}", "Swap the bounds.", token
            )
        return Between(field, gte=low, lte=high)

    def _like(self, field: str, kind: FieldType, at: Token) -> Condition:
        if kind != "keyword":
            raise self._problem(
                f"field {field!r} is of type {kind}, and only keyword fields are read by meaning",
                f"Write {field} = value.",
                at,
            )
        token = self._peek
        values = self._meant(field, str(self._value(field, kind)))
        if not values:
            raise self._problem(
                f"no {field} of the catalogue means {token}",
                f"Write {field} = {token} for products that are called just that.",
                token,
            )
        return OneOf(field, tuple(values))

    def _values(self, field: str, kind: FieldType) -> tuple[Scalar, ...]:
        if not self._take_operator("("):
            raise self._problem(
                f"expected '(' after 'in', got {self._peek}", f"{field} in (one, two)"
            )
        values = [self._value(field, kind)]
        while self._take_operator(","):
            values.append(self._value(field, kind))
        if not self._take_operator(")"):
            raise self._problem(
                f"expected ',' or ')' in the list, got {self._peek}",
                "Put a value of several words in quotes.",
            )
        return tuple(values)

    def _value(self, field: str, kind: FieldType) -> Scalar:
        token = self._next()
        if token.kind not in ("word", "string"):
            raise self._problem(f"expected a value for {field!r}, got {token}", "", token)
        if _is_keyword(token):
            raise self._problem(
                f"expected a value for {field!r}, got the word {token}",
                f'As a value it goes in quotes: "{token.text}".',
                token,
            )
        self._count(token)
        try:
            return check_value(field, kind, self._literal(token, kind))
        except FilterError as error:
            raise self._problem(str(error), "", token) from None

    # --- pieces ----------------------------------------------------------------------------

    @staticmethod
    def _literal(token: Token, kind: FieldType) -> Scalar:
        if kind == "bool":
            return _BOOLS.get(token.text.casefold(), token.text)
        if kind in NUMERIC and _NUMBER.fullmatch(token.text):
            # An integer of up to 64 bits is exact only when it never was a float.
            plain = token.text.lstrip("+-").isdecimal()
            return int(token.text) if plain else float(token.text)
        return token.text

    def _resolve(self, name: Token) -> str:
        if name.text in self._fields:
            return name.text
        folded = [field for field in self._fields if field.casefold() == name.text.casefold()]
        if len(folded) == 1:
            return folded[0]
        if folded:
            raise self._problem(
                f"{name} could be any of {', '.join(sorted(folded))}", "Write its exact case.", name
            )
        raise self._problem(f"unknown field {name}", nearest_fields(name.text, self._fields), name)

    def _check_ordered(self, field: str, kind: FieldType, at: Token) -> None:
        if kind not in NUMERIC:
            raise self._problem(
                f"field {field!r} is of type {kind}, which has no order, got {at}",
                "Only integer and float fields take <, <=, >, >= and between.",
                at,
            )

    def _count(self, token: Token) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._problem(
                f"the filter has more than {MAX_TERMS} values", "Shorten it.", token
            )

    @property
    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self._peek
        if token.kind != "end":
            self._at += 1
        return token

    def _take_word(self, word: str) -> bool:
        taken = self._peek.kind == "word" and self._peek.text.casefold() == word
        self._at += taken
        return taken

    def _take_operator(self, operator: str) -> bool:
        taken = self._peek.kind == "operator" and self._peek.text == operator
        self._at += taken
        return taken

    def _problem(self, message: str, fix: str = "", token: Token | None = None) -> FilterError:
        return problem(self._text, (token or self._peek).start, message, fix)


def _is_keyword(token: Token) -> bool:
    return token.kind == "word" and token.text.casefold() in _KEYWORDS

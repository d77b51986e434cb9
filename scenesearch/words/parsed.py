"""What was understood of a text: a value that the caller can read, show and correct."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from scenesearch.core.conditions import Between, Condition, Equals, Not, OneOf, all_of
from scenesearch.core.json_values import json_object
from scenesearch.words.stems import forms, stem
from scenesearch.words.tokens import GLUE, tokenise

_FEW = 3
_SHOWN = 5
_MORE = re.compile(r"(?<=\w)\s*(?:,\s*\d|\(|\b(?:with|w)\b)")
"""What comes after it says more about a thing, and in words that other things have too."""


@dataclass(frozen=True, slots=True)
class ParsedWords:
    """A text, understood. Correct it with :func:`dataclasses.replace`, then search with it.

    Price and stock are filters; colours, categories and words only move the ranking, unless
    ``strict_category`` is set.

    Attributes:
        text: as it was given.
        colours: names of the colour vocabulary that are wanted, in equal shares.
        not_colours: that are not.
        categories: values of the catalogue's categories that are wanted.
        kinds: values that count as well, but less: "coffee table" where "table" was asked for.
        near: values that mean nearly what was said, where few items have its name; no filter.
        fits: how near in meaning a category is to what was said, -1 to 1, where it is not just its
            name: "office chair" where "desk chair" and "chair" are categories.
        not_categories: values that are not wanted.
        price: bounds on the field ``price``, or None.
        currency: ISO code, where one was written; prices are compared as they are, never converted.
        in_stock: what the field ``in_stock`` must be, or None.
        remaining: the words that are left, lower case.
        not_words: words that a thing should not have.
        strict_category: categories are a filter too.
        notes: how something was read that could be read otherwise.
    """

    text: str
    colours: tuple[str, ...] = ()
    not_colours: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    fits: Mapping[str, float] = field(default_factory=dict, hash=False)
    not_categories: tuple[str, ...] = ()
    price: Between | None = None
    currency: str | None = None
    in_stock: bool | None = None
    remaining: str = ""
    not_words: tuple[str, ...] = ()
    strict_category: bool = False
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> Condition | None:
        """What must hold, as a filter, or None."""
        strict = self.strict_category
        return all_of(
            self.price,
            None if self.in_stock is None else Equals("in_stock", self.in_stock),
            OneOf("category", (*self.categories, *self.kinds))
            if strict and self.categories
            else None,
            Not(OneOf("category", self.not_categories)) if strict and self.not_categories else None,
        )

    @property
    def lexical(self) -> str:
        """The words by which items are found in their texts, in singular and plural."""
        named = (*_category_words(self.categories), *_category_words(self.near))
        return _forms([*named, *self._remaining_words()])

    def titled(self, title: str) -> bool:
        """Whether a title has every word of one of the categories, in singular or plural."""
        said = _stems(title)
        return any(name <= said for name in _category_stems(self.categories))

    @property
    def free(self) -> str:
        """The words by which items are ranked: those that are no colour, category or filter."""
        return _forms(self._remaining_words())

    @property
    def unwanted(self) -> str:
        """:attr:`not_words`, in singular and plural."""
        return _forms(self.not_words)

    def _remaining_words(self) -> list[str]:
        return self.remaining.replace("-", " ").split()

    @property
    def understood(self) -> tuple[str, ...]:
        """One short text for each part, for people."""
        said = [
            _part("colour", self.colours),
            _part("not", self.not_colours),
            _part("category", self.categories),
            _part("not category", self.not_categories),
            "" if self.price is None else f"{bounds(self.price)} {self.currency or ''}".strip(),
            {None: "", True: "in stock", False: "not in stock"}[self.in_stock],
            f"words: {self.remaining}" if self.remaining else "",
            _part("without", self.not_words),
        ]
        return tuple(part for part in said if part)

    def to_dict(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        price = self.price
        limits = {} if price is None else {n: getattr(price, n) for n in ("gt", "gte", "lt", "lte")}
        return {
            **json_object(self),
            "price": {n: v for n, v in limits.items() if v is not None} or None,
            "understood": list(self.understood),
        }


def bounds(price: Between) -> str:
    """A range in words.

    >>> bounds(Between("price", gte=20, lt=50))
    'price >= 20 and < 50'
    """
    signs = ((">", price.gt), (">=", price.gte), ("<", price.lt), ("<=", price.lte))
    said = " and ".join(f"{sign} {value:g}" for sign, value in signs if value is not None)
    return f"{price.field} {said}".strip()


@lru_cache(maxsize=20_000)
def _stems(title: str) -> frozenset[str]:
    """The words of a title; the same hundreds of titles are asked about with every search."""
    return frozenset(stem(token.text) for token in tokenise(title.lower()))


@lru_cache(maxsize=256)
def _category_stems(categories: tuple[str, ...]) -> tuple[frozenset[str], ...]:
    """The words of each of these categories that has any."""
    names = [frozenset(map(stem, _category_words((value,)))) for value in categories]
    return tuple(name for name in names if name)


@lru_cache(maxsize=256)
def _category_words(categories: tuple[str, ...]) -> tuple[str, ...]:
    """The words of these categories; the same few are asked for, again and again."""
    names = [[t.text for t in tokenise(_MORE.split(value.lower())[0])] for value in categories]
    # a number is in any text, and no name of a thing
    names = [[word for word in name if word not in GLUE and not word.isdigit()] for name in names]
    if len(names) > _FEW:
        # many kinds of one thing: what they have in common is what was asked for
        stems = [{stem(word) for word in name} for name in names]
        common = [word for word in names[0] if all(stem(word) in name for name in stems)]
        return tuple(common or [word for name in names[:_FEW] for word in name])
    return tuple(word for name in names for word in name)


def _forms(words: Sequence[str]) -> str:
    return " ".join(dict.fromkeys(form for word in words for form in forms(word)))


def _part(name: str, values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"{name} {', '.join(values[:_SHOWN])}{more}" if values else ""


def joined(first: ParsedWords | None, then: ParsedWords) -> ParsedWords:
    """What two texts ask for together; where they contradict each other the second holds."""
    if first is None:
        return then

    def both(name: str, without: Sequence[str] = ()) -> tuple[str, ...]:
        values = dict.fromkeys((*getattr(first, name), *getattr(then, name)))
        return tuple(value for value in values if value not in without)

    return ParsedWords(
        text=f"{first.text}, {then.text}",
        colours=both("colours", then.not_colours),
        not_colours=both("not_colours", then.colours),
        categories=both("categories", then.not_categories),
        kinds=both("kinds", then.not_categories),
        near=both("near"),
        fits={**first.fits, **then.fits},
        not_categories=both("not_categories", then.categories),
        price=_narrower(first.price, then.price),
        currency=then.currency or first.currency,
        in_stock=first.in_stock if then.in_stock is None else then.in_stock,
        remaining=" ".join(part for part in (first.remaining, then.remaining) if part),
        not_words=both("not_words"),
        strict_category=first.strict_category or then.strict_category,
        notes=both("notes"),
    )


def _narrower(one: Between | None, other: Between | None) -> Between | None:
    if one is None or other is None:
        return one or other
    ends = {"gt": max, "gte": max, "lt": min, "lte": min}
    given = {
        name: [v for b in (one, other) if (v := getattr(b, name)) is not None] for name in ends
    }
    return Between(one.field, **{name: ends[name](found) for name, found in given.items() if found})

"""Turns that an answer suggests by itself: words and values that split its list well. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import log2
from statistics import median
from typing import Any, NamedTuple

from scenesearch.core.types import FieldType
from scenesearch.look.values import Match, Suggestion

LEAST = 4
"""Matches that a list needs to be worth splitting."""
EACH = 2
"""Suggestions of one field."""

PRICE, TITLE = "price", "title"
_PLAIN = re.compile(
    r"id|.*_ids?|url|.*_url|image.*|link|source|file|photo.*|group|parent|family|handle|sku|mpn|"
    r"gtin|ean|upc|isbn|currency|locale|language|country|tags?|availability",
    re.IGNORECASE,
)
"""Fields that say nothing to a person who chooses."""
_WORD = re.compile(r"[^\W\d_]{3,}(?:-[^\W\d_]+)*")
_WITH = re.compile(r"\bwith (?:an? )?([^\W\d_]{3,})")
_EMPTY = frozenset(
    ("and", "the", "for", "with", "from", "set", "pack", "mit", "und", "avec", "con")
)


class _Split(NamedTuple):
    field: str
    where: str
    text: str
    rows: frozenset[int]


def suggestions(
    matches: Sequence[Match],
    fields: Mapping[str, FieldType],
    *,
    limit: int,
    said: str = "",
    object_number: int | None = None,
) -> tuple[Suggestion, ...]:
    """The best turns for one list.

    A split is worth the entropy of its two parts: the one that halves the list says most. What
    picks out the same matches as a better one is left out.

    Args:
        matches: the list.
        fields: of the collection, with their types.
        limit: the most of them.
        said: what was asked for already; its words are no suggestions.
        object_number: the object that the list is of; None for all.
    """
    total = len(matches)
    if total < LEAST:
        return ()
    known = set(_WORD.findall(said.lower()))
    found = [*_by_value(matches, fields), *_by_title(matches, fields), *_by_price(matches, fields)]
    found.sort(key=lambda one: (-_entropy(len(one.rows) / total), one.text))
    picked: list[Suggestion] = []
    parts: set[frozenset[int]] = set()
    texts: set[str] = set()
    of_field: Counter[str] = Counter()
    for one in found:
        again = (
            one.rows in parts
            or one.text.lower() in texts
            or known & set(_WORD.findall(one.text.lower()))
        )
        if again or of_field[one.field] >= EACH or not 1 < len(one.rows) < total:
            continue
        if len(picked) >= limit:
            break
        parts.add(one.rows)
        texts.add(one.text.lower())
        of_field[one.field] += 1
        picked.append(Suggestion(one.text, one.where, object_number, len(one.rows)))
    return tuple(picked)


def _entropy(share: float) -> float:
    return -sum(p * log2(p) for p in (share, 1 - share) if p > 0)


def _by_value(matches: Sequence[Match], fields: Mapping[str, FieldType]) -> Iterator[_Split]:
    """Values of fields with words."""
    for name, kind in fields.items():
        if kind != "keyword" or name == TITLE or _PLAIN.fullmatch(name):
            continue
        rows: dict[str, set[int]] = {}
        for row, match in enumerate(matches):
            for value in _values(match.attributes.get(name)):
                rows.setdefault(value, set()).add(row)
        for value, those in rows.items():
            where = f"{_quoted(name)} = {_quoted(value)}"
            yield _Split(name, where, value, frozenset(those))


def _values(value: Any) -> list[str]:
    values = value if isinstance(value, list | tuple) else (value,)
    return [one for one in values if isinstance(one, str) and one.strip()]


def _by_title(matches: Sequence[Match], fields: Mapping[str, FieldType]) -> Iterator[_Split]:
    """Words of titles, where titles can be searched by words."""
    if fields.get(TITLE) != "text":
        return
    rows: dict[str, set[int]] = {}
    texts: dict[str, str] = {}
    for row, match in enumerate(matches):
        title = str(match.attributes.get(TITLE) or "").lower()
        texts |= {word: f"with {word}" for word in _WITH.findall(title)}
        for word in _WORD.findall(title):
            if word not in _EMPTY:
                rows.setdefault(word, set()).add(row)
    for word, those in rows.items():
        where = f"{_quoted(TITLE)} = {_quoted(word)}"
        yield _Split(TITLE, where, texts.get(word, word), frozenset(those))


def _by_price(matches: Sequence[Match], fields: Mapping[str, FieldType]) -> Iterator[_Split]:
    """Cheaper than half of them, at a round price."""
    if fields.get(PRICE) not in ("float", "integer"):
        return
    prices = [match.attributes.get(PRICE) for match in matches]
    known = [price for price in prices if isinstance(price, int | float) and price > 0]
    if len(known) < LEAST:
        return
    middle = median(known)
    step = 10 ** max(len(f"{middle:.0f}") - 2, 0)
    bound = round(middle / step) * step
    rows = frozenset(i for i, p in enumerate(prices) if isinstance(p, int | float) and p < bound)
    yield _Split(PRICE, f"{PRICE} < {bound:g}", f"under {bound:g}", rows)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

"""The categories of a catalogue, and which of them some words name."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from scenesearch.words.stems import one_edit, stem
from scenesearch.words.tokens import GLUE, tokenise

MIN_FUZZY = 5
"""Shorter words are never read as a near one."""
NO_SLIPS = frozenset(
    {
        *("short", "small", "large", "plain", "round", "sharp", "smart", "cheap", "clean", "heavy"),
        *("light", "thick", "metal", "stone", "glass", "house", "horse", "place", "space", "water"),
        *("women", "woman", "their", "there", "where", "which", "these", "those", "other", "above"),
        *(
            "under",
            "about",
            "after",
            "great",
            "sleek",
            "sweet",
            "super",
            "style",
            "modern",
            "paper",
        ),
        *("white", "black", "green", "brown", "floor", "wide", "night", "sport", "sports", "party"),
        *(
            "vintage",
            "classic",
            "winter",
            "summer",
            "spring",
            "matte",
            "cotton",
            "leather",
            "sheer",
        ),
    }
)
"""Words of shops that are one letter away from a product (short, shirt) and yet what was meant."""
MEANT, MEANT_BY_MANY = 0.5, 0.6
"""Cosine to a category's name from which a word, or several, that are no category mean it,"""
NEARLY, SAME = 0.12, 0.05
"""and how much further from the words others may be that are near as well, or meant as much."""
CERTAIN = 0.76
"""From which words are read as a name where nothing is ranked: settee and couch lie at 0.78, spoon
and fork at 0.75."""
ALSO, ALSO_HEAD = 0.86, 0.6
"""Likeness of categories that are one thing under two names (two-seat and three-seat sofa 0.96,
floor and table lamp 0.91, wardrobe and chest of drawers 0.69), and of their last words: a desk
chair is like a desk, and no desk."""
RELATED = 0.7
"""How far a dictionary's word that two names are the same takes their likeness towards 1."""
WHOLE = 0.3
"""How far the rest of a category's name takes it towards what several words say."""
MANY_HEADS = 8
"""A word that a catalogue says of more kinds of things than this tells none of them: wall."""
MAX_WORDS = 8
"""Categories of more words are not looked for word by word."""

_PATH = re.compile(r"\s*[>|]\s*|\s+/\s+")
# what comes after these says more about a thing, and not what it is
_HEAD = re.compile(r",\s|[(/]|\b(?:with|and|for|in|of|w)\b")
_WIDE = re.compile(r",\s|[(/]|\b(?:with|and|for|in|w)\b")
_NUMBER = re.compile(r"\b\d+\s+")

Stems = tuple[str, ...]


class Named(NamedTuple):
    """What some words name.

    Attributes:
        categories: values of the catalogue that are these words.
        kinds: values that are these words with more said about them: "coffee table" for "table".
    """

    categories: tuple[str, ...]
    kinds: tuple[str, ...]


class Vocabulary:
    """The words of a catalogue.

    Args:
        categories: values of its categories, and how often each occurs.
    """

    def __init__(self, categories: Mapping[str, int] | None = None) -> None:
        self._counts = dict(categories or {})
        self._whole: dict[Stems | str, list[str]] = {}
        self._heads: dict[Stems, list[str]] = {}
        self._words: dict[str, int] = {}
        self.longest = 1
        for value in sorted(self._counts, key=lambda value: (-self._counts[value], value)):
            self._add(value)
        self.near = lru_cache(maxsize=4096)(self._near)
        self.meant = lru_cache(maxsize=256)(self._meant)

    @cached_property
    def _names_of_things(self) -> tuple[str, ...]:
        return tuple(_thing(value) for value in self._counts)

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(_name_of(value) for value in self._counts)

    @property
    def categories(self) -> Mapping[str, int]:
        """Values, and how often each occurs."""
        return self._counts

    def _add(self, value: str) -> None:
        name = _name_of(value)
        stems = stems_of(_words(name))
        if not 0 < len(stems) <= MAX_WORDS:
            return
        self._whole.setdefault(tuple(sorted(stems)), []).append(value)
        self._whole.setdefault("".join(stems), []).append(value)
        head = stems_of(_words(_head(name)))
        for start in range(len(head)):
            self._heads.setdefault(head[start:], []).append(value)
        for word in stems:
            self._words[word] = self._words.get(word, 0) + self._counts[value]
        self.longest = max(self.longest, len(_words(name)))

    def named(self, stems: Stems) -> Named | None:
        """The categories that words name, in any order, or None.

        Args:
            stems: of the words, without those that only hold a text together.
        """
        whole = self._whole.get(tuple(sorted(stems))) or self._whole.get("".join(stems)) or []
        kinds = [value for value in self._heads.get(stems, ()) if value not in whole]
        if not whole and not kinds:
            return None
        # without a category of just these words, everything that is one is meant
        return Named(tuple(whole), tuple(kinds)) if whole else Named(tuple(kinds), ())

    def same(self, text: str) -> tuple[str, ...]:
        """The values that words name, or that surely are the same thing; empty where none is.

        Args:
            text: of any case.

        >>> Vocabulary({"three-seat sofa": 3, "lamp": 9}).same("couch")
        ('three-seat sofa',)
        """
        said = " ".join(_words(text.lower()))
        named = self.named(stems_of(said.split())) if said else None
        if named is not None:
            return (*named.categories, *named.kinds)
        meant = self.meant(said) if said else {}
        best = max(meant.values(), default=0.0)
        return tuple(v for v, like in meant.items() if like >= max(best - SAME, CERTAIN))

    def also(self, text: str) -> tuple[str, ...]:
        """The categories that are the same thing as one, or as what was detected, by any name.

        Args:
            text: the name of a category, or a label.
        """
        from scenesearch.words.meaning import shipped_meaning

        thing = _thing(text)
        head = "".join(stems_of(_words(_head(_name_of(text))))[-1:])
        near = self._likeness(thing)
        alike = [value for value in near if near[value] >= ALSO]
        last = shipped_meaning().cosines(head, [self._told[value][1] for value in alike])
        return tuple(v for v, like in zip(alike, last.tolist(), strict=True) if like >= ALSO_HEAD)

    def items(self, categories: Iterable[str]) -> int:
        """How many items are of some categories."""
        return sum(self._counts.get(category, 0) for category in categories)

    def fits(self, text: str, names: Iterable[str]) -> dict[str, float]:
        """Cosines in meaning between a text and categories, -1 to 1, the nearest first."""
        near = self._in_full(text)
        return dict(sorted(((n, near[n]) for n in names), key=lambda one: (-one[1], one[0])))

    def sharing(self, text: str, named: Collection[str]) -> dict[str, float]:
        """Categories that say the same of another thing, and mean nearly what a text does.

        Args:
            text: of several words, of which the last is what it names.
            named: categories that it names, which are left out.

        Returns:
            Cosines in meaning by category, the nearest first: "tv bench" for "tv stand".
        """
        from scenesearch.words.meaning import UNLIKE, shipped_meaning

        *said, head = stems_of(_words(text)) or ("",)
        if not said:
            return {}
        near, whole = self._likeness(text), self._in_full(text)
        told = self._told
        akin = [v for v in near if v not in named and told[v][0] >= set(said)]
        things = [told[value][1] for value in akin]
        if len(set(things)) > MANY_HEADS:
            return {}
        heads = shipped_meaning().cosines(head, things)
        found = {
            value: whole[value]
            for value, like in zip(akin, heads.tolist(), strict=True)
            if like >= UNLIKE and near[value] >= MEANT_BY_MANY
        }
        return dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))

    @cached_property
    def _told(self) -> Mapping[str, tuple[frozenset[str], str]]:
        """Of each category the words that say which of its kind it is, and the one for what."""
        found = {}
        for value in self._counts:
            name = _name_of(value)
            head = stems_of(_words(_head(name)))[-1:]
            found[value] = frozenset(stems_of(_words(name))) - set(head), "".join(head)
        return found

    def _likeness(self, text: str) -> Mapping[str, float]:
        """Cosines in meaning between a text and every category."""
        # what is typed is understood without numpy, as far as it needs no table
        from scenesearch.words.meaning import shipped_meaning
        from scenesearch.words.relations import shipped_relations

        near = shipped_meaning().cosines(text, self._names_of_things)
        related = RELATED * shipped_relations().kinship(text, self._names_of_things)
        near = near + related * (1 - near)
        return dict(zip(self._counts, near.tolist(), strict=True))

    def _in_full(self, text: str) -> Mapping[str, float]:
        """The same, in which the rest of a category's name counts where more is said."""
        near = self._likeness(text)
        if " " not in text:
            return near
        from scenesearch.words.meaning import shipped_meaning

        # "outdoor" of "chair, outdoor" says which, as "garden" does
        rest = shipped_meaning().cosines(text, self._names).tolist()
        return {
            value: like + WHOLE * max(more, 0.0) * (1 - like)
            for (value, like), more in zip(near.items(), rest, strict=True)
        }

    def _meant(self, text: str, named: tuple[str, ...] = ()) -> Mapping[str, float]:
        """The categories that words mean without naming them: couch, sofas.

        Args:
            text: of some words.
            named: categories that they name, which are left out.

        Returns:
            Cosines in meaning by category, the nearest first.
        """
        from scenesearch.words.meaning import UNLIKE, shipped_meaning

        said, found = text.split(), self._likeness(text)
        enough = MEANT if len(said) == 1 else MEANT_BY_MANY
        if shipped_meaning().longest(said) < len(said):
            # the last word says what a thing is: a wine rack is no wine glass
            last = self._likeness(said[-1])
            found = {name: min(cosine, last[name]) for name, cosine in found.items()}
        found = {n: c for n, c in found.items() if c >= UNLIKE and n not in named}
        if max(found.values(), default=0.0) < enough:
            return {}
        whole = self._in_full(text)
        near = {name: whole[name] for name in found}
        return dict(sorted(near.items(), key=lambda one: (-one[1], one[0])))

    def _near(self, word: str) -> str | None:
        """The word of a category that a stem may be a slip of, or None."""
        if len(word) < MIN_FUZZY or not word.isalpha() or word in self._words or word in NO_SLIPS:
            return None
        found = [w for w in self._words if len(w) >= MIN_FUZZY - 1 and one_edit(word, w)]
        return min(found, key=lambda w: (-self._words[w], w), default=None)


def stems_of(words: Iterable[str] | Sequence[str]) -> Stems:
    """Stems of words, without those that only hold a text together.

    >>> stems_of(["boxes", "with", "a", "lid"])
    ('box', 'lid')
    """
    return tuple(stem(word) for word in words if word not in GLUE)


def _name_of(value: str) -> str:
    """Of a path, the last step says what a thing is."""
    return _PATH.split(value.lower().strip(" >|/"))[-1]


def _head(name: str) -> str:
    """What a thing is, without what more is said about it."""
    return next((part for part in _HEAD.split(name) if part.strip()), "")


def _thing(value: str) -> str:
    """The name by which a category is looked up: "chest of drawers" of "chest of 3 drawers"."""
    from scenesearch.words.relations import shipped_relations

    name = _NUMBER.sub("", _name_of(value))
    wide = next((part.strip() for part in _WIDE.split(name) if part.strip()), "")
    narrow, of, _ = wide.partition(" of ")
    return wide if of and shipped_relations().names(wide) else narrow


def _words(text: str) -> list[str]:
    return [token.text for token in tokenise(text)]

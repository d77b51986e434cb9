"""The words of one collection: which of its labels, kinds, tags and colours a user means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from scenesearch.attributes.names import written_names
from scenesearch.words.stems import stem
from scenesearch.words.vocabulary import Vocabulary

_SPLIT = re.compile(r"[\s_\-/]+")
_NO_WORDS = frozenset({"", "&", "and"})
_LONGEST_COLOUR = 3
"""Words of a colour name, at most."""

MeaningOf = Literal["label", "kind", "tag", "colour", "absent"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """What some words name.

    Attributes:
        of: a label of objects, a kind of scene, a tag or colour of the photo, or something that
            is known and that no photo has.
        values: as the collection writes them; several where words are written several ways.
        colour: of the object, for a label; None where any will do.
        near: whether the collection has another word for it, which means the same.
    """

    of: MeaningOf
    values: tuple[str, ...]
    colour: str | None = None
    near: bool = False


def folded(text: str | Sequence[str]) -> str:
    """Words in a form in which case, plural, spaces and hyphens do not count.

    >>> folded("Dining tables") == folded("dining-table")
    True
    """
    words = _SPLIT.split(text.strip()) if isinstance(text, str) else text
    parts = (part for word in words for part in _SPLIT.split(word.lower()))
    return "".join(stem(part) for part in parts if part not in _NO_WORDS)


class Lexicon:
    """What there is to be named.

    Args:
        labels: of objects, and how many photos have each.
        kinds: of scenes, likewise.
        tags: of photos, likewise.
        synonyms: other words to the name that is meant by them; from a vocabulary.
        known: names that could be there though no photo has them (the classes of a detector).
    """

    def __init__(
        self,
        labels: Mapping[str, int],
        kinds: Mapping[str, int] | None = None,
        tags: Mapping[str, int] | None = None,
        *,
        synonyms: Mapping[str, str] | None = None,
        known: Iterable[str] = (),
    ) -> None:
        self._canonical = {
            folded(word): folded(name) for word, name in (synonyms or {}).items() if folded(name)
        }
        self._labels = self._by_key(labels)
        self._kinds = self._by_key(kinds or {})
        self._tags = self._by_key(tags or {})
        self._known = {self._key(folded(name)) for name in known} | set(self._canonical.values())
        self._things = Vocabulary(labels)
        self._names = dict.fromkeys([*labels, *(kinds or {}), *(tags or {})])
        self._common = sorted(labels, key=lambda label: (-labels[label], label))

    def _key(self, key: str) -> str:
        return self._canonical.get(key, key)

    def _by_key(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for name in sorted(names):
            key = self._key(folded(name))
            found[key] = (*found.get(key, ()), name)
        return found

    def meaning(self, words: Sequence[str]) -> Meaning | None:
        """What words name, or None.

        A label comes first, then a colour and a label, a kind, a tag, a colour of the photo, and
        at last what no photo has.

        >>> Lexicon({"couch": 3}, synonyms={"sofa": "couch"}).meaning(["dark", "red", "sofas"])
        Meaning(of='label', values=('couch',), colour='burgundy')
        """
        key = self._key(folded(words))
        if key in self._labels:
            return Meaning("label", self._labels[key])
        coloured = self._coloured(words)
        if coloured is not None and coloured.of == "label":
            return coloured
        if key in self._kinds:
            return Meaning("kind", self._kinds[key])
        if key in self._tags:
            return Meaning("tag", self._tags[key])
        colour = written_names().get(" ".join(words))
        if colour is not None:
            return Meaning("colour", (colour,))
        if key in self._known:
            return Meaning("absent", (" ".join(words),))
        return coloured or self._near(words)

    def _near(self, words: Sequence[str]) -> Meaning | None:
        """The labels that mean what words say, where nothing is called so: couch for settee."""
        for length in range(min(_LONGEST_COLOUR, len(words) - 1), -1, -1):
            colour = written_names().get(" ".join(words[:length])) if length else None
            if length and colour is None:
                continue
            values = self._things.same(" ".join(words[length:]))
            if values:
                return Meaning("label", tuple(sorted(values)), colour, near=True)
        return None

    def _coloured(self, words: Sequence[str]) -> Meaning | None:
        for length in range(min(_LONGEST_COLOUR, len(words) - 1), 0, -1):
            colour = written_names().get(" ".join(words[:length]))
            if colour is None:
                continue
            key = self._key(folded(words[length:]))
            if key in self._labels:
                return Meaning("label", self._labels[key], colour)
            if key in self._known:
                return Meaning("absent", (" ".join(words),))
        return None

    def advice(self, words: Sequence[str]) -> str:
        """What could have been meant by words that name nothing."""
        halves = [
            f"{' '.join(words[:cut])} and {' '.join(words[cut:])}"
            for cut in range(1, len(words))
            if self.meaning(words[:cut]) and self.meaning(words[cut:])
        ]
        if halves:
            return f"did you mean '{halves[0]}'?"
        text = " ".join(words)
        by_fold = {name.lower(): name for name in self._names}
        near = difflib.get_close_matches(text, list(by_fold), n=3, cutoff=0.6)
        if near:
            return f"did you mean {' or '.join(repr(by_fold[one]) for one in near)}?"
        if not self._common:
            return "the collection has no labels yet; index photos first"
        more = f", and {len(self._common) - 20} more" if len(self._common) > 20 else ""
        return f"labels in this collection: {', '.join(self._common[:20])}{more}"

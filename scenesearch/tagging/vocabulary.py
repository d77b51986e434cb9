"""The words that tags are made of: files of names, their synonyms, and kinds of scenes."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from scenesearch.core.errors import ConfigError
from scenesearch.system.resources import resource_dir
from scenesearch.words.stems import stem

_GAP = re.compile(r"[\s_-]+")


def fold(name: str) -> str:
    """A name in a form that case, plural, hyphens and underscores do not change.

    >>> fold("Dining_Tables"), fold("t-shirt"), fold("wine glasses")
    ('dining table', 't shirt', 'wine glass')
    """
    return " ".join(stem(word) for word in _GAP.split(name.casefold().strip()) if word)


def plain(name: str) -> str:
    """A name as a tag is written: lower case, single spaces.

    >>> plain(" Coffee_table")
    'coffee table'
    """
    return " ".join(name.casefold().replace("_", " ").split())


@dataclass(frozen=True)
class Vocabulary:
    """Names that a photo or an object can be tagged with.

    Attributes:
        groups: each name with the other words for it, in the order of the file.
    """

    groups: Mapping[str, tuple[str, ...]]

    @cached_property
    def _names(self) -> Mapping[str, str]:
        return {fold(w): name for name, others in self.groups.items() for w in (name, *others)}

    def canonical(self, word: str) -> str:
        """The name of a word's group, or the word itself, as a tag is written.

        >>> Vocabulary({"sofa": ("couch",)}).canonical("Couches")
        'sofa'
        """
        return self._names.get(fold(word), plain(word))

    @property
    def fingerprint(self) -> str:
        """Start of the sha256 of what is in it; comments and layout do not count."""
        return _digest([[name, *others] for name, others in self.groups.items()])


@dataclass(frozen=True)
class Kind:
    """One kind of scene.

    Attributes:
        name: what a row calls it.
        words: what a text tower is asked for.
        labels: detector labels that speak for it where there is no text tower.
    """

    name: str
    words: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Kinds:
    """The kinds of scenes there are, in the order of the file."""

    kinds: tuple[Kind, ...]

    @cached_property
    def _labels(self) -> tuple[frozenset[str], ...]:
        return tuple(frozenset(map(fold, kind.labels)) for kind in self.kinds)

    def by_labels(self, found: Mapping[str, float]) -> tuple[str | None, float]:
        """The kind that most of what was detected speaks for.

        Args:
            found: labels with their best confidence, above 0.

        Returns:
            Its name and the share of the confidence that its labels have, 0 to 1; the first of
            the file among equals; None and 0 where no label speaks for any.

        >>> kitchen = Kind("kitchen", ("kitchen",), ("oven", "sink"))
        >>> Kinds((kitchen,)).by_labels({"Oven": 0.75, "person": 0.25})
        ('kitchen', 0.75)
        """
        total = math.fsum(found.values())
        best: tuple[str | None, float] = (None, 0.0)
        for kind, labels in zip(self.kinds, self._labels, strict=True):
            share = math.fsum(s for label, s in found.items() if fold(label) in labels)
            if share > best[1]:
                best = (kind.name, share)
        return best[0], best[1] / total if total else 0.0

    @property
    def fingerprint(self) -> str:
        """Start of the sha256 of what is in it; comments and layout do not count."""
        return _digest([[kind.name, kind.words, kind.labels] for kind in self.kinds])


def read_vocabulary(path: Path | None = None) -> Vocabulary:
    """Names from a YAML file; docs/tagging.md has the format.

    Args:
        path: None for the general one that comes with the package.

    Raises:
        ConfigError: it cannot be read, is not of the format, or has a name twice.
    """
    path = path or resource_dir("vocabulary") / "tags.yaml"
    entries = _read(path)
    if isinstance(entries, dict):
        entries = [{name: others} for name, others in entries.items()]
    if not isinstance(entries, list) or not entries:
        raise _wrong(path, "the file", entries, "a list of names, or names with their synonyms")
    groups: dict[str, tuple[str, ...]] = {}
    for entry in entries:
        if isinstance(entry, dict) and len(entry) == 1:
            ((name, others),) = entry.items()
        else:
            name, others = entry, None
        groups[_word(path, "a name", name)] = _words(path, f"the synonyms of {name!r}", others)
    if len(groups) < len(entries):
        raise ConfigError(f"{path}: a name is there twice; expected each once")
    _refuse_twins(path, {name: (name, *others) for name, others in groups.items()})
    return Vocabulary(groups)


def read_kinds(path: Path | None = None) -> Kinds:
    """Kinds of scenes from a YAML file; docs/tagging.md has the format.

    Args:
        path: None for the general ones that come with the package.

    Raises:
        ConfigError: it cannot be read or is not of the format.
    """
    path = path or resource_dir("vocabulary") / "kinds.yaml"
    entries = _read(path)
    if not isinstance(entries, dict) or not entries:
        raise _wrong(path, "the file", entries, "kinds by name, with words and labels")
    kinds = []
    for name, parts in entries.items():
        kind = _word(path, "a kind", name)
        if not isinstance(parts, dict) or not set(parts) <= {"words", "labels"}:
            raise _wrong(path, kind, parts, "words: [...] and labels: [...], and nothing else")
        words = _words(path, f"the words of {kind}", parts.get("words"))
        labels = _words(path, f"the labels of {kind}", parts.get("labels"))
        kinds.append(Kind(kind, words or (kind,), labels))
    _refuse_twins(path, {kind.name: (kind.name,) for kind in kinds})
    return Kinds(tuple(kinds))


def _read(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(f"{path}: not a readable YAML file: {error}") from error


def _words(path: Path, what: str, values: Any) -> tuple[str, ...]:
    if values is None:
        return ()
    if not isinstance(values, list):
        raise _wrong(path, what, values, "a list of words")
    return tuple(_word(path, what, value) for value in values)


def _word(path: Path, what: str, value: Any) -> str:
    if not isinstance(value, str) or not fold(value):
        # YAML 1.1 reads a bare no or on as a boolean
        raise _wrong(path, what, value, "a word in letters or digits, in quotes if YAML needs them")
    return plain(value)


def _wrong(path: Path, what: str, got: Any, expected: str) -> ConfigError:
    text = repr(got)
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    return ConfigError(f"{path}: {what}: got {shown}, expected {expected}; see docs/tagging.md")


def _refuse_twins(path: Path, groups: Mapping[str, tuple[str, ...]]) -> None:
    seen: dict[str, str] = {}
    for name, words in groups.items():
        for word in words:
            other = seen.setdefault(fold(word), name)
            if other != name:
                raise ConfigError(
                    f"{path}: {word!r} of {name!r} is also a word of {other!r} (case and plural "
                    f"do not count); expected it in one of them"
                )


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

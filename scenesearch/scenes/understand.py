"""A query of words to a condition on the points of photos, and the saying of what was understood.

Everything becomes one condition that the engine evaluates: counts and colours of objects are
entries of keyword fields (:func:`scenesearch.scenes.points.counted`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scenesearch.core.conditions import AllOf, AnyOf, Condition, Equals, Not, OneOf
from scenesearch.scenes.language import (
    Either,
    Every,
    Thing,
    Tree,
    Without,
    Written,
    parse_query,
    problem,
)
from scenesearch.scenes.lexicon import Lexicon, Meaning
from scenesearch.scenes.points import at_least

NOTHING: Condition = AnyOf(())
"""Holds for no photo."""


@dataclass(frozen=True, slots=True)
class SceneQuery:
    """A query as it was understood.

    Attributes:
        text: as it was typed.
        condition: what a photo must satisfy.
        understood: the same in words, with the collection's own names.
        labels: what must or may be seen; ranks the photos.
        notes: what the user should know.
    """

    text: str
    condition: Condition
    understood: str
    labels: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "text": self.text,
            "understood": self.understood,
            "labels": list(self.labels),
            "notes": list(self.notes),
        }


def understand(text: str, lexicon: Lexicon) -> SceneQuery:
    """What a query asks of the photos of one collection.

    Args:
        text: see ``docs/scenes.md``.
        lexicon: the collection's words.

    Raises:
        QueryError: the text cannot be read, or names nothing that the collection has.

    >>> understand("couch and not 2+ lamps", Lexicon({"couch": 3, "lamp": 1})).understood
    'couch and not at least 2 lamp'
    """
    tree = parse_query(text)
    notes: list[str] = []
    reading = _Reading(text, lexicon, notes)
    condition, said = reading.of(tree)
    labels = tuple(dict.fromkeys(reading.wanted(tree)))
    return SceneQuery(text, condition, said, labels, tuple(dict.fromkeys(notes)))


class _Reading:
    """Walks over the tree of one query."""

    def __init__(self, text: str, lexicon: Lexicon, notes: list[str]) -> None:
        self._text = text
        self._lexicon = lexicon
        self._notes = notes

    def of(self, tree: Tree) -> tuple[Condition, str]:
        """The condition of a node, and its words."""
        match tree:
            case Thing():
                return self._thing(tree)
            case Written(text):
                return Equals("text", text), f'text "{text}"'
            case Without(term):
                condition, said = self.of(term)
                inner = f"({said})" if isinstance(term, Every | Either) else said
                return Not(condition), f"not {inner}"
            case Every(terms):
                parts = [self.of(term) for term in terms]
                words = [
                    f"({said})" if isinstance(term, Either) else said
                    for term, (_, said) in zip(terms, parts, strict=True)
                ]
                return AllOf(tuple(one for one, _ in parts)), " and ".join(words)
            case Either(terms):
                parts = [self.of(term) for term in terms]
                return AnyOf(tuple(one for one, _ in parts)), " or ".join(s for _, s in parts)

    def wanted(self, tree: Tree) -> Iterator[str]:
        """The labels that are asked for, not those that are refused."""
        match tree:
            case Thing(words, _, high, _):
                meaning = self._lexicon.meaning(words)
                if meaning is not None and meaning.of == "label" and high != 0:
                    yield from meaning.values
            case Every(terms) | Either(terms):
                for term in terms:
                    yield from self.wanted(term)

    def _thing(self, thing: Thing) -> tuple[Condition, str]:
        meaning = self._lexicon.meaning(thing.words)
        words = " ".join(thing.words)
        if meaning is None:
            raise problem(
                self._text,
                thing.start,
                f"no photo has {words!r}, and it is no known label, kind, tag or colour",
                self._lexicon.advice(thing.words),
                code="unknown_label",
            )
        counted = thing.low is not None or thing.high is not None
        if counted and meaning.of not in ("label", "absent"):
            raise problem(
                self._text,
                thing.start,
                f"{words!r} is a {meaning.of}, and only detected objects are counted",
                "Leave the number out.",
            )
        if meaning.near:
            self._notes.append(f"{words!r} is read as {' or '.join(map(repr, meaning.values))}")
        match meaning.of:
            case "label":
                return _object(meaning, thing)
            case "kind":
                return _one_of("kind", meaning.values), f"kind {meaning.values[0]}"
            case "tag":
                return _one_of("photo_tags", meaning.values), f"tag {meaning.values[0]}"
            case "colour":
                return Equals("photo_colours", meaning.values[0]), f"colour {meaning.values[0]}"
            case "absent":
                self._notes.append(f"no photo has {words}")
                # none is as many as "at most 2" allows
                none_will_do = thing.low == 0
                return (AllOf(()) if none_will_do else NOTHING), _said(words, thing)


def _object(meaning: Meaning, thing: Thing) -> tuple[Condition, str]:
    field = "label_counts" if meaning.colour is None else "object_colours"
    names = [
        label if meaning.colour is None else f"{meaning.colour} {label}" for label in meaning.values
    ]
    low = 1 if thing.low is None else thing.low
    terms: list[Condition] = []
    if low > 0:
        terms.append(_one_of(field, [at_least(name, low) for name in names]))
    if thing.high is not None:
        terms.append(Not(_one_of(field, [at_least(name, thing.high + 1) for name in names])))
    condition = terms[0] if len(terms) == 1 else AllOf(tuple(terms))
    return condition, _said(" or ".join(names), thing)


def _said(name: str, thing: Thing) -> str:
    match thing.low, thing.high:
        case None, None:
            return name
        case low, None:
            return f"at least {low} {name}"
        case 0, high:
            return f"at most {high} {name}"
        case low, high if low == high:
            return f"exactly {low} {name}"
        case low, high:
            return f"{low} to {high} {name}"


def _one_of(field: str, values: tuple[str, ...] | list[str]) -> Condition:
    return Equals(field, values[0]) if len(values) == 1 else OneOf(field, tuple(values))

"""The generations of a collection: whole collections beside each other, one of which answers.

The first has the collection's own name, a later one ``NAME--gN``. Which there are, which answers,
and what each was made with stands in one small record that is replaced whole: of an embedded store
the file ``NAME.generations.json``, of a server a point of the companion ``NAME--meta``. A
collection that never had a second generation has none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from scenesearch.core.errors import DamagedError, StoreError

VERSION = 1
"""Of the record; an unknown one is refused."""
FIRST = 1
BETWEEN = "--g"


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation.

    Attributes:
        number: counts from 1, and is never used twice.
        config: sections of the settings that it is made with, as JSON values.
        whole: whether everything was in it when it was last looked at; only such a one can answer.
        made: when it was begun, UTC.
    """

    number: int
    config: Mapping[str, Any]
    whole: bool = False
    made: str = ""


@dataclass(frozen=True, slots=True)
class Generations:
    """All of one collection.

    Attributes:
        active: number of the one that answers.
        last: the highest number that was ever used.
        previous: the one that answered before it, as long as it is there.
        every: by rising number.
    """

    active: int
    last: int
    previous: int | None
    every: tuple[Generation, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of those that are there."""
        return tuple(one.number for one in self.every)

    def of(self, number: int) -> Generation:
        """One of them.

        Raises:
            StoreError: there is none of that number.
        """
        for one in self.every:
            if one.number == number:
                return one
        raise StoreError(
            f"there is no generation {number}; there are {', '.join(map(str, self.numbers))}",
            code="no_generation",
        )

    def having(self, one: Generation) -> Generations:
        """These with one added, or in the place of what had its number."""
        rest = [other for other in self.every if other.number != one.number]
        every = tuple(sorted((*rest, one), key=lambda other: other.number))
        return replace(self, every=every, last=max(self.last, one.number))

    def without(self, number: int) -> Generations:
        """These without one that does not answer."""
        every = tuple(one for one in self.every if one.number != number)
        previous = None if self.previous == number else self.previous
        return replace(self, every=every, previous=previous)

    def switched(self, number: int) -> Generations:
        """These with another one that answers.

        Raises:
            StoreError: there is none of that number, or not everything is in it.
        """
        if not self.of(number).whole:
            raise StoreError(
                f"generation {number} is not built to its end yet; run scenesearch generation "
                "build again, which goes on where it was",
                code="not_built",
            )
        if number == self.active:
            return self
        return replace(self, active=number, previous=self.active)


def name_of(collection: str, number: int) -> str:
    """What the collection of a generation is called.

    >>> name_of("items", 1), name_of("items", 2)
    ('items', 'items--g2')
    """
    return collection if number == FIRST else f"{collection}{BETWEEN}{number}"


def split_name(name: str) -> tuple[str, int]:
    """The collection, and which generation of it a name is.

    >>> split_name("items--g2"), split_name("items")
    (('items', 2), ('items', 1))
    """
    collection, between, number = name.rpartition(BETWEEN)
    if between and collection and number.isascii() and number.isdigit() and int(number) > FIRST:
        return collection, int(number)
    return name, FIRST


def dump_generations(found: Generations) -> str:
    """The record as JSON."""
    return json.dumps({"version": VERSION, **asdict(found)}, ensure_ascii=False, indent=1)


def load_generations(text: str, source: str) -> Generations:
    """What :func:`dump_generations` wrote.

    Args:
        text: JSON.
        source: where it was read, for messages.

    Raises:
        StoreError: it is of a version that this one does not know.
        DamagedError: it is no such record.
    """
    try:
        data = json.loads(text)
        if data["version"] != VERSION:
            raise StoreError(
                f"{source} is of version {data['version']!r}, this scenesearch reads {VERSION}; "
                "use the one that wrote it"
            )
        previous = data["previous"]
        every = tuple(
            Generation(int(one["number"]), one["config"], bool(one["whole"]), str(one["made"]))
            for one in data["every"]
        )
        found = Generations(
            int(data["active"]),
            int(data["last"]),
            None if previous is None else int(previous),
            every,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedError(
            f"{source} does not say which generation answers ({type(error).__name__}: {error}); "
            "restore it from a backup. Without it the first generation answers"
        ) from error
    found.of(found.active)
    return found

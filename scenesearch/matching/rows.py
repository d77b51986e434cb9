"""What is found in one photo of many: its objects, and the first matches of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from scenesearch.core.json_values import json_object
from scenesearch.core.types import BoxTuple
from scenesearch.tagging.rows import read_row

SHOWN = ("title", "category", "brand", "price", "currency", "url")
"""Attributes of a match that are told, where they are text or numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A match of an object.

    Attributes:
        rank: from 1.
        item_id: the catalogue's.
        score: as ranked.
        attributes: of :data:`SHOWN`.
    """

    rank: int
    item_id: str
    score: float
    attributes: Mapping[str, str | float]


@dataclass(frozen=True, slots=True, eq=False)
class SearchedObject:
    """An object of a photo, or the photo as one.

    Attributes:
        number: from 1.
        label: the detector's, or None.
        confidence: 0 to 1.
        box: pixels, xyxy; None for a photo that shows one thing.
        matches: best first; empty is an honest "no good match".
        note: why there is none.
    """

    number: int
    label: str | None
    confidence: float
    box: BoxTuple | None
    matches: tuple[Found, ...]
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class MatchRow:
    """One photo.

    Attributes:
        source: the path or address it was read from, as given; names the row.
        sha256: of the encoded file; empty where it could not be read.
        width: pixels, oriented; 0 where it could not be read.
        height: likewise.
        objects: what was searched.
        warnings: what was odd but harmless.
        models: fingerprint of everything the row depends on beside the photo.
        error: a code, or None.
        message: what was wrong, in one line.
    """

    source: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    objects: tuple[SearchedObject, ...] = ()
    warnings: tuple[str, ...] = ()
    models: str = ""
    error: str | None = None
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: boxes rounded to 1 decimal, scores to 6."""
        return json_object(self, 6, {"box": 1})

    def named(self, source: str, warnings: tuple[str, ...]) -> Self:
        """The row of another file with the same content."""
        return replace(self, source=source, warnings=warnings)

    @classmethod
    def failed(cls, source: str, models: str, code: str, message: str) -> Self:
        """The row of a photo that could not be searched."""
        return cls(source, models=models, error=code, message=message)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The row that :meth:`to_dict` wrote.

        Raises:
            ValueError: something is missing or of another type.
        """
        return read_row(cls, values)

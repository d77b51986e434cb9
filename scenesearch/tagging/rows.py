"""What tagging says of one photo: a row, the same as a value, as JSON and in every output."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, Self, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

from scenesearch.core.json_values import json_object
from scenesearch.core.types import BoxTuple, Colour, TextLine

R = TypeVar("R")
TagSource = Literal["label", "zero_shot"]
DIGITS: Mapping[str, int] = MappingProxyType({"box": 1, "lab": 2})
"""Of numbers of a row as JSON, where they are not the 4 of scores and shares."""


class Row(Protocol):
    """What a run keeps of one photo; tags are one kind."""

    @property
    def source(self) -> str:
        """The path or address it was read from; names the row."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was odd but harmless; first what is about the file."""

    @property
    def models(self) -> str:
        """Fingerprint of everything the row depends on beside the photo."""

    @property
    def error(self) -> str | None:
        """A code, or None."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""

    def named(self, source: str, warnings: tuple[str, ...]) -> Self:
        """The row of another file with the same content."""

    @classmethod
    def failed(cls, source: str, models: str, code: str, message: str) -> Self:
        """The row of a photo that gave none."""

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The row that :meth:`to_dict` wrote.

        Raises:
            ValueError: something is missing or of another type.
        """


class Tag(NamedTuple):
    """One word for what is seen.

    Attributes:
        name: of the vocabulary, or a detector's label.
        score: 0 to 1; the detector's confidence, or the share of the zero-shot softmax.
        source: where it came from.
    """

    name: str
    score: float
    source: TagSource


@dataclass(frozen=True, slots=True, eq=False)
class TaggedObject:
    """One object of a photo.

    Attributes:
        key: names it inside its photo (``object:0``).
        box: pixels, xyxy, in the oriented image.
        label: the detector's class name.
        confidence: 0 to 1.
        area_share: of the photo's area, 0 to 1.
        position: where in the photo it lies (``top left`` ... ``centre``).
        colours: dominant colours, largest share first.
        tags: best first.
        phash: 64-bit perceptual hash of the cutout, 16 hex digits.
        mask: COCO compressed run lengths of the whole photo (``{"size": [height, width],
            "counts": text}``); None where not asked for, or where the detector gave no mask.
    """

    key: str
    box: BoxTuple
    label: str
    confidence: float
    area_share: float
    position: str
    colours: tuple[Colour, ...]
    tags: tuple[Tag, ...]
    phash: str
    mask: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TagRow:
    """One photo.

    Attributes:
        source: the path or address it was read from, as given; names the row.
        sha256: of the encoded file; empty where it could not be read.
        width: pixels, oriented; 0 where it could not be read.
        height: likewise.
        phash: perceptual hash of the photo, 16 hex digits.
        kind: the kind of scene (``kitchen``), or None where none was asked for or found.
        kind_score: 0 to 1.
        tags: of the photo as a whole and of its objects, best first, each name once.
        colours: dominant colours of the photo.
        text: what is written in it, in reading order.
        objects: largest weight first, as the detector's regions are ordered.
        warnings: what was odd but harmless.
        models: fingerprint of everything the row depends on beside the photo.
        error: a code (``unsupported_image``, ``too_many_pixels``, ``worker_died``,
            ``timed_out``), or None; everything but source, error, message and models is empty then.
        message: what was wrong, in one line.
    """

    source: str
    sha256: str = ""
    width: int = 0
    height: int = 0
    phash: str = ""
    kind: str | None = None
    kind_score: float = 0.0
    tags: tuple[Tag, ...] = ()
    colours: tuple[Colour, ...] = ()
    text: tuple[TextLine, ...] = ()
    objects: tuple[TaggedObject, ...] = ()
    warnings: tuple[str, ...] = ()
    models: str = ""
    error: str | None = None
    message: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values: boxes rounded to 1 decimal, scores and shares to 4, Lab to 2."""
        return json_object(self, 4, DIGITS)

    def named(self, source: str, warnings: tuple[str, ...]) -> Self:
        """The row of another file with the same content."""
        return replace(self, source=source, warnings=warnings)

    @classmethod
    def failed(cls, source: str, models: str, code: str, message: str) -> Self:
        """The row of a photo that could not be tagged."""
        return cls(source, models=models, error=code, message=message)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The row that :meth:`to_dict` wrote.

        Raises:
            ValueError: something is missing or of another type.
        """
        return read_row(cls, values)


def read_row(kind: type[R], values: Mapping[str, Any]) -> R:
    """A dataclass from JSON values.

    Raises:
        ValueError: something is missing or of another type.
    """
    try:
        row: R = _reader(cast("Any", kind)).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(f"{where}: {first['msg']}") from error
    return row


@cache
def _reader(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)

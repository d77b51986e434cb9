"""What tagging says of one photo: a row, the same as a value, as JSON and in every output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from scenesearch.core.boxes import box_tuple
from scenesearch.core.types import BoxTuple, Colour, TextLine

TagSource = Literal["label", "zero_shot"]


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
        return {
            "source": self.source,
            "sha256": self.sha256,
            "width": self.width,
            "height": self.height,
            "phash": self.phash,
            "kind": self.kind,
            "kind_score": _round(self.kind_score),
            "tags": [_tag(tag) for tag in self.tags],
            "colours": [_colour(colour) for colour in self.colours],
            "text": [
                {"text": line.text, "confidence": _round(line.confidence), "box": _box(line.box)}
                for line in self.text
            ],
            "objects": [_object(one) for one in self.objects],
            "warnings": list(self.warnings),
            "models": self.models,
            "error": self.error,
            "message": self.message,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TagRow:
        """The row that :meth:`to_dict` wrote.

        Raises:
            KeyError, TypeError, ValueError: something is missing or of another type.
        """
        return cls(
            source=values["source"],
            sha256=values["sha256"],
            width=int(values["width"]),
            height=int(values["height"]),
            phash=values["phash"],
            kind=values["kind"],
            kind_score=float(values["kind_score"]),
            tags=tuple(map(_read_tag, values["tags"])),
            colours=tuple(map(_read_colour, values["colours"])),
            text=tuple(
                TextLine(t["text"], float(t["confidence"]), box_tuple(t["box"]))
                for t in values["text"]
            ),
            objects=tuple(map(_read_object, values["objects"])),
            warnings=tuple(values["warnings"]),
            models=values["models"],
            error=values["error"],
            message=values["message"],
        )


def _round(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError(f"a tag row holds finite numbers only, got {value}")
    return round(float(value), 4)


def _box(box: BoxTuple) -> list[float]:
    return [round(float(side), 1) for side in box]


def _tag(tag: Tag) -> dict[str, Any]:
    return {"name": tag.name, "score": _round(tag.score), "source": tag.source}


def _colour(colour: Colour) -> dict[str, Any]:
    lab = [round(float(value), 2) for value in colour.lab]
    return {"name": colour.name, "lab": lab, "share": _round(colour.share)}


def _object(one: TaggedObject) -> dict[str, Any]:
    return {
        "key": one.key,
        "box": _box(one.box),
        "label": one.label,
        "confidence": _round(one.confidence),
        "area_share": _round(one.area_share),
        "position": one.position,
        "colours": [_colour(colour) for colour in one.colours],
        "tags": [_tag(tag) for tag in one.tags],
        "phash": one.phash,
        "mask": None if one.mask is None else dict(one.mask),
    }


def _read_tag(values: Mapping[str, Any]) -> Tag:
    return Tag(values["name"], float(values["score"]), values["source"])


def _read_colour(values: Mapping[str, Any]) -> Colour:
    lightness, a, b = (float(value) for value in values["lab"])
    return Colour(values["name"], (lightness, a, b), float(values["share"]))


def _read_object(values: Mapping[str, Any]) -> TaggedObject:
    return TaggedObject(
        key=values["key"],
        box=box_tuple(values["box"]),
        label=values["label"],
        confidence=float(values["confidence"]),
        area_share=float(values["area_share"]),
        position=values["position"],
        colours=tuple(map(_read_colour, values["colours"])),
        tags=tuple(map(_read_tag, values["tags"])),
        phash=values["phash"],
        mask=values["mask"],
    )

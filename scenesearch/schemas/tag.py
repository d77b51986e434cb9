"""What is in a photo, as rows of tagging are; see docs/tagging.md."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from scenesearch.schemas.base import Body, Sent
from scenesearch.schemas.looks import Number, SentBox
from scenesearch.schemas.photos import PhotoSource


class TagOptions(Body):
    """What the answer holds beside objects, colours and tags."""

    masks: bool = Field(False, description="Masks of the objects, as COCO run lengths")
    ocr: bool = Field(False, description="What is written in the photo")


class TagRequest(TagOptions):
    """A photo to be tagged."""

    photo: PhotoSource


class SentTag(Sent):
    """One word for what is seen."""

    name: str
    score: Number
    source: str


class SentTagColour(Sent):
    """One dominant colour."""

    name: str
    lab: list[Number] = Field(min_length=3, max_length=3)
    share: Number
    hex: str = Field("", description="Where the answer has it")


class SentLine(Sent):
    """One line of text."""

    text: str
    confidence: Number
    box: SentBox


class SentTagged(Sent):
    """One object."""

    key: str
    box: SentBox
    label: str
    confidence: Number
    area_share: Number
    position: str
    colours: list[SentTagColour]
    tags: list[SentTag]
    phash: str
    mask: dict[str, Any] | None


class TagResponse(Sent):
    """One photo."""

    source: str
    sha256: str
    width: int
    height: int
    phash: str
    kind: str | None
    kind_score: Number
    tags: list[SentTag]
    colours: list[SentTagColour]
    text: list[SentLine]
    objects: list[SentTagged]
    warnings: list[str]
    models: str
    error: str | None
    message: str

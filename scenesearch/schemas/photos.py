"""How a photo comes inside JSON, as its bytes or its address, and how one is asked for."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from scenesearch.schemas.base import Asked, Body, Weight

MAX_BASE64 = 140_000_000
"""Characters; the service's own limit of a body is far below, as a rule."""
BASE64 = (
    r"^(data:[a-z0-9.+/-]{0,64};base64,)?"
    r"([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
)
"""RFC 4648 with padding and nothing between, after an optional ``data:image/jpeg;base64,``."""


class InlinePhoto(Body):
    """The photo itself."""

    base64: str = Field(
        min_length=1,
        max_length=MAX_BASE64,
        description=(
            "The encoded file (JPEG, PNG, WebP, ...) as base64 with padding and without white "
            "space; a `data:image/...;base64,` in front is allowed"
        ),
        json_schema_extra={"pattern": BASE64},
    )


class LinkedPhoto(Body):
    """The address of a photo; refused with 403 where the service fetches none."""

    url: str = Field(
        min_length=1,
        max_length=2048,
        description="http or https, ports 80 and 443; public addresses only",
        examples=["https://images.example.com/room.jpg"],
        json_schema_extra={"format": "uri"},
    )


class WeightedInlinePhoto(InlinePhoto):
    """The photo itself, and how much it counts."""

    weight: Weight = 1.0


class WeightedLinkedPhoto(LinkedPhoto):
    """The address of a photo, and how much it counts."""

    weight: Weight = 1.0


def _kind(value: Any) -> str:
    given = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    return "url" if "url" in given and "base64" not in given else "base64"


PhotoSource = Annotated[
    Annotated[InlinePhoto, Tag("base64")] | Annotated[LinkedPhoto, Tag("url")],
    Discriminator(_kind),
]
MAX_PHOTOS = 8


class PhotoSources(Body):
    """What comes with photos."""

    photos: list[PhotoSource] = Field(min_length=1, max_length=MAX_PHOTOS)


WeightedPhoto = Annotated[
    Annotated[WeightedInlinePhoto, Tag("base64")] | Annotated[WeightedLinkedPhoto, Tag("url")],
    Discriminator(_kind),
]


class PictureQuery(Asked):
    """How large the picture may be."""

    width: int = Field(
        320, ge=32, le=2048, description="The longer side is at most this many pixels"
    )

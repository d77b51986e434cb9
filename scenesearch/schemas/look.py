"""What is asked of a photo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from scenesearch.core.boxes import BoxFormat, check_box, check_point
from scenesearch.core.errors import QueryError
from scenesearch.schemas.answering import AnswerOptions
from scenesearch.schemas.base import Optionally, QueryId, Whole, one_of
from scenesearch.schemas.photos import PhotoSource

Coordinate = Annotated[float, Field(ge=0, le=100_000)]
Box = Annotated[list[Coordinate], Field(min_length=4, max_length=4)]
Point = Annotated[list[Coordinate], Field(min_length=2, max_length=2)]


class LookOptions(AnswerOptions):
    """What to search in a photo, and how."""

    boxes: list[Box] = Field(
        [],
        max_length=30,
        description=(
            "Regions to search instead of what is detected: `[x1, y1, x2, y2]` with x1 < x2 and "
            "y1 < y2, in `box_format`; what is outside the photo is cut off"
        ),
        examples=[[[120, 80, 420, 380]]],
    )
    point: Optionally[Point] = Field(
        None,
        description="A tapped point `[x, y]` in `box_format`: only what is there is searched",
    )
    box_format: BoxFormat = Field(
        "xyxy_px",
        description="Pixels of the upright photo, or shares (0 to 1) of its width and height",
    )
    detection_limit: Whole = Field(5, ge=1, le=30, description="The most objects")
    detection_sensitivity: Optionally[Literal["low", "medium", "high"]] = Field(
        None, description="high also searches what the detector is less sure of"
    )


def check_places(
    boxes: Sequence[Sequence[float]], point: Sequence[float] | None, box_format: str
) -> None:
    """Refuse boxes that are none, before anything is decoded or fetched for them.

    Raises:
        QueryError: says which box, what it is and what was expected.
    """
    if boxes and point is not None:
        raise QueryError("Boxes and a point are given; give one of them", code="two_places")
    for i, box in enumerate(boxes):
        check_box(f"boxes[{i}]", box, box_format)
    if point is not None:
        check_point("point", point, box_format)


class LookRequest(LookOptions):
    """A photo, or the query id of an earlier answer, and what to search in it."""

    model_config = ConfigDict(json_schema_extra=one_of("photo", "query_id"))

    photo: Optionally[PhotoSource] = None
    query_id: Optionally[QueryId] = Field(
        None,
        description=(
            "Of an earlier answer: its photo is asked again, without uploading or analysing it "
            "again. 410 once it is forgotten"
        ),
    )

    @model_validator(mode="after")
    def _one_photo(self) -> Self:
        if (self.photo is None) == (self.query_id is None):
            raise PydanticCustomError(
                "one_photo", "give exactly one of photo and query_id: what is to be looked at"
            )
        return self

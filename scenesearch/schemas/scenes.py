"""The collection of scenes: photos that are found by what is in them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from scenesearch.schemas.base import Asked, Body, ItemId, Limit, Optionally, Sent, Words, one_of
from scenesearch.schemas.looks import Number, SentCount
from scenesearch.schemas.photos import PhotoSource, PhotoSources

SceneId = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""The sha256 of the photo."""


class ScenesRequest(PhotoSources):
    """Photos to be kept as scenes."""


class FormScenesRequest(Body):
    """Nothing: the photos come as files."""


class SceneSearchOptions(Body):
    """How many scenes are found."""

    limit: Limit = 20


class SceneSearchRequest(SceneSearchOptions):
    """Find scenes by words, by a photo like them, or by a product in them."""

    model_config = ConfigDict(json_schema_extra=one_of("text", "photo", "item_id"))

    text: Optionally[Words] = Field(
        None, examples=["two chairs and a lamp", "kitchen without people"]
    )
    photo: Optionally[PhotoSource] = None
    item_id: Optionally[ItemId] = None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if sum(part is not None for part in (self.text, self.photo, self.item_id)) != 1:
            raise PydanticCustomError("one_question", "give exactly one of text, photo and item_id")
        return self


class SceneFacetQuery(Asked):
    """Which scenes are counted."""

    text: Optionally[Words] = None
    limit: int = Field(50, ge=1, le=1000, description="The most values of a field")


class SentProblem(Sent):
    """Why one photo was not kept."""

    code: str
    detail: str


class SentSceneOutcome(Sent):
    """What became of one photo."""

    id: str
    status: Literal["added", "changed", "unchanged", "failed"]
    error: SentProblem | None


class ScenesAddedResponse(Sent):
    """What became of each photo, in order."""

    scenes: list[SentSceneOutcome]


class SentSceneObject(Sent):
    """One object of a photo."""

    label: str | None
    box: list[float] | None
    confidence: Number
    colours: list[str]


class SentPlace(Sent):
    """The object that matched."""

    label: str | None
    box: list[float]


class SentSceneMatch(Sent):
    """One photo."""

    id: str
    photo_url: str | None
    score: Number
    width: int
    height: int
    kind: str | None
    labels: dict[str, int] = Field(description="How often each is in the photo")
    items: list[str] = Field(description="Ids of products known to be in it")
    known: bool = Field(description="The product that was asked for is known to be in it")
    match: SentPlace | None
    objects: list[SentSceneObject]


class ScenesResponse(Sent):
    """The scenes that were found, best first."""

    scenes: list[SentSceneMatch]
    total: int | None = Field(description="null where likeness alone decides")
    understood: dict[str, Any] | None = Field(description="What was understood of the words")
    notes: list[str]


class SceneFacetsResponse(Sent):
    """Values of fields, and how many scenes have each."""

    facets: dict[str, list[SentCount]]
    scenes: int = Field(ge=0)


class ScenesDeletedResponse(Sent):
    """What was removed."""

    scenes: int = Field(ge=0)

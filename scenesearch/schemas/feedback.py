"""Feedback, as it comes and as it is sent."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from scenesearch.schemas.base import WHOLE, Body, ItemId, Optionally, PageQuery, QueryId, Sent
from scenesearch.schemas.jobs import Time

Kind = Literal["click", "like", "dislike", "purchase", "withdraw"]


def _moment(text: str) -> str:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise PydanticCustomError(
            "moment", "expected a time with its zone, such as 2026-01-31T12:00:00Z"
        )
    return text


Moment = Annotated[
    str,
    Field(max_length=64, json_schema_extra={"format": "date-time"}),
    AfterValidator(_moment),
]


class FeedbackRequest(Body):
    """What somebody did with an answer."""

    kind: Kind = Field(
        description="`withdraw` takes back what was liked or disliked of the item before"
    )
    item_id: ItemId
    query_id: Optionally[QueryId] = Field(None, description="Of the look it was in")
    region: Optionally[Annotated[int, Field(ge=0, le=1000), WHOLE]] = Field(
        None, description="The region whose list it was in, from 0; left out for the fused list"
    )
    rank: Optionally[Annotated[int, Field(ge=0, le=10_000), WHOLE]] = Field(
        None, description="Its place in that list, from 0"
    )


class FeedbackQuery(PageQuery):
    """Which feedback is listed."""

    since: Optionally[Moment] = Field(
        None, description="Only from this time on", examples=["2026-01-31T12:00:00Z"]
    )
    limit: int = Field(100, ge=1, le=1000)

    def since_s(self) -> float | None:
        """The same in seconds since the epoch."""
        return None if self.since is None else datetime.fromisoformat(self.since).timestamp()


class FeedbackResponse(Sent):
    """One piece of feedback."""

    id: str
    time: Time
    caller: str = Field(description="Which key, as a digest of it; empty where there are no keys")
    kind: Kind
    item_id: str
    query_id: str | None
    region: int | None
    rank: int | None


class FeedbackPage(Sent):
    """A page of feedback, in the order it came."""

    feedback: list[FeedbackResponse]
    cursor: str | None = Field(description="Of the next page; null on the last")

"""How an answer is made: what look and search share.

The options are those of :class:`~scenesearch.config.search.SearchOptions` that are offered, with
its ranges, defaults and sentences; here stands what is narrower over REST.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Self

from annotated_types import MaxLen
from pydantic import ConfigDict, Field, create_model, model_validator
from pydantic_core import PydanticCustomError

from scenesearch.config.options import Offered, Signed, offered
from scenesearch.config.search import MAX_NAMES, BoostText, FieldName, SearchOptions
from scenesearch.core.turns import MAX_TURNS, Turn
from scenesearch.schemas.base import (
    UNIQUE,
    WHOLE,
    Body,
    ItemId,
    Limit,
    NotNull,
    Offset,
    Optionally,
    Sentence,
    Unique,
    Weight,
    Where,
    Words,
    any_of,
)

OFFERED = tuple(name for name, field in SearchOptions.model_fields.items() if offered(field))
"""Options that can be set over REST."""

_NARROWER: Mapping[str, Any] = {
    "limit": Limit,
    "weights": Annotated[
        dict[FieldName, Annotated[float, Field(ge=0, le=100)]], Field(min_length=1)
    ]
    | None,
    "facets": Annotated[list[FieldName], Unique, Field(json_schema_extra=UNIQUE)],
    "boosts": dict[BoostText, Signed],
}
"""Types that differ: pages are short, and in JSON there are lists, and filters as text."""


def _narrowed(name: str) -> Any:
    field = SearchOptions.model_fields[name]
    kind, rules = field.annotation, list(field.metadata)
    if name in _NARROWER:
        kind, rules = _NARROWER[name], [one for one in rules if isinstance(one, MaxLen | Offered)]
    elif kind is int:
        rules.append(WHOLE)
    if field.default is None:
        rules.append(NotNull())
    said = Field(field.default, description=field.description, examples=field.examples)
    return Annotated[kind, *rules], said


if TYPE_CHECKING:
    _Offered = Body
else:
    _Offered = create_model("_Offered", __base__=Body, **{n: _narrowed(n) for n in OFFERED})


ObjectNumber = Annotated[str, Field(pattern=r"^([0-9]|[12][0-9]|30)$")]


class TurnOptions(Body):
    """A step of a refinement, about what the steps before it leave: words, a filter, or both."""

    model_config = ConfigDict(json_schema_extra=any_of("words", "where"))

    words: Optionally[Words] = Field(
        None,
        description=(
            "Plain words, or a comparison with the first match so far: `cheaper`, `wider`, "
            "`not that brand`"
        ),
        examples=["cheaper"],
    )
    where: Optionally[Where] = None
    object: Optionally[Annotated[int, Field(ge=1, le=30), WHOLE]] = Field(
        None,
        description="Number of the object that it is about; left out: every one",
    )

    to: dict[ObjectNumber, ItemId] = Field(
        {},
        max_length=31,
        description=(
            "Items that a comparison is with, instead of the first matches, by number of the "
            "object (0 without a photo): `refined[].to` of an earlier answer keeps what it meant"
        ),
        examples=[{"2": "SKU-1"}],
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.words is None and self.where is None:
            raise PydanticCustomError("empty_turn", "give words, where, or both")
        return self


class AnswerOptions(_Offered):
    """How the lists are made. What is left out is as the service is configured."""

    texts: dict[Sentence, Weight] = Field(
        {},
        max_length=MAX_NAMES,
        description=(
            "Words that the search moves towards, with weights; below 0 away. Needs a model that "
            "reads text"
        ),
        examples=[{"with armrests": 0.5}],
    )
    items: dict[ItemId, Weight] = Field(
        {},
        max_length=MAX_NAMES,
        description="Catalogue items that the search moves towards, with weights; below 0 away",
        examples=[{"SKU-1": 1.0, "SKU-2": -0.5}],
    )
    words: Optionally[Words] = Field(
        None,
        description="Plain words; prices, colours and categories in them are understood",
        examples=["in blue, under $50"],
    )
    where: Optionally[Where] = None
    refine: list[TurnOptions] = Field(
        [],
        max_length=MAX_TURNS,
        description=(
            "Turns that narrow the answer, in their order; one is undone by leaving it out"
        ),
        examples=[[{"words": "in walnut"}, {"words": "cheaper"}, {"words": "not that brand"}]],
    )
    offset: Offset = Field(0, description="Matches of the fused list to leave out")

    def options(self) -> Mapping[str, Any]:
        """What was asked for, by the names of :class:`~scenesearch.config.search.SearchOptions`."""
        return {name: getattr(self, name) for name in OFFERED if name in self.model_fields_set}

    def turns(self) -> tuple[Turn, ...]:
        """What narrows the answer, as values."""
        return tuple(
            Turn(one.words, one.where, one.object, {int(n): i for n, i in one.to.items()})
            for one in self.refine
        )

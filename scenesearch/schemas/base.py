"""What all bodies share: nothing unknown, nothing guessed, nothing that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

_Type = TypeVar("_Type")


class NotNull:
    """Leaves ``null`` out of what a field's schema allows."""

    def __get_pydantic_json_schema__(
        self, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        kinds = schema.pop("anyOf", [])
        kept = [kind for kind in kinds if kind.get("type") != "null"]
        return {**schema, **kept[0]} if len(kept) == 1 else {**schema, "anyOf": kept}


Optionally = Annotated[_Type | None, NotNull()]
"""A field that can be left out, None then; ``null`` itself is refused."""


def _state_names(schema: dict[str, Any]) -> None:
    """Say that names of another form are refused; as it comes, it only says what others are."""
    patterns = schema.pop("patternProperties", None)
    if patterns:
        ((pattern, value),) = patterns.items()
        schema["additionalProperties"] = value
        schema.setdefault("propertyNames", {})["pattern"] = pattern


class Sent(BaseModel):
    """What the service answers with. It describes; answers are not read through it."""

    model_config = ConfigDict(extra="forbid")


class Asked(BaseModel):
    """What a caller asks in an address: everything is text there, and unknown names are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        schema = handler(core_schema)
        for one in handler.resolve_ref_schema(schema).get("properties", {}).values():
            if one.get("default", ...) is None:
                # the field is left out then: null is no value of it
                del one["default"]
            _state_names(one)
        return schema


class Body(Asked):
    """What a caller sends: unknown names, ``null``, text for numbers and NaN are refused."""

    model_config = ConfigDict(strict=True)

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for name, one in value.items():
                if one is None and name in cls.model_fields:
                    raise PydanticCustomError(
                        "null", "{name} is null; leave it out instead", {"name": name}
                    )
        return value


_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_WORDED = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"

ItemId = Annotated[str, Field(min_length=1, max_length=512, pattern=_PRINTABLE)]
"""An id of the catalogue: any text, kept as it is."""
Sentence = Annotated[str, Field(min_length=1, max_length=512, pattern=_WORDED)]
"""Words for a model that reads text."""
Words = Annotated[str, Field(min_length=1, max_length=1000, pattern=_WORDED)]
"""Plain words, such as ``in blue, under $50``."""
Where = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4000,
        description="A filter, such as `price < 50 and colour_names = 'blue'`; see docs/filters.md",
        examples=["price < 50 and category = 'chair'"],
    ),
]


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


WHOLE = BeforeValidator(_whole)
"""For whole numbers, however they are written: to JSON 20.0 is one too."""
Whole = Annotated[int, WHOLE]
Weight = Annotated[float, Field(ge=-100, le=100)]
"""How much a part counts; below 0 it pushes away."""
QueryId = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z0-9_-]+$")]
Cursor = Annotated[str, Field(min_length=1, max_length=2048, pattern=r"^[\x21-\x7e]+$")]
Limit = Annotated[int, Field(ge=1, le=100), WHOLE]
Offset = Annotated[int, Field(ge=0, le=900), WHOLE]


def one_of(*names: str) -> dict[str, Any]:
    """For ``json_schema_extra``: exactly one of these fields is given.

    Inside ``allOf``, because generators of clients take a model with ``oneOf`` for any value.
    """
    return {"allOf": [{"oneOf": [{"required": [name]} for name in names]}]}


def any_of(*names: str) -> dict[str, Any]:
    """For ``json_schema_extra``: at least one of these fields is given; see :func:`one_of`."""
    return {"allOf": [{"anyOf": [{"required": [name]} for name in names]}]}


def _unique(values: list[str]) -> list[str]:
    if len(set(values)) != len(values):
        raise PydanticCustomError("twice", "a value is there twice; name each once")
    return values


Unique = AfterValidator(_unique)
"""For lists in which no value may be there twice."""
UNIQUE: dict[str, Any] = {"uniqueItems": True}


Place = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
"""A cursor: where the page before ended."""
_Row = TypeVar("_Row")


class PageQuery(Asked):
    """Which page of a list."""

    limit: int = Field(50, ge=1, le=1000)
    cursor: Optionally[Place] = Field(None, description="Of the page before")

    @property
    def place(self) -> int | None:
        """Where the page before ended; None for the first page."""
        return None if self.cursor is None else int(self.cursor)

    @property
    def one_more(self) -> int:
        """How many rows to read, so that it is known whether another page follows."""
        return self.limit + 1

    def page(
        self, rows: Sequence[_Row], place: Callable[[_Row], int]
    ) -> tuple[Sequence[_Row], str | None]:
        """The page, and the cursor of the next one; None on the last.

        Args:
            rows: at most :attr:`one_more` of them.
            place: of a row in the list.
        """
        page = rows[: self.limit]
        return page, str(place(page[-1])) if len(rows) > len(page) else None


class ModelsResponse(Sent):
    """Models by task, with licence and fingerprint, and sizes of the vector spaces."""

    model_config = ConfigDict(extra="allow")

    __pydantic_extra__: dict[str, Any]

"""Options as a model: ranges, sentences and what a refusal says, in the place that declares them.

As a section of the settings such a model is read as every section is: text of the environment
becomes numbers, and what is wrong is an error of the settings. Made by a caller
(``SearchOptions(limit=0)``), numbers must be numbers, and what is wrong is a
:class:`~scenesearch.core.errors.QueryError` that names the option, its value and its range.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from types import NoneType
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from scenesearch.core.errors import QueryError

_BY_CALLER = "by a caller"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a refusal says was expected, where type and range do not say it; and its code."""

    text: str
    code: str = "bad_option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """That an option can be set over REST and on the command line, not only by programs.

    Attributes:
        flags: on the command line; empty for the name of the option itself, None for none.
        metavar: what stands for the value there.
        usage: what is said there beside the sentence.
        of_photos: it says something of the objects of a photo, and nothing of one thing.
    """

    flags: tuple[str, ...] | None = ()
    metavar: str | None = None
    usage: str = ""
    of_photos: bool = False


def _exactly(kind: type, convert: Callable[[Any], Any]) -> BeforeValidator:
    def check(value: Any, info: ValidationInfo) -> Any:
        if info.context != _BY_CALLER:
            return value
        if isinstance(value, bool) or not isinstance(value, kind):
            raise PydanticCustomError("number", "not a number of this kind")
        # numpy's numbers are numbers too
        return value if isinstance(value, int | float) else convert(value)

    return BeforeValidator(check)


Whole = Annotated[int, _exactly(Integral, int)]
Number = Annotated[float, _exactly(Real, float)]
Share = Annotated[float, Ge(0), Le(1), _exactly(Real, float)]
Signed = Annotated[float, Ge(-1), Le(1), _exactly(Real, float)]


class Options(BaseModel):
    """What one question can say of its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    group: ClassVar[str] = ""
    """What messages put before a name."""
    apart: ClassVar[frozenset[str]] = frozenset()
    """Fields that are no options: callers give them in another way."""

    def __init__(self, **values: Any) -> None:
        try:
            self.__pydantic_validator__.validate_python(
                values, self_instance=self, context=_BY_CALLER
            )
        except ValidationError as error:
            raise _refusal(type(self), values, error) from error

    # validation of a section goes past the constructor, so that its errors are the settings'
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @classmethod
    def names(cls) -> list[str]:
        """Every option, in the order of their declaration."""
        return [name for name in cls.model_fields if name not in cls.apart]

    @classmethod
    def unknown(cls, name: str) -> QueryError:
        """That there is no such option, and which there are."""
        return QueryError(
            f"Unknown option {cls.group + name!r}; expected one of "
            f"{', '.join(sorted(cls.names()))}",
            code="unknown_option",
        )


def offered(field: FieldInfo) -> Offered | None:
    """How an option is offered to callers of the service and the command line; None: not."""
    return next((one for one in field.metadata if isinstance(one, Offered)), None)


def bounds(field: FieldInfo) -> tuple[float, float] | None:
    """The least and the largest value; None for what is no number."""
    # of what may be None, the range is inside
    parts = get_args(field.annotation)
    inner = [rule for part in parts for rule in get_args(part)[1:] if NoneType in parts]
    low = next((one.ge for one in (*field.metadata, *inner) if isinstance(one, Ge)), None)
    high = next((one.le for one in (*field.metadata, *inner) if isinstance(one, Le)), None)
    return None if low is None or high is None else (low, high)  # type: ignore[return-value]


def choices(field: FieldInfo) -> tuple[str, ...]:
    """The words there are; empty where there are others too."""
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else ()


def _refusal(model: type[Options], values: Mapping[str, Any], error: ValidationError) -> QueryError:
    # a name that is none is said first: it may be why another value makes no sense
    found = error.errors(include_url=False, include_context=False, include_input=False)
    path = min(found, key=lambda one: one["type"] != "extra_forbidden")["loc"]
    return _refused(model, values, path)


def _refused(
    model: type[Options], values: Mapping[str, Any], path: Sequence[int | str]
) -> QueryError:
    name = str(path[0])
    full, value = model.group + name, values.get(name)
    field = model.model_fields.get(name)
    if field is None:
        return model.unknown(name)
    kind = field.annotation
    if len(path) > 1 and isinstance(kind, type) and issubclass(kind, Options):
        return _refused(kind, value if isinstance(value, Mapping) else {}, path[1:])
    if words := choices(field):
        near = difflib.get_close_matches(str(value), words, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return QueryError(
            f"No {name} {value!r}; expected one of {', '.join(words)}{hint}", code=f"bad_{name}"
        )
    expected = next((one for one in field.metadata if isinstance(one, Expected)), None)
    if expected is None and (span := bounds(field)) is not None:
        whole = "a whole number " if kind is int else ""
        expected = Expected(text=f"{whole}{span[0]} to {span[1]}", code="out_of_range")
    expected = expected or Expected(text="a text")
    verb = "are" if name.endswith("s") else "is"
    return QueryError(f"{full} {verb} {value!r:.200}, expected {expected.text}", code=expected.code)

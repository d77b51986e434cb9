"""The options of a search as flags of a command.

What there is stands in :mod:`scenesearch.cli.search_flags`, made from the one declaration; here is
how a command takes them. Values are checked where the options are made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import typer

from scenesearch.cli import options
from scenesearch.core.errors import QueryError

R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """One option.

    Attributes:
        name: of the option.
        kind: of a value on the command line.
        flags: as they are typed.
        metavar: what stands for the value in the help.
        of_photos: it says something of the objects of a photo, and nothing of one thing.
        weighted: values are ``WEIGHT: WHAT``.
    """

    name: str
    kind: Any
    flags: tuple[str, ...]
    help: str
    metavar: str | None = None
    of_photos: bool = False
    weighted: bool = False

    @property
    def parameter(self) -> inspect.Parameter:
        """What a command takes for it; None where it is not given."""
        said = typer.Option(*self.flags, help=self.help, metavar=self.metavar)
        return inspect.Parameter(
            self.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[self.kind | None, said],
        )

    def read(self, value: Any) -> Any:
        """The option's value; None for one that was not given."""
        return weighted(self.flags[0], value or ()) or None if self.weighted else value


def taking(flags: Sequence[Flag]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command these flags, in place of its parameter ``chosen``: what was given, by name."""

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def run(**values: Any) -> R:
            chosen = {flag.name: flag.read(values.pop(flag.name)) for flag in flags}
            return command(**values, chosen=options.given(**chosen))

        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for one in signature.parameters.values():
            parameters += [f.parameter for f in flags] if one.name == "chosen" else [one]
        run.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=parameters
        )
        run.__annotations__ = {one.name: one.annotation for one in parameters}
        return run

    return decorate


def weighted(flag: str, texts: Sequence[str]) -> dict[str, float]:
    """``WEIGHT: WHAT`` values.

    Raises:
        QueryError: a text is not of that form.
    """
    found: dict[str, float] = {}
    for text in texts:
        weight, _, what = text.partition(":")
        try:
            number = float(weight)
        except ValueError:
            number, what = 0.0, ""
        if not what.strip():
            raise QueryError(
                f"{flag} {text!r}: expected WEIGHT: WHAT, such as '0.05: in_stock = true' or "
                f"'-0.1: brand = \"X\"'",
                code="bad_boost",
            )
        found[what.strip()] = found.get(what.strip(), 0.0) + number
    return found

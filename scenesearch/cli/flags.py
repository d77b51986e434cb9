"""The options of a search as flags of a command.

What there is stands in :mod:`scenesearch.cli.search_flags`, made from the one declaration; here is
how a command takes them. Values are checked where the options are made.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from scenesearch.cli import options
from scenesearch.core.errors import QueryError

R = TypeVar("R")


def taking(flags: Mapping[str, Any]) -> Callable[[Callable[..., R]], Callable[..., R]]:
    """Give a command these flags, in place of its parameter ``chosen``: what was given, by name.

    Args:
        flags: by name of the option, as typer writes them; what stands behind the flag itself
            reads its value.
    """
    readers = {name: read for name, kind in flags.items() for read in kind.__metadata__[1:]}
    taken = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in flags.items()
    ]

    def decorate(command: Callable[..., R]) -> Callable[..., R]:
        @functools.wraps(command)
        def run(**values: Any) -> R:
            chosen = {name: values.pop(name) for name in flags}
            chosen |= {name: read(chosen[name]) for name, read in readers.items()}
            return command(**values, chosen=options.given(**chosen))

        shown: list[inspect.Parameter] = []
        for one in inspect.signature(command, eval_str=True).parameters.values():
            shown += taken if one.name == "chosen" else [one]
        run.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in shown}
        return run

    return decorate


def weighted(texts: Sequence[str] | None) -> dict[str, float] | None:
    """``WEIGHT: WHAT`` values of ``--boost``; None where there is none.

    Raises:
        QueryError: a text is not of that form.
    """
    found: dict[str, float] = {}
    for text in texts or ():
        weight, _, what = text.partition(":")
        try:
            number = float(weight)
        except ValueError:
            number, what = 0.0, ""
        if not what.strip():
            raise QueryError(
                f"--boost {text!r}: expected WEIGHT: WHAT, such as '0.05: in_stock = true' or "
                f"'-0.1: brand = \"X\"'",
                code="bad_boost",
            )
        found[what.strip()] = found.get(what.strip(), 0.0) + number
    return found or None

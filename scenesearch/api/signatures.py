"""What ``help()`` and completion say of functions that take the options of a search."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar

from scenesearch.config.search import SearchOptions
from scenesearch.config.search_keywords import SearchKeywords

F = TypeVar("F", bound=Callable[..., object])


def showing_options(function: F) -> F:
    """Show each option with its type and default where the function says ``**options``."""
    signature = inspect.signature(function)
    own = [one for one in signature.parameters.values() if one.kind is not one.VAR_KEYWORD]
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=SearchOptions.model_fields[name].default,
            annotation=annotation.__forward_arg__,
        )
        for name, annotation in SearchKeywords.__annotations__.items()
    ]
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*own, *options]
    )
    return function

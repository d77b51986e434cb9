"""Presets: what "similar" means is a weight for each vector space, not a code path."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from scenesearch.core.errors import QueryError

PRESETS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "exact": {"cutout": 0.55, "context": 0.25, "colour": 0.2},
        "similar": {"cutout": 0.7, "context": 0.3},
        "category": {"cutout": 0.3, "context": 0.7},
        "style": {"cutout": 0.3, "context": 0.4, "colour": 0.3},
        "colour": {"colour": 1.0},
    }
)
"""Weights over the named vector spaces."""


def preset_weights(name: str) -> Mapping[str, float]:
    """The weights of a preset.

    Raises:
        QueryError: there is none of that name.
    """
    weights = PRESETS.get(name)
    if weights is None:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise QueryError(
            f"No preset {name!r}; expected one of {', '.join(PRESETS)}{hint}", code="bad_preset"
        )
    return weights

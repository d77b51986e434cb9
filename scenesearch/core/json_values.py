"""Values of ours as JSON values: what has named fields becomes an object with these names."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_ALIKE: Mapping[str, int] = MappingProxyType({})


def json_object(
    value: object, digits: int = 4, named: Mapping[str, int] = _ALIKE
) -> dict[str, Any]:
    """A dataclass or a named tuple as a JSON object, in the order of its fields.

    Args:
        value: with fields of JSON's kinds, tuples, mappings, and more of its own kind.
        digits: that numbers are rounded to.
        named: digits of the fields of these names, and of what is in them.

    Raises:
        ValueError: a number is not finite.
    """
    names: Any = getattr(value, "__dataclass_fields__", None) or getattr(value, "_fields", ())
    return {n: json_values(getattr(value, n), named.get(n, digits), named) for n in names}


def json_values(value: Any, digits: int = 4, named: Mapping[str, int] = _ALIKE) -> Any:
    """Anything that :func:`json_object` takes, or holds.

    >>> json_values({"score": (0.123456, None)})
    {'score': [0.1235, None]}
    """
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"JSON holds finite numbers only, got {value}")
        return round(float(value), digits)
    if hasattr(value, "_fields") or hasattr(value, "__dataclass_fields__"):
        return json_object(value, digits, named)
    if isinstance(value, (list, tuple)):
        return [json_values(one, digits, named) for one in value]
    if isinstance(value, Mapping):
        return {name: json_values(one, digits, named) for name, one in value.items()}
    # one of numpy's numbers
    return json_values(value.item(), digits, named)

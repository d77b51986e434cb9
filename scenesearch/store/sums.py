"""Checksums that each point has in its payload: one of its vectors, one of the payload itself.

Engines store both apart and sum neither where it is read. A change of a payload takes its sum out,
because the engine merges it into points that nobody reads; the sum of the vectors stays. That of
the payload is of the point's id too, so a point under another's id is found.

Engines may give back numbers a bit beside what they were given, so sums are compared with a
tolerance: what is damaged by less changes no answer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import chain, product
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.points import REVISION

VECTORS_SUM = "sum:vectors"
PAYLOAD_SUM = "sum:payload"
SUMS = (VECTORS_SUM, PAYLOAD_SUM)
"""Payload keys; nobody above the stores sees them."""
UNTOLD = frozenset((*SUMS, REVISION))
"""What is beside a payload, and not of it."""

MANY, DIGITS = 4, 16
"""Engines read numbers of 16 digits and more back a bit beside what they were; with more than so
many of them in a payload, its sum says nothing."""

BESIDE = 2e-5
"""Vectors whose sum is beside what it was by less are what was written."""

State = Literal["sound", "damaged", "unsummed"]


def vectors_sum(vectors: Mapping[str, NDArray[np.float32]]) -> float:
    """Of vectors as they are stored: of length 1, by space.

    Their products with fixed numbers of 1 to 2, of either sign: a number that changes by so much
    changes the sum by as much or more, wherever it stands.
    """
    return round(sum(float(row @ _factors(space, len(row))) for space, row in vectors.items()), 9)


@lru_cache(maxsize=64)
def _factors(space: str, dim: int) -> NDArray[np.float64]:
    # the same on every machine, and of no pattern that a vector could have too
    draws = np.array([crc32(f"{space}:{place}".encode()) for place in range(dim)], np.float64)
    draws = draws / 2**31 - 1
    return draws + np.sign(draws)


def payload_sum(point_id: str, payload: Mapping[str, Any]) -> int:
    """Of a payload as it is stored, without the sums in it.

    Args:
        point_id: of the point.
        payload: JSON values.
    """
    told = {key: value for key, value in payload.items() if key not in UNTOLD}
    return crc32(json.dumps(told, sort_keys=True).encode(), crc32(point_id.encode()))


def summed(
    point_id: str, vectors: Mapping[str, NDArray[np.float32]], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """The payload with both sums in it.

    Those that it has already stay: of a point that is copied out of a damaged collection, which
    must be known for damaged where it comes to.
    """
    return {
        VECTORS_SUM: vectors_sum(vectors),
        PAYLOAD_SUM: payload_sum(point_id, payload),
        **payload,
    }


def vectors_state(vectors: Mapping[str, NDArray[np.float32]], payload: Mapping[str, Any]) -> State:
    """Whether vectors are what was written."""
    wanted = payload.get(VECTORS_SUM)
    if wanted is None:
        return "unsummed"
    try:
        same = abs(vectors_sum(vectors) - wanted) <= BESIDE  # not so of NaN
    except TypeError:
        same = False
    return "sound" if same else "damaged"


def payload_state(point_id: str, payload: Mapping[str, Any]) -> State:
    """Whether a payload is what was written."""
    wanted = payload.get(PAYLOAD_SUM)
    if wanted is None:
        return "unsummed"
    if wanted == payload_sum(point_id, payload):
        return "sound"
    # by how many digits they have: the next one of 16 may have one or two fewer
    numbers = sorted(set(_floats(payload)), key=lambda value: (-len(repr(abs(value))), value))
    if len(numbers) > MANY and len(repr(abs(numbers[MANY]))) >= DIGITS:
        return "unsummed"
    for steps in product((0, 1, -1), repeat=min(len(numbers), MANY)):
        if wanted == payload_sum(
            point_id, _beside(payload, dict(zip(numbers, steps, strict=False)))
        ):
            return "sound"
    return "damaged"


def _floats(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, list):
        yield from chain.from_iterable(map(_floats, value))
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(_floats, value.values()))


def _beside(value: Any, steps: Mapping[float, int]) -> Any:
    """The same with some numbers the smallest step further."""
    if isinstance(value, float) and (step := steps.get(value)):
        return math.nextafter(value, step * math.inf)
    if isinstance(value, list):
        return [_beside(one, steps) for one in value]
    if isinstance(value, dict):
        return {key: _beside(one, steps) for key, one in value.items()}
    return value

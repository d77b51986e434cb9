"""Checksums that each point has in its payload: one of its vectors, one of the payload itself.

Engines store both apart and sum neither where it is read. A change of a payload takes its sum out,
because the engine merges it into points that nobody reads; the sum of the vectors stays. That of
the payload is of the point's id too, so a point under another's id is found.

Engines may give back numbers a bit beside what they were given, so sums are compared with a
tolerance: what is damaged by less changes no answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

VECTORS_SUM = "sum:vectors"
PAYLOAD_SUM = "sum:payload"
SUMS = (VECTORS_SUM, PAYLOAD_SUM)
"""Payload keys; nobody above the stores sees them."""

NUDGES = (1.0, 1 + 4e-16, 1 - 4e-16)
"""Engines read numbers of more than 15 digits back a bit beside what they were."""

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


def payload_sum(point_id: str, payload: Mapping[str, Any], *, nudge: float = 1.0) -> int:
    """Of a payload as it is stored, without the sums in it.

    Args:
        point_id: of the point.
        payload: JSON values.
        nudge: what numbers are multiplied by before all but their first 12 digits are left out.
    """
    total = crc32(point_id.encode())
    for key in sorted(payload):
        if key not in SUMS:
            total = crc32(f"{key}={_text(payload[key], nudge)};".encode(), total)
    return total


def _text(value: Any, nudge: float) -> str:
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, float):
        return f"{value * nudge:.12g}"
    if isinstance(value, list):
        return f"[{','.join(_text(entry, nudge) for entry in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_text(value[key], nudge)}' for key in sorted(value))}}}"
    return repr(value)


def summed(
    point_id: str, vectors: Mapping[str, NDArray[np.float32]], payload: Mapping[str, Any]
) -> dict[str, Any]:
    """The payload with both sums in it."""
    return {
        **payload,
        VECTORS_SUM: vectors_sum(vectors),
        PAYLOAD_SUM: payload_sum(point_id, payload),
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
    same = any(wanted == payload_sum(point_id, payload, nudge=nudge) for nudge in NUDGES)
    return "sound" if same else "damaged"

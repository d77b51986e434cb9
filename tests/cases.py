"""Which cases of a test every run tries, and which only the whole suite."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def first(count: int, cases: Iterable[Any]) -> list[Any]:
    """The first cases as they are, the others in the tier that takes its time.

    For cases that are one of a kind each and take half a second each: the first show that the
    whole of it works, and what is particular about each has its tests where it is decided.
    """
    return [
        case if place < count else pytest.param(case, marks=pytest.mark.e2e)
        for place, case in enumerate(cases)
    ]

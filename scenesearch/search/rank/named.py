"""What was detected and what a product is called: a soft prior from language.

A detector that sees a chair is rarely wrong about it, and a tap that looks like its legs is no
answer. How alike two names are comes from a table of meanings, never from one of labels and
categories, so it holds for any detector and any catalogue in the table's language; a name that it
does not know has no say. docs/ranking.md has what it gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from scenesearch.search.rank.candidates import Scores
from scenesearch.words.meaning import Meaning

NAME_FIELDS = ("category", "title")
"""What says what a product is, the first that it has."""

KNOWN = 0.5
"""Names of an answer that must be known, as a share, for any of them to have a say: those of
another language look like English words at times (lit, robe, armoire) and mean other things."""


def naming(
    labels: Sequence[str | None], payloads: Sequence[Mapping[str, Any]], table: Meaning
) -> Scores:
    """How well the name of each item fits what each region was called.

    Args:
        labels: of the regions; None where nothing was said.
        payloads: of the items.
        table: how alike two names are.

    Returns:
        Shape (regions, items), 0 to 1; 0 where a label or a name says nothing, and everywhere
        where fewer than :data:`KNOWN` of the names are known.
    """
    names = [_name(payload) for payload in payloads]
    numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
    column = np.array([numbers[name] for name in names], np.intp)
    known = [table.vector(name) is not None for name in numbers if name]
    if sum(known) < KNOWN * len(known):
        return np.zeros((len(labels), len(names)), np.float32)
    rows = {label: table.alike(label, list(numbers))[column] for label in set(labels) if label}
    nothing = np.zeros(len(names), np.float32)
    found = [rows.get(label or "", nothing) for label in labels]
    return np.stack(found) if found else np.zeros((0, len(names)), np.float32)


def _name(payload: Mapping[str, Any]) -> str:
    for field in NAME_FIELDS:
        value = payload.get(field)
        if isinstance(value, list):
            value = value[0] if value else None
        if value:
            return str(value)
    return ""

"""Where the middle of a catalogue lies, in each of its vector spaces."""

from __future__ import annotations

import numpy as np

from scenesearch.core.protocols import Store
from scenesearch.core.types import Vector

SAMPLE = 256
"""Points that are read; ids are hashes, so the first are any."""
FEW = 16
"""A mean of few points says little: it counts as if so many more lay at 0."""


def centres_of(store: Store, spaces: tuple[str, ...]) -> dict[str, Vector]:
    """The mean vector of a sample of points, by space; a space that none has is left out."""
    records = store.scroll(limit=SAMPLE, fields=("item_id",), spaces=spaces).records
    found: dict[str, Vector] = {}
    for space in spaces:
        rows = [record.vectors[space] for record in records if space in record.vectors]
        if rows:
            found[space] = np.stack(rows).sum(axis=0) / np.float32(len(rows) + FEW)
    return found

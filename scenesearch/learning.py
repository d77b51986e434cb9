"""What is learned of a whole collection once its points are there: what the catalogue is of."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scenesearch.embed.cache import EmbeddingCache
from scenesearch.index_run import slices
from scenesearch.points import FAMILIARITY_BLOB, PROFILE
from scenesearch.protocols import Embedder, Profiler, Store
from scenesearch.rank.familiarity import Familiarity, fit_familiarity

SAMPLE = 20_000
"""Photos that are enough to tell what a catalogue is of."""


def learn_familiarity(
    store: Store, photos: Iterable[str], embedder: Embedder, cache: EmbeddingCache, key: str
) -> str | None:
    """Learn the familiarity of a collection, unless it is up to date.

    Args:
        store: the collection.
        photos: sha256 of what it holds, in any order, with repeats; read only where needed.
        embedder: the model; without a class head there is nothing to learn.
        cache: where class profiles are kept.
        key: fingerprint of the entries there.

    Returns:
        What a user should know, or None.
    """
    if store.schema is None or not isinstance(embedder, Profiler):
        return None
    keys = sorted(set(photos))
    digest = hashlib.sha256("".join(keys).encode()).hexdigest()
    data = store.read_blob(FAMILIARITY_BLOB)
    if data is not None and Familiarity.from_bytes(data).photos == digest:
        return None
    sample = keys[:: -(-len(keys) // SAMPLE)] if keys else []
    rows: list[NDArray[np.float32]] = []
    for part in slices(sample, 1000):
        found = cache.get(part, key)
        rows += [
            e.vectors[PROFILE]
            for photo in part
            for e in found.get(photo, ())[:1]
            if PROFILE in e.vectors
        ]
    learned = fit_familiarity(np.stack(rows), digest) if rows else None
    if learned is not None:
        store.write_blob(FAMILIARITY_BLOB, learned.to_bytes())
    elif data is None and embedder.profile_dim:
        return (
            f"cold start: {len(rows)} photos are too few to tell what the catalogue is of; "
            f"nothing is refused as unlike it"
        )
    return None

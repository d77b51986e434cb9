"""What is learned of a whole collection once its points are there."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches, scroll_all
from scenesearch.core.errors import DamagedError, StoreError
from scenesearch.core.points import AUGMENTED, CUTOUT, OOD_BLOB, PROFILE
from scenesearch.core.protocols import Embedder, Profiler, Store
from scenesearch.core.types import Point
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.search.out_of_distribution import OodModel, fit_ood

BLOB = "augmented"
LARGEST = 50_000
"""Points above which nothing is augmented: every vector is compared with every other."""
PAGE = 1_000
"""Points of one request."""


def refresh_augmented(store: Store, neighbours: int) -> str | None:
    """Work out the augmented vectors anew where the points changed since the last time.

    They depend on the plain vectors of all points and nothing else, so a killed run is made good
    by the next one.

    Args:
        store: the collection.
        neighbours: how many count.

    Returns:
        What the user should know, or None.
    """
    schema = store.schema
    if schema is None:
        return None
    if AUGMENTED not in schema.vectors:
        return (
            "index.augment is on, but the collection was made without; index into a new "
            "--collection to have it"
        )
    if (count := store.count()) > LARGEST:
        return f"not augmented: {count} points are more than the {LARGEST} it is made for"
    every = scroll_all(store, spaces=tuple(schema.vectors), page=PAGE)
    records = sorted(every, key=lambda record: record.id)
    digest = hashlib.sha256(f"{neighbours}".encode())
    for record in records:
        digest.update(record.id.encode())
        digest.update(record.vectors[CUTOUT].tobytes())
    state = digest.digest()
    if _learned(store, BLOB) == state:
        return None
    if records:
        moved = augment(np.stack([r.vectors[CUTOUT] for r in records]), neighbours)
        for part in batches(zip(records, moved, strict=True), PAGE):
            store.upsert([Point(r.id, {**r.vectors, AUGMENTED: row}, r.payload) for r, row in part])
    store.write_blob(BLOB, state)
    return None


BLOCK = 1_024
"""Rows compared at a time: memory is this many times the number of vectors."""


def augment(
    vectors: NDArray[np.float32], neighbours: int, *, alpha: float = 3.0
) -> NDArray[np.float32]:
    """Each vector's weighted mean with its nearest ones, weight cosine ** alpha, its own 1.

    Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval"
    (CVPR 2012); weights of Radenovic, Tolias and Chum, "Fine-tuning CNN image retrieval with no
    human annotation" (TPAMI 2018).

    Args:
        vectors: shape (n, dim), rows L2-normalised.
        neighbours: how many of the nearest count, besides the vector itself; at least 1.
        alpha: 0 is a plain mean; the larger, the less distant neighbours count.

    Returns:
        Shape (n, dim), rows L2-normalised. Ties go to the earlier row.
    """
    n = len(vectors)
    k = min(neighbours, n - 1)
    if k < 1:
        return vectors.copy()
    moved = np.empty_like(vectors)
    for start in range(0, n, BLOCK):
        block = vectors[start : start + BLOCK]
        cosines = block @ vectors.T
        cosines[np.arange(len(block)), start + np.arange(len(block))] = -np.inf
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        weights = np.clip(np.take_along_axis(cosines, nearest, axis=1), 0, 1) ** alpha
        moved[start : start + len(block)] = block + np.einsum(
            "nk,nkd->nd", weights, vectors[nearest]
        )
    result: NDArray[np.float32] = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    return result.astype(np.float32)


def _distinct(photos: Iterable[str]) -> NDArray[np.bytes_]:
    """The sha256 of each photo once, sorted; 64 bytes each, where texts in a set take 170."""
    digits = bytearray()
    for sha256 in photos:
        digits += sha256.encode("ascii", "replace")[:64].ljust(64, b"\0")
    keys = np.frombuffer(digits, "S64")
    keys.sort()
    return keys[np.concatenate([[True], keys[1:] != keys[:-1]])] if len(keys) else keys


def _learned(store: Store, name: str) -> bytes | None:
    """What was learned before; None where it is damaged: it is learned again."""
    try:
        return store.read_blob(name)
    except DamagedError:
        return None


def _photos_of(data: bytes) -> str | None:
    try:
        return OodModel.from_bytes(data).photos
    except StoreError:
        return None  # damaged: it is learned again


SAMPLE = 20_000
"""Photos that are enough to tell what a catalogue is of."""


def learn_ood(
    store: Store, photos: Iterable[str], embedder: Embedder, cache: EmbeddingCache, key: str
) -> str | None:
    """Learn what is out of distribution for a collection, unless it is up to date.

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
    keys = _distinct(photos)
    digest = hashlib.sha256()
    for part in batches(keys, 10_000):
        digest.update(b"".join(part))
    data = _learned(store, OOD_BLOB)
    if data is not None and _photos_of(data) == digest.hexdigest():
        return None
    sample = [key.decode() for key in keys[:: -(-len(keys) // SAMPLE)]] if len(keys) else []
    rows: list[NDArray[np.float32]] = []
    for part in batches(sample, 1000):
        found = cache.get(part, key)
        rows += [
            e.vectors[PROFILE]
            for photo in part
            for e in found.get(photo, ())[:1]
            if PROFILE in e.vectors
        ]
    learned = fit_ood(np.stack(rows), digest.hexdigest()) if rows else None
    if learned is not None:
        store.write_blob(OOD_BLOB, learned.to_bytes())
    elif data is None and embedder.profile_dim:
        return (
            f"cold start: {len(rows)} photos are too few to tell what the catalogue is of; "
            f"nothing is refused as unlike it"
        )
    return None

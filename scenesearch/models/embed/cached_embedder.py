"""An embedder that remembers: the same picture is embedded once, whoever asks.

Tagging again with another vocabulary, or filling another collection with the same photos, then
costs no embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.protocols import Embedder
from scenesearch.core.types import Image
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.embed.forwarding import Forwarding

_VECTOR = "image"


class CachedEmbedder(Forwarding):
    """Satisfies :class:`~scenesearch.core.protocols.Embedder` with another one and a cache.

    Vectors are kept under the hash of the pixels that were embedded, so any change to how an
    object is cut out is another entry.

    Args:
        embedder: asked for what the cache does not have.
        cache: may be shared with indexing, whose entries are photos; it stays open.
    """

    def __init__(self, embedder: Embedder, cache: EmbeddingCache) -> None:
        super().__init__(embedder)
        self._cache = cache

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Shape (len(images), dim), rows L2-normalised.

        Raises:
            StoreError: the cache cannot be read or written.
        """
        keys = [_key(image) for image in images]
        of_pictures = f"pictures|{self.fingerprint}"
        known = {
            key: entries[0].vectors[_VECTOR]
            for key, entries in self._cache.get(list(dict.fromkeys(keys)), of_pictures).items()
        }
        missing = {key: image for key, image in zip(keys, images, strict=True) if key not in known}
        if missing:
            rows = self._behind.embed_images(list(missing.values()))
            new = dict(zip(missing, rows, strict=True))
            self._cache.put(
                {key: (Entry({_VECTOR: row}, {}),) for key, row in new.items()}, of_pictures
            )
            known |= new
        if not keys:
            return np.zeros((0, self.dim), np.float32)
        return np.stack([known[key] for key in keys]).astype(np.float32, copy=False)

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Shape (len(texts), dim), rows L2-normalised; not kept, words are few.

        Raises:
            QueryError: the model has no text tower.
        """
        return self._behind.embed_texts(texts)


def _key(image: Image) -> str:
    shape = f"{image.shape[0]}x{image.shape[1]}:".encode()
    return hashlib.sha256(shape + np.ascontiguousarray(image).tobytes()).hexdigest()

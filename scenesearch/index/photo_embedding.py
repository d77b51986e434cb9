"""The first step of indexing: catalogue photos into the embedding cache.

Threads decode, cut and describe one batch ahead of the models. What is in the cache is durable,
so a kill costs the batch in work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from scenesearch.core.batches import batches
from scenesearch.core.errors import ImageError
from scenesearch.core.points import OCR, PROFILE
from scenesearch.core.protocols import Detector, Reader
from scenesearch.core.types import Scene
from scenesearch.images.load import FLAT
from scenesearch.index.plan import Failure, ItemPlan, PhotoRef
from scenesearch.index.run import IndexOptions, Run
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.encode import EncodedRegion, Encoder, payload_of


class PhotoEmbedding:
    """Embeds what the cache does not have.

    Args:
        encoder: photos to vectors.
        cache: where embeddings are kept.
        load: path to scene; raises ImageError.
        detector: to embed every object of a photo; None for one region a photo.
        options: how the run works.
        reader: to read what is written in a photo; None to read nothing.
    """

    def __init__(
        self,
        encoder: Encoder,
        cache: EmbeddingCache,
        load: Callable[[str], Scene],
        detector: Detector | None,
        options: IndexOptions,
        reader: Reader | None = None,
    ) -> None:
        self._encoder = encoder
        self._cache = cache
        self._load = load
        self._detector = detector
        self._options = options
        self._reader = reader

    def embed(self, items: Sequence[ItemPlan], key: str, run: Run) -> None:
        """Bring the photos of items into the cache.

        Args:
            items: only what they have to write is looked at.
            key: fingerprint of everything that changes an embedding.
            run: counts, times and failures.
        """
        refs = {ref.sha256: (ref, plan.item.id) for plan in items for ref in plan.write}
        known = self._cache.known(refs, key)
        run.done += len(known)
        todo = [pair for sha256, pair in refs.items() if sha256 not in known]
        if not todo:
            return
        with run.times.stage("load models"):
            self._encoder.embedder.load()
            if self._reader is not None:
                self._reader.load()
        with ThreadPoolExecutor(self._options.workers, "scenesearch-prepare") as pool:
            parts = list(batches(todo, self._options.batch))
            # one batch ahead: threads decode the next while this one is embedded
            ahead = [pool.submit(self._prepare, *pair, run) for pair in parts[0]]
            for batch, following in zip(parts, [*parts[1:], ()], strict=True):
                current = ahead
                ahead = [pool.submit(self._prepare, *pair, run) for pair in following]
                try:
                    with run.times.stage("prepare"):
                        prepared = [future.result() for future in current]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
                self._embed_batch(batch, prepared, key, run)

    def _prepare(self, ref: PhotoRef, item_id: str, run: Run) -> Any:
        try:
            scene = self._load(ref.path)
        except ImageError as error:
            return Failure(item_id, ref.path, str(error))
        if scene.sha256 != ref.sha256:
            return Failure(item_id, ref.path, "the file changed while it was indexed; run again")
        if FLAT in scene.warnings:
            # said of each photo: an item that is found by nothing is a mystery otherwise
            run.notes.append(f"{ref.path} of item {item_id!r}: {FLAT}")
        parts = self._encoder.prepare_product(scene, self._detector, self._options.objects)
        lines = self._reader.read(scene.image) if self._reader is not None else ()
        return parts, " ".join(line.text for line in lines)

    def _embed_batch(
        self, batch: Sequence[tuple[PhotoRef, str]], prepared: Sequence[Any], key: str, run: Run
    ) -> None:
        good = [
            (ref, *one)
            for (ref, _), one in zip(batch, prepared, strict=True)
            if not isinstance(one, Failure)
        ]
        run.failures += [one for one in prepared if isinstance(one, Failure)]
        run.bad |= {ref.sha256 for ref, _ in batch} - {ref.sha256 for ref, *_ in good}
        with run.times.stage("embed"):
            encoded = iter(self._encoder.embed([p for _, parts, _ in good for p in parts]))
        entries = {
            ref.sha256: [_entry(next(encoded), text) for _ in parts] for ref, parts, text in good
        }
        with run.times.stage("cache"):
            self._cache.put(entries, key)
        run.embedded += len(good)
        run.advance("embed", len(batch))


def _entry(encoded: EncodedRegion, text: str) -> Entry:
    vectors = dict(encoded.vectors)
    if encoded.profile is not None:
        # half precision is enough for means over many photos
        vectors[PROFILE] = encoded.profile.astype(np.float16)
    payload = payload_of(encoded)
    return Entry(vectors, {**payload, OCR: text} if text else payload)

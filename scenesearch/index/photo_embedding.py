"""The first step of indexing: catalogue photos into the embedding cache.

Threads decode, cut and describe one batch ahead of the models. What is in the cache is durable,
so a kill costs the batch in work.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from scenesearch.core.batches import batches
from scenesearch.core.errors import ImageError, ModelError
from scenesearch.core.points import OCR, PROFILE, READER, SCHEMA_VERSION
from scenesearch.core.protocols import Detector, Reader
from scenesearch.core.types import Scene
from scenesearch.images.load import FLAT
from scenesearch.index.plan import Failure, ItemPlan, PhotoRef
from scenesearch.index.run import IndexOptions, Run
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.encode import EncodedRegion, Encoder, payload_of
from scenesearch.system.timing import StageTimes


class Wanted(NamedTuple):
    """A photo to embed, and one of the items that have it."""

    ref: PhotoRef
    item_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """What came of a batch of photos.

    Attributes:
        place: of its first photo among all, from 0.
        photos: how many it has.
        entries: their regions, by sha256; without those that could not be read.
        key: of the models that gave them, see :attr:`PhotoEmbedder.key`.
        failures: why not.
        bad: sha256 of these.
        notes: what a user should know.
    """

    place: int
    photos: int
    entries: Mapping[str, Sequence[Entry]]
    key: str = ""
    failures: tuple[Failure, ...] = ()
    bad: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


class Embeds(Protocol):
    """Embeds photos, a batch at a time."""

    def embed(self, photos: Sequence[Wanted], times: StageTimes) -> Generator[Embedded, None, None]:
        """Each batch, in any order.

        Args:
            photos: each content once.
            times: seconds by stage are added there.
        """


class PhotoEmbedder:
    """Embeds photos with models of this process.

    Args:
        encoder: photos to vectors.
        load: path to scene; raises ImageError.
        detector: to embed every object of a photo; None for one region a photo.
        options: how the run works.
        reader: to read what is written in a photo; None to read nothing.
    """

    def __init__(
        self,
        encoder: Encoder,
        load: Callable[[str], Scene],
        detector: Detector | None,
        options: IndexOptions,
        reader: Reader | None = None,
    ) -> None:
        self._encoder = encoder
        self._load = load
        self._detector = detector
        self._options = options
        self._reader = reader

    @property
    def made_with(self) -> dict[str, str]:
        """Everything that changes a raw embedding."""
        remover, detector = self._encoder.remover, self._detector
        return {
            "schema": SCHEMA_VERSION,
            "embedder": self._encoder.embedder.fingerprint,
            "background": "-".join(str(part) for part in self._encoder.rules.background),
            "cutout": self._encoder.rules.fingerprint,
            "remover": remover.fingerprint if remover else "none",
            "regions": detector.fingerprint if detector else "whole",
            "colour": str(self._encoder.describer.colour_dim),
            # only where there is one: collections and caches made without know no such key
            **({READER: self._reader.fingerprint} if self._reader else {}),
        }

    @property
    def key(self) -> str:
        """Under which the cache keeps its embeddings; the projection comes after the cache."""
        return "|".join(f"{k}={v}" for k, v in self.made_with.items())

    def embed(self, photos: Sequence[Wanted], times: StageTimes) -> Generator[Embedded, None, None]:
        """As :meth:`Embeds.embed`, in order."""
        with times.stage("load models"):
            self._encoder.embedder.load()
            if self._reader is not None:
                self._reader.load()
        with ThreadPoolExecutor(self._options.workers, "scenesearch-prepare") as pool:
            parts = list(batches(photos, self._options.batch))
            # one batch ahead: threads decode the next while this one is embedded
            ahead = [pool.submit(self._prepare, one) for one in parts[0]]
            place = 0
            for batch, following in zip(parts, [*parts[1:], ()], strict=True):
                current = ahead
                ahead = [pool.submit(self._prepare, one) for one in following]
                try:
                    with times.stage("prepare"):
                        prepared = [future.result() for future in current]
                except BaseException:
                    pool.shutdown(wait=False, cancel_futures=True)
                    raise
                yield self._embed_batch(place, batch, prepared, times)
                place += len(batch)

    def _prepare(self, wanted: Wanted) -> Any:
        ref, item_id = wanted
        try:
            scene = self._load(ref.path)
        except ImageError as error:
            return Failure(item_id, ref.path, str(error))
        if scene.sha256 != ref.sha256:
            return Failure(item_id, ref.path, "the file changed while it was indexed; run again")
        # said of each photo: an item that is found by nothing is a mystery otherwise
        note = f"{ref.path} of item {item_id!r}: {FLAT}" if FLAT in scene.warnings else None
        parts = self._encoder.prepare_product(scene, self._detector, self._options.objects)
        lines = self._reader.read(scene.image) if self._reader is not None else ()
        return parts, " ".join(line.text for line in lines), note

    def _embed_batch(
        self, place: int, batch: Sequence[Wanted], prepared: Sequence[Any], times: StageTimes
    ) -> Embedded:
        good = [
            (ref.sha256, *one)
            for (ref, _), one in zip(batch, prepared, strict=True)
            if not isinstance(one, Failure)
        ]
        with times.stage("embed"):
            encoded = iter(self._encoder.embed([p for _, parts, *_ in good for p in parts]))
        entries = {
            sha256: [_entry(next(encoded), text) for _ in parts] for sha256, parts, text, _ in good
        }
        return Embedded(
            place,
            len(batch),
            entries,
            self.key,
            tuple(one for one in prepared if isinstance(one, Failure)),
            frozenset(ref.sha256 for ref, _ in batch) - entries.keys(),
            tuple(note for *_, note in good if note),
        )


class PhotoEmbedding:
    """Embeds what the cache does not have.

    Args:
        embeds: what it is given.
        cache: where embeddings are kept.
    """

    def __init__(self, embeds: Embeds, cache: EmbeddingCache) -> None:
        self._embeds = embeds
        self._cache = cache

    def embed(self, items: Sequence[ItemPlan], key: str, run: Run) -> None:
        """Bring the photos of items into the cache.

        Args:
            items: only what they have to write is looked at.
            key: fingerprint of everything that changes an embedding.
            run: counts, times and failures.

        Raises:
            ModelError: the models failed, or they are other ones elsewhere.
        """
        wanted = {ref.sha256: Wanted(ref, plan.item.id) for plan in items for ref in plan.write}
        known = self._cache.known(wanted, key)
        run.done += len(known)
        todo = [one for sha256, one in wanted.items() if sha256 not in known]
        if not todo:
            return
        remarkable: list[Embedded] = []
        with closing(self._embeds.embed(todo, run.times)) as coming:
            for done in coming:
                if done.entries and done.key != key:
                    raise ModelError(
                        f"a node of the cluster has other models or settings than this machine: "
                        f"it embeds with {done.key!r}, expected {key!r}; give all nodes the same "
                        f"weights, SCENESEARCH_ variables and version of scenesearch",
                        code="other_models",
                    )
                with run.times.stage("cache"):
                    self._cache.put(done.entries, key)
                if done.failures or done.notes:
                    remarkable.append(done)
                run.bad |= done.bad
                run.embedded += len(done.entries)
                run.advance("embed", done.photos)
        # as the catalogue has them, in whichever order they came
        for done in sorted(remarkable, key=lambda one: one.place):
            run.failures += done.failures
            run.notes += done.notes


def _entry(encoded: EncodedRegion, text: str) -> Entry:
    vectors = dict(encoded.vectors)
    if encoded.profile is not None:
        # half precision is enough for means over many photos
        vectors[PROFILE] = encoded.profile.astype(np.float16)
    payload = payload_of(encoded)
    return Entry(vectors, {**payload, OCR: text} if text else payload)

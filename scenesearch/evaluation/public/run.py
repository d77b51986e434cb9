"""Public benchmarks answered by an embedder: the cosine of whole pictures, over all of them.

So these benchmarks are defined and so the figures of the field were made: no detector, no cutout,
no engine. What a picture was embedded to stays in the cache, so a run that was stopped goes on
where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenesearch.core.batches import batches
from scenesearch.core.errors import CatalogError, ImageError
from scenesearch.core.json_values import json_object
from scenesearch.core.protocols import Embedder
from scenesearch.core.types import Image, Scene
from scenesearch.evaluation.metrics import bootstrap_interval
from scenesearch.evaluation.public.task import Picture, Pictures, Query, Ranking, Task
from scenesearch.models.embed.cache import EmbeddingCache, Entry
from scenesearch.models.embed.projection import Projection
from scenesearch.models.embed.tower import normalise_rows

Rows = NDArray[np.float32]
Fit = Callable[[Rows], Projection | None]
"""Vectors of a gallery to what they are projected with; None where nothing is."""
Progress = Callable[[str, int, int], None]

BATCH = 32
"""Pictures that are read, embedded and kept together."""
BLOCK = 64
"""Queries that are compared at a time: memory is this many times the gallery."""
_VECTOR = "image"


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric over the queries.

    Attributes:
        value: mean, 0 to 1.
        low: end of the 95 % bootstrap interval of the mean; None of a figure that is no mean.
        high: likewise.
        queries: that have it.
    """

    value: float
    low: float | None
    high: float | None
    queries: int


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task answered.

    Attributes:
        name: of the task.
        queries: that were asked.
        gallery: pictures that were searched.
        projected: numbers of a vector after the projection; None where there was none.
        words: whether the words of the queries counted.
        figures: by name.
        failures: pictures that could not be read, with the reason.
        rows: figures of each query.
    """

    name: str
    queries: int
    gallery: int
    projected: int | None
    words: bool
    figures: Mapping[str, Figure]
    failures: tuple[tuple[str, str], ...]
    rows: tuple[Mapping[str, float], ...]


class Runner:
    """Answers tasks.

    Args:
        embedder: of pictures, and of words where it can.
        cache: of what was embedded; it stays open.
        decode: bytes to a picture.
        fit: of a projection on the gallery's vectors.
        text_weight: share of the words beside the pictures, 0 to 1.
        progress: called with ``embed`` or ``eval``, how many are done, and of how many.
    """

    def __init__(
        self,
        embedder: Embedder,
        cache: EmbeddingCache,
        decode: Callable[[bytes], Scene],
        *,
        fit: Fit = lambda _: None,
        text_weight: float = 0.5,
        progress: Progress = lambda *_: None,
    ) -> None:
        self._embedder = embedder
        self._cache = cache
        self._decode = decode
        self._fit = fit
        self._text_weight = text_weight
        self._progress = progress

    def answer(self, task: Task, *, limit: int | None = None) -> TaskResult:
        """Search the gallery of a task with its queries.

        A picture that cannot be read is never found, and a query with one finds nothing: both are
        wrong answers, and are named.

        Args:
            task: what is asked.
            limit: only so many of its queries, the first; the gallery is whole in any case.

        Raises:
            CatalogError: none of the gallery's pictures, or none of the queries', can be read.
        """
        queries = task.queries[:limit]
        failures: dict[str, str] = {}
        there, gallery = self._embedded(task.gallery, failures)
        if task.asked is task.gallery:
            asked, pictures = there, gallery
        else:
            wanted = {number for query in queries for number in query.pictures}
            asked, pictures = self._embedded(task.asked, failures, wanted)
        if not len(there) or not len(asked):
            name, why = next(iter(failures.items()), ("", "no pictures"))
            raise CatalogError(f"none of the pictures can be read; the first: {name}: {why}")
        projection = self._fit(gallery)
        place = {int(number): row for row, number in enumerate(asked)}
        words = self._words(queries)
        if projection is not None:
            same = pictures is gallery
            gallery = projection.apply(gallery)
            pictures = gallery if same else projection.apply(pictures)
            words = None if words is None else projection.apply(words, centre=False)
        rows: list[Mapping[str, float]] = []
        for number, ranking in enumerate(
            self._rankings(queries, place, pictures, words, gallery, there, task.depth)
        ):
            rows.append(task.judge(number, ranking))
            self._progress("eval", len(rows), len(queries))
        return TaskResult(
            task.name,
            len(queries),
            len(task.gallery),
            None if projection is None else projection.dim,
            words is not None,
            summarised(rows, {} if task.over_all is None else task.over_all(rows)),
            tuple(failures.items()),
            tuple(rows),
        )

    def _words(self, queries: Sequence[Query]) -> Rows | None:
        """Vectors of the queries' words; None where there are none, or nothing reads them."""
        texts = [query.words for query in queries]
        if not any(texts) or not self._embedder.has_text or not self._text_weight:
            return None
        # the same words are asked with many pictures
        each = list(dict.fromkeys(texts))
        found = [self._embedder.embed_texts(part) for part in batches(each, BATCH)]
        rows = dict(zip(each, np.concatenate(found), strict=True))
        return np.stack([rows[text] for text in texts])

    def _embedded(
        self, pictures: Pictures, failures: dict[str, str], wanted: set[int] | None = None
    ) -> tuple[NDArray[np.int64], Rows]:
        """Numbers of the pictures that can be read, and their vectors."""
        numbers: list[int] = []
        rows: list[Rows] = []
        total = len(pictures) if wanted is None else len(wanted)
        chosen: Iterable[tuple[int, Picture]] = enumerate(pictures)
        if wanted is not None:
            chosen = ((number, one) for number, one in chosen if number in wanted)
        done = 0
        for part in batches(chosen, BATCH):
            found = self._batch([one for _, one in part], failures)
            for (number, _), row in zip(part, found, strict=True):
                if row is not None:
                    numbers.append(number)
                    rows.append(row)
            done += len(part)
            self._progress("embed", done, total)
        empty = np.zeros((0, self._embedder.dim), np.float32)
        return np.array(numbers, np.int64), np.stack(rows) if rows else empty

    def _batch(self, part: Sequence[Picture], failures: dict[str, str]) -> list[Rows | None]:
        """The vector of each picture; None for one that cannot be read."""
        kind = f"whole pictures|{self._embedder.fingerprint}"
        keys = [_key(one) for one in part]
        known = {
            key: entries[0].vectors[_VECTOR]
            for key, entries in self._cache.get([key for key in keys if key], kind).items()
        }
        images: dict[str, Image] = {}
        for key, one in zip(keys, part, strict=True):
            if key in known or key in images:
                continue
            if one.data is None:
                failures[one.name] = "not there, or not readable"
                continue
            try:
                images[key] = _part(self._decode(one.data).image, one)
            except ImageError as error:
                failures[one.name] = str(error)
        if images:
            made = self._embedder.embed_images(list(images.values()))
            new = dict(zip(images, made, strict=True))
            self._cache.put({key: (Entry({_VECTOR: row}, {}),) for key, row in new.items()}, kind)
            known |= new
        return [known.get(key) for key in keys]

    def _rankings(
        self,
        queries: Sequence[Query],
        place: Mapping[int, int],
        pictures: Rows,
        words: Rows | None,
        gallery: Rows,
        there: NDArray[np.int64],
        depth: int,
    ) -> Iterator[Ranking]:
        """Numbers of gallery pictures for each query; none for one whose pictures are not there."""
        row_of = {int(number): row for row, number in enumerate(there)}
        for block in batches(enumerate(queries), BLOCK):
            vectors: list[Rows] = []
            for number, query in block:
                seen = [pictures[place[one]] for one in query.pictures if one in place]
                vector = normalise_rows(np.sum(seen, axis=0)[None])[0] if seen else None
                if vector is None or len(seen) < len(query.pictures):
                    vector = np.zeros(gallery.shape[1], np.float32)
                elif words is not None:
                    share = self._text_weight
                    vector = share * words[number] + (1 - share) * vector
                vectors.append(vector)
            cosines = np.stack(vectors) @ gallery.T
            for (_, query), vector, scores in zip(block, vectors, cosines, strict=True):
                out = row_of.get(query.without) if query.without is not None else None
                if out is not None:
                    scores[out] = -np.inf
                found = best(scores, depth) if vector.any() else np.zeros(0, np.int64)
                yield there[found[found != out] if out is not None else found]


def best(scores: NDArray[np.float32], depth: int) -> Ranking:
    """The places of the highest scores, best first; of equal ones the first.

    >>> best(np.array([0.5, 0.9, 0.5], np.float32), 2).tolist()
    [1, 0]

    Args:
        scores: shape (n,).
        depth: how many; 0 for all.
    """
    few = np.arange(len(scores))
    if 0 < depth < len(scores):
        least = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        few = np.flatnonzero(scores >= least)
    order = few[np.argsort(-scores[few], kind="stable")]
    return np.asarray(order[:depth] if depth else order, np.int64)


def summarised(
    rows: Sequence[Mapping[str, float]], over_all: Mapping[str, float]
) -> dict[str, Figure]:
    """Means of the figures of queries, with intervals.

    Args:
        rows: of each query.
        over_all: figures that are no means.
    """
    figures = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = np.array([row[name] for row in rows if name in row], np.float64)
        low, high = bootstrap_interval(values, samples=500)
        figures[name] = Figure(float(values.mean()), low, high, len(values))
    figures |= {name: Figure(value, None, None, len(rows)) for name, value in over_all.items()}
    return figures


def _key(one: Picture) -> str:
    """What a picture is kept under: its bytes, and the part of it that is meant."""
    if one.data is None:
        return ""
    digest = hashlib.sha256(one.data)
    if one.box is not None:
        digest.update(repr(one.box).encode())
    return digest.hexdigest()


def _part(image: Image, one: Picture) -> Image:
    """The part of a picture that is meant, by whole pixels."""
    if one.box is None:
        return image
    height, width = image.shape[:2]
    x1, y1, x2, y2 = (round(side) for side in one.box)
    found = image[max(y1, 0) : min(y2, height), max(x1, 0) : min(x2, width)]
    if not found.size:
        raise ImageError(
            f"{one.name}: the box {x1}, {y1}, {x2}, {y2} is outside its {width} x {height} pixels",
            code="bad_box",
        )
    return found


def result_object(result: TaskResult) -> dict[str, Any]:
    """A result as JSON values, without its rows."""
    return {
        "task": result.name,
        "queries": result.queries,
        "gallery": result.gallery,
        "projected": result.projected,
        "words": result.words,
        "figures": {name: json_object(one, 5) for name, one in result.figures.items()},
        "failures": [{"picture": name, "reason": why} for name, why in result.failures],
    }

"""Indexing from nothing, against the sum of its stages measured alone.

Ours: a fresh store and a fresh cache, plan and run. Theirs: the same photos decoded, cut out,
described, embedded and written, each stage by itself over all of them, in the best loop known for
it on this machine (plain or in threads, the batch sizes tried first). Models are loaded and
exported before either starts; loading ours is measured elsewhere (startup.py).
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from measure import Report, in_turns, parser, ratio
from numpy.typing import NDArray
from PIL import Image, ImageOps

from scenesearch.catalog import read_catalog
from scenesearch.config.settings import load_settings
from scenesearch.core.types import CollectionSchema, FieldType, Item, Record, Scene
from scenesearch.images.letterbox import letterbox
from scenesearch.models.embed.cache import EmbeddingCache
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder, open_session
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.store.embedded.edge_translate import create_shard
from scenesearch.wiring import Parts, build_indexer

A = TypeVar("A")
B = TypeVar("B")
TRIED = 64
"""Photos that loops and batch sizes are tried on."""
STAGES = ("decode", "cut", "describe", "embed", "store")


def main() -> int:
    arguments = _arguments()
    settings = load_settings(arguments.config)
    parts = Parts(settings)
    embedder = parts.encoder.embedder
    if not isinstance(embedder, OnnxEmbedder) or settings.index.objects:
        raise SystemExit("this benchmark knows one region a photo, embedded with ONNX Runtime")
    embedder.load()
    if parts.encoder.remover is not None:
        parts.encoder.remover.load()
    root = Path(arguments.image_root) if arguments.image_root else None
    found = read_catalog(arguments.catalog, image_root=root).read_all()
    chosen = random.Random(arguments.seed).sample(
        found.items, min(arguments.count, len(found.items))
    )
    with tempfile.TemporaryDirectory() as folder:
        ours = Ours(parts, chosen, found.fields, Path(folder))
        ours()
        raw = Raw(parts, embedder, ours.paths, ours.schema, ours.records, Path(folder))
        sides: dict[str, Callable[[], object]] = {
            "ours": ours,
            **{stage: getattr(raw, stage) for stage in STAGES},
        }
        times = in_turns(sides, repeats=arguments.repeats)
    _report(arguments, times, ours.seconds, raw.loops)
    return 0


def _report(
    arguments: argparse.Namespace,
    times: Mapping[str, list[float]],
    seconds: Mapping[str, list[float]],
    loops: Mapping[str, object],
) -> None:
    report = Report(f"Indexing {arguments.count} photos from nothing, {arguments.config}")
    report.facts["best loops"] = loops
    sums = [sum(times[stage][i] for stage in STAGES) for i in range(arguments.repeats)]
    for stage in STAGES:
        report.add(f"{stage} alone", statistics.median(times[stage]), "s")
    report.add("sum of the stages alone", statistics.median(sums), "s")
    for stage, taken in seconds.items():
        report.add(f"ours, {stage}", statistics.median(taken), "s")
    report.add("ours", statistics.median(times["ours"]), "s")
    report.add("ours, photos a second", arguments.count / statistics.median(times["ours"]))
    report.add("ours / sum", ratio(times["ours"], sums), at_most=1.15)
    report.print(as_json=arguments.json)


class Ours:
    """One run of the pipeline into a folder of its own."""

    def __init__(
        self, parts: Parts, items: Sequence[Item], fields: Mapping[str, FieldType], folder: Path
    ) -> None:
        self._parts, self._items, self._fields, self._folder = parts, items, fields, folder
        self._runs = 0
        self.seconds: dict[str, list[float]] = {}
        self.paths = list(dict.fromkeys(photo for item in items for photo in item.photos))
        self.schema = CollectionSchema({})
        self.records: list[Record] = []

    def __call__(self) -> None:
        """Plan and run."""
        self._runs += 1
        home = self._folder / f"run{self._runs}"
        store, cache = EdgeStore(home, "items"), EmbeddingCache(home / "embeddings.sqlite")
        indexer = build_indexer(self._parts, store, "items", cache)
        start = time.perf_counter()
        plan = indexer.plan(self._items)
        scanned = time.perf_counter() - start
        report = indexer.run(plan, self._fields)
        for stage, taken in {"scan": scanned, **report.seconds}.items():
            self.seconds.setdefault(stage, []).append(taken)
        if not self.records:
            self.schema = store.schema or self.schema
            spaces = tuple(self.schema.vectors)
            self.records = list(store.scroll(limit=100_000, spaces=spaces))
        store.close()
        cache.close()
        total = time.perf_counter() - start
        known = scanned + sum(report.seconds.values())
        self.seconds.setdefault("the rest", []).append(total - known)


class Raw:
    """Each stage alone. Results of one are kept as the input of the next."""

    def __init__(
        self,
        parts: Parts,
        embedder: OnnxEmbedder,
        paths: Sequence[str],
        schema: CollectionSchema,
        records: Sequence[Record],
        folder: Path,
    ) -> None:
        self._encoder = parts.encoder
        self._paths, self._folder = paths, folder
        self._schema = schema
        self._rows: list[tuple[str, Any, Any]] = [
            (record.id, dict(record.vectors), dict(record.payload)) for record in records
        ]
        self._session = open_session(embedder.path, parts.settings.threads)
        self._side = parts.settings.embedder.image_size
        self._pool = ThreadPoolExecutor(parts.settings.index.workers)
        self._runs = 0
        self.loops: dict[str, object] = {}
        scenes = self._best("decode", _decode, paths)
        self._scenes = [Scene(image, "0" * 64, "") for image in scenes]
        self._cutouts = [
            cutout for _, cutout in self._best("cut", self._encoder.product_region, self._scenes)
        ]
        self._best("describe", self._encoder.describer.describe, self._cutouts)
        self._images = [c.image for c in self._cutouts] + [s.image for s in self._scenes]
        pixels = self._best("letterbox", self._letterbox, self._images)
        self._batch = self._best_batch(np.stack(pixels[:TRIED]))

    def decode(self) -> None:
        """Files to pixels."""
        self._map("decode", _decode, self._paths)

    def cut(self) -> None:
        """Products cut out."""
        self._map("cut", self._encoder.product_region, self._scenes)

    def describe(self) -> None:
        """Colours and hashes."""
        self._map("describe", self._encoder.describer.describe, self._cutouts)

    def embed(self) -> None:
        """Cutouts and whole photos through the model."""
        pixels = np.stack(self._map("letterbox", self._letterbox, self._images))
        self._embed(pixels, self._batch)

    def store(self) -> None:
        """One log entry, one flush."""
        import qdrant_edge as edge

        self._runs += 1
        shard = create_shard(self._folder / f"raw{self._runs}", self._schema)
        points = [
            edge.Point(point_id, vectors, payload) for point_id, vectors, payload in self._rows
        ]
        shard.update(edge.UpdateOperation.upsert_points(points))
        shard.flush()
        shard.optimize()
        shard.close()

    def _letterbox(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return letterbox(image, self._side)

    def _embed(self, pixels: NDArray[np.uint8], batch: int) -> None:
        for start in range(0, len(pixels), batch):
            self._session.run(None, {"pixels": pixels[start : start + batch]})

    def _map(self, stage: str, function: Callable[[A], B], values: Sequence[A]) -> list[B]:
        mapped: Iterable[B] = (
            map(function, values)
            if self.loops[stage] == "plain"
            else self._pool.map(function, values)
        )
        return list(mapped)

    def _best(self, stage: str, function: Callable[[A], B], values: Sequence[A]) -> list[B]:
        """Settle the loop of a stage; all its results."""
        few = values[:TRIED]
        times = in_turns(
            {
                "plain": lambda: list(map(function, few)),
                "threads": lambda: list(self._pool.map(function, few)),
            },
            repeats=3,
        )
        self.loops[stage] = min(times, key=lambda loop: statistics.median(times[loop]))
        return self._map(stage, function, values)

    def _best_batch(self, pixels: NDArray[np.uint8]) -> int:
        sizes = (4, 8, 16, 32, 64)
        sides: dict[str, Any] = {
            str(size): (lambda size=size: self._embed(pixels, size)) for size in sizes
        }
        times = in_turns(sides, repeats=3)
        best = min(sizes, key=lambda size: statistics.median(times[str(size)]))
        self.loops["embed"] = best
        return best


def _decode(path: str) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("catalog", help="CSV, JSONL, Parquet, or a folder of images")
    made.add_argument("--image-root")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--count", type=int, default=500)
    made.add_argument("--repeats", type=int, default=3)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Photos to whole looks, warm, against the models and the engine alone.

Ours: :meth:`Searcher.look` of a decoded photo. Theirs: the detector's own ``predict``, the same
crops through the same ONNX session, the same cutouts described, the same requests as one raw
engine batch; what lies between (cutting out, fusing, ranking, the look itself) is the overhead.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from engine import Recorder, raw_batch
from measure import Report, in_turns, parser, percentile, ratio

from scenesearch.config.settings import Settings, load_settings
from scenesearch.core.types import Scene
from scenesearch.images import load_scene
from scenesearch.images.letterbox import letterbox
from scenesearch.models.cutout.cutter import context_crop
from scenesearch.models.detect.yolo_detector import YoloDetector
from scenesearch.models.embed.onnx_embedder import OnnxEmbedder, open_session
from scenesearch.search.query import Query
from scenesearch.search.searcher import PreparedQuery, Searcher
from scenesearch.store.embedded.edge import EdgeStore
from scenesearch.wiring import Parts, build_searcher, build_store

PIECES = ("detect", "embed", "describe", "engine")


def main() -> int:
    arguments = _arguments()
    settings = load_settings(arguments.config)
    parts = Parts(settings)
    store = build_store(settings, arguments.store, arguments.collection)
    if not isinstance(store, EdgeStore):
        raise SystemExit("this benchmark knows the embedded store")
    recorder = Recorder(store)
    searcher = build_searcher(parts, recorder)
    start = time.perf_counter()
    scenes = [load_scene(path, limits=settings.images) for path in arguments.photos]
    decoding = (time.perf_counter() - start) / len(scenes)
    raw = Raw(parts, settings, store)
    report = Report(f"Looks of {len(scenes)} photos, {arguments.config}, {store.count():,} points")
    runs = [_measure(searcher, recorder, raw, scene, arguments.repeats) for scene in scenes]
    store.close()
    _fill(report, runs, decoding)
    report.print(as_json=arguments.json)
    return 0


class Run:
    """What one photo took: seconds by round, and milliseconds of each stage by round."""

    def __init__(self, times: Mapping[str, list[float]], stages: list[Mapping[str, float]]) -> None:
        self.look = times["look"]
        self.pieces = {piece: times[piece] for piece in PIECES}
        self.raw = [sum(times[piece][i] for piece in PIECES) for i in range(len(self.look))]
        self.stages = stages
        self.regions = 0


def _measure(searcher: Searcher, recorder: Recorder, raw: Raw, scene: Scene, repeats: int) -> Run:
    query = Query(scene=scene)
    stages: list[Mapping[str, float]] = []

    def look() -> None:
        stages.append(searcher.look(query).timings_ms)

    look()
    prepared = searcher.prepare(query)
    requests = recorder.queries
    sides: dict[str, Callable[[], object]] = {
        "look": look,
        "detect": lambda: raw.detect(scene),
        "embed": lambda: raw.embed(scene, prepared),
        "describe": lambda: raw.describe(prepared),
        "engine": lambda: raw_batch(raw.store, requests, "item_id"),
    }
    times = in_turns(sides, repeats=repeats)
    run = Run(times, stages[-repeats:])
    run.regions = len(prepared.encoded)
    return run


def _fill(report: Report, runs: Sequence[Run], decoding: float) -> None:
    looks = [taken * 1e3 for run in runs for taken in run.look]
    report.facts["regions a photo"] = statistics.mean(run.regions for run in runs)
    report.add("p50", statistics.median(looks), "ms", at_most=300)
    report.add("p95", percentile(looks, 0.95), "ms")
    report.add("decoding a photo, not in the look", decoding * 1e3, "ms")
    for stage in dict.fromkeys(name for run in runs for one in run.stages for name in one):
        taken = [one.get(stage, 0.0) for run in runs for one in run.stages]
        if statistics.mean(taken) >= 0.05:
            report.add(f"{stage}, share", 100 * sum(taken) / sum(looks), "%")
            report.add(f"{stage}, p50", statistics.median(taken), "ms")
    for piece in PIECES:
        values = [taken * 1e3 for run in runs for taken in run.pieces[piece]]
        report.add(f"{piece} alone, p50", statistics.median(values), "ms")
    raws = [taken * 1e3 for run in runs for taken in run.raw]
    report.add("sum of the pieces alone, p50", statistics.median(raws), "ms")
    over = ratio([t for run in runs for t in run.look], [t for run in runs for t in run.raw])
    report.add("overhead", 100 * (over - 1), "%", at_most=8)


class Raw:
    """The pieces a look cannot do without.

    Attributes:
        store: for the engine's shard.
    """

    def __init__(self, parts: Parts, settings: Settings, store: EdgeStore) -> None:
        detector, embedder = parts.detector, parts.encoder.embedder
        if not isinstance(detector, YoloDetector) or not isinstance(embedder, OnnxEmbedder):
            raise SystemExit("this benchmark knows one ultralytics detector and ONNX Runtime")
        self.store = store
        self._encoder = parts.encoder
        self._predict: Any = detector._ready().predict
        self._arguments = dict(detector._arguments)
        self._session = open_session(embedder.path, settings.threads)
        self._side, self._batch = settings.embedder.image_size, settings.embedder.batch

    def detect(self, scene: Scene) -> None:
        """The model's own call."""
        self._predict(np.ascontiguousarray(scene.image[..., ::-1]), **self._arguments)

    def embed(self, scene: Scene, prepared: PreparedQuery) -> None:
        """The same crops through the same session."""
        images = [one.cutout.image for one in prepared.encoded]
        images += [
            context_crop(scene, one.region.box, self._encoder.rules) for one in prepared.encoded
        ]
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            pixels = np.stack([letterbox(image, self._side) for image in part])
            self._session.run(None, {"pixels": pixels})

    def describe(self, prepared: PreparedQuery) -> None:
        """The same cutouts."""
        for one in prepared.encoded:
            self._encoder.describer.describe(one.cutout)


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index; a copy, if anything else uses it")
    made.add_argument("photos", nargs="+", type=Path)
    made.add_argument("--collection", default="items")
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--repeats", type=int, default=7)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

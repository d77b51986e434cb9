"""Where the CPU time of tagging and indexing goes: each stage over the same photos, one thread.

Stages are called one after the other in this process, models with one thread, so that the sum is
what a photo costs when nothing waits for anything; starting, the store and the ledger come on top.
For another version run its own copy of this file.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from measure import Report, parser

from scenesearch.attributes.colour_vector import colour_vector
from scenesearch.attributes.palette import dominant_colours
from scenesearch.attributes.phash import phash
from scenesearch.config.settings import load_settings
from scenesearch.images import load_scene
from scenesearch.images.letterbox import letterbox
from scenesearch.system.timing import StageTimes
from scenesearch.wiring import Parts
from scenesearch.wiring.photos import build_tagger


def main() -> int:
    arguments = _arguments()
    parts = Parts(load_settings(arguments.config, threads=1))
    rounds: dict[str, list[float]] = {}
    for _ in range(arguments.repeats):
        for kind, photos in (("tag", arguments.photos), ("index", arguments.products)):
            for stage, spent in (_tag if kind == "tag" else _index)(parts, photos).items():
                rounds.setdefault(f"{kind}: {stage}", []).append(1000 * spent / len(photos))
    report = Report(f"CPU of {len(arguments.photos)} photos to tag, {arguments.config}")
    report.facts["products"] = len(arguments.products)
    for stage, values in rounds.items():
        report.add(stage, statistics.median(values), "ms")
    report.print(as_json=arguments.json)
    return 0


class _Stages(dict[str, float]):
    """CPU-seconds by stage."""

    def map(self, stage: str, function: Callable[..., Any], *values: Sequence[Any]) -> list[Any]:
        start = time.process_time()
        found = [function(*one) for one in zip(*values, strict=True)]
        self[stage] = self.get(stage, 0.0) + time.process_time() - start
        return found


def _tag(parts: Any, photos: Sequence[Path]) -> dict[str, float]:
    tagger, spent = build_tagger(parts), _Stages()
    tagger.load()
    scenes = spent.map("decode", load_scene, photos)
    found = spent.map("detect", lambda scene: parts.detector.detect([scene])[0], scenes)
    regions = spent.map("regions, described", tagger._regions, scenes, found)
    _describe(spent, [one.cutout for parts in regions for one in parts])
    spent.map("rows", lambda s, r: tagger._rows([s], [r], None, StageTimes()), scenes, regions)
    return spent


def _index(parts: Any, photos: Sequence[Path]) -> dict[str, float]:
    encoder, spent = parts.encoder, _Stages()
    encoder.embedder.load()
    scenes = spent.map("decode", load_scene, photos)
    cutouts = [cut for _, cut in spent.map("cut out", encoder.product_region, scenes)]
    _describe(spent, cutouts)
    images = [cutout.image for cutout in cutouts] + [scene.image for scene in scenes]
    side = parts.settings.embedder.image_size
    pixels = spent.map("letterbox", lambda image: letterbox(image, side), images)
    run, batch = encoder.embedder._run(1)[0], parts.settings.embedder.batch
    batches = [np.stack(pixels[at : at + batch]) for at in range(0, len(pixels), batch)]
    spent.map("model", run, batches)
    return spent


def _describe(spent: _Stages, cutouts: Sequence[Any]) -> None:
    colours = spent.map(
        "- palette", dominant_colours, [c.image for c in cutouts], [c.mask for c in cutouts]
    )
    spent.map("- colour vector", colour_vector, [found for found in colours if found])
    spent.map("- hash", phash, [c.image for c in cutouts])


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--config", default="cpu-small")
    made.add_argument("--products", nargs="+", type=Path, required=True, help="catalogue photos")
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("photos", nargs="+", type=Path)
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())

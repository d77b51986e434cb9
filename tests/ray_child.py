"""A script that tags with fakes on a Ray of two CPUs of its own, for who kills it or reads it.

One argument, JSON with sources, out, batch, and what goes wrong on the nodes: ``kill`` (the width
of a photo that ends its worker), ``fails`` (the models cannot be loaded), ``other`` (the nodes have
other models than this process). Prints ``batch N`` after each batch, and the summary or the error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial

from fakes.models import FakeDetector, FakeEmbedder

from scenesearch.attributes.describer import PixelDescriber
from scenesearch.core.errors import ModelLoadError, SceneSearchError
from scenesearch.models.cutout.cutter import CutRules
from scenesearch.models.encode import Encoder
from scenesearch.tagging.ray_runner import RayOptions, run_tagging_on_ray
from scenesearch.tagging.run import RunOptions, TagProgress
from scenesearch.tagging.tagger import Tagger, TagOptions


class NodeDetector(FakeDetector):
    """A detector on a node where something goes wrong."""

    def __init__(self, kill: int, fails: bool) -> None:
        super().__init__()
        self._kill = kill
        self._fails = fails

    def load(self) -> None:
        if self._fails:
            raise ModelLoadError("the weights are broken on purpose")

    def detect(self, scenes):
        if any(scene.size[0] == self._kill for scene in scenes):
            os._exit(9)
        return super().detect(scenes)


def fake_tagger(detector: FakeDetector | None = None, seed: int = 0) -> Tagger:
    """All that a tagger is, over fakes: masks, colours, tags from words."""
    encoder = Encoder(FakeEmbedder(has_text=True, seed=seed), PixelDescriber(), CutRules())
    return Tagger(encoder, detector or FakeDetector(), TagOptions(masks=True))


@contextmanager
def on_node(kill: int, fails: bool, other: bool) -> Iterator[Tagger]:
    yield fake_tagger(NodeDetector(kill, fails), seed=int(other))


def main() -> None:
    asked = json.loads(sys.argv[1])
    make = partial(
        on_node, asked.get("kill", 0), asked.get("fails", False), asked.get("other", False)
    )

    def progress(now: TagProgress) -> None:
        sys.stdout.write(f"batch {now.photos}\n")
        sys.stdout.flush()

    try:
        summary = run_tagging_on_ray(
            asked["sources"],
            fake_tagger(),
            make,
            asked["out"],
            options=RunOptions(batch=asked["batch"]),
            cluster=RayOptions("local", cpus=asked.get("cpus", 2), window=asked.get("window", 50)),
            progress=progress,
        )
    except SceneSearchError as error:
        sys.stdout.write(json.dumps({"error": [type(error).__name__, error.code, str(error)]}))
    else:
        sys.stdout.write(json.dumps(asdict(summary)))


if __name__ == "__main__":
    main()

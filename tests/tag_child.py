"""A tagger that looks at pixels only, and a script that runs it, for who kills it.

As a script: one argument, JSON with sources, out, batch, workers, delay_s (a photo), counter (a
file that gets a line a photo). Prints ``batch N`` after each batch and the summary at the end.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image

from scenesearch.core.errors import ModelError
from scenesearch.core.types import Colour, Scene
from scenesearch.tagging.rows import Tag, TaggedObject, TagRow
from scenesearch.tagging.run import RunOptions, TagProgress, run_tagging


class PixelTagger:
    """Rows from means of pixels: quick, the same on every run, another one for every photo.

    Attributes:
        tagged: names of the photos, in order.
        batches: how many were in each call.
        fail_at: a call, from 0, that raises ModelError.
    """

    def __init__(
        self, fingerprint: str = "pixels:1", *, delay_s: float = 0.0, counter: str = ""
    ) -> None:
        self.fingerprint = self.models = fingerprint
        self.loads = 0
        self.tagged: list[str] = []
        self.batches: list[int] = []
        self.fail_at: int | None = None
        self._delay_s = delay_s
        self._counter = counter

    def load(self) -> None:
        self.loads += 1

    def close(self) -> None:
        pass

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        if self.fail_at == len(self.batches):
            raise ModelError("the model broke on purpose")
        self.batches.append(len(scenes))
        rows = []
        for scene in scenes:
            rows.append(self._row(scene))
            if self._counter:
                with Path(self._counter).open("a", encoding="utf-8") as file:
                    file.write(f"{scene.source}\n")
            time.sleep(self._delay_s)
        self.tagged += [scene.source for scene in scenes]
        return rows

    def _row(self, scene: Scene) -> TagRow:
        red, green, blue = (float(value) for value in scene.image.mean(axis=(0, 1)))
        width, height = scene.size
        colour = Colour("red" if red > green else "green", (red / 3, green / 9, blue / 7), 0.5)
        tag = Tag("thing", red / 255, "label")
        one = TaggedObject(
            *("object:0", (1.0, 2.0, width / 2, height / 2), "thing", green / 255, 0.25),
            *("centre", (colour,), (tag,), f"{int(red):016x}"),
            mask={"size": [height, width], "counts": "abc"} if red > green else None,
        )
        return TagRow(
            *(scene.source, scene.sha256, width, height, f"{int(blue):016x}"),
            kind="bright" if red > 100 else None,
            kind_score=red / 255,
            tags=(tag,),
            colours=(colour,),
            objects=(one,) if blue > 40 else (),
            warnings=scene.warnings,
            models=self.fingerprint,
        )


def photo(path: Path, seed: int, size: tuple[int, int] = (48, 32)) -> Path:
    """A small JPEG unlike any other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    base = rng.integers(0, 256, 3)
    noise = rng.integers(-30, 30, (size[1], size[0], 3))
    pixels = np.clip(base + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def main() -> None:
    asked = json.loads(sys.argv[1])
    tagger = PixelTagger(delay_s=asked["delay_s"], counter=asked["counter"])

    def progress(now: TagProgress) -> None:
        sys.stdout.write(f"batch {now.photos}\n")
        sys.stdout.flush()

    options = RunOptions(batch=asked["batch"], workers=asked["workers"])
    summary = run_tagging(
        asked["sources"], tagger, asked["out"], options=options, progress=progress
    )
    sys.stdout.write(json.dumps(asdict(summary)) + "\n")


if __name__ == "__main__":
    # a shell starts background jobs with interrupts ignored, and children inherit that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main()

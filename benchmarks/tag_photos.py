"""Many photos out of few, each distinct, some broken on purpose; and a tagger that costs little."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from scenesearch.catalog.folder_source import IMAGE_SUFFIXES
from scenesearch.core.types import Colour, Scene
from scenesearch.tagging.rows import TaggedObject, TagRow

BROKEN = 0.01
"""Share of photos that cannot be read."""
_A_FOLDER = 1000


def make_photos(originals: Path, folder: Path, number: int, seed: int, side: int = 640) -> int:
    """Crops of 60 to 100 % a side, scaled to at most ``side``, as JPEG of quality 70 to 92.

    Returns:
        How many of them are broken.
    """
    paths = sorted(p for p in originals.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES)
    if not paths:
        raise SystemExit(f"{originals}: no photos")
    rng = random.Random(seed)
    broken = set(rng.sample(range(number), max(1, round(BROKEN * number))))
    for n in range(number):
        path = folder / f"{n // _A_FOLDER:03}" / f"{n:06}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(paths[n % len(paths)]) as original:
            data = _variant(original.convert("RGB"), rng, side)
        path.write_bytes(_break(data, rng) if n in broken else data)
    return len(broken)


def _variant(photo: Image.Image, rng: random.Random, side: int) -> bytes:
    width, height = (round(rng.uniform(0.6, 1) * length) for length in photo.size)
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    photo = photo.crop((left, top, left + width, top + height))
    photo.thumbnail((side, side))
    buffer = BytesIO()
    photo.save(buffer, "JPEG", quality=rng.randint(70, 92))
    return buffer.getvalue()


def _break(data: bytes, rng: random.Random) -> bytes:
    return rng.choice([b"", b"not a photo", data[: len(data) // 2], b"\xff\xd8\xff" + data[40:]])


class QuickTagger:
    """Rows from every 8th pixel of every 8th line.

    Args:
        photo_s: how long each photo takes besides, as waiting for an accelerator would.
    """

    fingerprint = "quick:1"

    def __init__(self, photo_s: float = 0.0) -> None:
        self._photo_s = photo_s

    def load(self) -> None:
        """Nothing to load."""

    def close(self) -> None:
        """Nothing to forget."""

    def tag(self, scenes: Sequence[Scene]) -> list[TagRow]:
        """One row a photo."""
        rows = [_row(scene) for scene in scenes]
        time.sleep(self._photo_s * len(scenes))
        return rows


def _row(scene: Scene) -> TagRow:
    pixels = scene.image[::8, ::8].reshape(-1, 3)
    red, green, blue = (float(value) for value in pixels.mean(axis=0))
    width, height = scene.size
    objects = tuple(
        TaggedObject(
            *(f"object:{n}", (0.0, 0.0, width / (n + 1), height / (n + 1)), "thing", red / 255),
            *(1 / (n + 1) ** 2, "top left", (Colour("grey", (red, green, blue), 1.0),), ()),
            phash=f"{int(np.bitwise_xor.reduce(pixels[n::7], axis=None)):016x}",
        )
        for n in range(5)
    )
    return TagRow(
        *(scene.source, scene.sha256, width, height, "0" * 16),
        objects=objects,
        warnings=scene.warnings,
        models=QuickTagger.fingerprint,
    )

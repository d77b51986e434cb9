"""Copies of real photos that `scenesearch dupes` finds, and other pairs that it takes for copies.

    python benchmarks/near_copies.py FOLDER [FOLDER ...] [--photos 400] [--seed 5]

So many photos of the folders, each with one changed copy of a kind at a time: saved again, half the
size, 2, 5 and 10 % cropped (in all, at both edges alike), 5 % cropped at one edge or one corner,
mirrored, mirrored and cropped. Both sides in one run: the hash alone, at 6 bits (`dupes` as it
was) and at 10 (the default of other tools), and `dupes` as it is. Then every photo of the folders
against every other: pairs whose files differ are printed, to be looked at. Printed as JSON: shares
of true pairs that are in one group, pairs in a group that are none. Photos are read at 640 pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from scenesearch.attributes.copies import hashes_and_sample
from scenesearch.scenes.deduplication import HashedPhoto, find_duplicates

Picture = Image.Image


def crop(picture: Picture, left: float, top: float, right: float, bottom: float) -> Picture:
    """Without these shares of its edges."""
    w, h = picture.size
    return picture.crop(
        (round(w * left), round(h * top), round(w * (1 - right)), round(h * (1 - bottom)))
    )


def saved(picture: Picture, quality: int) -> Picture:
    """Encoded as a JPEG, and read again."""
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=quality)
    return Image.open(io.BytesIO(stream.getvalue())).convert("RGB")


def mirrored(picture: Picture) -> Picture:
    """The other way round."""
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def at_one_edge(picture: Picture, draw: random.Random) -> Picture:
    """Without 5 % at an edge."""
    shares = [0.0] * 4
    shares[draw.randrange(4)] = 0.05
    return crop(picture, *shares)


KINDS: dict[str, Callable[[Picture, random.Random], Picture]] = {
    "JPEG quality 50": lambda one, _: saved(one, 50),
    "half the size": lambda one, _: one.resize((one.width // 2, one.height // 2)),
    "2 % cropped": lambda one, _: crop(one, *[0.01] * 4),
    "5 % cropped": lambda one, _: crop(one, *[0.025] * 4),
    "10 % cropped": lambda one, _: crop(one, *[0.05] * 4),
    "5 % cropped at one edge": at_one_edge,
    "5 % cropped at a corner": lambda one, _: crop(one, 0.05, 0.05, 0, 0),
    "mirrored, saved again": lambda one, _: saved(mirrored(one), 80),
    "mirrored, 5 % cropped": lambda one, _: crop(mirrored(one), *[0.025] * 4),
}


def hashed(name: str, picture: Picture) -> HashedPhoto:
    """What `dupes` compares of a picture."""
    hashes, sample = hashes_and_sample(np.asarray(picture))
    content = hashlib.sha256(picture.tobytes()).hexdigest()
    return HashedPhoto(
        name,
        content,
        *picture.size,
        hashes.plain,
        None,
        0.0,
        hashes.insides,
        hashes.mirrored,
        sample,
    )


def pairs(photos: list[HashedPhoto], distance: int | None) -> set[frozenset[str]]:
    """Photos that share a group."""
    return {
        frozenset((a.source, b.source))
        for group in find_duplicates(photos, distance=distance)
        for a, b in itertools.combinations(group.photos, 2)
    }


def alone(photos: list[HashedPhoto]) -> list[HashedPhoto]:
    """With nothing but their hashes."""
    return [replace(one, insides=(), mirrored="", sample=None) for one in photos]


def read(paths: list[Path]) -> Iterator[tuple[Path, Picture]]:
    """The photos, small."""
    for path in paths:
        with Image.open(path) as opened:
            opened.draft("RGB", (640, 640))
            picture = opened.convert("RGB")
        picture.thumbnail((640, 640))
        yield path, picture


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--photos", type=int, default=400)
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    by_content = {
        hashlib.sha256(path.read_bytes()).hexdigest(): path
        for folder in asked.folders
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in (".jpg", ".jpeg", ".png")
    }
    paths = sorted(by_content.values())
    some = random.Random(asked.seed).sample(paths, min(asked.photos, len(paths)))
    originals = [hashed(str(path), picture) for path, picture in read(some)]
    near = {"hash alone, 6 bits": 6, "hash alone, 10 bits": 10, "dupes": None}
    # photos of the folders that are copies of each other themselves are no false pairs here
    own = pairs(originals, None) | pairs(alone(originals), 10)
    found: dict[str, dict[str, str]] = {}
    recalls: dict[str, list[float]] = {side: [] for side in near}
    for kind, change in KINDS.items():
        copies = [
            hashed(f"{path}#copy", change(picture, random.Random(f"{asked.seed}{path}")))
            for path, picture in read(some)
        ]
        true = {frozenset((str(path), f"{path}#copy")) for path in some}
        found[kind] = {}
        for side, distance in near.items():
            photos = originals + copies
            got = pairs(photos if side == "dupes" else alone(photos), distance)
            wrong = {
                pair
                for pair in got - true
                if frozenset(one.removesuffix("#copy") for one in pair) not in own
            }
            recalls[side].append(len(got & true) / len(true))
            found[kind][side] = f"{recalls[side][-1]:.3f} / {len(wrong)}"
    everything = [hashed(str(path), picture) for path, picture in read(paths)]
    start = time.process_time()
    others = pairs(everything, None)
    print(
        json.dumps(
            {
                "photos": len(some),
                "recall / false pairs": found,
                "mean recall": {side: round(float(np.mean(x)), 3) for side, x in recalls.items()},
                "all photos": len(everything),
                "pairs of them, files differ": sorted(sorted(pair) for pair in others),
                "by the hash alone at 6 bits": len(pairs(alone(everything), 6)),
                "by the hash alone at 10 bits": len(pairs(alone(everything), 10)),
                "CPU seconds of dupes, hashes given": round(time.process_time() - start, 1),
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()

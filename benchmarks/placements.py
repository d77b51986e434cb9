"""One collection of a server, plain, with int8 codes, and on the disk: memory, times and recall.

Points of a product's shape are loaded once (320 + 320 + 64 numbers and a payload), then
`scenesearch quantize` changes the living collection from placement to placement, and after the
server says that it is done `scenesearch bench store` measures each: queries of 20 with and without
a filter, recall against all vectors, the server's resident memory. An embedded store of the same
points is measured the same way, where ``--folder`` names one.

    python benchmarks/placements.py --store http://127.0.0.1:6333 --points 500000

The key of the server: SCENESEARCH_QDRANT_API_KEY.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import numpy as np
from measure import parser
from synthetic import around, centres, payload, point_id, schema

from scenesearch import wiring
from scenesearch.config.settings import load_settings
from scenesearch.core.protocols import Store
from scenesearch.core.types import Point

SPACES = {"cutout": 320, "context": 320, "colour": 64}
BATCH = 500
COLLECTION = "placements"
PLACEMENTS = (
    ("none",),
    ("int8",),
    ("int8", "--on-disk", "--memory", "cold"),
    ("none", "--on-disk", "--memory", "cold"),
)
SETTLE_S = 3600.0


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--store", required=True)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--points", type=int, default=500_000)
    arguments.add_argument("--queries", type=int, default=200)
    asked = arguments.parse_args()
    for place in (asked.store, *((str(asked.folder),) if asked.folder else ())):
        _fill(place, asked.points)
        for placement in PLACEMENTS:
            began = time.monotonic()
            _command("quantize", *placement, "--store", place, "--collection", COLLECTION)
            if wiring.is_url(place):
                _settled(place)
            changed = time.monotonic() - began
            said = json.loads(
                _command(
                    *("bench", "store", "--store", place, "--collection", COLLECTION),
                    *("--queries", str(asked.queries), "--json"),
                )
            )
            figures = ", ".join(
                f"{one['name']}: {one['p50_ms']:.1f} / {one['p95_ms']:.1f} ms, "
                f"recall {one['recall']:.4f}"
                for one in said["queries"]
            )
            print(
                f"{place[:12]} {' '.join(placement):32} changed in {changed:.0f} s; "
                f"{said['resident_mb']} MB; {figures}",
                flush=True,
            )


def _fill(place: str, count: int) -> None:
    """The points, unless they are there."""
    with closing(wiring.build_store(load_settings(), place, COLLECTION, process=True)) as store:
        if store.schema is None:
            store.create(schema(SPACES))
        at = store.count()
        began = time.monotonic()
        _load(store, at, count)
        store.optimize()
        print(f"{place[:12]}: {count - at:,} points loaded, {time.monotonic() - began:.0f} s")


def _load(store: Store, at: int, count: int) -> None:
    middles = {
        space: centres(np.random.default_rng(number), dim)
        for number, (space, dim) in enumerate(SPACES.items())
    }
    for start in range(at, count, BATCH):
        rng = np.random.default_rng(start + 100)
        size = min(BATCH, count - start)
        which = rng.integers(0, len(middles["cutout"]), size)
        rows = {space: around(rng, middle[which]) for space, middle in middles.items()}
        store.upsert(
            [
                Point(
                    point_id(start + n),
                    {space: row[n] for space, row in rows.items()},
                    payload(start + n),
                )
                for n in range(size)
            ]
        )


def _command(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "scenesearch", *words], stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def _settled(url: str) -> None:
    """Until the server has built what was asked for: its collection is green, twice in a row."""
    key = os.environ.get("SCENESEARCH_QDRANT_API_KEY", "")
    green, until = 0, time.monotonic() + SETTLE_S
    while green < 2 and time.monotonic() < until:
        time.sleep(2)
        asked = urllib.request.Request(
            f"{url}/collections/{COLLECTION}", headers={"api-key": key} if key else {}
        )
        with urllib.request.urlopen(asked) as answer:
            status = json.load(answer)["result"]["status"]
        green = green + 1 if status == "green" else 0


if __name__ == "__main__":
    main()

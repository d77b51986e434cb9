"""An index of any size for load tests: the items of a real one, and many like them.

Every new item is a stored one with noise on its vectors and some words of another, under an id of
its own: a catalogue has no 50 items of the same words, which would tie in every answer.
"""

from __future__ import annotations

import argparse
import sys
import time
import uuid
from pathlib import Path

import numpy as np
from measure import parser
from numpy.typing import NDArray

from scenesearch.config.settings import load_settings
from scenesearch.core.protocols import WORDS
from scenesearch.core.types import Point, Record
from scenesearch.wiring import build_store

_NAMESPACE = uuid.UUID("3f0d4f7c-5d0e-5a55-9a6e-6f8c5b0a9f11")
NOISE = 0.35
BATCH = 1000


def main() -> int:
    arguments = _arguments()
    store = build_store(load_settings(arguments.config), arguments.store, arguments.collection)
    rng = np.random.default_rng(arguments.seed)
    schema = store.schema
    if schema is None:
        raise SystemExit("there is no collection to grow")
    spaces = tuple(schema.vectors)
    records: list[Record] = []
    cursor: str | None = None
    while True:
        page = store.scroll(limit=2000, cursor=cursor, spaces=spaces)
        records += page
        cursor = page.cursor
        if cursor is None:
            break
    start, made = time.perf_counter(), len(records)
    while made < arguments.items:
        few = [records[int(i)] for i in rng.integers(0, len(records), BATCH)]
        others = [records[int(i)] for i in rng.integers(0, len(records), BATCH)]
        pairs = zip(few, others, strict=True)
        store.upsert([_like(one, other, made + i, rng) for i, (one, other) in enumerate(pairs)])
        made += len(few)
    store.optimize()
    print(f"{store.count():,} points in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    store.close()
    return 0


def _like(record: Record, other: Record, number: int, rng: np.random.Generator) -> Point:
    vectors = {name: _moved(vector, rng) for name, vector in record.vectors.items()}
    item = f"{record.payload['item_id']}-{number}"
    payload = {**record.payload, "item_id": item, "item_hash": f"{number:064x}"}
    if WORDS in payload:
        more = str(other.payload[WORDS]).split()[: int(rng.integers(0, 13))]
        payload[WORDS] = " ".join((str(payload[WORDS]), *more, str(number)))
    return Point(str(uuid.uuid5(_NAMESPACE, item)), vectors, payload)


def _moved(vector: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    noise = rng.standard_normal(vector.shape[0], dtype=np.float32)
    moved = vector + noise * np.float32(NOISE / np.sqrt(vector.shape[0]))
    result: NDArray[np.float32] = moved / np.linalg.norm(moved)
    return result


def _arguments() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("store", type=Path, help="an index that may be changed: a copy")
    made.add_argument("--items", type=int, default=100_000)
    made.add_argument("--collection", default="items")
    made.add_argument("--config", default="cpu-small")
    return made.parse_args()


if __name__ == "__main__":
    sys.exit(main())
